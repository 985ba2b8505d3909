"""Dates in filters. The list APIs take them in UTC and without a zone, and refuse any other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

ENDS = ("_start", "_end")


def filters(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as a list API takes them."""
    return written({n: _without_zone(v) if n.endswith(ENDS) else v for n, v in params.items()})


def written(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with dates as ISO text; those without a value are left out."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in params.items()
        if value is not None
    }


def _without_zone(value: Any) -> Any:
    """A moment in UTC without its zone. One that has none, and what is no moment at all, stays as it is."""
    moment = _moment(value)
    if moment is None or moment.tzinfo is None:
        return value
    return moment.astimezone(UTC).replace(tzinfo=None)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None
