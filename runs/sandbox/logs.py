"""A run's log as it arrives: whole lines, cleaned, without secrets, counted, and cut at its limits.

Two pipes feed it. `raw` is whatever was written to standard output and error; `records` are structured lines from
the platform's own code in the child. Reading never stops, so a job never waits for its log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from runs.sandbox import wire
from runs.sandbox.exchanges import Exchange, ExchangeReader
from runs.sandbox.limits import Limits
from runs.sandbox.untrusted import Redact, clean_text, clean_value

Kind = Literal["log", "print", "http"]
LEVELS = ("debug", "info", "warning", "error")
BATCH_LINES = 50
BATCH_SECONDS = 0.1
RECORD_BYTES = 1_000_000  # one exchange with both bodies, each character escaped
# A secret that straddles the cut of a long line is still seen whole when this much more is looked at.
_BEYOND_THE_CUT = 8_000


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of the log, or one exchange with a partner; safe to store and to show."""

    kind: Kind
    level: str
    text: str
    at: datetime
    data: wire.JSONObject | None = None  # what was said beside the text
    exchange: Exchange | None = None


@dataclass
class _Line:
    """Bytes of a line that has not ended yet; what exceeds the limit is counted, not kept."""

    limit: int
    data: bytearray = field(default_factory=bytearray)
    size: int = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.data += piece[: max(0, self.limit - len(self.data))]

    def take(self) -> tuple[bytes, int]:
        line, size = bytes(self.data), self.size
        self.data.clear()
        self.size = 0
        return line, size


class Log:
    """Collects, and hands on in batches."""

    def __init__(self, *, limits: Limits, redact: Redact, hand_on: Callable[[list[LogLine]], None]) -> None:
        self._limits = limits
        self._redact = redact
        self._hand_on = hand_on
        self._raw = _Line(limits.line_bytes + _BEYOND_THE_CUT)
        self._record = _Line(RECORD_BYTES)
        self._batch: list[LogLine] = []
        self._batch_began = 0.0
        self._exchanges = ExchangeReader(bodies_bytes=limits.trace_bytes, redact=redact)
        self._lines = self._bytes = self._records = 0
        self.received = 0  # bytes, of both pipes
        self.dropped = 0  # lines
        self.dropped_records = 0  # exchanges

    def feed_raw(self, data: bytes) -> None:
        """Bytes from standard output or error."""
        self.received += len(data)
        if self._full():  # a hundred megabytes of prints must not cost more than counting them
            self.dropped += data.count(b"\n")
            self._raw.data.clear()
            self._raw.size = 0 if data.endswith(b"\n") else 1
            return
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._raw.add(piece)
            self._raw_line()
        self._raw.add(rest)
        self._hand_on_when_due()

    def feed_records(self, data: bytes) -> None:
        """Bytes from the pipe of structured lines."""
        self.received += len(data)
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._record.add(piece)
            self._record_line()
        self._record.add(rest)
        self._hand_on_when_due()

    def wait_seconds(self) -> float | None:
        """How long the present batch may still wait."""
        return max(0.0, self._batch_began + BATCH_SECONDS - time.monotonic()) if self._batch else None

    def hand_on_when_due(self) -> None:
        if self._batch and self.wait_seconds() == 0.0:
            self._flush()

    def finish(self) -> None:
        """The end: the last line without a newline, the mark of a cut, the last batch."""
        if self._raw.size:
            self._raw_line()
        if self._record.size:
            self._record_line()
        if self.dropped:
            text = f"The log was cut here: {self.dropped:,} more lines were not kept."
            self._append(LogLine(kind="log", level="warning", text=text, at=datetime.now(UTC)))
        if self.dropped_records:
            text = f"{self.dropped_records:,} more exchanges with partners were not kept."
            self._append(LogLine(kind="log", level="warning", text=text, at=datetime.now(UTC)))
        self._flush()

    def _full(self) -> bool:
        return self._lines >= self._limits.log_lines or self._bytes >= self._limits.log_bytes

    def _raw_line(self) -> None:
        data, size = self._raw.take()
        self._keep("print", "info", data.removesuffix(b"\r").decode("utf-8", "replace"), size, None)

    def _record_line(self) -> None:
        data, size = self._record.take()
        try:
            record = wire.decode_object(data) if size <= RECORD_BYTES else {}
        except wire.Malformed:
            record = {}
        match record:
            case {"kind": "log", "level": str(level), "text": str(text), **rest}:
                level = level if level in LEVELS else "info"
                data_beside = clean_value(rest, redact=self._redact) if rest else None
                for line in text.split("\n"):
                    self._keep("log", level, line, size, data_beside)
            case {"kind": "http", **rest}:
                self._keep_exchange(rest)
            case _:
                self.dropped += 1

    def _keep(self, kind: Kind, level: str, text: str, size: int, data: wire.JSONObject | None) -> None:
        if self._full():
            self.dropped += 1
            return
        text = self._cut(self._redact(clean_text(text)), size)
        self._lines += 1
        self._bytes += len(text)
        self._append(LogLine(kind=kind, level=level, text=text, at=datetime.now(UTC), data=data))

    def _cut(self, text: str, size: int) -> str:
        """To the limit of a line, in bytes; saying how long it was."""
        limit = self._limits.line_bytes
        if size <= limit and len(text) <= limit:
            return text
        kept = text.encode("utf-8")[:limit].decode("utf-8", "ignore")
        return f"{kept}… (cut: the line has {max(size, len(text)):,} bytes)"

    def _keep_exchange(self, record: wire.JSONObject) -> None:
        if self._records >= self._limits.trace_records or record.get("unkept") is True:
            self.dropped_records += 1
            return
        self._records += 1
        exchange = self._exchanges.read(record)
        self._append(LogLine(kind="http", level="info", text="", at=datetime.now(UTC), exchange=exchange))

    def _append(self, line: LogLine) -> None:
        if not self._batch:
            self._batch_began = time.monotonic()
        self._batch.append(line)

    def _hand_on_when_due(self) -> None:
        if len(self._batch) >= BATCH_LINES:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._hand_on(batch)
