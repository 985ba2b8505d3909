"""What a run starts with, for every way of being started (DESIGN section 4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from runs.firing import schedules_fire_due
from runs.models import RunMode
from runs.retrying import run_retry
from runs.starting import Input, job_start, schedule_run_now
from tests.flows.world import Engine, World, final_of, input_of, outcome
from triggers.models import Message


def test_a_message_gives_its_body_as_data_and_the_request_without_secrets(
    world: World, engine: Engine
) -> None:
    job = world.job()
    world.on_message(job)
    world.post({"form": {"name": "Ada"}})
    (run,) = world.runs()
    state = input_of(run)
    assert state["data"] == {"form": {"name": "Ada"}}
    assert state["request"]["method"] == "POST"
    assert state["request"]["path"] == f"/inbox/{world.inbox.address}"
    assert state["request"]["headers"] == {"content-type": "application/json"}
    engine.drain()
    assert outcome(run) == "success"


def test_success_passes_the_final_state_on_as_the_same_stored_row(world: World, engine: Engine) -> None:
    first, second = world.job("state.data = {'n': 1}\nstate.extra = 'kept'"), world.job()
    world.on_end(first, "success", second)
    job_start(job=first)
    engine.drain()
    up, down = world.runs(first)[0], world.runs(second)[0]
    assert down.input_id == up.final_id
    assert input_of(down) == {"data": {"n": 1}, "extra": "kept"}


def test_failure_passes_the_initial_state_and_the_error(world: World, engine: Engine) -> None:
    first = world.job("print('before')\nstate.data = {'half': True}\nfail('the scale is broken')")
    alert, also = world.job(), world.job()
    world.on_end(first, "failure", alert)
    world.on_end(first, "completion", also)
    job_start(job=first, given=Input(data={"patient": 7}))
    engine.drain()
    up = world.runs(first)[0]
    for job in (alert, also):
        state = input_of(world.runs(job)[0])
        assert state["data"] == {"patient": 7}
        error = state["error"]
        assert (error["job"], error["run"], error["attempt"]) == (first.key, str(up.pk), 1)
        assert (error["type"], error["message"]) == ("JobError", "the scale is broken")
        assert "before" in error["log"]
        assert error["partial"]["data"] == {"half": True}
        assert "status" in error
        assert "hint" in error


def test_a_failure_of_a_failure_flow_carries_its_own_error_only(world: World, engine: Engine) -> None:
    first, second, third = world.job("fail('one')"), world.job("fail('two')"), world.job()
    world.on_end(first, "failure", second)
    world.on_end(second, "failure", third)
    job_start(job=first)
    engine.drain()
    error = input_of(world.runs(third)[0])["error"]
    assert error["message"] == "two"
    assert error["job"] == second.key


def test_a_schedule_starts_with_empty_data_and_then_with_its_memory(world: World, engine: Engine) -> None:
    job = world.job(
        "state.last_id = state.get('last_id', 0) + 1\nstate.data = {'big': 1}\nstate.references = [1]"
    )
    trigger = world.on_schedule(
        job,
        schedule_kind="every",
        every_count=1,
        every_unit="hours",
        starts_at=timezone.now() - timedelta(days=1),
        next_slot_at=timezone.now(),
    )
    schedules_fire_due(rung_by="test")
    engine.drain()
    schedule_run_now(trigger=trigger, by=world.owner)
    engine.drain()
    first, second = world.runs(job)
    assert input_of(first) == {"data": {}}
    assert input_of(second) == {"last_id": 1, "data": {}}
    assert final_of(second)["last_id"] == 2


def test_a_cursor_goes_on_where_the_last_successful_run_of_the_schedule_stopped(
    world: World, engine: Engine
) -> None:
    job = world.job(
        "page = cursor(1)\ncursor.keep(page + 1)\nif page == 2 and run.attempt == 1: fail('no answer')\nnote(f'page {page}')"
    )
    trigger = world.on_schedule(job, schedule_kind="once")
    for _ in range(3):
        schedule_run_now(trigger=trigger, by=world.owner)
        engine.drain()
    first, failed, again = world.runs(job)
    assert (first.note, outcome(failed), input_of(again)["cursor"]) == ("page 1", "failed:JobError", 2)


def test_the_whole_final_state_is_the_memory_where_the_trigger_says_so(world: World, engine: Engine) -> None:
    job = world.job("state.data = {'seen': state.data.get('seen', 0) + 1}")
    trigger = world.on_schedule(job, schedule_kind="once", keeps_whole_state=True)
    for _ in range(2):
        schedule_run_now(trigger=trigger, by=world.owner)
        engine.drain()
    assert input_of(world.runs(job)[1]) == {"data": {"seen": 1}}


def test_by_hand_pasted_json_is_data_or_the_whole_state(world: World, engine: Engine) -> None:
    job = world.job()
    as_data = job_start(job=job, given=Input(data=[1, 2]))
    as_state = job_start(job=job, given=Input(state={"cursor": 5}))
    empty = job_start(job=job)
    assert input_of(as_data) == {"data": [1, 2]}
    assert input_of(as_state) == {"cursor": 5, "data": {}}
    assert input_of(empty) == {"data": {}}


def test_run_with_this_message_is_as_if_it_had_arrived(world: World, engine: Engine) -> None:
    job = world.job()
    world.post({"a": 1})
    run = job_start(job=job, given=Input(message=Message.objects.get()))
    assert input_of(run)["data"] == {"a": 1}
    assert input_of(run)["request"]["method"] == "POST"


def test_configuration_is_never_stored(world: World, engine: Engine) -> None:
    job = world.job("state.configuration = {'password': 'hush'}")
    run = job_start(job=job)
    engine.drain()
    assert outcome(run) == "success"
    assert "configuration" not in final_of(run)


def test_a_test_run_moves_no_memory_and_starts_nothing(world: World, engine: Engine) -> None:
    first, second = world.job("state.x = 1"), world.job()
    world.on_end(first, "success", second)
    run = job_start(job=first, mode=RunMode.TRIAL, code="state.y = 2")
    engine.drain()
    assert final_of(run) == {"data": {}, "y": 2}
    assert world.runs(second) == []


def test_a_retry_repeats_the_input_as_it_was_or_corrected(world: World, engine: Engine) -> None:
    job = world.job("if value('n') < 2: fail('too small')")
    run = job_start(job=job, given=Input(data={"n": 1}))
    engine.drain()
    again = run_retry(run=run, by=world.owner)
    engine.drain()
    assert input_of(again) == {"data": {"n": 1}}
    corrected = run_retry(run=again, by=world.owner, corrected={"data": {"n": 2}})
    engine.drain()
    assert outcome(corrected) == "success"
    assert input_of(run) == {"data": {"n": 1}}


def test_memory_only_moves_forward_and_only_by_its_own_trigger(world: World, engine: Engine) -> None:
    from runs.models import Memory, Run, WorkOrder
    from triggers.models import Slot

    job = world.job("state.at = run.scheduled_for.isoformat() if run.scheduled_for else 'by hand'")
    trigger = world.on_schedule(job, schedule_kind="once")
    new, old = datetime(2026, 5, 2, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    for at in (new, old):
        slot = Slot.objects.create(project=world.project, trigger=trigger, at=at, state="fired")
        order = WorkOrder.objects.create(
            project=world.project, workflow=world.workflow, cause="slot", slot=slot
        )
        Run.objects.create(
            project=world.project, workflow=world.workflow, work_order=order, job=job, trigger=trigger
        )
        engine.drain()
    job_start(job=job)
    engine.drain()
    memory = Memory.objects.get(trigger=trigger, job=job)
    assert memory.slot_at == new
    assert memory.values.count() == 1
