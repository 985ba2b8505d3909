"""Which ends of a run are worth another automatic attempt, and how long it waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.language.contract import Failure
from runs.backoff import RetryPolicy, is_worth_retrying

POLICY = RetryPolicy(max_attempts=4, first_wait=timedelta(seconds=30), longest_wait=timedelta(seconds=100))
SAFE = RetryPolicy(safe_to_run_again=True, first_wait=timedelta(seconds=30))
ONCE = RetryPolicy()


def failure(**facts: Any) -> Failure:
    return Failure(type=facts.pop("type", "AdaptorError"), message="no", **facts)


DOWN = failure(status=503, retryable=True)


@pytest.mark.parametrize(
    ("policy", "state", "attempt", "why", "seconds"),
    [
        (POLICY, "failed", 1, DOWN, 30),
        (POLICY, "failed", 2, DOWN, 60),
        (POLICY, "failed", 3, DOWN, 100),  # not 120: the longest wait
        (POLICY, "failed", 4, DOWN, None),  # that was the last attempt
        (ONCE, "failed", 1, DOWN, None),  # one attempt is what a job has if nobody says otherwise
        (POLICY, "failed", 1, failure(retryable=True), 30),  # no answer at all: a connection error
        (POLICY, "failed", 1, failure(), None),  # the job said no
        (POLICY, "failed", 1, failure(status=404, retryable=True), None),  # a 4xx stays one
        (POLICY, "failed", 1, failure(status=502), None),  # the write may have been done behind it
        (
            replace(POLICY, safe_to_run_again=True),
            "failed",
            1,
            failure(status=502),
            30,
        ),  # and twice does no harm
        (
            POLICY,
            "failed",
            1,
            failure(status=429, retryable=True, retry_after=10),
            30,
        ),  # we are more patient than asked
        (POLICY, "failed", 1, failure(status=429, retryable=True, retry_after=500), 500),  # they are
        (POLICY, "failed", 1, failure(type="UnsureError", retryable=True), None),  # a person must look
        (POLICY, "failed", 1, None, None),
        (POLICY, "crashed", 1, DOWN, None),
        (POLICY, "killed", 1, DOWN, None),
        (POLICY, "exception", 1, DOWN, 30),  # the token of a credential could not be got just then
        (POLICY, "exception", 1, failure(), None),  # it would not start the second time either
        (POLICY, "cancelled", 1, DOWN, None),
        (POLICY, "success", 1, None, None),
        (POLICY, "lost", 1, None, None),  # nobody said that twice does no harm
        (SAFE, "lost", 1, None, 30),
        (SAFE, "lost", 2, None, 60),  # lost runs get three attempts, whatever the policy says
        (SAFE, "lost", 3, None, None),
        (SAFE, "failed", 1, DOWN, None),
        (RetryPolicy(max_attempts=9, safe_to_run_again=True), "lost", 8, None, 3600),
    ],
)
def test_each_end_waits_as_long_as_it_should(
    policy: RetryPolicy, state: str, attempt: int, why: Failure | None, seconds: int | None
) -> None:
    wait = policy.wait_after(state=state, attempt=attempt, failure=why, spread=1)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("status", "worth"),
    [
        *((status, False) for status in (200, 301, 400, 401, 403, 404, 409, 410, 422)),
        *((status, True) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
    ],
)
def test_only_an_answer_that_may_be_another_one_next_time_is_worth_it(status: int, worth: bool) -> None:
    assert is_worth_retrying(failure(status=status, retryable=True)) is worth
    assert not is_worth_retrying(failure(status=status))


@given(attempt=st.integers(1, 1000), asked=st.none() | st.floats(0, 1e6))
def test_a_wait_is_spread_by_half_and_never_shorter_than_the_partner_asked(
    attempt: int, asked: float | None
) -> None:
    policy = RetryPolicy(max_attempts=2000, first_wait=timedelta(seconds=10), longest_wait=timedelta(hours=1))
    full = min(10.0 * 2 ** min(attempt - 1, 30), 3600)
    wait = policy.wait_after(state="failed", attempt=attempt, failure=replace(DOWN, retry_after=asked))
    assert wait is not None
    seconds = wait.total_seconds()
    assert max(full / 2, (asked or 0) - 0.001) <= seconds <= max(full * 1.5, (asked or 0) + 0.001)


def test_two_runs_that_failed_together_do_not_come_back_together() -> None:
    waits = {POLICY.wait_after(state="failed", attempt=1, failure=DOWN) for _ in range(20)}
    assert len(waits) > 10
