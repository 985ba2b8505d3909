"""The three kinds of schedule and their slots: `cron`, `every` N units from a start, and `once`.

A slot is the moment at which a trigger is due; slots are in UTC. `every` days, weeks and months keep the time
on the wall clock, so that a Friday 23:00 stays Friday 23:00 when clocks change; minutes and hours count time
that really passes. A start on a 31st means the last day of shorter months. A local time that is skipped fires
at the end of the gap, one that comes twice fires the first time. Pure: neither Django nor Celery.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from openfn_platform.common.errors import Invalid
from triggers import cron
from triggers.wallclock import INSTANT, UnknownZone, moment_of, quoted, reading_of, zone_of

UNITS = ("minutes", "hours", "days", "weeks", "months")
REAL_TIME = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1)}
MOST = 9999
YEARS = range(1970, 3000)
COUNT_AT_MOST = 50_000  # about half a second of `* * * * *`


class ScheduleError(Invalid):
    """This schedule cannot be used."""

    code = "invalid_schedule"


@dataclass(frozen=True)
class Cron:
    """A cron expression in a time zone."""

    expression: str
    tz: str


@dataclass(frozen=True)
class Every:
    """Every `count` units from a local date and time, which is itself the first slot."""

    count: int
    unit: str
    start: datetime | None
    tz: str


@dataclass(frozen=True)
class Once:
    """One local date and time."""

    at: datetime | None
    tz: str


Schedule = Cron | Every | Once


@dataclass(frozen=True)
class Missed:
    """Slots that nobody served: the newest ones, oldest first, and how many there are in all.

    `exact` is False when counting stopped at COUNT_AT_MOST; then there are at least `total`.
    """

    slots: tuple[datetime, ...]
    total: int
    exact: bool


def validate(schedule: Schedule) -> None:
    """Raise ScheduleError, with a sentence for the person who made it, unless the schedule can be used."""
    _zone(schedule)
    if isinstance(schedule, Cron):
        try:
            cron.validate(schedule.expression)
        except cron.CronError as error:
            raise ScheduleError(error.message, **error.context) from None
    elif isinstance(schedule, Once):
        _local(schedule.at, field="at", missing="Say on which date and at what time it should run.")
    else:
        _check_every(schedule)


def slots_after(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """The first `count` slots later than `after`; fewer when there are no more."""
    return list(islice(_walk(schedule, after, back=False), max(count, 0)))


def slot_before(schedule: Schedule, slot: datetime) -> datetime | None:
    """The newest slot earlier than this one; None if this is the first."""
    return next(_walk(schedule, slot, back=True), None)


def missed(schedule: Schedule, after: datetime, until: datetime, cap: int = 100) -> Missed:
    """The slots in (after, until]: at most `cap` of them, the newest, and how many there are."""
    newest: list[datetime] = []
    total = 0
    for slot in _walk(schedule, _utc(until) + INSTANT, back=True):
        if slot <= after:
            break
        if total == COUNT_AT_MOST:
            return Missed(slots=tuple(reversed(newest)), total=total, exact=False)
        total += 1
        if total <= cap:
            newest.append(slot)
    return Missed(slots=tuple(reversed(newest)), total=total, exact=True)


def describe(schedule: Schedule) -> str:
    """The schedule in plain English, with its time zone."""
    validate(schedule)
    if isinstance(schedule, Cron):
        return f"{cron.describe(schedule.expression)} ({schedule.tz})"
    if isinstance(schedule, Once):
        return f"once, on {_date_and_time(schedule.at)} ({schedule.tz})"
    return f"{_rhythm(schedule)} ({schedule.tz}), from {_date_and_time(schedule.start)}"


# ---- slots -----------------------------------------------------------------------------------------------


def _walk(schedule: Schedule, origin: datetime, *, back: bool) -> Iterator[datetime]:
    """Slots after `origin`, or before it and going back; `origin` is never one."""
    validate(schedule)
    origin = _utc(origin)
    zone = _zone(schedule)
    if isinstance(schedule, Cron):
        return cron.walk(schedule.expression, zone, origin, back=back)
    if isinstance(schedule, Once):
        moment = moment_of(_local(schedule.at), zone)
        return iter([moment] if (moment < origin if back else moment > origin) else [])
    return _every(schedule, zone, origin, back=back)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC)


def _every(schedule: Every, zone: ZoneInfo, origin: datetime, *, back: bool) -> Iterator[datetime]:
    index = _near(schedule, zone, origin) + (2 if back else -2)
    last = origin
    while index >= 0 or not back:
        try:
            slot = _slot(schedule, zone, max(index, 0))
        except OverflowError:
            if not back:  # the calendar ends
                return
        else:
            # Where a whole day was skipped, two readings of the wall clock are one moment.
            if (slot < last) if back else (slot > last):
                yield slot
                last = slot
        index = index - 1 if back else max(index, 0) + 1


def _near(schedule: Every, zone: ZoneInfo, moment: datetime) -> int:
    """Which slot is about due then, give or take two: clocks change by a day at most, months are clipped."""
    start = _local(schedule.start)
    if schedule.unit in REAL_TIME:
        return (moment - moment_of(start, zone)) // (schedule.count * REAL_TIME[schedule.unit])
    wall = reading_of(moment, zone)
    if schedule.unit == "months":
        return ((wall.year - start.year) * 12 + wall.month - start.month) // schedule.count
    return (wall - start).days // (schedule.count * (7 if schedule.unit == "weeks" else 1))


def _slot(schedule: Every, zone: ZoneInfo, index: int) -> datetime:
    """The slot of that number, always reckoned from the start, so that clipped months do not add up."""
    start = _local(schedule.start)
    distance = index * schedule.count
    if schedule.unit in REAL_TIME:
        return moment_of(start, zone) + distance * REAL_TIME[schedule.unit]
    if schedule.unit == "months":
        return moment_of(_months_later(start, distance), zone)
    days = distance * (7 if schedule.unit == "weeks" else 1)
    return moment_of(start + timedelta(days=days), zone)


def _months_later(start: datetime, months: int) -> datetime:
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if year > 9999:
        raise OverflowError("the calendar ends")
    return start.replace(
        year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1])
    )


# ---- checks ----------------------------------------------------------------------------------------------


def _zone(schedule: Schedule) -> ZoneInfo:
    try:
        return zone_of(schedule.tz)
    except UnknownZone as error:
        raise ScheduleError(error.message, field="tz") from None


def _check_every(schedule: Every) -> None:
    if schedule.unit not in UNITS:
        raise ScheduleError(
            f"{quoted(str(schedule.unit))} is not a unit; choose {', '.join(UNITS[:-1])} or {UNITS[-1]}.",
            field="unit",
        )
    if schedule.count < 1:
        raise ScheduleError(
            f"“Every {schedule.count} {schedule.unit}” is never; the shortest is every 1 minute.",
            field="count",
        )
    if schedule.count > MOST:
        raise ScheduleError(
            f"“Every {schedule.count} {schedule.unit}” is too far apart; use at most {MOST}, or a larger unit.",
            field="count",
        )
    _local(schedule.start, missing="Say from which date and time it should start.")


def _local(wall: datetime | None, *, field: str = "start", missing: str = "") -> datetime:
    if wall is None:
        raise ScheduleError(missing, field=field)
    if wall.tzinfo is not None:
        raise ScheduleError(
            "Give the date and time as the clock shows it there; the time zone has a field of its own.",
            field=field,
        )
    if wall.year not in YEARS:
        raise ScheduleError(
            f"The year {wall.year} is out of reach; use {YEARS.start} to {YEARS.stop - 1}.", field=field
        )
    return wall


# ---- in words --------------------------------------------------------------------------------------------


def _rhythm(schedule: Every) -> str:
    start = _local(schedule.start)
    unit = schedule.unit.removesuffix("s") if schedule.count == 1 else schedule.unit
    every = f"every {unit}" if schedule.count == 1 else f"every {schedule.count} {unit}"
    if schedule.unit in REAL_TIME:
        return every
    if schedule.unit == "weeks":
        every += f" on {cron.WEEKDAYS[start.isoweekday() % 7]}"
    if schedule.unit == "months":
        every += f" on day {start.day}" + (" or the last day of a shorter month," if start.day > 28 else "")
    return f"{every} at {_time(start)}"


def _date_and_time(wall: datetime | None) -> str:
    local = _local(wall)
    day = f"{cron.WEEKDAYS[local.isoweekday() % 7]} {local.day} {cron.MONTHS[local.month - 1]} {local.year}"
    return f"{day} at {_time(local)}"


def _time(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
