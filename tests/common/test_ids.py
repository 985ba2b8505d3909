"""Ids that sort by time."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from openfn_platform.common.ids import uuid7


def test_ids_of_one_process_sort_in_the_order_in_which_they_were_made() -> None:
    stamps = []
    for _ in range(300):
        stamps.append(uuid7())
        before = time.time_ns()
        while time.time_ns() - before < 1_000:  # the clock of an id ticks four times in a microsecond
            pass
    assert stamps == sorted(stamps)
    assert [str(each) for each in stamps] == sorted(str(each) for each in stamps)


def test_an_id_says_version_7_and_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after


def test_many_threads_make_no_id_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [uuid7() for _ in range(2_000)], range(8)))
    assert len({each for some in made for each in some}) == 16_000
