"""One exchange with a partner as it is told to a trace, whatever protocol it went through, and how much of it.

    protocol        http | sql | smtp | sftp; http when it is not said
    write           whether it may change something there; by the method when it is not said
    method          POST, INSERT, SEND … at most 10 characters
    url             the address, masked
    status          a number, where the protocol has one
    outcome         a few words in its place: "12 rows". Said together with an error: it was answered, with a no
    started         ISO 8601; duration_ms; attempt, from 1
    request_bytes   and response_bytes: how long the bodies were
    request_body    and response_body: their beginnings as text, or nothing; request_cut, response_cut: there was more
    error           one sentence, or nothing
    dry             shown and not sent

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

READS = frozenset({"GET", "HEAD", "OPTIONS", "SELECT", "LIST", "STAT"})
BODY_BYTES = 65_536  # of one body, kept
# A secret that straddles the end of what is kept is still seen whole when this much more is looked at.
MARGIN = 8_000
TOLD_BYTES = BODY_BYTES + MARGIN


def is_write(exchange: Mapping[str, Any]) -> bool:
    """Whether an exchange changes something at a partner, or would have in a dry run."""
    said = exchange.get("write")
    return said if isinstance(said, bool) else str(exchange.get("method", "")).upper() not in READS


def beginning(body: bytes | str, redact: Callable[[str], str] = str) -> tuple[str | None, bool]:
    """What a trace is told of a body, and whether there was more. None: it is no text."""
    data = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    looked = data[: 2 * BODY_BYTES]
    if b"\0" in looked:
        return None, False
    # Masked before it is cut, or half a secret could be left at the end.
    doubt = doubtful(len(looked)) if len(data) > len(looked) else 0
    return clipped(redact(looked.decode("utf-8", "replace")), TOLD_BYTES, doubt=doubt)


def doubtful(size: int) -> int:
    """How many bytes at the end of a text of that size, which was cut, may be half a secret."""
    return min(MARGIN, max(400, size // 8))


def clipped(text: str, most: int, *, doubt: int = 0) -> tuple[str, bool]:
    """At most so many bytes of it, without the doubtful ones at its end; and whether that is less than there was."""
    data = text.encode("utf-8", "replace")
    keep = min(most, max(0, len(data) - doubt))
    if len(data) <= keep:
        return text, False
    return data[:keep].decode("utf-8", "ignore"), True
