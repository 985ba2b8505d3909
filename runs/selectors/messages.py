"""What the page of one message shows, and what the list says about each."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet

from jobs.models import Job, JobState
from runs.models import Run, WorkOrder
from runs.pretty import pretty_json
from runs.selectors.payloads import SHOWN, Payload
from runs.selectors.trees import light
from runs.wiping import MARKED
from triggers.explaining import Explained, matching_explain
from triggers.models import InboxAuth, Message, MessagePayload, Trigger
from triggers.parsing import came_as_json

MOST_ORDERS = 20
MOST_EXPLAINED = 50
MOST_JOBS = 300
_JOB_SAYS = {
    "run": "started",
    "paused": "was paused: its run was made and waited",
    "off": "was off: nothing was started",
    "archived": "was archived: nothing was started",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one trigger made of the message."""

    trigger: Trigger | None  # None: deleted since
    explained: Explained
    jobs: tuple[tuple[str, str], ...]  # (name, what came of it)


def orders_of(message: Message) -> list[WorkOrder]:
    rows = WorkOrder.objects.filter(message=message).select_related("workflow", "started_by")
    return list(rows.order_by("id")[:MOST_ORDERS])


def with_orders(rows: QuerySet[Message]) -> QuerySet[Message]:
    """Messages with what they started, in two further queries for a whole list."""
    runs = light(Run.objects.filter(parent=None, retry_of=None)).select_related("job")
    orders = WorkOrder.objects.select_related("workflow").prefetch_related(Prefetch("runs", queryset=runs))
    return rows.prefetch_related(Prefetch("work_orders", queryset=orders.order_by("id")))


def verdicts(*, message: Message, reasons: bool) -> tuple[list[Verdict], bool]:
    """Why each trigger matched or not, by the criteria as they were; and whether there are more than shown."""
    cut = len(message.matching) > MOST_EXPLAINED
    # The matching ones first: they say what happened, the others what did not.
    message.matching = sorted(message.matching, key=lambda entry: not entry["matched"])[:MOST_EXPLAINED]
    explained = matching_explain(message=message, reasons=reasons)
    triggers = Trigger.objects.in_bulk([each.trigger for each in explained])
    keys = [uuid.UUID(entry["job"]) for each in explained for entry in each.jobs]
    names = dict(Job.objects.filter(pk__in=keys).values_list("pk", "name"))
    found = [
        Verdict(
            trigger=triggers.get(each.trigger),
            explained=each,
            jobs=tuple(
                (
                    names.get(uuid.UUID(entry["job"]), "a job that is gone"),
                    _JOB_SAYS.get(entry["outcome"], ""),
                )
                for entry in each.jobs
            ),
        )
        for each in explained
    ]
    return found, cut


def intake_key(message: Message) -> InboxAuth | None:
    """The key that the message came with."""
    return InboxAuth.objects.filter(pk=message.intake).first() if message.intake else None


def startable_jobs(*, project_id: uuid.UUID, on: bool) -> list[Job]:
    """The jobs that a message can start by hand; `on`: only those that are switched on or paused."""
    rows = Job.objects.filter(project_id=project_id, archived_at=None, live_version__isnull=False)
    if on:
        rows = rows.exclude(state=JobState.OFF)
    return list(rows.select_related("workflow").order_by("workflow__name", "name", "pk")[:MOST_JOBS])


# --- payloads -------------------------------------------------------------------------------------


def payload_of(message: Message) -> MessagePayload | None:
    if message.body_wiped_at is not None:
        return None
    return MessagePayload.objects.filter(message_id=message.pk).defer("body").first()


def _marker(message: Message) -> str:
    """What stands in the place of a body that was erased on purpose: the number of the certificate."""
    kept = MessagePayload.objects.filter(message_id=message.pk).values_list("raw", flat=True).first()
    text = bytes(kept or b"")[:120].decode("utf-8", "replace")
    return text if text.startswith(MARKED) else ""  # never a body


def body_payload(message: Message, *, raw: bool) -> Payload:
    """The body laid out as jobs get it, so XML and forms as JSON; or exactly as it came."""
    payload = payload_of(message)
    if payload is None:
        return Payload(text="", size=message.size, whole=True, gone=True, name=_marker(message))
    body = bytes(payload.raw)
    small = len(body) <= SHOWN
    if not raw and small and not came_as_json(body, message.content_type):
        body = json.dumps(payload.body, ensure_ascii=False).encode()
    text = body[: SHOWN * 2].decode("utf-8-sig", "replace")
    if not raw and small:
        text = pretty_json(text)
    return Payload(text=text[:SHOWN], size=message.size, whole=small and len(text) <= SHOWN)


def headers_of(message: Message) -> dict[str, Any] | None:
    """How it was asked: method, path, query, headers; secrets were never kept."""
    payload = payload_of(message)
    if payload is None:
        return None
    return {
        "method": payload.method,
        "path": payload.path,
        "query": json.dumps(payload.query, ensure_ascii=False) if payload.query else "",
        "headers": sorted(payload.headers.items()),
        "received_at": payload.received_at,
    }
