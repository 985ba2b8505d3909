"""The lines of the servers' own logs. What others sent may stand in them, so no record looks like two and none steers
the terminal that shows it. Pure."""

from __future__ import annotations

import logging
import re
from typing import Any

_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class PlainFormatter(logging.Formatter):
    """Control characters are written as Python writes them: `\\x1b`. Line breaks stay in tracebacks only."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _BREAKS.sub(_written, super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return _STEERS.sub(_written, super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _STEERS.sub(_written, super().formatStack(stack_info))


def _written(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]
