"""An exchange with a partner as it may be stored and shown: the right types, bounded, without secrets.

What a child tells is described in `openfn_platform.common.tracing`, and nothing of it is believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from openfn_platform.common.redaction import redact_members
from openfn_platform.common.tracing import BODY_BYTES, MARGIN, clipped, doubtful, is_write
from runs.sandbox.untrusted import Redact, clean_text
from runs.sandbox.wire import JSONObject

ADDRESS = 2_000
ERROR = 300
OUTCOME = 120
_PROTOCOL = re.compile(r"[a-z0-9]{1,8}")

Side = Literal["request", "response"]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request to a partner with what came of it."""

    connection: str
    protocol: str
    write: bool
    method: str
    url: str
    status: int | None
    outcome: str
    error: str
    dry: bool
    attempt: int
    started: datetime | None
    duration_ms: int | None
    request_bytes: int
    response_bytes: int
    request_body: str | None
    response_body: str | None
    request_cut: bool
    response_cut: bool
    over_budget: bool  # bodies were left out, because the run's others had taken all the room


class Room:
    """What the bodies of one run may still take, by whether they belong to writes."""

    def __init__(self, bytes_each: int) -> None:
        self._left = {True: bytes_each, False: bytes_each}

    def take(self, size: int, *, write: bool) -> bool:
        """False: it is used up, also for smaller ones that come later."""
        if size > self._left[write]:
            self._left[write] = 0
            return False
        self._left[write] -= size
        return True


class ExchangeReader:
    """Reads the exchanges of one run, in order."""

    def __init__(self, *, bodies_bytes: int, redact: Redact) -> None:
        self._redact = redact
        self._room = Room(bodies_bytes)

    def read(self, record: JSONObject) -> Exchange:
        write = is_write(record)
        request, request_cut = self._body(record, "request")
        response, response_cut = self._body(record, "response")
        fits = self._fits(request, response, write=write)
        protocol = record.get("protocol")
        return Exchange(
            connection=self._text(record, "connection", 40),
            protocol=protocol if isinstance(protocol, str) and _PROTOCOL.fullmatch(protocol) else "http",
            write=write,
            method=self._text(record, "method", 10),
            url=self._text(record, "url", ADDRESS),
            status=_number(record.get("status"), most=999),
            outcome=self._text(record, "outcome", OUTCOME),
            error=self._text(record, "error", ERROR),
            dry=record.get("dry") is True,
            attempt=_number(record.get("attempt"), most=32_767) or 1,
            started=_moment(record.get("started")),
            duration_ms=_number(record.get("duration_ms")),
            request_bytes=_number(record.get("request_bytes")) or 0,
            response_bytes=_number(record.get("response_bytes")) or 0,
            request_body=request if fits else None,
            response_body=response if fits else None,
            request_cut=request_cut and fits,
            response_cut=response_cut and fits,
            over_budget=not fits or record.get("over_budget") is True,
        )

    def _fits(self, *bodies: str | None, write: bool) -> bool:
        size = sum(len(body.encode("utf-8", "replace")) for body in bodies if body is not None)
        return size == 0 or self._room.take(size, write=write)

    def _text(self, record: JSONObject, name: str, most: int) -> str:
        value = record.get(name)
        if not isinstance(value, str):
            return ""
        # A longer one was cut on its way, so its end may be half a secret.
        doubt = doubtful(len(value)) if len(value) >= most + MARGIN else 0
        text, _ = clipped(self._redact(clean_text(value)), BODY_BYTES, doubt=doubt)
        text = " ".join(text.split())
        return text if len(text) <= most else f"{text[: most - 1]}…"

    def _body(self, record: JSONObject, side: Side) -> tuple[str | None, bool]:
        value: Any = record.get(f"{side}_body")
        if not isinstance(value, str) or not value:
            return None, False
        text = redact_members(self._redact(clean_text(value)))
        more = record.get(f"{side}_cut") is True
        text, cut = clipped(text, BODY_BYTES, doubt=doubtful(len(value)) if more else 0)
        return text, cut or more


def _number(value: object, *, most: int = 2**31 - 1) -> int | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most:
        return int(value)
    return None


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
