"""From where the next run of a schedule goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.jobs.language.desk import run_job

ZONE = ZoneInfo("Africa/Nairobi")
FACTS_THERE = {"time_zone": "Africa/Nairobi"}


def found(code, state=None, **more):
    return run_job(code, state or {}, keep_memory="keys", **more).final


def test_what_an_earlier_run_kept_is_where_this_one_begins():
    assert found("state.data = cursor('yesterday')", {"cursor": "page-7"})["data"] == "page-7"
    assert found("state.data = cursor(0)", {"cursor": 12})["data"] == 12


def test_without_one_it_is_the_default_and_without_that_nothing():
    assert found("state.data = cursor(1)")["data"] == 1
    assert found("state.data = cursor()")["data"] is None


def test_what_is_kept_is_in_the_memory_for_the_next_run():
    done = run_job("cursor.keep(8); state.data = cursor()", {"cursor": 7}, keep_memory="keys")
    assert done.memory == {"cursor": 8}
    assert done.final["data"] == 8


@pytest.mark.parametrize(
    "code",
    [
        "cursor.keep(8); state = {'data': 1}",
        "state = {**state, 'data': 1}; cursor.keep(8)",
        "cursor.keep(8); return {'data': 1}",
        "def main(state, cursor):\n    cursor.keep(8)\n    return {'data': 1}",
    ],
)
def test_it_outlives_a_state_that_is_replaced(code):
    assert found(code, {"cursor": 7}) == {"data": 1, "cursor": 8}


def test_who_sets_the_key_by_hand_has_the_last_word():
    assert found("cursor.keep(8); state.cursor = 9")["cursor"] == 9


def test_several_cursors_have_keys_of_their_own():
    final = found("cursor.keep(1, key='events'); cursor.keep(2, key='people')")
    assert (final["events"], final["people"]) == (1, 2)


def test_words_are_moments_in_the_time_zone_of_the_run():
    words = ["start", "now", "today", "yesterday", "3 hours ago", "1 day ago"]
    code = f"state.data = [cursor(word) for word in {words}]"
    said = found(code, facts=FACTS_THERE)["data"]
    start, now, today, yesterday, hours, day = map(datetime.fromisoformat, said)
    assert all(each.utcoffset() == timedelta(hours=3) for each in (start, now, today, yesterday))
    assert abs(datetime.now(ZONE) - start) < timedelta(minutes=1)
    assert start <= now
    assert (today.hour, today.minute, today - yesterday) == (0, 0, timedelta(days=1))
    assert (start - hours, start - day) == (timedelta(hours=3), timedelta(days=1))


def test_the_start_is_the_same_however_late_it_is_asked_for():
    code = (
        "import time\nbefore = cursor('start')\ntime.sleep(1.1)\nstate.data = before == cursor.keep('start')"
    )
    assert found(code)["data"] is True


def test_a_moment_may_have_a_form_and_other_words_stay_as_they_are():
    code = "state.data = [cursor('today', format='%Y-%m-%d'), cursor('A12'), cursor('ago')]"
    day, *others = found(code, facts=FACTS_THERE)["data"]
    assert day == f"{datetime.now(ZONE):%Y-%m-%d}"
    assert others == ["A12", "ago"]


def test_where_no_later_run_will_know_it_the_log_says_so_once():
    [(level, text)] = run_job("cursor.keep(1); cursor.keep(2)", {}).lines(source="platform")
    assert (level, text[:34]) == ("warning", "No later run will know this cursor")


def test_a_cursor_does_not_take_the_place_of_the_data():
    assert "a name of its own" in run_job("cursor.keep(1, key='data')", {}).message
