"""`chunks`: a long list in pieces; `groups`: its rows by what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from jobs.adaptors.errors import ValidationError

Item = TypeVar("Item")


def chunks(iterable: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of at most `size` items, in order: `for part in chunks(rows, 100): …`."""
    if size < 1:
        raise ValidationError("chunks needs a size of at least 1.", sent=False)
    return _pieces(iter(iterable), size)


def groups(iterable: Iterable[Item], key: str | Callable[[Item], Any]) -> dict[Any, list[Item]]:
    """The items by a field or a function of theirs, in order of appearance: `groups(visits, "clinic")["A12"]`.

    Those that lack the field, or have a list or an object in it, are refused; a function decides for itself.
    """
    found: dict[Any, list[Item]] = {}
    for number, item in enumerate(iterable, start=1):
        name = key(item) if callable(key) else _field(item, key, number)
        try:
            found.setdefault(name, []).append(item)
        except TypeError:
            raise ValidationError(
                f"Row {number} cannot be put into a group by {'a list' if isinstance(name, list) else 'an object'}; "
                "give a function that makes a text or a number of it.",
                sent=False,
            ) from None
    return found


def _field(item: Any, name: str, number: int) -> Any:
    if not isinstance(item, Mapping) or name not in item:
        raise ValidationError(
            f"Row {number} has no '{name}'; for those that may lack it: groups(rows, lambda row: row.get('{name}')).",
            sent=False,
        )
    return item[name]


def _pieces(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while piece := list(islice(items, size)):
        yield piece
