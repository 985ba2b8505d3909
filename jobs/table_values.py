"""Keys and values of tables: what can be one, said in a sentence where it cannot."""

from __future__ import annotations

import json
import re
from typing import Any

from jobs.models.table import KEY_CHARACTERS, VALUE_BYTES
from openfn_platform.common.errors import Invalid

DEEPEST = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class BadKey(Invalid):
    """This cannot be a key of a table."""

    code = "invalid_key"


class BadValue(Invalid):
    """This cannot be a value of a table."""

    code = "invalid_value"


def key_clean(key: object) -> str:
    """The key as it is stored: exactly as given, or BadKey."""
    if not isinstance(key, str):
        raise BadKey("A key of a table is a text.", field="key")
    if not key.strip():
        raise BadKey("The key is empty.", field="key")
    if len(key) > KEY_CHARACTERS:
        raise BadKey(f"The key has {len(key):,} characters; the most is {KEY_CHARACTERS}.", field="key")
    if _CONTROL.search(key):
        raise BadKey("The key holds a character that cannot be stored, such as a line break.", field="key")
    if key != key.strip():
        raise BadKey("The key begins or ends with a blank; nobody would find it again.", field="key")
    return key


def value_text(value: Any, *, most: int = VALUE_BYTES) -> str:
    """The value as JSON text, as PostgreSQL can store it, or BadValue."""
    if _depth(value) > DEEPEST:
        raise BadValue(f"The value is nested more than {DEEPEST} times.", field="value")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise BadValue(
            "The value holds something that JSON has not: a number that is none, or too long.", field="value"
        ) from None
    if _SURROGATE.search(text) or _ESCAPED_NUL.search(text):
        raise BadValue("The value holds a character that cannot be stored.", field="value")
    size = len(text.encode())
    if size > most:
        raise BadValue(f"The value has {size:,} bytes; this table takes {most:,}.", field="value")
    return text


def _depth(value: Any) -> int:
    """How deep it is nested, counted no further than is of interest."""
    level, deepest = [value], 0
    while level and deepest <= DEEPEST:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list | tuple):
                inner.extend(each)
        if any(isinstance(each, dict | list | tuple) for each in level):
            deepest += 1
        level = inner
    return deepest
