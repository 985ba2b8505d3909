"""Writing log lines and HTTP exchanges of a run while it goes on, in batches, with numbers of their own."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Any

from openfn_platform.common.text import one_line, storable
from runs.models import HttpExchange, LogLine

FLUSH_SECONDS = 0.4  # a line is on the screen within about a second


class LogBuffer:
    """Collects lines of one run; the supervisor calls `flush_if_due` between batches, the finish `flush`."""

    def __init__(self, *, project_id: uuid.UUID, run_id: uuid.UUID) -> None:
        self._project_id = project_id
        self._run_id = run_id
        self._lines: list[LogLine] = []
        self._exchanges: list[HttpExchange] = []
        self._flushed_at = time.monotonic()
        self.count = 0
        self.exchanges = 0

    def add(self, *, level: str, text: str, at: datetime | None = None) -> None:
        self.count += 1
        self._lines.append(
            LogLine(
                project_id=self._project_id,
                run_id=self._run_id,
                seq=self.count,
                at=at or datetime.now(UTC),
                level=level[:8],
                text=storable(text),
            )
        )

    def add_exchange(self, record: dict[str, Any]) -> None:
        """One `http` record as the shared client traces it; anything unexpected in it is left out."""
        self.exchanges += 1
        self._exchanges.append(
            HttpExchange(
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
        )

    def flush_if_due(self) -> None:
        if (self._lines or self._exchanges) and time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            LogLine.objects.bulk_create(self._lines, batch_size=1000)
            self._lines = []
        if self._exchanges:
            HttpExchange.objects.bulk_create(self._exchanges, batch_size=500)
            self._exchanges = []
        self._flushed_at = time.monotonic()


def _number(value: object) -> int | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**31:
        return int(value)
    return None


def _text(value: object) -> str | None:
    return storable(value)[:65_536] if isinstance(value, str) else None
