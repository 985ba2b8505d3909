"""Limits of messages a minute, as values. `triggers.throttling` counts by them. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many a minute, of which `burst` may come at once."""

    id: uuid.UUID  # whose: a project's, a key's, or that of an inbox without keys
    per_minute: int
    burst: int
    whose: str  # "this project" | "this key"


def limit_of(*, owner: uuid.UUID, per_minute: int | None, burst: int | None, whose: str) -> Limit | None:
    if per_minute is None:
        return None
    return Limit(id=owner, per_minute=per_minute, burst=burst or per_minute, whose=whose)
