"""Moments of FHIR: dates that may lack a day or a month, and the spans of time that they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
SEARCHED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Span = tuple[datetime, datetime]  # the second is no longer part of it


def now_text() -> str:
    """This moment as an instant."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def is_date(text: object) -> bool:
    """Whether this is a FHIR date."""
    return isinstance(text, str) and DATE.fullmatch(text) is not None and _exists(text)


def is_date_time(text: object) -> bool:
    """Whether this is a FHIR dateTime: one with a time has a zone."""
    if not isinstance(text, str):
        return False
    return is_date(text) or (DATE_TIME.fullmatch(text) is not None and _exists(text))


def span_of(text: str) -> Span:
    """The span that a date or moment stands for; ValueError when it is none."""
    if DATE.fullmatch(text):
        return _days(text)
    if not SEARCHED.fullmatch(text):
        raise ValueError(f"'{text}' is no date")
    moment = datetime.fromisoformat(text)
    start = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if "." in text:
        return start, start + timedelta(milliseconds=1)
    has_seconds = re.search(r"T\d{2}:\d{2}:\d{2}", text)
    return start, start + timedelta(seconds=1 if has_seconds else 60)


def span_in(value: Any) -> Span | None:
    """The span of an element: a date, a moment or a Period, whose ends may be open."""
    try:
        if isinstance(value, str):
            return span_of(value)
        if isinstance(value, dict) and ("start" in value or "end" in value):
            start = span_of(value["start"])[0] if "start" in value else FIRST
            return start, span_of(value["end"])[1] if "end" in value else LAST
    except (ValueError, TypeError, OverflowError):
        return None
    return None


def _within(stored: Span, asked: Span) -> bool:
    return asked[0] <= stored[0] and stored[1] <= asked[1]


COMPARED: dict[str, Callable[[Span, Span], bool]] = {
    "eq": _within,
    "ne": lambda stored, asked: not _within(stored, asked),
    "gt": lambda stored, asked: stored[1] > asked[1],
    "lt": lambda stored, asked: stored[0] < asked[0],
    "ge": lambda stored, asked: stored[1] > asked[1] or _within(stored, asked),
    "le": lambda stored, asked: stored[0] < asked[0] or _within(stored, asked),
    "sa": lambda stored, asked: stored[0] >= asked[1],
    "eb": lambda stored, asked: stored[1] <= asked[0],
    "ap": lambda stored, asked: stored[0] < asked[1] and asked[0] < stored[1],
}


def _days(text: str) -> Span:
    parts = [int(part) for part in text.split("-")]
    year, month, day = (*parts, 1, 1)[:3]
    start = date(year, month, day)
    try:
        if len(parts) == 3:
            end = start + timedelta(days=1)
        elif len(parts) == 2:
            end = date(start.year + start.month // 12, start.month % 12 + 1, 1)
        else:
            end = date(start.year + 1, 1, 1)
    except (OverflowError, ValueError):
        return _midnight(start), LAST  # the end of 9999 is how some systems say "for ever"
    return _midnight(start), _midnight(end)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _exists(text: str) -> bool:
    try:
        span_of(text)
    except (ValueError, OverflowError):
        return False
    return True
