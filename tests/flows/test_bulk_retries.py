"""Retrying many with real runs: it stops before everything has failed again, and tries one first when asked to."""

from __future__ import annotations

import uuid
from typing import Any

from jobs.models import Job, JobState
from runs.bulk import Chosen, Order, bulk_begin, bulk_work
from runs.bulk_following import MOST_EQUAL_FAILURES
from runs.models import BulkOperation, BulkState, Deed, Incident, Outcome, Run, RunState
from runs.models.bulk import MOST_UNDER_WAY
from runs.selectors.bulk import note_of, waits_for
from tests.flows.test_queue import NOBODY_THERE, nobody
from tests.flows.world import Engine, World, make_due

REFUSED = "fail(f\"OpenMRS refused: Patient {value('n')} is locked.\")"


def failed(world: World, engine: Engine, count: int, code: str = REFUSED, **fields: Any) -> Job:
    """A job with so many failed runs, one for each message."""
    job = world.job(code, **fields)
    world.on_message(job)
    for number in range(count):
        world.post({"n": number})
    engine.drain()
    assert Run.objects.filter(state=RunState.FAILED).count() == count
    return job


def retry_all(world: World, **fields: Any) -> BulkOperation:
    order = Order(deed=Deed.RETRY, chosen=Chosen(rows=Run.objects.all()), **fields)
    return bulk_begin(project=world.project, order=order, by=world.owner)


def work(engine: Engine, operation: BulkOperation) -> BulkOperation:
    """Until neither the operation nor its runs have anything to do."""
    while bulk_work(seconds=10) or engine.drain():
        under_way = Run.objects.filter(retry_of__isnull=False, finished_at=None).count()
        assert under_way <= MOST_UNDER_WAY
    operation.refresh_from_db()
    return operation


def outcomes(operation: BulkOperation) -> list[str]:
    return list(operation.items.order_by("position").values_list("outcome", flat=True))


def test_a_retry_of_what_still_fails_stops_before_all_have_failed_again(world, engine):
    job = failed(world, engine, 26)
    operation = work(engine, retry_all(world))
    assert operation.state == BulkState.STOPPED
    assert (operation.done, operation.waiting, operation.runs_failed) == (20, 6, 20)
    assert operation.runs_under_way == 0
    assert Incident.objects.count() == 1
    said = note_of(operation, sees=True)
    assert said.startswith(
        "Stopped: 5 of the runs it started failed in the same way: OpenMRS refused: Patient "
    )
    assert said.endswith(" is locked. Mend that, then retry the rest.")
    assert operation.stopped_by in Run.objects.filter(state=RunState.FAILED).values_list("pk", flat=True)

    world.version(job, "pass")
    again = work(engine, retry_all(world))
    assert (again.state, again.runs_succeeded, again.failed) == (BulkState.DONE, 26, 0)
    assert Incident.objects.get().closed_at is not None


def test_failures_that_differ_stop_nothing_and_stand_in_the_table(world, engine):
    code = "n = value('n')\nif n < 4: fail('The form is empty.')\nif n < 8: fail('No such facility.')"
    job = failed(world, engine, 24)
    world.version(job, code)
    operation = work(engine, retry_all(world))
    assert (operation.state, operation.runs_succeeded, operation.runs_failed) == (BulkState.DONE, 16, 8)
    assert outcomes(operation) == [Outcome.FAILED] * 8 + [Outcome.SUCCEEDED] * 16
    assert operation.items.filter(fingerprint="").count() == 16


def test_the_others_follow_when_the_first_has_succeeded(world, engine):
    job = failed(world, engine, 5)
    world.version(job, "pass")
    operation = retry_all(world, one_first=True)
    bulk_work(seconds=5)
    assert Run.objects.filter(retry_of__isnull=False).count() == 1
    work(engine, operation)
    assert (operation.state, operation.runs_succeeded) == (BulkState.DONE, 5)


def test_nothing_follows_when_the_first_fails_again_with_all_its_attempts(world, engine):
    job = failed(world, engine, 3)
    world.version(job, NOBODY_THERE, connections=nobody(world), max_attempts=3)
    operation = work(engine, retry_all(world, one_first=True))
    assert (operation.state, operation.runs_under_way) == (BulkState.RUNNING, 1)
    assert "the others follow when it has succeeded. Waits for its next attempt, due" in waits_for(
        operation, sees=True
    )
    make_due(*Run.objects.filter(state=RunState.AVAILABLE))
    work(engine, operation)
    last = Run.objects.get(attempt=3)
    assert (operation.state, operation.stopped_by, last.attempt) == (BulkState.STOPPED, last.pk, 3)
    assert (operation.done, operation.waiting, operation.runs_failed) == (1, 2, 1)
    assert "the run that was tried first failed" in operation.note


def test_a_paused_job_holds_its_operation_and_no_other(world, engine):
    paused, job = failed(world, engine, 3), world.job("if run.attempt == 1: fail('no')")
    Job.objects.filter(pk=paused.pk).update(state=JobState.PAUSED)
    world.on_message(job)
    world.version(paused, "pass").job.save()
    Job.objects.filter(pk=paused.pk).update(state=JobState.PAUSED)
    first = work(engine, retry_all(world))
    assert (first.state, first.runs_under_way) == (BulkState.RUNNING, 3)
    assert "is paused; its runs wait until it is switched on." in waits_for(first, sees=True)
    world.post({"n": 1})
    engine.drain()
    second = work(engine, retry_all(world))
    assert (second.state, second.runs_succeeded) == (BulkState.DONE, 1)
    Job.objects.filter(pk=paused.pk).update(state=JobState.ON)
    work(engine, first)
    assert (first.state, first.runs_under_way) == (BulkState.DONE, 0)


def test_messages_that_are_processed_again_stop_when_they_fail_alike(world, engine):
    job = world.job(REFUSED)
    ids = [uuid.UUID(world.post({"n": number}).answer["message"]) for number in range(24)]
    order = Order(deed=Deed.REPROCESS, chosen=Chosen(ids=tuple(ids)), jobs=(job,))
    operation = work(engine, bulk_begin(project=world.project, order=order, by=world.owner))
    assert (operation.state, operation.runs_failed) == (BulkState.STOPPED, MOST_UNDER_WAY)
    assert operation.runs_failed >= MOST_EQUAL_FAILURES
    assert operation.note.endswith("Mend that, then reprocess the rest.")


def test_why_it_stopped_is_told_without_what_the_sentence_quotes_to_who_may_not_see_data(world, engine):
    failed(world, engine, MOST_EQUAL_FAILURES + 1, "fail('Identifier “MJ799483” is taken.')")
    operation = work(engine, retry_all(world, one_first=True))
    assert operation.state == BulkState.STOPPED
    assert "Identifier “MJ799483” is taken" in note_of(operation, sees=True)
    assert "Identifier “…” is taken" in note_of(operation, sees=False)
