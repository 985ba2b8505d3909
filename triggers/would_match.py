"""Would this message match? What an inbox would do with a message, found out without taking it.

Nothing is stored and nothing is counted: neither message nor refusal, nor the limits of messages a minute.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openfn_platform.common.errors import NotFound, PlatformError
from openfn_platform.projects.actors import By, as_actor, require
from openfn_platform.projects.models import Role
from triggers.bodies import Kind, NotADocument, Refused, TooLarge
from triggers.explaining import reasons_against
from triggers.listening import Listener, Listening, listener_of, listening_at, message_triggers
from triggers.matching import matches_any
from triggers.models import IdempotencyKey, Inbox
from triggers.parsing import Document, pasted
from triggers.receiving import InboxOff, own_id

MOST_OFF = 500  # triggers that are switched off and told of
OFF = "the trigger is off"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one trigger would make of the message."""

    listener: Listener
    enabled: bool
    matched: bool  # whether its criteria do; an enabled one then starts its jobs
    reasons: Sequence[str]  # why it would start nothing

    @property
    def starts(self) -> bool:
        return self.enabled and self.matched


@dataclass(frozen=True, kw_only=True)
class WouldMatch:
    """What would happen."""

    inbox: Inbox
    refusal: PlatformError | None = None  # with what it would be refused
    duplicate_of: uuid.UUID | None = None  # the message that it would repeat; only for those who may see data
    kind: Kind = Kind.JSON
    body: Any = None
    verdicts: Sequence[Verdict] = ()

    @property
    def taken(self) -> bool:
        """Whether it would be stored, with all that it starts."""
        return self.refusal is None and self.duplicate_of is None

    @property
    def work_orders(self) -> dict[str, dict[uuid.UUID, str]]:
        """By workflow, the jobs that would get a run (each one, whichever triggers name it), with their names."""
        orders: dict[str, dict[uuid.UUID, str]] = {}
        for verdict in self.verdicts if self.taken else ():
            for job in verdict.listener.jobs if verdict.starts else ():
                if job.outcome in ("run", "paused"):
                    orders.setdefault(verdict.listener.workflow_key, {})[job.id] = job.name
        return orders


def would_match(*, inbox: Inbox, by: By, body: Any = None, text: str | None = None) -> WouldMatch:
    """Of a document, or of a text as it would be sent (JSON, XML or a form)."""
    require(by, inbox.project_id, Role.VIEWER)
    listening = listening_at(address=inbox.address)
    if listening is None:
        raise NotFound("This inbox answers nobody any more.")
    try:
        read, size = _read(body, text)
    except Refused as refusal:
        return WouldMatch(inbox=inbox, refusal=refusal)
    return WouldMatch(
        inbox=inbox,
        refusal=_refusal(listening, read.body, size),
        duplicate_of=_duplicate_of(listening, read.body)
        if as_actor(by).may_see_data(inbox.project_id)
        else None,
        kind=read.kind,
        body=read.body,
        verdicts=_verdicts(inbox, listening, read.body),
    )


def _read(body: Any, text: str | None) -> tuple[Document, int]:
    if text is not None:
        return pasted(text), len(text.encode("utf-8", "surrogatepass"))
    if not isinstance(body, dict | list):
        raise NotADocument()
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Document(kind=Kind.JSON, body=body, text=raw), len(raw)


def _refusal(listening: Listening, body: Any, size: int) -> PlatformError | None:
    if not listening.open:
        return InboxOff()
    if size > listening.max_body_bytes:
        return TooLarge()
    if listening.schema is not None:
        try:
            listening.schema.check(body)
        except Refused as refusal:
            return refusal
    return None


def _duplicate_of(listening: Listening, body: Any) -> uuid.UUID | None:
    source, key = own_id(listening=listening, idempotency_key=None, body=body)
    if not key:
        return None
    known = IdempotencyKey.objects.filter(inbox_id=listening.inbox_id, source=source, key=key)
    return known.values_list("message_id", flat=True).first()


def _verdicts(inbox: Inbox, listening: Listening, body: Any) -> list[Verdict]:
    """Those that would start something first, then the others that are on, then those that are off."""
    off = [listener_of(trigger) for trigger in message_triggers(inbox).filter(enabled=False)[:MOST_OFF]]
    verdicts = [
        *(_verdict(listener, body, enabled=True) for listener in listening.listeners),
        *(_verdict(listener, body, enabled=False) for listener in off),
    ]
    return sorted(verdicts, key=lambda verdict: (not verdict.starts, not verdict.enabled))


def _verdict(listener: Listener, body: Any, *, enabled: bool) -> Verdict:
    matched = matches_any(body, listener.criteria)
    reasons = [] if enabled else [OFF]
    if not matched:
        reasons += reasons_against(body, listener.criteria)
    return Verdict(listener=listener, enabled=enabled, matched=matched, reasons=reasons)
