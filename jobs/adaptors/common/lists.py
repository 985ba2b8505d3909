"""`chunks`: a long list in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from jobs.adaptors.errors import ValidationError

Item = TypeVar("Item")


def chunks(iterable: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of at most `size` items, in order: `for part in chunks(rows, 100): …`."""
    if size < 1:
        raise ValidationError("chunks needs a size of at least 1.", sent=False)
    return _pieces(iter(iterable), size)


def _pieces(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while piece := list(islice(items, size)):
        yield piece
