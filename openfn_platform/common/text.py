"""Cleaning text that comes from outside before it is stored, shown, logged or mailed. Pure."""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_LINE_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def storable(value: str) -> str:
    """Text that PostgreSQL accepts and a screen shows harmlessly: no NUL, no lone surrogate, no ANSI codes."""
    value = _ANSI.sub("", value).replace("\r\n", "\n")
    value = _CONTROLS.sub("�", value)
    return _SURROGATES.sub("�", value)


def one_line(value: str, limit: int = 150) -> str:
    """One line without control characters, at most `limit` characters: for mail subjects and list columns."""
    value = storable(_LINE_BREAKS.sub(" ", _ANSI.sub("", value))).strip()
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def clean_name(value: str) -> str:
    """A name as people type it: NFC, without control or invisible format characters, blanks collapsed."""
    value = unicodedata.normalize("NFC", _SURROGATES.sub("", value))
    value = "".join(c for c in value if unicodedata.category(c) not in {"Cc", "Cf"} or c in "\t\n")
    return " ".join(value.split())


def plural(count: int, singular: str, several: str | None = None) -> str:
    """`plural(2, "run")` is "2 runs"."""
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"
