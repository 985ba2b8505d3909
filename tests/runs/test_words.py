"""How runs are spoken of: three words for an end, times that people say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runs import words
from runs.models import FINAL_STATES, RunState, WorkOrderState


def test_every_state_has_a_word_a_meaning_and_one_filter():
    assert set(words.WORDS) == set(RunState)
    assert {words.WORDS[state].text for state in FINAL_STATES} == {"Succeeded", "Failed", "Cancelled"}
    assert all(word.meaning for word in words.WORDS.values())
    assert sorted(state for _word, states in words.GROUPS.values() for state in states) == sorted(RunState)
    for word, states in words.GROUPS.values():
        assert {words.WORDS[state].text for state in states} == {word}
    assert set(words.OF_WORK_ORDERS) == set(WorkOrderState)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (5, "5 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 d ago"),
        (-90, "in 90 s"),
    ],
)
def test_times_are_told_as_people_tell_them(seconds, text):
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert words.ago(now - timedelta(seconds=seconds), now) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (340, "340 ms"),
        (2_400, "2.4 s"),
        (59_949, "59.9 s"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_durations_have_the_unit_that_fits(milliseconds, text):
    assert words.span(timedelta(milliseconds=milliseconds)) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 byte"), (999, "999 bytes"), (1200, "1.2 kB"), (2_500_000, "2.5 MB"), (None, "")],
)
def test_sizes_too(count, text):
    assert words.size_of(count) == text
