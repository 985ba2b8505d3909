"""Cron expressions fire when Vixie's cron would, exactly once, in every zone and across every clock change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from triggers.cron import MACROS, CronError, describe, next_slots, validate, walk

BRUSSELS = ZoneInfo("Europe/Brussels")
ZONES = [
    "Europe/Brussels",
    "America/New_York",
    "Australia/Lord_Howe",  # clocks move by half an hour
    "Asia/Kathmandu",  # +05:45
    "Pacific/Apia",  # left out 30 December 2011
    "America/Sao_Paulo",  # changed clocks at midnight
    "UTC",
]
EXPRESSIONS = [
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "0 */2 * * *",
    "30 */3 * * 1-5",
    "5/20 1-4 * * *",
    "30 2 * * *",
    "0,30 2,3 * * *",
    "0 0 * * *",
    "15 1 * * 0",
    "0 0 13 * 5",
    "0 0 */2 * 5",
    "45 23 1,15,30 * *",
    "*/10 0 30 12 *",
]


def local(*parts, zone="Europe/Brussels", fold=0):
    return datetime(*parts).replace(tzinfo=ZoneInfo(zone), fold=fold)


def shown(slots):
    return [f"{slot:%d %H:%M%z}" for slot in slots]


# ---- daylight saving -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("30 2 * * *", (2026, 10, 24, 12), ["25 02:30+0200", "26 02:30+0100"]),
        ("30 2 * * *", (2027, 3, 27, 12), ["28 03:00+0200", "29 02:30+0200"]),
        ("0,30 2,3 * * *", (2027, 3, 28), ["28 03:00+0200", "28 03:30+0200", "29 02:00+0200"]),
        ("*/30 * * * *", (2027, 3, 28, 1, 10), ["28 01:30+0100", "28 03:00+0200", "28 03:30+0200"]),
        (
            "*/30 * * * *",
            (2026, 10, 25, 1, 50),
            ["25 02:00+0200", "25 02:30+0200", "25 02:00+0100", "25 02:30+0100", "25 03:00+0100"],
        ),
        ("0 */2 * * *", (2026, 10, 25, 0, 30), ["25 02:00+0200", "25 02:00+0100", "25 04:00+0100"]),
    ],
)
def test_a_repeated_hour_and_a_skipped_hour(expression, after, expected):
    assert shown(next_slots(expression, "Europe/Brussels", local(*after), len(expected))) == expected


@pytest.mark.parametrize(("expression", "fired"), [("*/15 * * * *", 24), ("0 * * * *", 6)])
def test_no_real_hour_of_the_autumn_night_is_left_out(expression, fired):
    after = local(2026, 10, 25) - timedelta(seconds=1)
    end = after.astimezone(UTC) + timedelta(hours=6)
    assert sum(slot.astimezone(UTC) <= end for slot in next_slots(expression, BRUSSELS, after, 99)) == fired


def test_the_second_pass_of_an_hour_does_not_go_back_to_the_first():
    again = local(2026, 10, 25, 2, 15, fold=1)
    assert shown(next_slots("30 2 * * *", BRUSSELS, again, 1)) == ["26 02:30+0100"]
    assert shown(
        slot.astimezone(BRUSSELS) for slot in islice(walk("30 2 * * *", BRUSSELS, again, back=True), 2)
    ) == [
        "25 02:30+0200",
        "24 02:30+0200",
    ]


def test_half_hour_changes_lose_nothing():
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    autumn = next_slots("0 */2 * * *", lord_howe, local(2026, 4, 5, 0, 30, zone="Australia/Lord_Howe"), 2)
    assert shown(autumn) == ["05 02:00+1030", "05 04:00+1030"]
    spring = next_slots("15 2 * * *", lord_howe, local(2026, 10, 3, 12, zone="Australia/Lord_Howe"), 2)
    assert shown(spring) == ["04 02:30+1100", "05 02:15+1100"]


def test_a_day_left_out_of_the_calendar_fires_once_at_its_end():
    slots = next_slots("0 9,15 * * *", "Pacific/Apia", local(2011, 12, 29, 12, zone="Pacific/Apia"), 4)
    assert shown(slots) == ["29 15:00-1000", "31 00:00+1400", "31 09:00+1400", "31 15:00+1400"]


def test_a_midnight_that_does_not_exist():
    before = local(2018, 11, 3, 22, zone="America/Sao_Paulo")
    assert shown(next_slots("0 0 * * *", "America/Sao_Paulo", before, 2)) == [
        "04 01:00-0200",
        "05 00:00-0200",
    ]
    assert shown(next_slots("0 */2 * * *", "America/Sao_Paulo", before, 2)) == [
        "04 02:00-0200",
        "04 04:00-0200",
    ]


def test_nepal_keeps_its_three_quarters_of_an_hour():
    [slot] = next_slots("0 6 * * *", "Asia/Kathmandu", datetime(2026, 1, 1, tzinfo=UTC), 1)
    assert slot.astimezone(UTC) == datetime(2026, 1, 1, 0, 15, tzinfo=UTC)
    assert slot.tzinfo == ZoneInfo("Asia/Kathmandu")


# ---- against a walk through real time --------------------------------------------------------------------

CHANGES = {
    "Europe/Brussels": [datetime(2026, 10, 25, 1), datetime(2027, 3, 28, 1)],
    "America/New_York": [datetime(2026, 11, 1, 6), datetime(2027, 3, 14, 7)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 15), datetime(2026, 10, 3, 15, 30)],
    "Pacific/Apia": [datetime(2011, 12, 30, 10), datetime(2021, 4, 3, 14)],
    "America/Sao_Paulo": [datetime(2018, 2, 18, 2), datetime(2018, 11, 4, 3)],
    "Asia/Kathmandu": [datetime(2026, 1, 1)],
    "UTC": [datetime(2026, 1, 1)],
}


def minutes_around(zone):
    for change in CHANGES[zone]:
        first = change.replace(tzinfo=UTC) - timedelta(hours=30)
        yield [first + timedelta(minutes=minute) for minute in range(60 * 60)]


def naive_matches(expression, first, last):
    """Matching readings of a clock without a zone, straight from cronsim."""
    readings = CronSim(expression, first - timedelta(minutes=1))
    return set(takewhile(lambda reading: reading <= last, readings))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_minute_around_a_change_was_right_to_fire_or_not(zone, expression):
    fixed = not any(part.startswith("*") for part in expression.split()[:2])
    for minutes in minutes_around(zone):
        readings = [minute.astimezone(ZoneInfo(zone)) for minute in minutes]
        walls = [reading.replace(tzinfo=None, fold=0) for reading in readings]
        due = naive_matches(expression, min(walls), max(walls))
        expected, seen = [], min(walls) - timedelta(minutes=1)
        for minute, wall in zip(minutes, walls, strict=True):
            fresh = any(seen < reading <= wall for reading in due)  # also true right after a gap
            if fresh if fixed else wall in due:
                expected.append(minute)
            seen = max(seen, wall)
        just_before, end = minutes[0] - timedelta(seconds=1), minutes[-1] + timedelta(seconds=1)
        forward = next_slots(expression, zone, just_before, len(expected) + 1)
        assert [slot.astimezone(UTC) for slot in forward][: len(expected)] == expected
        assert list(islice(walk(expression, zone, end, back=True), len(expected))) == expected[::-1]


MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2037, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@settings(deadline=None)
@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), MOMENTS)
def test_slots_increase_strictly_and_can_be_walked_back(expression, zone, after):
    slots = [slot.astimezone(UTC) for slot in next_slots(expression, zone, after, 5)]
    assert [after, *slots] == sorted({after, *slots})
    assert list(islice(walk(expression, zone, slots[-1], back=True), 4)) == slots[-2::-1]
    assert next_slots(expression, zone, slots[1], 1)[0] == slots[2]


# What cronsim itself says in a zone, away from the nights on which it errs.
@settings(deadline=None)
@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), MOMENTS)
def test_cronsim_agrees_on_ordinary_days(expression, zone, after):
    theirs = list(islice(CronSim(expression, after.astimezone(ZoneInfo(zone))), 3))
    assume(len({moment.utcoffset() for moment in [after.astimezone(ZoneInfo(zone)), *theirs]}) == 1)
    assert next_slots(expression, zone, after, 3) == theirs


# ---- what an expression means ----------------------------------------------------------------------------


def test_either_day_is_enough_when_both_are_restricted():
    assert shown(next_slots("0 0 13 * 5", "UTC", datetime(2027, 8, 10, tzinfo=UTC), 3)) == [
        "13 00:00+0000",
        "20 00:00+0000",
        "27 00:00+0000",
    ]
    assert shown(next_slots("0 0 14 * 5", "UTC", datetime(2027, 8, 12, tzinfo=UTC), 2)) == [
        "13 00:00+0000",
        "14 00:00+0000",
    ]


def test_both_days_must_fit_when_one_begins_with_a_star():
    slots = next_slots("0 0 */2 * 5", "UTC", datetime(2027, 8, 1, tzinfo=UTC), 2)
    assert shown(slots) == ["13 00:00+0000", "27 00:00+0000"]


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("0 9 * * 7", "0 9 * * 0"),
        ("0 9 * * sun", "0 9 * * 0"),
        ("00 09 * JAN-mar Mon-FRI", "0 9 * 1-3 1-5"),
        ("  5\t4 * * *  ", "5 4 * * *"),
        ("0/20 * * * *", "0,20,40 * * * *"),
        ("0 9 * * 5-7", "0 9 * * 5,6,0"),
        ("5-5/10 * * * *", "5 * * * *"),
        *MACROS.items(),
        ("@DAILY", "0 0 * * *"),
    ],
)
def test_other_ways_to_write_the_same(expression, same):
    after = datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert next_slots(expression, "UTC", after, 20) == next_slots(same, "UTC", after, 20)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("61 * * * *", "The minute is 61, but allowed are 0 to 59."),
        ("* 24 * * *", "The hour is 24, but allowed are 0 to 23."),
        ("0 0 0 * *", "The day of the month is 0, but allowed are 1 to 31."),
        ("0 0 * 13 *", "The month is 13, but allowed are 1 to 12, or JAN to DEC."),
        (
            "0 0 * * 8",
            "The day of the week is 8, but allowed are 0 to 7, where 0 and 7 are Sunday, or SUN to SAT.",
        ),
        ("0 0 31 2 *", "This would never fire: February never has a day 31."),
        ("0 0 30 2 *", "This would never fire: February never has a day 30."),
        ("0 0 31 4,6 *", "This would never fire: April and June never have a day 31."),
        ("0 0 30-31 2 */2", "This would never fire: February never has a day 30."),
        ("@reboot", "@reboot has no meaning here; give a time, for example @daily."),
        ("٥ * * * *", "“٥” is not one of the digits 0 to 9; type the numbers with those."),
    ],
)
def test_a_refusal_says_what_to_change(expression, sentence):
    with pytest.raises(CronError) as refused:
        validate(expression)
    assert refused.value.message == sentence
    assert refused.value.context == {"field": "expression"}


@pytest.mark.parametrize(
    "expression",
    [
        "", "   ", "\0", "@", "@every 5m", "* * * *", "* * * * * *", "a b c d e", "9" * 10_000, "* " * 5_000,
        "*/0 * * * *", "*/61 * * * *", "* */25 * * *", "*/ * * * *", "1/2/3 * * * *", "-1 * * * *", "+1 * * * *",
        "5-1 * * * *", "1-2-3 * * * *", "*-5 * * * *", "** * * * *", "1,,2 * * * *", ", * * * *", "1_0 * * * *",
        "0 0 L * *", "0 0 ? * *", "0 0 * * 5#2", "0 0 * * fri-sun", "0 0 * * friday", "0 0 * * *\n",
        "1.5 * * * *", "² * * * *", "\ud800 * * * *",
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_short_printable_sentence(expression):
    with pytest.raises(CronError) as refused:
        validate(expression)
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 250


@settings(deadline=None)
@given(
    st.text(max_size=20)
    | st.lists(st.text("0123456789*/-,MON", max_size=5), min_size=5, max_size=5).map(" ".join)
)
def test_whatever_is_typed_it_is_refused_or_it_fires(expression):
    try:
        validate(expression)
    except CronError:
        return
    assert len(next_slots(expression, "Europe/Brussels", datetime(2026, 1, 1, tzinfo=UTC), 1)) == 1
    assert describe(expression)


@pytest.mark.parametrize(
    "tz", ["Mars/Phobos", "", "../etc/passwd", "Europe", "localtime", "\0", "x" * 10_000, "europe/brussels"]
)
def test_an_unknown_zone_is_refused(tz):
    with pytest.raises(CronError, match="There is no time zone"):
        next_slots("0 0 * * *", tz, datetime(2026, 1, 1, tzinfo=UTC), 1)


def test_a_misspelt_zone_gets_a_suggestion():
    with pytest.raises(CronError, match="did you mean Europe/Brussels"):
        next_slots("0 0 * * *", "Europe/Brusels", datetime(2026, 1, 1, tzinfo=UTC), 1)


def test_a_moment_without_a_zone_is_a_programming_error():
    with pytest.raises(ValueError, match="time zone"):
        next_slots("0 0 * * *", "UTC", datetime(2026, 1, 1), 1)


@pytest.mark.parametrize("expression", ["* 0 * * *", "0 0 * * *"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_the_calendar_ends_quietly(expression, zone):
    assert len(next_slots(expression, zone, datetime(9999, 12, 30, tzinfo=UTC), 10_000)) < 200
    assert len(list(walk(expression, zone, datetime(1, 1, 3, tzinfo=UTC), back=True))) < 200


# ---- in words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 23 * * 5", "every Friday at 23:00"),
        ("0 */2 * * *", "at minute 0 past every 2nd hour"),
        ("* * * * *", "every minute"),
        ("*/15 8-17 * * 1-5", "every 15 minutes from 08:00 to 17:59, every Monday to Friday"),
        ("0 * * * *", "at minute 0 past every hour"),
        ("30 2 * * *", "every day at 02:30"),
        ("0 9,17 * * sat,sun", "every Saturday and Sunday at 09:00 and 17:00"),
        ("@monthly", "on day 1 of every month at 00:00"),
        ("@yearly", "on day 1 of January at 00:00"),
        ("0 9 1,15 1,7 *", "on days 1 and 15 of January and July at 09:00"),
        ("0 0 13 * 5", "on day 13 of the month, and also every Friday, at 00:00"),
        ("*/10 * * 6-8 *", "every 10 minutes, from June to August"),
        ("*/7 */5 * * *", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 past hours 00, 05, 10, 15 and 20"),
    ],
)
def test_an_expression_in_words(expression, words):
    assert describe(expression) == words
