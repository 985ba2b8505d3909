"""Moments as DHIS2 reads and writes them: ISO 8601 without a zone, in the server's own (UTC here).

They are kept as text of one length, so that comparing text compares moments.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_ACCEPTED = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ISO_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_SHORT_DURATION = re.compile(r"(\d+)([dhms])", re.ASCII)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def now_text() -> str:
    """This moment."""
    return text_of(datetime.now(UTC))


def text_of(moment: datetime) -> str:
    """`2026-11-23T08:00:00.000`."""
    plain = moment.astimezone(UTC) if moment.tzinfo else moment
    return plain.strftime("%Y-%m-%dT%H:%M:%S.") + f"{plain.microsecond // 1000:03d}"


def moment_text(value: object) -> str:
    """What a client sent, in the form in which it is kept; ValueError when it is no moment."""
    if not isinstance(value, str) or not _ACCEPTED.fullmatch(value):
        raise ValueError(f"`{value}` is not a date")
    return text_of(datetime.fromisoformat(value))


def day_of(value: object) -> date:
    """A day without a time; ValueError when it is none."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(f"`{value}` is not a day")
    return date.fromisoformat(value)


def first_moment(value: str) -> str:
    """The lower end of a span: of a day its first moment."""
    return moment_text(value)


def last_moment(value: str) -> str:
    """The upper end of a span: of a day its last moment."""
    start = moment_text(value)
    return start[:10] + "T23:59:59.999" if _DAY.fullmatch(value) else start


def moment_before(duration: str) -> str:
    """The moment so long ago: `P2DT3H` or, as data values have it, `10d`."""
    if short := _SHORT_DURATION.fullmatch(duration):
        span = timedelta(**{_UNITS[short[2]]: int(short[1])})
    elif (iso := _ISO_DURATION.fullmatch(duration)) and any(iso.groups()):
        days, hours, minutes, seconds = (int(part or 0) for part in iso.groups())
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    else:
        raise ValueError(f"`{duration}` is not a duration")
    return text_of(datetime.now(UTC) - span)
