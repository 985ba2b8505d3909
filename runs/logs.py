"""Writing log lines and HTTP exchanges of a run while it goes on, in batches, with numbers of their own.

The supervisor adds, a thread of the worker writes: a database that hangs must keep nobody from ending a run.
"""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import transaction

from openfn_platform.common.text import one_line, storable
from runs.models import HttpExchange, LogLine

FLUSH_SECONDS = 0.4  # a line is on the screen within about a second


class LogBuffer:
    """Collects lines of one run: `add` while it goes on, `flush` when it `is_due` and at the finish."""

    def __init__(self, *, project_id: uuid.UUID, run_id: uuid.UUID) -> None:
        self._project_id = project_id
        self._run_id = run_id
        self._lines: list[LogLine] = []
        self._exchanges: list[HttpExchange] = []
        self._flushed_at = time.monotonic()
        self._adding = threading.Lock()
        self._writing = threading.Lock()
        self.count = 0
        self.exchanges = 0

    def add(self, *, level: str, text: str, at: datetime | None = None) -> None:
        self.count += 1
        line = LogLine(
            project_id=self._project_id,
            run_id=self._run_id,
            seq=self.count,
            at=at or datetime.now(UTC),
            level=level[:8],
            text=storable(text),
        )
        with self._adding:
            self._lines.append(line)

    def add_exchange(self, record: dict[str, Any]) -> None:
        """One `http` record as the shared client traces it; anything unexpected in it is left out."""
        self.exchanges += 1
        exchange = HttpExchange(
            project_id=self._project_id,
            run_id=self._run_id,
            seq=self.exchanges,
            at=datetime.now(UTC),
            connection=one_line(str(record.get("connection") or ""), 40),
            method=one_line(str(record.get("method") or ""), 10),
            url=storable(str(record.get("url") or ""))[:2000],
            status=_number(record.get("status")),
            duration_ms=_number(record.get("duration_ms")),
            request_bytes=_number(record.get("request_bytes")) or 0,
            response_bytes=_number(record.get("response_bytes")) or 0,
            attempt=_number(record.get("attempt")) or 1,
            dry=record.get("dry") is True,
            error=one_line(str(record.get("error") or ""), 300),
            request_body=_text(record.get("request_body")),
            response_body=_text(record.get("response_body")),
        )
        with self._adding:
            self._exchanges.append(exchange)

    @property
    def is_due(self) -> bool:
        """Does something wait long enough, and is nobody writing?"""
        waits = bool(self._lines or self._exchanges)
        return waits and time.monotonic() - self._flushed_at >= FLUSH_SECONDS and not self._writing.locked()

    def flush(self) -> None:
        """Write what there is, and forget it when that is committed: until then it may have to be written again."""
        with self._writing:
            with self._adding:
                lines, exchanges = list(self._lines), list(self._exchanges)
            try:
                # A commit whose answer was lost has written them already.
                LogLine.objects.bulk_create(lines, batch_size=1000, ignore_conflicts=True)
                HttpExchange.objects.bulk_create(exchanges, batch_size=500, ignore_conflicts=True)
                transaction.on_commit(partial(self._forget, lines=len(lines), exchanges=len(exchanges)))
            finally:
                self._flushed_at = time.monotonic()

    def _forget(self, *, lines: int, exchanges: int) -> None:
        with self._adding:
            del self._lines[:lines]
            del self._exchanges[:exchanges]


def _number(value: object) -> int | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**31:
        return int(value)
    return None


def _text(value: object) -> str | None:
    return storable(value)[:65_536] if isinstance(value, str) else None
