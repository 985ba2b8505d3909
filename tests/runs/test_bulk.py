"""Bulk operations: each item once and in order, whoever works on it and whatever happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Job, JobState
from openfn_platform.common.errors import Conflict, Invalid, NotFound
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.models import AuditEntry, Membership, Role
from openfn_platform.projects.tokens import token_revoke
from runs.bulk import (
    MOST_ITEMS,
    BulkEnded,
    Chosen,
    NothingChosen,
    Order,
    bulk_begin,
    bulk_cancel,
    bulk_count,
    bulk_forget,
    bulk_work,
    item_work,
)
from runs.models import BulkItem, BulkOperation, BulkState, Cause, Deed, ItemState, Run, RunState, WorkOrder
from runs.models.bulk import MOST_UNDER_WAY
from runs.models.run import Priority
from runs.permits import bulk_ring, queue_length
from runs.sweeping import sweep
from runs.tasks import bulk_work as bulk_work_task
from tests import factories
from tests.flows.world import World
from tests.runs.pretending import end_runs, work_out
from tests.triggers.serving import database_url
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(db: None) -> World:
    return World()


def failed(world: World, job: Job, count: int = 1, **fields: Any) -> list[Run]:
    """So many failed runs, in order of arrival."""
    made = []
    for _ in range(count):
        order = WorkOrder.objects.create(project=world.project, workflow=job.workflow, cause=Cause.MANUAL)
        values = {"state": RunState.FAILED, "finished_at": timezone.now(), **fields}
        made.append(
            Run.objects.create(
                project=world.project, workflow=job.workflow, work_order=order, job=job, **values
            )
        )
    return made


def order(deed: Deed, *runs: Any, **fields: Any) -> Order:
    ids = tuple(getattr(run, "pk", run) for run in runs)
    chosen = Chosen(ids=ids) if ids else Chosen(rows=Run.objects.all())
    return Order(deed=deed, chosen=chosen, **fields)


def begin(world: World, deed: Deed, *runs: Any, **fields: Any) -> BulkOperation:
    return bulk_begin(project=world.project, order=order(deed, *runs, **fields), by=world.owner)


def outcome(operation: BulkOperation) -> tuple[str, int, int]:
    operation.refresh_from_db()
    return operation.state, operation.done, operation.failed


def reasons(operation: BulkOperation) -> dict[uuid.UUID, str]:
    rows = BulkItem.objects.filter(operation=operation, state=ItemState.FAILED)
    return dict(rows.values_list("target", "reason"))


# --- what is touched ------------------------------------------------------------------------------


def test_a_filter_touches_what_needs_repair_in_order_of_arrival(place):
    job = place.job()
    first, second = failed(place, job, 2)
    failed(place, job, state=RunState.SUCCESS)
    failed(place, job, handled=True)
    failed(place, job, dismissed_at=timezone.now())
    failed(place, job, mode="trial")
    (retried,) = failed(place, job)
    failed(place, job, state=RunState.AVAILABLE, finished_at=None, retry_of=retried)
    operation = begin(place, Deed.RETRY)
    assert bulk_count(project=place.project, order=order(Deed.RETRY), by=place.owner).total == 2
    assert Run.objects.filter(retry_of__in=[first, second]).count() == 0, "nothing is done yet"
    bulk_work(seconds=5)
    assert outcome(operation) == (BulkState.RUNNING, 2, 0), "it is over when its runs are"
    end_runs()
    bulk_work(seconds=5)
    assert outcome(operation) == (BulkState.DONE, 2, 0)
    made = list(Run.objects.filter(retry_of__in=[first, second]).order_by("lane"))
    assert [run.retry_of_id for run in made] == [first.pk, second.pk]
    assert list(operation.items.order_by("position").values_list("result", flat=True)) == [
        run.pk for run in made
    ]
    assert {(run.priority, run.probe) for run in made} == {(Priority.BULK, False)}, "behind what comes in"


def test_each_id_gets_an_answer_also_when_nothing_was_done(place):
    job, off = place.job(), place.job(state=JobState.OFF)
    (good,) = failed(place, job, state=RunState.SUCCESS)
    (bad,) = failed(place, job)
    (idle,) = failed(place, off)
    (theirs,) = failed(elsewhere := World("Elsewhere"), elsewhere.job())
    unknown = uuid.uuid4()
    wanted = (good, bad, bad, idle, theirs, unknown)
    counted = bulk_count(project=place.project, order=order(Deed.RETRY, *wanted), by=place.owner)
    assert (counted.total, counted.left_out) == (1, 4)
    operation = begin(place, Deed.RETRY, *wanted)
    work_out()
    assert outcome(operation) == (BulkState.DONE, 1, 4)
    said = reasons(operation)
    assert said[theirs.pk] == said[unknown] == "There is none by that id."
    assert "did not fail" in said[good.pk]
    assert "is off" in said[idle.pk]
    assert not theirs.retries.exists()


def test_runs_are_cancelled_aborted_and_dismissed(place):
    job = place.job()
    (waiting,) = failed(place, job, state=RunState.AVAILABLE, finished_at=None)
    held: dict[str, Any] = {"finished_at": None, "token": uuid.uuid4(), "lease_until": timezone.now()}
    (running,) = failed(place, job, state=RunState.STARTED, **held)
    (bad,) = failed(place, job)
    begin(place, Deed.CANCEL, waiting)
    begin(place, Deed.ABORT)  # all that is open: by then only the running one
    begin(place, Deed.DISMISS, reason="Entered by hand.")
    bulk_work(seconds=5)
    for run in (waiting, running, bad):
        run.refresh_from_db()
    assert (waiting.state, running.state) == (RunState.CANCELLED, RunState.CANCELLED)
    assert (running.token, bad.dismissed_reason) == (None, "Entered by hand.")
    assert running.note.startswith("Aborted by")


def test_messages_are_reprocessed(place):
    job = place.job()
    ids = [uuid.UUID(place.post({"n": n}).answer["message"]) for n in range(3)]
    wanted = Order(deed=Deed.REPROCESS, chosen=Chosen(ids=tuple(ids[:2])), jobs=(job,))
    operation = bulk_begin(project=place.project, order=wanted, by=place.owner)
    bulk_work(seconds=5)
    assert outcome(operation) == (BulkState.RUNNING, 2, 0)
    assert set(Run.objects.values_list("work_order__message_id", flat=True)) == set(ids[:2])
    again = bulk_begin(project=place.project, order=wanted, by=place.owner)
    bulk_work(seconds=5)
    assert outcome(again) == (BulkState.DONE, 0, 2)
    assert set(reasons(again).values()) == {"it is on its way with this message."}
    work_out()
    assert outcome(operation) == (BulkState.DONE, 2, 0)


def test_nonsense_is_refused_before_anything_is_begun(place):
    elsewhere = World("Elsewhere")
    for wrong in (
        order(Deed.DISMISS, uuid.uuid4(), reason=" "),
        order(Deed.REPROCESS, uuid.uuid4()),
        order(Deed.REPROCESS, uuid.uuid4(), jobs=(elsewhere.job(),)),
        order(Deed.RETRY, *(uuid.uuid4() for _ in range(MOST_ITEMS + 1))),
    ):
        with pytest.raises(Invalid):
            bulk_begin(project=place.project, order=wrong, by=place.owner)
    with pytest.raises(NothingChosen):
        begin(place, Deed.RETRY)
    with pytest.raises(NotFound):
        bulk_begin(project=place.project, order=order(Deed.RETRY, uuid.uuid4()), by=elsewhere.owner)
    with pytest.raises(Conflict):
        bulk_begin(project=place.project, order=order(Deed.CANCEL), by=place.owner)
    assert not BulkOperation.objects.exists()


# --- going on and ending --------------------------------------------------------------------------


def test_an_operation_that_is_cancelled_leaves_the_rest_as_it_is(place):
    runs = failed(place, place.job(), 3)
    operation = begin(place, Deed.RETRY)
    assert item_work(operation_id=operation.pk)
    bulk_cancel(operation=operation, by=place.owner)
    assert not bulk_work(seconds=1)
    assert outcome(operation) == (BulkState.CANCELLED, 1, 0)
    assert [run.retries.exists() for run in runs] == [True, False, False]
    with pytest.raises(BulkEnded):
        bulk_cancel(operation=operation, by=place.owner)
    deeds = AuditEntry.objects.filter(object_id=str(operation.pk)).order_by("id")
    assert list(deeds.values_list("action", flat=True)) == ["bulk retry begun", "bulk operation cancelled"]


def test_rights_are_those_of_now(place):
    failed(place, place.job(), 3)
    token, _ = factories.token(place.project, "operate")
    by_token = bulk_begin(project=place.project, order=order(Deed.RETRY), by=Actor(token=token))
    person = place.person(Role.OPERATOR)
    by_person = bulk_begin(project=place.project, order=order(Deed.RETRY), by=person)
    item_work(operation_id=by_token.pk)
    item_work(operation_id=by_person.pk)
    token_revoke(token=token, by=place.owner)
    Membership.objects.filter(user=person).update(role=Role.VIEWER)
    bulk_work(seconds=5)
    by_token.refresh_from_db()
    by_person.refresh_from_db()
    assert (by_token.state, by_token.worked) == (BulkState.CANCELLED, 1)
    assert "revoked" in by_token.note
    assert (by_person.state, by_person.worked) == (BulkState.CANCELLED, 1)
    assert "any more" in by_person.note


def test_one_item_that_breaks_does_not_stop_the_others(place):
    first, second = failed(place, place.job(), 2)
    operation = begin(place, Deed.DISMISS, first, second, reason="x")
    BulkOperation.objects.filter(pk=operation.pk).update(parameters={})  # a mistake of ours: KeyError
    bulk_work(seconds=5)
    assert outcome(operation) == (BulkState.DONE, 0, 2)
    assert set(reasons(operation).values()) == {
        "The platform made a mistake with this one; its log says more."
    }


def test_the_sweep_works_off_what_nobody_rang_for_and_forgets_what_is_old(place):
    failed(place, place.job(), 2)
    operation = begin(place, Deed.RETRY)
    sweep(rung_by="test")
    assert outcome(operation) == (BulkState.RUNNING, 2, 0)
    end_runs()
    sweep(rung_by="test")
    assert outcome(operation) == (BulkState.DONE, 2, 0)
    bulk_forget()
    assert BulkOperation.objects.exists()
    BulkOperation.objects.update(finished_at=timezone.now() - timedelta(days=91))
    bulk_forget()
    assert not BulkItem.objects.exists()


def test_a_worker_is_rung_for(place):
    before = queue_length()
    bulk_ring()
    after = queue_length()
    assert (before is None and after is None) or after == (before or 0) + 1
    assert bulk_work_task.name == "runs.bulk_work"
    failed(place, place.job())
    operation = begin(place, Deed.RETRY)
    bulk_work_task()
    assert outcome(operation) == (BulkState.RUNNING, 1, 0)


def test_many_operations_take_turns(place):
    job = place.job()
    large = begin(place, Deed.RETRY, *failed(place, job, 60))
    small = begin(place, Deed.RETRY, *failed(place, job, 1))
    while outcome(small)[1] != 1:
        bulk_work(seconds=0.05)
    assert outcome(large)[:2] <= (BulkState.RUNNING, MOST_UNDER_WAY)
    work_out()
    assert outcome(large) == (BulkState.DONE, 60, 0)


# --- several workers, and dead ones ---------------------------------------------------------------


def retried_once_in_order(runs: list[Run]) -> bool:
    made = list(Run.objects.filter(retry_of__in=runs).order_by("lane").values_list("retry_of_id", flat=True))
    return made == [run.pk for run in runs]


@pytest.mark.django_db(transaction=True)
def test_several_workers_do_each_item_once_and_keep_the_order():
    world = World()
    runs = failed(world, world.job(), 40)
    operation = begin(world, Deed.RETRY)

    def work() -> None:
        try:
            while bulk_work(seconds=0.2) or outcome(operation)[0] != BulkState.DONE:
                end_runs()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcome(operation) == (BulkState.DONE, 40, 0)
    assert (operation.runs_succeeded, operation.runs_under_way) == (40, 0), "each is counted once"
    assert retried_once_in_order(runs)


WORKER = """
import django
django.setup()
from django.utils import timezone
from runs.bulk import bulk_work
from runs.models import Run
while True:
    bulk_work(seconds=60)
    Run.objects.filter(state="available").update(state="success", finished_at=timezone.now())
"""


def has_done(operation: BulkOperation, goal: int) -> bool:
    return outcome(operation)[1] >= goal


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_leaves_nothing_undone_and_nothing_twice():
    world = World()
    runs = failed(world, world.job(), 300)
    operation = begin(world, Deed.RETRY)
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "openfn_platform.settings",
    }
    for goal in (40, 80):
        with subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=environment) as process:
            try:
                wait_for(partial(has_done, operation, goal), lambda: str(outcome(operation)))
            finally:
                process.send_signal(signal.SIGKILL)
    assert 80 <= outcome(operation)[1] < 300, "it was killed in the middle"
    work_out(seconds=60)
    assert outcome(operation) == (BulkState.DONE, 300, 0)
    assert operation.runs_succeeded == 300, "each is counted once"
    assert retried_once_in_order(runs)
