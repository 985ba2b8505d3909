"""`log` and `print` as a job has them: each line becomes one event."""

from __future__ import annotations

import builtins
import json
from typing import Any

from jobs.language.encoding import simplify
from jobs.language.session import Session


def shown(value: object) -> str:
    """Text as it is, data as JSON, anything else as Python writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple):
        try:
            return json.dumps(value, ensure_ascii=False, default=_loosely)
        except (TypeError, ValueError, RecursionError):
            return repr(value)
    return str(value)


def _loosely(value: object) -> object:
    simpler = simplify(value)
    return simpler if simpler is not value else str(value)


class Log:
    """`log("text")`, `log.warning("text")`; several values are joined by spaces."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, *values: object) -> None:
        self._write("info", values)

    def debug(self, *values: object) -> None:
        self._write("debug", values)

    def info(self, *values: object) -> None:
        self._write("info", values)

    def warning(self, *values: object) -> None:
        self._write("warning", values)

    def error(self, *values: object) -> None:
        self._write("error", values)

    def _write(self, level: str, values: tuple[object, ...]) -> None:
        self._session.log(level, " ".join(shown(value) for value in values))


class Printer:
    """`print` with all its habits; a line is sent when it ends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begun = ""

    def __call__(
        self,
        *values: object,
        sep: str | None = " ",
        end: str | None = "\n",
        file: Any = None,
        flush: bool = False,
    ) -> None:
        if file is not None:
            builtins.print(*values, sep=sep, end=end, file=file, flush=flush)  # into a file of the job's own
            return
        text = (" " if sep is None else sep).join(shown(value) for value in values)
        *lines, self._begun = (self._begun + text + ("\n" if end is None else end)).split("\n")
        for line in lines:
            self._session.log("info", line)

    def finish(self) -> None:
        """What was printed without a line end is not lost."""
        if self._begun:
            self._session.log("info", self._begun)
            self._begun = ""
