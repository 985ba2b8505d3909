"""When a cron expression fires in a time zone, whether it can, and what it means in words.

Five fields with Vixie's meaning: when day of month and day of week are both restricted either is enough,
but when one of them begins with `*` both must fit. Names, steps, `@daily` and its like, Sunday as 0 or 7.

Daylight saving, as Debian's cron does it. A job at fixed times (neither the minute nor the hour begins with
`*`) fires once in a repeated hour, the first time; a time that is skipped fires once, right after the gap. Every
other job fires in each hour that really passes.

`cronsim` finds the matching readings of a wall clock without a zone; which moments those are is decided
here, because on its own it forgets slots where clocks change at midnight or by half an hour, and starts again
too early inside a repeated hour. Pure: neither Django nor Celery.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from openfn_platform.common.errors import Invalid
from triggers.wallclock import (
    INSTANT,
    SECOND,
    UnknownZone,
    clock_change,
    moment_of,
    offset_at,
    quoted,
    reading_of,
    zone_of,
)

MAX_LENGTH = 400
EXAMPLE = "“0 23 * * FRI” means every Friday at 23:00"

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]  # fmt: skip
WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
LONGEST_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


class CronError(Invalid):
    """This cron expression cannot be used."""

    code = "invalid_cron"


def validate(expression: str) -> None:
    """Raise CronError, with a sentence for the person who typed it, unless the expression can fire."""
    _read(expression)


def next_slots(expression: str, tz: str | ZoneInfo, after: datetime, count: int) -> list[datetime]:
    """The first `count` firings after `after`, in the zone; fewer only at the end of the calendar."""
    zone = _zone(tz)
    slots = walk(expression, zone, after)
    return [slot.astimezone(zone) for slot in islice(slots, max(count, 0))]


def walk(expression: str, tz: str | ZoneInfo, origin: datetime, *, back: bool = False) -> Iterator[datetime]:
    """Firings after `origin`, or before it and going back, one by one, in UTC; `origin` is never one."""
    timetable = _read(expression)
    zone = _zone(tz)
    if origin.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return _slots(timetable, zone, origin.astimezone(UTC), back=back)


def _zone(tz: str | ZoneInfo) -> ZoneInfo:
    try:
        return zone_of(tz)
    except UnknownZone as error:
        raise CronError(error.message, field="tz") from None


# ---- from the wall clock to real time --------------------------------------------------------------------


def _slots(timetable: "Timetable", zone: ZoneInfo, origin: datetime, *, back: bool) -> Iterator[datetime]:
    follow = _fixed_times if timetable.fixed else _passing_times
    try:
        yield from follow(timetable, zone, origin, back=back)
    except OverflowError:  # the calendar ends in the years 1 and 9999
        return


def _readings(timetable: "Timetable", wall: datetime, *, back: bool) -> Iterator[datetime]:
    """Readings of a wall clock that match, after `wall` or before it."""
    readings: Iterator[datetime] = CronSim(timetable.text, wall, reverse=back)
    return readings


def _fixed_times(
    timetable: "Timetable", zone: ZoneInfo, origin: datetime, *, back: bool
) -> Iterator[datetime]:
    wall = reading_of(origin, zone)
    if back:
        # In the second pass of a repeated hour, later readings belong to the first pass, so to the past.
        wall = max(wall, origin.replace(tzinfo=None) + (wall.replace(tzinfo=zone).utcoffset() or timedelta()))
    last = origin
    for reading in _readings(timetable, wall, back=back):
        moment = moment_of(reading, zone)
        # Two readings inside a gap are the same moment; inside a repeated hour the first pass may be over.
        if (moment < last) if back else (moment > last):
            yield moment
            last = moment


def _passing_times(
    timetable: "Timetable", zone: ZoneInfo, origin: datetime, *, back: bool
) -> Iterator[datetime]:
    """Between two changes of the clocks a wall clock is simple; so go from change to change."""
    edge, included = origin, False
    while True:
        # A moment inside the stretch to walk now; a change of the clocks beyond it ends the stretch.
        cursor = edge - INSTANT if back else edge
        offset = offset_at(zone, cursor)
        wall = edge.replace(tzinfo=None) + offset - (SECOND if included else timedelta())
        change = None
        for reading in _readings(timetable, wall, back=back):
            moment = reading.replace(tzinfo=UTC) - offset
            low, high = (moment, cursor) if back else (cursor, moment)
            change = clock_change(zone, low, high, newest=back)
            if change is not None:
                break
            yield moment
            cursor = moment
        if change is None:
            return
        edge, included = change, not back  # a change belongs to the stretch that it begins


# ---- reading an expression -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One of the five places of an expression."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        if not self.names:
            return f"{self.low} to {self.high}"
        week = ", where 0 and 7 are Sunday" if self.high == 7 else ""
        return f"{self.low} to {self.high}{week}, or {self.names[0]} to {self.names[-1]}"


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, tuple(name[:3].upper() for name in MONTHS)),
    Field("day of the week", 0, 7, tuple(name[:3].upper() for name in WEEKDAYS)),
)


@dataclass(frozen=True)
class Timetable:
    """An expression that was understood; `text` is how cronsim wants it."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    fixed: bool
    either_day: bool


@lru_cache(maxsize=4096)
def _read(expression: str) -> Timetable:
    parts = _split(expression)
    read = [_field(field, part) for field, part in zip(FIELDS, parts, strict=True)]
    minutes, hours, days, months, weekdays = (tuple(sorted(values)) for _, values in read)
    timetable = Timetable(
        text=" ".join(text for text, _ in read),
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=tuple(sorted({day % 7 for day in weekdays})),
        fixed=not parts[0].startswith("*") and not parts[1].startswith("*"),
        either_day=not parts[2].startswith("*") and not parts[4].startswith("*"),
    )
    if not timetable.either_day and days[0] > max(LONGEST_MONTH[month - 1] for month in months):
        names = _listed([MONTHS[month - 1] for month in months])
        has = "has" if len(months) == 1 else "have"
        raise CronError(f"This would never fire: {names} never {has} a day {days[0]}.", field="expression")
    try:
        CronSim(timetable.text, datetime(2000, 1, 1))
    except CronSimError:
        raise CronError(f"{quoted(expression)} cannot be read; {EXAMPLE}.", field="expression") from None
    return timetable


def _split(expression: str) -> list[str]:
    text = expression.strip(" \t")
    if not text:
        raise CronError(f"Write when it should fire: {EXAMPLE}.", field="expression")
    if len(text) > MAX_LENGTH:
        raise CronError(
            f"A cron expression is short, at most {MAX_LENGTH} characters; this one has {len(text)}.",
            field="expression",
        )
    if text.startswith("@"):
        return _macro(text).split()
    strange = re.search(r"[^0-9A-Za-z*/,\- \t]", text)
    if strange:
        raise CronError(_strange_sentence(strange.group()), field="expression")
    parts = text.upper().split()
    if len(parts) != len(FIELDS):
        names = ", ".join(field.name for field in FIELDS)
        extra = " Seconds and years are not used here." if len(parts) > len(FIELDS) else ""
        count = "1 field" if len(parts) == 1 else f"{len(parts)} fields"
        raise CronError(
            f"A cron expression has five fields ({names}) with spaces between; this one has {count}.{extra}",
            field="expression",
        )
    return parts


def _macro(text: str) -> str:
    if text.lower() == "@reboot":
        raise CronError("@reboot has no meaning here; give a time, for example @daily.", field="expression")
    try:
        return MACROS[text.lower()]
    except KeyError:
        known = ", ".join(MACROS)
        raise CronError(f"{quoted(text)} is not known; there are {known}.", field="expression") from None


def _strange_sentence(sign: str) -> str:
    if sign in "#?":
        return f"“{sign}” is not used here; write days of the week as MON to SUN and “*” for any day."
    if sign.isdigit():
        return f"“{sign}” is not one of the digits 0 to 9; type the numbers with those."
    return f"A cron expression cannot contain {quoted(sign)}; {EXAMPLE}."


def _field(field: Field, part: str) -> tuple[str, set[int]]:
    terms = [_term(field, term, part) for term in part.split(",")]
    return ",".join(text for text, _ in terms), set().union(*(values for _, values in terms))


def _term(field: Field, term: str, part: str) -> tuple[str, set[int]]:
    """One of the comma's parts: `*`, `5`, `MON-FRI`, `*/15`, `8-17/3`, or `5/15` for 5 to the end in steps."""
    span, slash, step_text = term.partition("/")
    step = _step(field, term, step_text) if slash else 1
    if span == "*":
        return (f"*/{step}" if slash else "*"), set(range(field.low, field.high + 1, step))
    first_text, dash, last_text = span.partition("-")
    if not first_text or (dash and not last_text):
        what = "a comma, dash or slash too many" if part else "nothing"
        raise CronError(f"{quoted(part)} in the {field.name} field has {what}.", field="expression")
    first = _number(field, first_text)
    last = _number(field, last_text) if dash else field.high if slash else first
    if last < first:
        hint = "write Sunday as 7, or " if field.high == 7 and last == 0 else ""
        raise CronError(
            f"{quoted(term)} in the {field.name} field goes backwards; {hint}list the values with commas.",
            field="expression",
        )
    values = set(range(first, last + 1, step))
    if first == last:
        return str(first), values
    return f"{first}-{last}" + (f"/{step}" if slash else ""), values


def _step(field: Field, term: str, text: str) -> int:
    highest = field.high - field.low + 1
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= highest:
        hint = ""
        if re.fullmatch(r"[0-9]{1,9}", text) and int(text) > highest:
            hint = f"; for longer steps use a schedule of the kind “every {int(text)} {field.name}s”"
            hint = hint if field.low == 0 and field.high != 7 else ""
        raise CronError(
            f"The step after the slash in {quoted(term)} ({field.name}) must be a number from 1 to {highest}{hint}.",
            field="expression",
        )
    return int(text)


def _number(field: Field, text: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    if not re.fullmatch(r"[0-9]{1,9}", text):
        last_day = "L" in text and field.high == 31
        hint = (
            " For the last day of a month use the schedule “every 1 months” from a 31st." if last_day else ""
        )
        raise CronError(
            f"{quoted(text)} is not a {field.name}; allowed are * and {field.allowed}.{hint}",
            field="expression",
        )
    if not field.low <= int(text) <= field.high:
        raise CronError(
            f"The {field.name} is {int(text)}, but allowed are {field.allowed}.", field="expression"
        )
    return int(text)


# ---- in words --------------------------------------------------------------------------------------------


def describe(expression: str) -> str:
    """The expression in plain English: "every Friday at 23:00"."""
    timetable = _read(expression)
    day = _day_words(timetable)
    clock = _clock_words(timetable)
    if clock:
        return f"{day or 'every day'}{_month_suffix(timetable)} {clock}"
    passing = f"{_minute_words(timetable.minutes)}{_hour_words(timetable)}"
    return ", ".join(filter(None, [passing, f"{day}{_month_suffix(timetable)}".strip()]))


def _clock_words(timetable: Timetable) -> str:
    """ "at 09:00 and 17:00", when few enough times to say each."""
    if len(timetable.hours) == 24 or len(timetable.minutes) * len(timetable.hours) > 6:
        return ""
    return "at " + _listed([f"{h:02}:{m:02}" for h in timetable.hours for m in timetable.minutes])


def _minute_words(minutes: tuple[int, ...]) -> str:
    if len(minutes) == 60:
        return "every minute"
    step = _even_step(minutes, 60)
    if step:
        return f"every {step} minutes"
    return f"at minute {minutes[0]}" if len(minutes) == 1 else f"at minutes {_listed(minutes)}"


def _hour_words(timetable: Timetable) -> str:
    even = len(timetable.minutes) == 60 or bool(_even_step(timetable.minutes, 60))
    if len(timetable.hours) == 24:
        return "" if even else " past every hour"
    step = _even_step(timetable.hours, 24)
    word = "in" if even else "past"
    if step:
        return f" {word} every {_ordinal(step)} hour"
    first, last = timetable.hours[0], timetable.hours[-1]
    if even and last - first == len(timetable.hours) - 1:
        return f" from {first:02}:00 to {last:02}:59"
    spans = _spans([f"{hour:02}" for hour in timetable.hours], timetable.hours)
    return f" {word} {'hour' if len(timetable.hours) == 1 else 'hours'} {spans}"


def _day_words(timetable: Timetable) -> str:
    any_day, any_weekday = len(timetable.days) == 31, len(timetable.weekdays) == 7
    weekdays = _weekday_words(timetable.weekdays)
    days = ("day " if len(timetable.days) == 1 else "days ") + _spans(timetable.days, timetable.days)
    if any_day and any_weekday:
        return ""
    if timetable.either_day:
        return "every day" if any_day or any_weekday else f"on {days} of the month, and also {weekdays},"
    if any_day:
        return weekdays
    if any_weekday:
        return f"on {days} of {_months(timetable) or 'every month'}"
    return f"on {days} of the month, but only {weekdays.replace('every ', 'on a ')},"


def _weekday_words(weekdays: tuple[int, ...]) -> str:
    monday_first = tuple(sorted(day or 7 for day in weekdays))
    names = [WEEKDAYS[day % 7] for day in monday_first]
    return f"every {_spans(names, monday_first)}"


def _month_suffix(timetable: Timetable) -> str:
    """The months, where the words for the day do not have them yet."""
    months = _months(timetable)
    only_days = len(timetable.weekdays) == 7 and len(timetable.days) < 31 and not timetable.either_day
    if not months or only_days:
        return ""
    return f" {'from' if ' to ' in months else 'in'} {months}"


def _months(timetable: Timetable) -> str:
    if len(timetable.months) == 12:
        return ""
    return _spans([MONTHS[month - 1] for month in timetable.months], timetable.months)


def _even_step(values: tuple[int, ...], size: int) -> int:
    """The step if the values are 0 and then the same distance all the way round, else 0."""
    step = size // len(values)
    return step if 1 < step < size and values == tuple(range(0, size, step)) else 0


def _spans(names: "list[str] | tuple[int, ...]", values: tuple[int, ...]) -> str:
    """ "Monday to Friday" when nothing is left out between, else a list."""
    if len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{names[0]} to {names[-1]}"
    return _listed(names)


def _listed(items: "list[str] | tuple[int, ...]") -> str:
    words = [str(item) for item in items]
    if len(words) > 12:
        words = [*words[:6], "…", words[-1]]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"
