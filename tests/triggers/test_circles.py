"""Flow triggers that would go round in a circle."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.circles import Link, circle_through
from triggers.models import FlowScope

JOBS = [uuid.UUID(int=number) for number in range(1, 7)]
WORKFLOWS = [uuid.UUID(int=100), uuid.UUID(int=200)]


def one(upstream: int, *started: int) -> Link:
    return Link(
        scope=FlowScope.JOB,
        upstream=JOBS[upstream],
        workflow=WORKFLOWS[0],
        jobs=frozenset(JOBS[each] for each in started),
    )


def any_of(scope: str, *started: int, workflow: int = 0) -> Link:
    return Link(
        scope=scope,
        upstream=None,
        workflow=WORKFLOWS[workflow],
        jobs=frozenset(JOBS[each] for each in started),
    )


def way(link: Link, *others: Link, second: tuple[int, ...] = ()) -> list[int] | None:
    """`second`: jobs that are in the second workflow."""
    places = {job: WORKFLOWS[number in second] for number, job in enumerate(JOBS)}
    found = circle_through(link, others, places)
    return None if found is None else [JOBS.index(job) for job in found]


def test_a_chain_and_a_fork_that_meets_again_are_no_circles():
    assert way(one(2, 3), one(0, 1), one(1, 2)) is None
    assert way(one(2, 3), one(0, 1, 2), one(1, 3)) is None


def test_the_way_round_is_shown():
    assert way(one(2, 0), one(0, 1), one(1, 2)) == [0, 1, 2]


def test_a_catch_all_does_not_hear_the_job_that_it_starts():
    assert way(any_of(FlowScope.WORKFLOW, 5), one(0, 1)) is None


def test_a_catch_all_hears_what_follows_from_the_job_that_it_starts():
    assert way(any_of(FlowScope.WORKFLOW, 5), one(5, 4)) == [5, 4]
    assert way(one(5, 4), any_of(FlowScope.WORKFLOW, 5)) == [4, 5]


def test_two_catch_alls_of_one_workflow_would_answer_each_other():
    assert way(any_of(FlowScope.WORKFLOW, 4), any_of(FlowScope.WORKFLOW, 5)) == [4, 5]


def test_a_catch_all_of_the_project_may_follow_one_of_another_workflow():
    everything = any_of(FlowScope.PROJECT, 5, workflow=1)
    assert way(everything, any_of(FlowScope.WORKFLOW, 4), second=(5,)) is None


def test_archived_jobs_lead_nowhere():
    places = {job: WORKFLOWS[0] for job in JOBS if job != JOBS[1]}
    assert circle_through(one(2, 0), [one(0, 1), one(1, 2)], places) is None


links = st.one_of(
    st.builds(one, st.integers(0, 5), st.integers(0, 5)),
    st.builds(
        any_of,
        st.sampled_from([FlowScope.WORKFLOW, FlowScope.PROJECT]),
        st.integers(0, 5),
        workflow=st.integers(0, 1),
    ),
)


@given(st.lists(links, max_size=6), st.sets(st.integers(0, 5)))
def test_what_is_let_in_one_by_one_never_goes_round(candidates, second):
    """The other way of asking: walk along all the links that were accepted, and see that every walk ends."""
    places = {job: WORKFLOWS[number in second] for number, job in enumerate(JOBS)}
    taken: list[Link] = []
    for link in candidates:
        if circle_through(link, taken, places) is None:
            taken.append(link)
    steps = {job: {after for link in taken if link.hears(job, places) for after in link.jobs} for job in JOBS}
    standing = set(JOBS)
    for _ in JOBS:  # the longest walk without coming back has this many jobs
        standing = set().union(*(steps[job] for job in standing))
    assert standing == set()


@pytest.mark.parametrize("number", range(3))
def test_a_job_that_follows_itself_is_a_circle(number):
    assert way(one(number, number)) == [number]
