"""Bulk operations follow their runs: what comes of each, when the rest waits, and when it is left alone."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job, JobState
from openfn_platform.projects.models import AuditEntry
from runs.bulk import Chosen, Order, bulk_begin, bulk_cancel, bulk_work, item_work
from runs.bulk_following import MOST_EQUAL_FAILURES, Attempt, operations_ready, outcome_of, runs_follow
from runs.cancelling import run_cancel
from runs.models import BulkOperation, BulkState, Deed, Outcome, Run, RunMode, RunState
from runs.models.bulk import MOST_UNDER_WAY
from runs.models.run import RetryKind
from runs.selectors.bulk import waits_for
from tests.flows.world import World
from tests.runs.pretending import end_runs, work_out
from tests.runs.test_bulk import failed

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(db: None) -> World:
    return World()


def begin(world: World, runs: list[Run], **fields: Any) -> BulkOperation:
    order = Order(deed=Deed.RETRY, chosen=Chosen(ids=tuple(run.pk for run in runs)), **fields)
    return bulk_begin(project=world.project, order=order, by=world.owner)


def counts(operation: BulkOperation) -> tuple[str, int, int, int, int]:
    operation.refresh_from_db()
    return (
        operation.state,
        operation.runs_under_way,
        operation.runs_succeeded,
        operation.runs_failed,
        operation.runs_cancelled,
    )


def made(runs: list[Run]) -> list[Run]:
    return list(Run.objects.filter(retry_of__in=runs).order_by("lane"))


def end(run: Run, state: RunState = RunState.FAILED, message: str = "No.", **fields: Any) -> None:
    error = {"error_type": "JobError", "error_message": message} if state == RunState.FAILED else {}
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=timezone.now(), **error, **fields)


# --- what came of an item -------------------------------------------------------------------------


def attempt(state: str | None, *, goes_on: bool = False) -> Attempt:
    return Attempt(run_id=uuid.uuid4(), state=state, next_id=uuid.uuid4() if goes_on else None)


@pytest.mark.parametrize(
    ("attempts", "outcome"),
    [
        ([attempt("success")], Outcome.SUCCEEDED),
        ([attempt("started")], Outcome.UNDER_WAY),
        ([attempt("success"), attempt("available")], Outcome.UNDER_WAY),
        ([attempt("failed", goes_on=True)], Outcome.UNDER_WAY),
        ([attempt("lost")], Outcome.FAILED),
        ([attempt("success"), attempt("killed"), attempt("cancelled")], Outcome.FAILED),
        ([attempt("success"), attempt("skipped")], Outcome.SUCCEEDED),
        ([attempt("cancelled")], Outcome.CANCELLED),
        ([attempt("skipped")], Outcome.CANCELLED),
        ([attempt(None)], Outcome.CANCELLED),
    ],
)
def test_what_came_of_an_item_is_what_came_of_its_runs(attempts, outcome):
    assert outcome_of(attempts) == outcome


def test_an_automatic_attempt_decides_and_one_by_hand_does_not(place):
    runs = failed(place, place.job(), 2)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    for run in made(runs):
        end(run)
    first, second = made(runs)
    common = {
        "project": place.project,
        "workflow": first.workflow,
        "work_order": first.work_order,
        "job": first.job,
    }
    again = Run.objects.create(retry_of=first, retry_kind=RetryKind.AUTOMATIC, attempt=3, **common)
    Run.objects.create(retry_of=second, retry_kind=RetryKind.BY_HAND, attempt=3, **common)
    bulk_work(seconds=5)
    assert counts(operation) == (BulkState.RUNNING, 1, 0, 1, 0)
    assert operation.items.get(position=1).runs == [again.pk]
    end(again, RunState.SUCCESS)
    bulk_work(seconds=5)
    assert counts(operation) == (BulkState.DONE, 0, 1, 1, 0)
    assert operation.items.get(position=1).result == first.pk


def test_a_run_that_was_cancelled_or_is_gone_is_neither_good_nor_bad(place):
    runs = failed(place, place.job(), 2)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    cancelled, gone = made(runs)
    run_cancel(run=cancelled, by=place.owner)
    Run.objects.filter(pk=gone.pk).delete()
    bulk_work(seconds=5)
    assert counts(operation) == (BulkState.DONE, 0, 0, 0, 2)


def test_a_message_that_starts_two_jobs_is_over_when_both_are(place):
    jobs = place.job(), place.job()
    ids = tuple(uuid.UUID(place.post({"n": n}).answer["message"]) for n in range(MOST_UNDER_WAY))
    order = Order(deed=Deed.REPROCESS, chosen=Chosen(ids=ids), jobs=jobs)
    operation = bulk_begin(project=place.project, order=order, by=place.owner)
    bulk_work(seconds=5)
    assert Run.objects.count() == MOST_UNDER_WAY, "runs are counted, not messages"
    first, second = Run.objects.filter(work_order__message=ids[0])
    end(first, RunState.SUCCESS)
    assert not bulk_work(seconds=5)
    assert counts(operation)[1:] == (MOST_UNDER_WAY // 2, 0, 0, 0)
    end(second)
    bulk_work(seconds=5)
    assert counts(operation)[1:] == (MOST_UNDER_WAY // 2, 0, 1, 0)
    work_out()
    assert counts(operation) == (BulkState.DONE, 0, MOST_UNDER_WAY - 1, 1, 0)


# --- waiting --------------------------------------------------------------------------------------


def test_it_does_not_run_ahead_of_its_runs(place):
    runs = failed(place, place.job(), MOST_UNDER_WAY + 5)
    operation = begin(place, runs)
    assert not bulk_work(seconds=5), "there is nothing to do until some have ended"
    assert len(made(runs)) == MOST_UNDER_WAY
    assert not item_work(operation_id=operation.pk)
    for run in made(runs)[:3]:
        end(run, RunState.SUCCESS)
    bulk_work(seconds=5)
    assert counts(operation)[:3] == (BulkState.RUNNING, MOST_UNDER_WAY, 3)
    assert len(made(runs)) == MOST_UNDER_WAY + 3


def test_what_waits_costs_one_query_and_blocks_nobody(place):
    paused, job = place.job(state=JobState.PAUSED), place.job()
    waiting = [begin(place, failed(place, paused)) for _ in range(3)]
    bulk_work(seconds=5)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        began = time.monotonic()
        assert not bulk_work(seconds=5)
    assert len(queries) == 1
    assert time.monotonic() - began < 1
    other = begin(place, failed(place, job, 3))
    bulk_work(seconds=5)
    assert counts(other)[1] == 3
    assert {counts(each)[:2] for each in waiting} == {(BulkState.RUNNING, 1)}
    assert waits_for(waiting[0], sees=True) == (
        f"All are begun; 1 run has not ended yet. “{paused.name}” is paused; its runs wait until it is switched on."
    )


def test_more_operations_that_wait_than_one_look_finds_block_nobody(place):
    job = place.job()
    rows = [
        BulkOperation(project=place.project, deed=Deed.RETRY, state=BulkState.RUNNING, total=2, done=1,
                      at_once=1, runs_under_way=1, requested_by_name="x")
        for _ in range(120)
    ]  # fmt: skip
    BulkOperation.objects.bulk_create(rows)
    run = failed(place, job, state=RunState.AVAILABLE, finished_at=None)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bulk_item (operation_id, position, target, state, outcome, runs) "
            "SELECT id, 1, gen_random_uuid(), 'done', 'under_way', ARRAY[%s::uuid] FROM bulk_operation",
            [run.pk],
        )
    operation = begin(place, failed(place, job))
    assert operations_ready() == [operation.pk]
    bulk_work(seconds=5)
    assert counts(operation)[1] == 1


@pytest.mark.parametrize("under_way", [2, MOST_UNDER_WAY])
def test_following_costs_the_same_however_many_are_under_way(place, under_way):
    runs = failed(place, place.job(), under_way)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    end_runs(RunState.FAILED, error_type="JobError", error_message="No.")
    with CaptureQueriesContext(connection) as queries:
        assert runs_follow(operation_id=operation.pk)
    assert len(queries) <= 7, [query["sql"][:90] for query in queries]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "20 runs of it are under way; more are begun as these end. Waits for a free worker."),
        (
            {"waits_for": "The system behind “DHIS2” cannot be reached."},
            "20 runs of it are under way; more are begun as these end. The system behind “DHIS2” cannot be reached.",
        ),
        (
            {"state": "started", "token": uuid.uuid4(), "lease_until": timezone.now()},
            "20 runs of it are under way; more are begun as these end.",
        ),
    ],
)
def test_it_says_what_it_waits_for(place, fields, said):
    runs = failed(place, place.job(), MOST_UNDER_WAY + 1)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    Run.objects.filter(retry_of__in=runs).update(**fields)
    operation.refresh_from_db()
    assert waits_for(operation, sees=True) == said


def test_who_has_something_to_do_waits_for_nothing(place):
    operation = begin(place, failed(place, place.job()))
    assert waits_for(operation, sees=True) == ""
    work_out()
    operation.refresh_from_db()
    assert waits_for(operation, sees=True) == ""


# --- stopping -------------------------------------------------------------------------------------


def test_five_equal_failures_stop_it_and_four_do_not(place):
    runs = failed(place, place.job(), 30)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    tried = made(runs)
    for number, run in enumerate(tried[: MOST_EQUAL_FAILURES - 1]):
        end(run, message=f"Patient {number} is locked.")
    end(tried[10], message="The form is empty.")
    bulk_work(seconds=5)
    assert counts(operation) == (BulkState.RUNNING, MOST_UNDER_WAY, 0, MOST_EQUAL_FAILURES, 0)
    end(tried[11], message="Patient 4711 is locked.")
    bulk_work(seconds=5)
    assert counts(operation)[0] == BulkState.STOPPED
    assert operation.note == (
        "Stopped: 5 of the runs it started failed in the same way. Mend that, then retry the rest."
    )
    assert (operation.stopped_by, operation.waiting) == (tried[11].pk, 5)
    assert operation.finished_at is not None
    entry = AuditEntry.objects.get(action="bulk operation stopped")
    assert (entry.object_id, entry.changes["left"]) == (str(operation.pk), 5)
    work_out()
    assert counts(operation) == (BulkState.STOPPED, 0, MOST_UNDER_WAY - 1, 6, 0), (
        "the others are still followed"
    )
    assert len(made(runs)) == 25


def test_equal_failures_of_two_jobs_are_not_equal(place):
    runs = failed(place, place.job(), 4) + failed(place, place.job(), 4) + failed(place, place.job(), 20)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    for run in made(runs)[:8]:
        end(run)
    work_out()
    assert counts(operation) == (BulkState.DONE, 0, 20, 8, 0)


def test_failures_of_dry_runs_which_open_no_incident_stop_it_too(place):
    runs = failed(place, place.job(), 25, mode=RunMode.DRY)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    end_runs(RunState.FAILED, error_type="JobError", error_message="No.")
    bulk_work(seconds=5)
    assert counts(operation) == (BulkState.STOPPED, 0, 0, MOST_UNDER_WAY, 0)


def test_where_nothing_is_left_to_begin_there_is_nothing_to_stop(place):
    runs = failed(place, place.job(), 8)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    end_runs(RunState.FAILED, error_type="JobError", error_message="No.")
    bulk_work(seconds=5)
    assert counts(operation) == (BulkState.DONE, 0, 0, 8, 0)


def test_runs_of_an_operation_that_was_cancelled_are_followed_to_their_end(place):
    runs = failed(place, place.job(), 30)
    operation = begin(place, runs)
    bulk_work(seconds=5)
    bulk_cancel(operation=operation, by=place.owner)
    work_out()
    assert counts(operation) == (BulkState.CANCELLED, 0, MOST_UNDER_WAY, 0, 0)
    assert operation.note == f"Cancelled by {place.owner}."
    assert len(made(runs)) == MOST_UNDER_WAY


def test_what_was_cancelled_or_left_out_first_proves_nothing(place):
    job = place.job()
    runs = [*failed(place, job, dismissed_at=timezone.now()), *failed(place, job, 3)]
    operation = bulk_begin(
        project=place.project,
        order=Order(deed=Deed.RETRY, chosen=Chosen(ids=tuple(run.pk for run in runs)), one_first=True),
        by=place.owner,
    )
    bulk_work(seconds=5)
    [first] = made(runs)
    run_cancel(run=first, by=place.owner)
    bulk_work(seconds=5)
    assert len(made(runs)) == 2, "the next one is tried alone"
    end(made(runs)[1], RunState.SUCCESS)
    bulk_work(seconds=5)
    assert len(made(runs)) == 3
    work_out()
    assert counts(operation) == (BulkState.DONE, 0, 2, 0, 1)


def test_where_the_job_was_switched_off_each_is_left_out_and_says_why(place):
    job = place.job()
    operation = begin(place, failed(place, job, 3), one_first=True)
    Job.objects.filter(pk=job.pk).update(state=JobState.OFF)
    bulk_work(seconds=5)
    assert counts(operation)[0] == BulkState.DONE
    assert operation.failed == 3
