"""The merged log of `up`: what arrives from many programs, cut into lines, each with the name of who said it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

LONGEST_LINE = 65_536

# Sees a line before it is logged and keeps it by answering True.
Sink = Callable[[str], bool]


class Log:
    """Writes one line at a time."""

    def __init__(self, *, stream: TextIO | None = None, width: int = 8) -> None:
        self._stream = stream or sys.stdout
        self._width = width

    def write(self, name: str, line: str) -> None:
        # A closed pipe means that nobody reads any more; that must not stop the platform.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{name:<{self._width}} | {line}\n")
            self._stream.flush()


@dataclass
class Pipe:
    """What arrives from one program."""

    name: str
    sink: Sink | None
    rest: bytearray = field(default_factory=bytearray)

    def lines(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes; a line without end is cut, it must not fill our memory."""
        self.rest += data
        while (end := self.rest.find(b"\n")) >= 0:
            yield self._take(end, 1)
        while len(self.rest) > LONGEST_LINE:
            yield self._take(LONGEST_LINE, 0)

    def last(self) -> Iterator[str]:
        """What came after the last line end."""
        if self.rest:
            yield self._take(len(self.rest), 0)

    def _take(self, length: int, separator: int) -> str:
        line = self.rest[:length].decode("utf-8", "replace").rstrip("\r")
        del self.rest[: length + separator]
        return line
