"""Why a message started what it started: which triggers matched, and of each other why not, in words.

By the criteria as they were when it arrived. The reasons quote the message, so they are for those who may see
data; without its body only yes and no remain.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from triggers.listening import criteria_of
from triggers.matching import Criteria, explain
from triggers.models import Message, MessagePayload, TriggerRevision


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What one trigger made of a message."""

    trigger: uuid.UUID
    revision: int
    matched: bool
    jobs: Sequence[dict[str, str]]  # [{job, outcome: run | paused | off | archived}]
    reasons: Sequence[str] | None  # why not; None: not to be seen, or the body is gone


def matching_explain(*, message: Message, reasons: bool) -> list[Explained]:
    """Every trigger that listened when the message arrived. Two queries at most, and only with `reasons`."""
    stored: list[dict[str, Any]] = message.matching
    missed = [entry for entry in stored if not entry["matched"]]
    payload = (
        MessagePayload.objects.filter(message_id=message.pk).only("body").first()
        if reasons and missed
        else None
    )
    known = payload is not None and message.body_wiped_at is None
    criteria = _criteria_then(message, missed) if known else {}
    body = payload.body if payload is not None else None
    explained = []
    for entry in stored:
        then = criteria.get((entry["trigger"], entry["revision"]))
        why: list[str] | None = None
        if reasons and entry["matched"]:
            why = []
        elif then is not None:
            why = reasons_against(body, then)
        explained.append(
            Explained(
                trigger=uuid.UUID(entry["trigger"]),
                revision=entry["revision"],
                matched=entry["matched"],
                jobs=entry["jobs"],
                reasons=why,
            )
        )
    return explained


def reasons_against(body: object, pairs: Sequence[Criteria]) -> list[str]:
    """Why none of the pairs matches; with several, each says which it is."""
    if not pairs:
        return ["the trigger has no criteria, so it takes no message"]
    if len(pairs) == 1:
        return explain(body, pairs[0].inclusion, pairs[0].exclusion)
    return [
        f"pair {number}: {reason}"
        for number, pair in enumerate(pairs, start=1)
        for reason in explain(body, pair.inclusion, pair.exclusion)
    ]


def _criteria_then(
    message: Message, entries: Sequence[dict[str, Any]]
) -> dict[tuple[str, int], tuple[Criteria, ...]]:
    rows = TriggerRevision.objects.filter(
        project_id=message.project_id,
        trigger_id__in={entry["trigger"] for entry in entries},
        number__in={entry["revision"] for entry in entries},
    ).values_list("trigger_id", "number", "snapshot")
    return {
        (str(trigger), number): criteria_of(snapshot.get("criteria", []))
        for trigger, number, snapshot in rows
    }
