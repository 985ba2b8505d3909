"""Dates as OpenMRS reads and writes them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from openfn_platform.demo.standins.openmrs.errors import cannot_convert, conversion

LONG_FORM = "yyyy-MM-dd'T'HH:mm:ss.SSSZ"
_ACCEPTED = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def now_text() -> str:
    """This moment in the long form."""
    return long_text(datetime.now(UTC))


def long_text(moment: datetime) -> str:
    """`2026-11-23T08:00:00.000+0000`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}" + moment.strftime("%z")


def moment_from(value: object, *, where: str) -> datetime:
    """A moment from what a client sent; a date alone is its midnight in the server's zone (UTC here)."""
    if not isinstance(value, str):
        raise cannot_convert(value, "java.util.Date", where=where)
    try:
        if not _ACCEPTED.fullmatch(value):
            raise ValueError
        moment = datetime.fromisoformat(value)
    except ValueError:
        told = f"Error converting date - correct format (ISO8601 Long): {LONG_FORM} => Invalid format: "
        raise conversion(f'{told}"{value}" is malformed', where=where) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def day_text(value: str) -> str:
    """The day of a stored moment."""
    return value[:10]


def age_on(born: str, today: date) -> int:
    """Whole years from a stored birthdate."""
    day = date.fromisoformat(day_text(born))
    return today.year - day.year - ((today.month, today.day) < (day.month, day.day))
