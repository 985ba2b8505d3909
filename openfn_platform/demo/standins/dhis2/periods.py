"""Reporting periods: `20260401`, `2026W14`, `202604`, `2026Q2`, `2026S1`, `2026`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

_FORMS = {
    "Daily": r"(\d{4})(\d{2})(\d{2})",
    "Weekly": r"(\d{4})W(\d{1,2})",
    "Monthly": r"(\d{4})(\d{2})",
    "Quarterly": r"(\d{4})Q(\d)",
    "SixMonthly": r"(\d{4})S(\d)",
    "Yearly": r"(\d{4})",
}
_MONTHS = {"Monthly": 1, "Quarterly": 3, "SixMonthly": 6, "Yearly": 12}


@dataclass(frozen=True)
class Period:
    """A span of days of one type, with its text in the form that DHIS2 prefers."""

    kind: str
    text: str
    start: date
    end: date

    @property
    def next(self) -> Period:
        """The one after it."""
        return period_around(self.kind, self.end + timedelta(days=1))

    @property
    def previous(self) -> Period:
        """The one before it."""
        return period_around(self.kind, self.start - timedelta(days=1))


def period_from(text: object) -> Period | None:
    """The period of a text, None when it is none."""
    for kind, form in _FORMS.items():
        found = re.fullmatch(form, text, re.ASCII) if isinstance(text, str) else None
        if found is None:
            continue
        try:
            return period_around(kind, _start(kind, [int(part) for part in found.groups()]))
        except ValueError:
            return None
    return None


def period_around(kind: str, day: date) -> Period:
    """The period of a type in which a day lies."""
    if kind == "Daily":
        return Period(kind, day.strftime("%Y%m%d"), day, day)
    if kind == "Weekly":
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return Period(kind, f"{year}W{week}", monday, monday + timedelta(days=6))
    length = _MONTHS[kind]
    number = (day.month - 1) // length
    start = date(day.year, number * length + 1, 1)
    after = date(day.year + (number + 1) * length // 12, (number + 1) * length % 12 + 1, 1)
    texts = {
        "Monthly": f"{day.year}{day.month:02d}",
        "Quarterly": f"{day.year}Q{number + 1}",
        "SixMonthly": f"{day.year}S{number + 1}",
        "Yearly": f"{day.year}",
    }
    return Period(kind, texts[kind], start, after - timedelta(days=1))


def latest_open(kind: str, open_future: int, today: date) -> Period:
    """The last period that takes data: with 0 the one that is over, with 1 the present one, and so on."""
    period = period_around(kind, today).previous
    for _ in range(open_future):
        period = period.next
    return period


def _start(kind: str, numbers: list[int]) -> date:
    if kind == "Daily":
        return date(*numbers)
    if kind == "Weekly":
        return date.fromisocalendar(numbers[0], numbers[1], 1)
    length = _MONTHS[kind]
    number = numbers[1] if len(numbers) > 1 else 1
    if not 1 <= number <= 12 // length:
        raise ValueError("There is no such part of a year.")
    return date(numbers[0], (number - 1) * length + 1, 1)
