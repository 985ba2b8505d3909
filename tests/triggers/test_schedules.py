"""Schedules keep the local time across clock changes, never repeat a slot, and can be walked back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.schedules import (
    COUNT_AT_MOST,
    UNITS,
    Cron,
    Every,
    Once,
    ScheduleError,
    describe,
    missed,
    slot_before,
    slots_after,
    validate,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = [
    "Europe/Brussels",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "UTC",
]


def utc(*parts):
    return datetime(*parts).replace(tzinfo=UTC)


def walls(slots, tz):
    return [slot.astimezone(ZoneInfo(tz)).replace(tzinfo=None, fold=0) for slot in slots]


# ---- every -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tz", ["Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
@pytest.mark.parametrize("month", [3, 4, 9, 10, 11])
def test_every_two_weeks_is_two_fridays_at_23_in_any_28_days(tz, month):
    start = datetime(2026, 1, 2, 23)
    schedule = Every(count=2, unit="weeks", start=start, tz=tz)
    for day in range(1, 29):
        after = datetime(2026, month, day, 12, tzinfo=ZoneInfo(tz))
        until = (after.replace(tzinfo=None) + timedelta(days=28)).replace(tzinfo=ZoneInfo(tz))
        found = missed(schedule, after, until)
        assert found.total == 2
        assert [
            (wall.isoweekday(), wall.hour, (wall - start).days % 14) for wall in walls(found.slots, tz)
        ] == [
            (5, 23, 0),
            (5, 23, 0),
        ]


def test_the_start_is_the_first_slot_and_nothing_comes_before():
    schedule = Every(count=3, unit="days", start=datetime(2026, 5, 1, 8), tz="Asia/Kathmandu")
    first, second = slots_after(schedule, EPOCH, 2)
    assert (first, second) == (utc(2026, 5, 1, 2, 15), utc(2026, 5, 4, 2, 15))
    assert slot_before(schedule, first) is None
    assert slot_before(schedule, second) == first
    assert slot_before(schedule, first + timedelta(seconds=1)) == first


def test_months_are_clipped_to_their_last_day_from_the_start():
    schedule = Every(count=1, unit="months", start=datetime(2027, 1, 31, 6), tz="Europe/Brussels")
    days = [
        (wall.month, wall.day, wall.hour)
        for wall in walls(slots_after(schedule, EPOCH, 5), "Europe/Brussels")
    ]
    assert days == [(1, 31, 6), (2, 28, 6), (3, 31, 6), (4, 30, 6), (5, 31, 6)]


def test_a_leap_day_comes_back_as_the_28th():
    schedule = Every(count=12, unit="months", start=datetime(2024, 2, 29, 6), tz="UTC")
    assert [slot.day for slot in slots_after(schedule, EPOCH, 5)] == [29, 28, 28, 28, 29]


@pytest.mark.parametrize(("count", "unit"), [(6, "hours"), (360, "minutes")])
def test_minutes_and_hours_count_time_that_really_passes(count, unit):
    schedule = Every(count=count, unit=unit, start=datetime(2026, 10, 24, 18), tz="Europe/Brussels")
    slots = slots_after(schedule, EPOCH, 4)
    assert {later - slot for slot, later in pairwise(slots)} == {timedelta(hours=6)}
    assert [wall.hour for wall in walls(slots, "Europe/Brussels")] == [18, 0, 5, 11]


def test_a_skipped_time_fires_right_after_the_gap_and_a_repeated_one_once():
    spring = Every(count=1, unit="days", start=datetime(2027, 3, 27, 2, 30), tz="Europe/Brussels")
    assert slots_after(spring, EPOCH, 3) == [
        utc(2027, 3, 27, 1, 30),
        utc(2027, 3, 28, 1),
        utc(2027, 3, 29, 0, 30),
    ]
    autumn = Every(count=1, unit="days", start=datetime(2026, 10, 24, 2, 30), tz="Europe/Brussels")
    assert slots_after(autumn, EPOCH, 3) == [
        utc(2026, 10, 24, 0, 30),
        utc(2026, 10, 25, 0, 30),
        utc(2026, 10, 26, 1, 30),
    ]
    missing_start = Every(count=1, unit="hours", start=datetime(2027, 3, 28, 2, 30), tz="Europe/Brussels")
    assert slots_after(missing_start, EPOCH, 2) == [utc(2027, 3, 28, 1), utc(2027, 3, 28, 2)]


def test_the_day_that_samoa_left_out_makes_no_double():
    schedule = Every(count=1, unit="days", start=datetime(2011, 12, 28), tz="Pacific/Apia")
    assert [wall.day for wall in walls(slots_after(schedule, EPOCH, 4), "Pacific/Apia")] == [28, 29, 31, 1]


# ---- once ------------------------------------------------------------------------------------------------


def test_once_is_once():
    schedule = Once(at=datetime(2026, 10, 25, 2, 30), tz="Europe/Brussels")
    slot = utc(2026, 10, 25, 0, 30)
    assert slots_after(schedule, EPOCH, 5) == [slot]
    assert slots_after(schedule, slot, 5) == []
    assert slot_before(schedule, slot) is None
    assert slot_before(schedule, slot + timedelta(hours=1)) == slot
    assert slots_after(Once(at=datetime(2027, 3, 28, 2, 30), tz="Europe/Brussels"), EPOCH, 5) == [
        utc(2027, 3, 28, 1)
    ]


# ---- promises of every kind ------------------------------------------------------------------------------

STARTS = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1))
NIGHTS = st.sampled_from(
    [
        datetime(2026, 10, 25, 2, 30),
        datetime(2027, 3, 28, 2, 30),
        datetime(2026, 10, 4, 2, 15),
        datetime(2026, 4, 5, 1, 45),
        datetime(2011, 12, 30, 9),
        datetime(2018, 11, 4, 0, 0),
        datetime(2026, 11, 1, 1, 30),
    ]
)
ZONE_NAMES = st.sampled_from(ZONES)
SCHEDULES = st.one_of(
    st.builds(Every, st.integers(1, 40), st.sampled_from(UNITS), STARTS | NIGHTS, ZONE_NAMES),
    st.builds(
        Cron, st.sampled_from(["*/20 * * * *", "30 2 * * *", "0 */3 * * *", "15 0,2 1,30 * 5"]), ZONE_NAMES
    ),
    st.builds(Once, STARTS | NIGHTS, ZONE_NAMES),
)
MOMENTS = st.one_of(
    st.datetimes(datetime(2004, 1, 1), datetime(2032, 1, 1)),
    NIGHTS.flatmap(
        lambda night: st.integers(-3000, 3000).map(lambda minutes: night + timedelta(minutes=minutes))
    ),
).map(lambda moment: moment.replace(tzinfo=UTC))


@settings(max_examples=400, deadline=None)
@given(SCHEDULES, MOMENTS)
def test_slots_increase_strictly_and_each_knows_the_one_before(schedule, after):
    slots = slots_after(schedule, after, 6)
    assert [after, *slots] == sorted({after, *slots})
    assert all(slot.tzinfo is UTC for slot in slots)
    for slot, later in pairwise(slots):
        assert slot_before(schedule, later) == slot
        assert slots_after(schedule, slot, 1) == [later]
    if slots:
        before = slot_before(schedule, slots[0])
        assert before is None or before <= after


@settings(max_examples=200, deadline=None)
@given(SCHEDULES, MOMENTS, st.integers(0, 12), st.integers(0, 12))
def test_what_was_missed_is_what_would_have_come(schedule, after, count, cap):
    slots = slots_after(schedule, after, count)
    until = slots[-1] if slots else after
    found = missed(schedule, after, until, cap)
    assert found.slots == tuple(slots[-cap:] if cap else ())
    assert (found.total, found.exact) == (len(slots), True)


# ---- catching up -----------------------------------------------------------------------------------------


def test_counting_two_years_of_minutes_stops_early_and_says_so():
    began = perf_counter()
    found = missed(Cron("* * * * *", "Europe/Brussels"), utc(2024, 1, 1), utc(2026, 1, 1), cap=3)
    assert perf_counter() - began < 3
    assert (found.total, found.exact) == (COUNT_AT_MOST, False)
    assert found.slots == (utc(2025, 12, 31, 23, 58), utc(2025, 12, 31, 23, 59), utc(2026, 1, 1))


def test_a_slot_at_the_end_of_the_wait_is_missed_and_one_at_its_beginning_is_not():
    found = missed(Cron("0 * * * *", "UTC"), utc(2026, 1, 1, 5), utc(2026, 1, 1, 8))
    assert found.slots == (utc(2026, 1, 1, 6), utc(2026, 1, 1, 7), utc(2026, 1, 1, 8))
    assert missed(Cron("0 * * * *", "UTC"), utc(2026, 1, 1, 8), utc(2026, 1, 1, 8)).total == 0
    assert missed(Cron("0 * * * *", "UTC"), utc(2026, 1, 1, 9), utc(2026, 1, 1, 8)).total == 0


# ---- refusals and words ----------------------------------------------------------------------------------

START = datetime(2026, 5, 1, 23)


@pytest.mark.parametrize(
    ("schedule", "field", "words"),
    [
        (Every(0, "minutes", START, "UTC"), "count", "shortest is every 1 minute"),
        (Every(-2, "weeks", START, "UTC"), "count", "never"),
        (Every(10_000, "days", START, "UTC"), "count", "larger unit"),
        (Every(1, "seconds", START, "UTC"), "unit", "choose minutes, hours, days, weeks or months"),
        (Every(1, "days", None, "UTC"), "start", "from which date and time"),
        (Every(1, "days", START.replace(tzinfo=UTC), "UTC"), "start", "as the clock shows it"),
        (Every(1, "days", datetime(1, 1, 1), "UTC"), "start", "1970 to 2999"),
        (Every(1, "days", START, "Mars/Phobos"), "tz", "There is no time zone “Mars/Phobos”"),
        (Once(None, "UTC"), "at", "on which date"),
        (Once(START, ""), "tz", "There is no time zone"),
        (Cron("61 * * * *", "UTC"), "expression", "The minute is 61"),
        (Cron("0 0 * * *", "Mars/Phobos"), "tz", "There is no time zone"),
    ],
)
def test_a_refusal_names_the_field_and_what_to_do(schedule, field, words):
    with pytest.raises(ScheduleError, match=words) as refused:
        validate(schedule)
    assert refused.value.context == {"field": field}
    with pytest.raises(ScheduleError):
        slots_after(schedule, EPOCH, 1)


def test_a_moment_without_a_zone_is_a_programming_error():
    with pytest.raises(ValueError, match="time zone"):
        slots_after(Cron("0 0 * * *", "UTC"), datetime(2026, 1, 1), 1)
    with pytest.raises(ValueError, match="time zone"):
        missed(Cron("0 0 * * *", "UTC"), EPOCH, datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Cron("0 23 * * 5", "Europe/Brussels"), "every Friday at 23:00 (Europe/Brussels)"),
        (
            Every(2, "weeks", START, "UTC"),
            "every 2 weeks on Friday at 23:00 (UTC), from Friday 1 May 2026 at 23:00",
        ),
        (Every(1, "days", START, "UTC"), "every day at 23:00 (UTC), from Friday 1 May 2026 at 23:00"),
        (Every(15, "minutes", START, "UTC"), "every 15 minutes (UTC), from Friday 1 May 2026 at 23:00"),
        (
            Every(1, "months", datetime(2026, 1, 31, 6), "UTC"),
            "every month on day 31 or the last day of a shorter month, at 06:00 (UTC), from Saturday 31 January 2026 at 06:00",
        ),
        (Once(START, "UTC"), "once, on Friday 1 May 2026 at 23:00 (UTC)"),
    ],
)
def test_a_schedule_in_words(schedule, words):
    assert describe(schedule) == words
