"""Cancelling what is just coming to its end: whoever is first, a cancelled work order starts nothing more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from openfn_platform.projects.models import AuditEntry
from runs.cancelling import AlreadyEnded, run_cancel, work_order_cancel
from runs.claiming import Claim, run_claim_next
from runs.ending import Ending, not_started
from runs.execution import run_execute_next
from runs.finishing import run_finish
from runs.handing_back import run_hand_back
from runs.lifecycle import run_start
from runs.models import Incident, Run, RunState
from runs.planning import run_load
from runs.starting import job_start
from runs.sweeping import leases_expire
from tests.flows.world import Engine, World, log_of, outcome
from tests.pressing import meanwhile

WELL = Ending(state=RunState.SUCCESS, final=b'{"data":{}}')
BADLY = not_started("ConnectError", "Nobody answers.", kind="connection")
STOPPED = "Somebody cancelled it while it came to its end: what follows from it was not started."


def claimed() -> Claim:
    claim = run_claim_next(worker="somewhere")
    assert claim is not None
    return claim


def begun(world: World, **version: Any) -> tuple[Run, Claim]:
    """A run in the hands of a worker, with a job after it, whether it ends well or badly."""
    first, after = world.job(key="first", **version), world.job(key="after")
    world.on_end(first, "completion", after)
    run = job_start(job=first, by=world.owner)
    claim = claimed()
    assert first.live_version_id is not None
    assert run_start(
        run_id=run.pk,
        token=claim.token,
        version_id=first.live_version_id,
        input_id=run.input_id,
        confinement="",
    )
    return run, claim


def finish(run: Run, claim: Claim, ending: Ending) -> bool:
    loaded = run_load(run_id=run.pk)
    return run_finish(run=loaded, token=claim.token, source=RunState.STARTED, ending=ending)


@pytest.mark.parametrize("ending", [WELL, BADLY], ids=["well", "badly"])
def test_a_work_order_that_is_cancelled_first_starts_nothing_more(world: World, ending: Ending) -> None:
    run, claim = begun(world)
    meanwhile(
        lambda: work_order_cancel(order=run.work_order, by=world.owner), lambda: finish(run, claim, ending)
    )
    assert world.runs() == [run], "nothing follows"
    assert outcome(run).split(":")[0] == ending.state, "it ended as it did"
    assert log_of(run) == [STOPPED]
    assert run.handled is False


@pytest.mark.parametrize("ending", [WELL, BADLY], ids=["well", "badly"])
def test_a_run_that_ends_first_has_its_follow_up_cancelled(world: World, ending: Ending) -> None:
    run, claim = begun(world)
    done: list[bool] = []
    meanwhile(
        lambda: finish(run, claim, ending),
        lambda: done.append(work_order_cancel(order=run.work_order, by=world.owner)),
    )
    first, after = world.runs()
    assert (first, after.job.key, after.state) == (run, "after", RunState.CANCELLED)
    assert done == [True], "nothing is left that had to be asked"


def test_the_next_attempt_is_not_made_either(world: World) -> None:
    run, claim = begun(world, max_attempts=3)
    meanwhile(lambda: run_cancel(run=run, by=world.owner), lambda: finish(run, claim, BADLY))
    assert world.runs() == [run]
    assert Incident.objects.get().last_run_id == run.pk, "that it failed is told all the same"


def test_what_was_not_cancelled_goes_on_as_ever(world: World) -> None:
    run, claim = begun(world)
    assert finish(run, claim, WELL)
    assert [each.job.key for each in world.runs()] == ["first", "after"]
    assert log_of(run) == []


def test_a_retry_of_what_was_cancelled_starts_what_follows(world: World, engine: Engine) -> None:
    from runs.retrying import run_retry

    run, claim = begun(world)
    work_order_cancel(order=run.work_order, by=world.owner)
    finish(run, claim, WELL)
    run_retry(run=run, by=world.owner)
    engine.drain()
    assert [(each.job.key, each.state) for each in world.runs()] == [
        ("first", RunState.SUCCESS),
        ("first", RunState.SUCCESS),
        ("after", RunState.SUCCESS),
    ]


def test_everything_of_a_work_order_is_reached_however_much_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.cancelling.MOST_AT_ONCE", 2)
    jobs = [world.job() for _ in range(15)]
    world.on_message(*jobs)
    world.post({})
    (order,) = world.orders()
    claimed()
    assert not work_order_cancel(order=order, by=world.owner)
    assert sorted(run.state for run in world.runs()) == ["cancelled"] * 14 + ["claimed"]


def test_asking_twice_changes_nothing(world: World) -> None:
    run, _ = begun(world)
    for person in (world.owner, world.person()):
        person.is_superuser = True
        assert not run_cancel(run=run, by=person)
    run.refresh_from_db()
    assert run.cancel_requested_by == world.owner
    assert AuditEntry.objects.filter(action="run cancelled").count() == 1


# --- before it started ----------------------------------------------------------------------------


def test_a_claimed_run_that_is_cancelled_never_starts(world: World) -> None:
    job = world.job()
    run, claim = job_start(job=job), claimed()
    assert not run_cancel(run=run, by=world.owner)
    assert job.live_version_id is not None
    assert not run_start(
        run_id=run.pk, token=claim.token, version_id=job.live_version_id, input_id=None, confinement=""
    )
    run_hand_back(run_id=run.pk, token=claim.token)
    assert outcome(run) == "cancelled"
    assert run.note == f"Cancelled by {world.owner} before it started."
    with pytest.raises(AlreadyEnded):
        run_cancel(run=run, by=world.owner)


def test_a_claimed_run_whose_worker_vanished_is_cancelled_by_the_sweep(world: World) -> None:
    run, other = job_start(job=world.job()), job_start(job=world.job())
    claimed(), claimed()
    run_cancel(run=run, by=world.owner)
    Run.objects.update(lease_until=Now() - timedelta(seconds=1))
    leases_expire()
    assert (outcome(run), outcome(other)) == ("cancelled", "available")


def test_what_was_handed_back_with_its_cancellation_is_over_when_it_is_claimed(
    world: World, engine: Engine
) -> None:
    """As an earlier version of the platform left it."""
    run = job_start(job=world.job("print('begun')"))
    Run.objects.update(cancel_requested_at=Now())
    assert run_execute_next(engine.worker)
    assert outcome(run) == "cancelled"
    assert run.note == "Cancelled by somebody before it started."
    assert log_of(run) == []


def test_what_is_no_longer_ones_own_is_not_handed_back(world: World) -> None:
    run, claim = job_start(job=world.job()), claimed()
    run_hand_back(run_id=run.pk, token=run.pk)
    assert outcome(run) == "claimed"
    run_hand_back(run_id=run.pk, token=claim.token)
    assert outcome(run) == "available"
