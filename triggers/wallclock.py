"""Between a wall clock and real time: zones by name, readings that come twice, readings that are skipped.

Pure: neither Django nor Celery. Real moments are in UTC everywhere here, because Python subtracts two moments
of the same zone as if clocks were never changed.
"""

import difflib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from openfn_platform.common.errors import Invalid

SECOND = timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


class UnknownZone(Invalid):
    """There is no time zone of that name."""

    code = "unknown_time_zone"


def zone_of(tz: str | ZoneInfo) -> ZoneInfo:
    """The IANA time zone of that name; machine-dependent ones like `localtime` do not count."""
    return tz if isinstance(tz, ZoneInfo) else _zone_named(tz)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


@lru_cache(maxsize=1024)
def _zone_named(name: str) -> ZoneInfo:
    if name in _zone_names():
        return ZoneInfo(name)
    near = difflib.get_close_matches(name[:64], _zone_names(), n=1)
    example = f"did you mean {near[0]}?" if near else "use a name such as Europe/Brussels."
    raise UnknownZone(f"There is no time zone {quoted(name)}; {example}", field="tz")


def quoted(text: str) -> str:
    """What somebody typed, short and printable, for a sentence about it."""
    shown = text if len(text) <= 40 else text[:39] + "…"
    return "“" + "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in shown) + "”"


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The real moment of a reading of the wall clock, in UTC.

    A reading that comes twice means the first; one that is skipped means the end of the gap.
    """
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if reading_of(moment, zone) == wall:
        return moment
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return clock_change(zone, before, moment) or moment


def reading_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the wall clock shows at that moment."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def offset_at(zone: ZoneInfo, moment: datetime) -> timedelta:
    """How far the wall clock is ahead of UTC at that moment."""
    return moment.astimezone(zone).utcoffset() or timedelta()


def clock_change(zone: ZoneInfo, low: datetime, high: datetime, *, newest: bool = False) -> datetime | None:
    """The oldest (or newest) moment in (low, high] at which the clocks were changed.

    Looks once a day: no zone has ever changed its clocks and changed them back within one.
    """
    while low < high:
        left = max(low, high - DAY) if newest else low
        right = high if newest else min(high, low + DAY)
        if offset_at(zone, left) != offset_at(zone, right):
            return _halve(zone, left, right)
        if newest:
            high = left
        else:
            low = right
    return None


def _halve(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second of the new offset, which is not yet there at `low` and is at `high`."""
    low = low.replace(microsecond=0)
    high = high.replace(microsecond=0)
    old = offset_at(zone, low)
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        if offset_at(zone, middle) == old:
            low = middle
        else:
            high = middle
    return high
