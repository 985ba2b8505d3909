"""`dates`: reading, writing and counting dates, and the reporting periods of DHIS2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.adaptors.errors import ValidationError

Moment = date | datetime | str
Step = Literal["day", "week", "month", "quarter", "year"]
PeriodType = Literal["daily", "weekly", "monthly", "quarterly", "six-monthly", "yearly"]


def parse(text: Moment, pattern: str | None = None, *, zone: str | None = None) -> datetime:
    """A moment from ISO 8601 text, or by a pattern such as `%d/%m/%Y`. `zone` is that of text without one."""
    if isinstance(text, datetime):
        moment = text
    elif isinstance(text, date):
        moment = datetime(text.year, text.month, text.day)
    else:
        moment = _read(text, pattern)
    if zone is not None and moment.tzinfo is None:
        return moment.replace(tzinfo=_zone(zone))
    return moment


def day(moment: Moment, pattern: str | None = None) -> date:
    """The calendar day of a moment."""
    return parse(moment, pattern).date()


def format(moment: Moment, pattern: str = "%Y-%m-%d") -> str:
    """A moment as text: `dates.format(visit, "%d/%m/%Y")`."""
    return parse(moment).strftime(pattern)


def now(zone: str = "UTC") -> datetime:
    """This moment, in a time zone such as `Africa/Lome`."""
    return datetime.now(_zone(zone))


def today(zone: str = "UTC") -> date:
    """The calendar day that it is there now."""
    return now(zone).date()


def add(moment: Moment, *, days: int = 0, weeks: int = 0, months: int = 0, years: int = 0) -> date:
    """A day so much later (or earlier). The 31st becomes the last day of a shorter month."""
    start = day(moment)
    count = start.year * 12 + start.month - 1 + months + 12 * years
    year, month = divmod(count, 12)
    last = _last_day(year, month + 1)
    return date(year, month + 1, min(start.day, last)) + timedelta(days=days, weeks=weeks)


def age(birthdate: Moment, on: Moment) -> int:
    """Completed years of life on a day."""
    born, then = day(birthdate), day(on)
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))


def span(start: Moment, end: Moment, *, step: Step = "day") -> Iterator[date]:
    """The days from `start` up to, not including, `end`, one per step."""
    first, last, count = day(start), day(end), 0
    while True:
        here = _stepped(first, step, count)
        if here >= last:
            return
        yield here
        count += 1


def iso_week(moment: Moment) -> str:
    """The ISO week as DHIS2 writes it: 29 December 2025 is in `2026W1`."""
    year, week, _day = day(moment).isocalendar()
    return f"{year}W{week}"


def period(moment: Moment, kind: PeriodType = "monthly") -> str:
    """The DHIS2 period that a day is in: `20260131`, `2026W5`, `202601`, `2026Q1`, `2026S1`, `2026`."""
    there = day(moment)
    if kind == "daily":
        return there.strftime("%Y%m%d")
    if kind == "weekly":
        return iso_week(there)
    if kind == "monthly":
        return f"{there.year:04}{there.month:02}"
    if kind == "quarterly":
        return f"{there.year:04}Q{(there.month + 2) // 3}"
    if kind == "six-monthly":
        return f"{there.year:04}S{1 if there.month <= 6 else 2}"
    if kind == "yearly":
        return f"{there.year:04}"
    raise ValidationError(
        f"'{kind}' is no period; there are daily, weekly, monthly, quarterly, six-monthly and yearly.",
        sent=False,
    )


def period_bounds(period: str | int) -> tuple[date, date]:
    """The first day of a DHIS2 period and the first day after it."""
    for pattern, bounds in _PERIODS:
        found = re.fullmatch(pattern, str(period))
        if found is not None:
            try:
                return bounds(*map(int, found.groups()))
            except ValueError:
                break
    raise ValidationError(f"'{period}' is no period that DHIS2 knows.", sent=False)


def _week_bounds(year: int, week: int) -> tuple[date, date]:
    start = date.fromisocalendar(year, week, 1)
    return start, start + timedelta(days=7)


def _months_bounds(year: int, number: int, length: int) -> tuple[date, date]:
    if not 1 <= number <= 12 // length:
        raise ValueError
    start = date(year, (number - 1) * length + 1, 1)
    return start, add(start, months=length)


_PERIODS = (
    (r"(\d{4})(\d{2})(\d{2})", lambda y, m, d: (date(y, m, d), date(y, m, d) + timedelta(days=1))),
    (r"(\d{4})W(\d{1,2})", _week_bounds),
    (r"(\d{4})(\d{2})", lambda y, m: _months_bounds(y, m, 1)),
    (r"(\d{4})Q(\d)", lambda y, q: _months_bounds(y, q, 3)),
    (r"(\d{4})S(\d)", lambda y, s: _months_bounds(y, s, 6)),
    (r"(\d{4})", lambda y: _months_bounds(y, 1, 12)),
)


def _stepped(first: date, step: Step, count: int) -> date:
    if step in ("day", "week"):
        return first + timedelta(days=count * (7 if step == "week" else 1))
    months = {"month": 1, "quarter": 3, "year": 12}.get(step)
    if months is None:
        raise ValidationError(
            f"'{step}' is no step; there are day, week, month, quarter and year.", sent=False
        )
    return add(first, months=months * count)


def _read(text: str, pattern: str | None) -> datetime:
    try:
        if pattern is not None:
            return datetime.strptime(text.strip(), pattern)
        return datetime.fromisoformat(text.strip())
    except (ValueError, TypeError, AttributeError):
        expected = f"in the form {pattern}" if pattern else "as in 2026-01-31 or 2026-01-31T14:05:00Z"
        raise ValidationError(f"That is no date {expected}.", sent=False) from None


def _last_day(year: int, month: int) -> int:
    return (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError(f"'{name}' is no time zone, as Africa/Lome is one.", sent=False) from None
