"""States as JSON: what is converted, what is refused, and where in the state it was.

    date, time, datetime   ISO 8601 text
    Decimal                a number with all its digits
    tuple, set, frozenset  a list (sets sorted where their items can be compared)
    UUID                   text
    answers of adaptors    as their to_json() says
    keys                   text; int, float, bool and None become text as JSON writes them (7, true, null)
    NaN, Infinity, bytes, anything else: refused with its path

A state may have tens of megabytes, so the C encoder does the work, and only when it gives up does a slow walk look
for the place. Bytes in, bytes out: compact UTF-8, lone surrogates and control characters as escapes.
"""

from __future__ import annotations

import gc
import json
import math
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from jobs.language.errors import NotJSON

# Python's own recursion limit stops the C encoder and decoder at about this depth.
DEEPEST = 900
# Bits of the longest whole number that the interpreter writes and reads: 4,300 digits.
LONGEST_INTEGER = 14_284


def decode(body: bytes) -> Any:
    """Whole numbers keep every digit, others become floats."""
    if not body:
        return {}
    try:
        with _collector_at_rest():
            return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise NotJSON(f"The input is nested more than {DEEPEST} levels deep.") from None
    except UnicodeDecodeError:
        raise NotJSON("The input is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise NotJSON(f"The input is not JSON (line {error.lineno}, column {error.colno}).") from None
    except NotJSON:
        raise
    except ValueError:
        # The interpreter refuses to read very long whole numbers: that costs quadratic time.
        raise NotJSON("The input holds a whole number with more than 4,300 digits.") from None


def encode(value: Any, *, root: str = "state") -> bytes:
    """The value as compact UTF-8 JSON; NotJSON says what is in the way, and where."""
    converter = _Converter()
    try:
        with _collector_at_rest():
            text = json.dumps(
                value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=converter.convert
            )
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        sentence = (
            find_obstacle(value, root=root) or f"`{root}` cannot be written as JSON ({type(error).__name__})."
        )
        raise NotJSON(sentence) from None
    # Only a lone surrogate has no UTF-8 form, and its backslash form is the JSON escape.
    body = text.encode("utf-8", "backslashreplace")
    return converter.put_back(body) if converter.decimals else body


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """A million new objects make the garbage collector look through all of them again and again, for nothing."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


class _Converter:
    """Turns what JSON does not know into what it does; exact decimals go in as marks and are put back as digits."""

    def __init__(self) -> None:
        self.mark = ""
        self.decimals = False

    def convert(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            return self._mark(value)
        converted = simplify(value)
        if converted is value:
            raise TypeError(type(value).__name__)
        return converted

    def _mark(self, value: Decimal) -> str:
        if not value.is_finite():
            raise ValueError("not finite")
        if not self.decimals:
            # Drawn anew for every state, so that no text of a partner can be mistaken for a mark.
            self.mark, self.decimals = f"decimal-{secrets.token_hex(16)}:", True
        return self.mark + str(value)

    def put_back(self, body: bytes) -> bytes:
        return re.sub(rb'"' + self.mark.encode() + rb'([-+.0-9E]+)"', rb"\1", body)


def simplify(value: Any) -> Any:
    """One step towards JSON; the value itself when there is none."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return _in_order(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    # What adaptors give back knows its own JSON form.
    to_json = getattr(value, "to_json", None)
    return to_json() if callable(to_json) and not isinstance(value, type) else value


def _in_order(values: set[Any] | frozenset[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def _refuse_constant(name: str) -> Any:
    raise NotJSON(f"The input holds {name}, which is not JSON.")


def find_obstacle(value: Any, *, root: str) -> str | None:
    """The first thing that JSON cannot hold, as a sentence; without recursion, since depth may be the trouble."""
    waiting: list[tuple[Any, str, frozenset[int]]] = [(value, root, frozenset())]
    kept: list[Any] = []  # what was made on the way stays alive: identities must not be given out twice
    while waiting:
        item, path, above = waiting.pop()
        item = simplify(item)
        kept.append(item)
        sentence = _obstacle_here(item, path)
        if sentence:
            return sentence
        if not isinstance(item, dict | list | tuple):
            continue
        if id(item) in above:
            return f"`{shorten(path)}` contains itself."
        if len(above) >= DEEPEST:
            return f"`{shorten(path)}` is nested more than {DEEPEST} levels deep."
        inside = above | {id(item)}
        waiting.extend((child, where, inside) for child, where in reversed(list(_children(item, path))))
    return None


def _children(item: dict[Any, Any] | list[Any] | tuple[Any, ...], path: str) -> Iterator[tuple[Any, str]]:
    if isinstance(item, dict):
        for key, child in item.items():
            yield child, path + step(key)
    else:
        for index, child in enumerate(item):
            yield child, f"{path}[{index}]"


def _obstacle_here(item: Any, path: str) -> str | None:
    if not _is_finite(item):
        # repr, because a signalling NaN refuses even to be compared.
        name = "Infinity" if "inf" in repr(item).lower() else "NaN"
        return f"`{shorten(path)}` is {name}, which JSON has no number for."
    if isinstance(item, int) and item.bit_length() > LONGEST_INTEGER:
        return f"`{shorten(path)}` is a whole number with more than 4,300 digits."
    if isinstance(item, dict):
        return _key_obstacle(item, path)
    if item is None or isinstance(item, str | int | float | Decimal | list | tuple):
        return None
    return f"`{shorten(path)}` is {article(type(item).__name__)}, which JSON cannot hold."


def _is_finite(item: object) -> bool:
    if isinstance(item, Decimal):
        return item.is_finite()
    return not isinstance(item, float) or math.isfinite(item)


def _key_obstacle(item: dict[Any, Any], path: str) -> str | None:
    for key in item:
        if isinstance(key, float) and not math.isfinite(key):
            return f"`{shorten(path)}` has NaN or Infinity as a key."
        if not (key is None or isinstance(key, str | int | float)):
            return f"`{shorten(path)}` has {article(type(key).__name__)} as a key; JSON keys are text, so write str(key)."
    return None


def step(key: object) -> str:
    """How one goes on from a path to this key."""
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{json.dumps(key) if isinstance(key, str | int | float) else '…'}]"


def shorten(path: str, most: int = 120) -> str:
    return path if len(path) <= most else f"{path[: most // 2]}…{path[-most // 2 :]}"


def article(noun: str) -> str:
    if noun in {"bytes", "None"}:
        return noun
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"
