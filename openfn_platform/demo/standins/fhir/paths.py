"""Values inside a resource by a path such as `name.given`; lists on the way are gone through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Every value at the path; `*` behind a name stands for all elements that begin so."""
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
        return
    if not path:
        if value is not None:
            yield value
        return
    if not isinstance(value, dict):
        return
    head, _, rest = path.partition(".")
    if head.endswith("*"):
        for name, inner in value.items():
            if name.startswith(head[:-1]):
                yield from values_at(inner, rest)
    elif head in value:
        yield from values_at(value[head], rest)
