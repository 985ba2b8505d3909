"""A log as it grows, for a program that listens: server-sent events, made by asking the database now and then.

A stream takes a thread of its web process and nothing else: between two questions it holds no connection to the
database. It ends after a minute, and whoever listens comes back with the number of the last line; so a listener
that vanished costs little, and a process that is stopped need not wait long. There are so many at once and no more.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.utils import DatabaseError

from openfn_platform.common.errors import PlatformError
from runs.models import FINAL_STATES, LogLine, Run

LINES_AT_ONCE = 500
COMES_BACK_MS = 1_000


class TooManyStreams(PlatformError):
    """So many logs are followed at this moment that no more can be; read the log page by page, or try again."""

    code = "too_many_streams"
    status = 503


class Places:
    """Room for so many streams in this process."""

    def __init__(self) -> None:
        self._taken = 0
        self._changing = threading.Lock()

    def take(self) -> None:
        with self._changing:
            if self._taken >= settings.LOG_STREAMS:
                raise TooManyStreams(retry_after=5)
            self._taken += 1

    def give_back(self) -> None:
        with self._changing:
            self._taken -= 1

    @property
    def taken(self) -> int:
        return self._taken


places = Places()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """In seconds."""

    asks_every: float = 0.5
    heartbeat: float = 10.0  # so that proxies keep the line open, and one that was cut is noticed
    lasts: float = 60.0


class LogStream:
    """The events of one run's log behind line `after`. Has its place from the beginning, until it is closed."""

    def __init__(self, *, run: Run, after: int, pace: Pace | None = None) -> None:
        self._open = False
        self._run_id: uuid.UUID = run.pk
        self._after = after
        self._pace = pace or Pace()
        places.take()
        self._open = True

    def close(self) -> None:
        if self._open:
            self._open = False
            places.give_back()

    def __del__(self) -> None:
        # A server that drops an answer without closing it must not cost a place for ever.
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._events()
        finally:
            self.close()

    def _events(self) -> Iterator[bytes]:
        begun = spoke = time.monotonic()
        yield f"retry: {COMES_BACK_MS}\n\n".encode()
        while self._open:
            events, ended, more = self._ask()
            if events:
                spoke = time.monotonic()
                yield events
            if ended:
                return
            now = time.monotonic()
            if now - begun >= self._pace.lasts:
                return
            if now - spoke >= self._pace.heartbeat:
                spoke = now
                yield b": still there\n\n"
            if not more:
                time.sleep(self._pace.asks_every)

    def _ask(self) -> tuple[bytes, bool, bool]:
        """What is new, as events; whether that was the end; whether more lines wait."""
        try:
            # The state first: lines are written before a run ends, or with its end.
            state = Run.objects.filter(pk=self._run_id).values_list("state", flat=True).first()
            rows = LogLine.objects.filter(run_id=self._run_id, seq__gt=self._after).order_by("seq")
            lines = list(rows[: LINES_AT_ONCE + 1])
        except DatabaseError:
            return b"", False, False  # away for a moment: the listener need not hear of it
        finally:
            connection_release()
        more = len(lines) > LINES_AT_ONCE
        events = [line_event(line) for line in lines[:LINES_AT_ONCE]]
        if events:
            self._after = lines[len(events) - 1].seq
        ended = not more and (state is None or state in FINAL_STATES)
        if ended:
            events.append(_event("end", {"state": state}))
        return b"".join(events), ended, more


def connection_release() -> None:
    """Back to the pool; but not out of a transaction, which somebody around us still needs."""
    if not connection.in_atomic_block:
        connection.close()


def line_event(line: LogLine) -> bytes:
    told = {"seq": line.seq, "at": line.at.isoformat(), "level": line.level, "text": line.text}
    return f"id: {line.seq}\n".encode() + _event("line", told)


def _event(name: str, told: object) -> bytes:
    # JSON has no line breaks of its own, so one `data:` line holds it.
    return f"event: {name}\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()
