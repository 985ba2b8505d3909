"""What a running job has said and done so far, and the one way its words leave the process.

Events, each a JSON object with `at` (seconds since 1970):

    {kind: "log",   level: debug | info | warning | error, source: "job" or an alias or "platform", text}
    {kind: "http",  connection: alias, …the exchange as `openfn_platform.common.tracing` describes it…}
    {kind: "http",  unkept: true}    one exchange more than are kept
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from jobs.language.errors import UnsureSignal
from jobs.language.tracing import Bounds
from openfn_platform.common.tracing import is_write

Emit = Callable[[dict[str, Any]], None]

LONGEST_LINE = 16_000
LONGEST_NOTE = 500
PROBLEMS_KEPT = 1_000
LINES_FOR_ERROR = 100  # the end of the log goes along with a failure


class Session:
    """Notes, problems, the tail of the log, and whether anything was done that others can see."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._bounds = Bounds()
        self.note: str | None = None
        self.problems: list[tuple[str, str]] = []
        self.problem_count = 0
        self.tail: deque[str] = deque(maxlen=LINES_FOR_ERROR)
        self.writes = 0  # answered with anything but a refusal
        self.unanswered = 0  # writes of which nobody knows
        self.once_done = False
        self.last_connection: str | None = None
        self.unsure: UnsureSignal | None = None
        self._shown = False

    @property
    def did_something(self) -> bool:
        return self.writes > 0 or self.unanswered > 0 or self.once_done

    def log(self, level: str, text: str, *, source: str = "job") -> None:
        text = cut(text, LONGEST_LINE)
        self.tail.append(text)
        self._emit({"kind": "log", "at": time.time(), "level": level, "source": source, "text": text})

    def trace(self, connection: str, exchange: dict[str, Any]) -> None:
        """One exchange with a partner: whatever is not as agreed about it is left out."""
        self.last_connection = connection
        if is_write(exchange) and not exchange.get("dry"):
            self._count(exchange)
        told = self._bounds.told(exchange)
        self._emit({**told, "kind": "http", "at": time.time(), "connection": connection})

    def show(self, exchange: dict[str, Any]) -> None:
        """A write to the project's own tables that is shown and not made."""
        if not self._shown:
            self._shown = True
            self.log(
                "info",
                "Only live runs write to tables: what this one would write is shown under HTTP and seen by it alone",
                source="platform",
            )
        told = self._bounds.told(exchange)
        self._emit({**told, "kind": "http", "at": time.time(), "connection": "tables"})

    def _count(self, exchange: dict[str, Any]) -> None:
        status, refused = exchange.get("status"), bool(exchange.get("error"))
        if exchange.get("protocol", "http") != "http":
            # Databases and mail servers have no numbers: no error is their yes, an outcome with one their no.
            self.writes += not refused
            self.unanswered += refused and not exchange.get("outcome")
        elif not isinstance(status, int):
            self.unanswered += 1
        elif not 400 <= status < 500:
            self.writes += 1

    def say(self, text: object) -> None:
        """The outcome sentence; the last one stands."""
        self.note = cut(" ".join(str(text).split()), LONGEST_NOTE)

    def refuse(self, key: object, reason: object) -> None:
        """One record that was not taken. All are counted, the first thousand kept."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append((cut(str(key), 200), cut(str(reason), LONGEST_NOTE)))


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
