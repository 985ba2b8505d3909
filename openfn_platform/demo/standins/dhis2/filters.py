"""`filter=name:ilike:clinic`: the conditions and the order of metadata lists.

Several conditions must all hold, or one of them with `rootJunction=OR`. What the server cannot read it refuses with 409.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from openfn_platform.demo.standins.dhis2.reports import ApiError
from openfn_platform.demo.standins.store import Record

Test = Callable[[Any], bool]
Reach = Callable[[Record, str], Sequence[Any]]


def condition(text: str, known: Iterable[str], reach: Reach) -> Callable[[Record], bool]:
    """One filter as a test of a record; `reach` finds the values at a dotted path."""
    path, colon, rest = text.partition(":")
    operator, _, value = rest.partition(":")
    if not colon or not operator:
        raise ApiError(409, f"Invalid filter => {text}")
    if path.partition(".")[0] not in known:
        raise ApiError(409, f"Unknown path property: `{path}`")
    negated = operator.startswith("!")
    test = _test(operator.removeprefix("!") if negated else operator, value)

    def holds(record: Record) -> bool:
        return any(test(found) for found in reach(record, path) or [None]) is not negated

    return holds


def ordering(text: str, known: Iterable[str]) -> tuple[str, bool]:
    """`name:desc` as a property and whether the greatest comes first."""
    name, _, direction = text.partition(":")
    if name not in known:
        raise ApiError(409, f"Unknown path property: `{name}`")
    return name, direction.lower() in ("desc", "idesc")


def sort_key(value: Any) -> tuple[int, float, str]:
    """Missing ones first, numbers by size, text without regard to capitals."""
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return 2, 0.0, str(value).lower()


def _test(operator: str, value: str) -> Test:
    if operator in _WITHOUT_VALUE:
        return _WITHOUT_VALUE[operator]
    if operator == "in":
        if not (value.startswith("[") and value.endswith("]")):
            raise ApiError(409, f"Invalid argument `{value}` for the in operator.")
        choices = {part.strip() for part in value[1:-1].split(",")}
        return lambda found: _text(found) in choices
    if operator not in _COMPARING:
        raise ApiError(409, f"Query operator is not supported : {operator}")
    compare = _COMPARING[operator]
    return lambda found: found is not None and compare(_text(found), value)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _token(found: str, value: str) -> bool:
    """All words of the value begin, or are, words of the text."""
    words = re.findall(r"\w+", found.lower())
    return all(any(word.startswith(part) for word in words) for part in re.findall(r"\w+", value.lower()))


def _compared(found: str, value: str) -> int:
    try:
        left, right = float(found), float(value)
    except ValueError:
        return (found > value) - (found < value)
    return (left > right) - (left < right)


_WITHOUT_VALUE: dict[str, Test] = {
    "null": lambda found: found is None,
    "empty": lambda found: found in (None, "", []),
}
_COMPARING: dict[str, Callable[[Any, str], bool]] = {
    "eq": lambda found, value: found == value,
    "ieq": lambda found, value: found.lower() == value.lower(),
    "ne": lambda found, value: found != value,
    "neq": lambda found, value: found != value,
    "like": lambda found, value: value in found,
    "ilike": lambda found, value: value.lower() in found.lower(),
    "$like": lambda found, value: found.startswith(value),
    "$ilike": lambda found, value: found.lower().startswith(value.lower()),
    "like$": lambda found, value: found.endswith(value),
    "ilike$": lambda found, value: found.lower().endswith(value.lower()),
    "gt": lambda found, value: _compared(found, value) > 0,
    "ge": lambda found, value: _compared(found, value) >= 0,
    "gte": lambda found, value: _compared(found, value) >= 0,
    "lt": lambda found, value: _compared(found, value) < 0,
    "le": lambda found, value: _compared(found, value) <= 0,
    "lte": lambda found, value: _compared(found, value) <= 0,
    "token": _token,
}
