"""Flow triggers: what starts after a job has ended, exactly once, and what a caught failure means."""

from __future__ import annotations

from runs.answers import once_resolve
from runs.followups import MAX_DEPTH
from runs.models import Incident, OnceMark, Run
from runs.retrying import run_retry
from runs.starting import Input, job_start
from tests.flows.world import Engine, World, final_of, log_of, outcome


def test_each_event_starts_its_own_jobs_once(world: World, engine: Engine) -> None:
    good, bad = world.job(), world.job("fail('no')")
    started = {name: world.job() for name in ("s1", "f1", "c1", "s2", "f2", "c2")}
    for upstream, suffix in ((good, "1"), (bad, "2")):
        world.on_end(upstream, "success", started["s" + suffix])
        world.on_end(upstream, "failure", started["f" + suffix])
        world.on_end(upstream, "completion", started["c" + suffix])
    job_start(job=good)
    job_start(job=bad)
    engine.drain()
    assert {name: len(world.runs(job)) for name, job in started.items()} == {
        "s1": 1,
        "f1": 0,
        "c1": 1,
        "s2": 0,
        "f2": 1,
        "c2": 1,
    }


def test_skipped_and_cancelled_start_nothing(world: World, engine: Engine) -> None:
    first, after = world.job("skip('nobody consented')"), world.job()
    world.on_end(first, "completion", after)
    run = job_start(job=first)
    engine.drain()
    assert outcome(run) == "skipped"
    assert run.note == "nobody consented"
    assert world.runs(after) == []


def test_a_caught_failure_does_not_fail_the_work_order(world: World, engine: Engine) -> None:
    first, alert = world.job("fail('no')"), world.job()
    world.on_end(first, "failure", alert)
    run = job_start(job=first)
    engine.drain()
    run.refresh_from_db()
    assert run.handled
    assert [order.state for order in world.orders()] == ["success"]


def test_an_uncaught_failure_fails_the_work_order_and_its_repair_mends_it(
    world: World, engine: Engine
) -> None:
    job = world.job("if not value('ok', False): fail('no')")
    run = job_start(job=job)
    engine.drain()
    assert [order.state for order in world.orders()] == ["failed"]
    run_retry(run=run, by=world.owner, corrected={"data": {"ok": True}})
    engine.drain()
    assert [order.state for order in world.orders()] == ["success"]


def test_a_compensation_that_fails_is_an_incident_of_its_own(world: World, engine: Engine) -> None:
    first, undo = world.job("fail('step three')"), world.job("fail('cannot undo')")
    world.on_end(first, "failure", undo)
    job_start(job=first)
    engine.drain()
    assert set(Incident.objects.values_list("job__key", flat=True)) == {first.key, undo.key}
    assert [order.state for order in world.orders()] == ["failed"]


def test_a_condition_is_decided_over_the_final_state(world: World, engine: Engine) -> None:
    first = world.job("state.data = {'age': value('age')}")
    child, adult, broken = world.job(), world.job(), world.job()
    world.on_end(first, "success", child, condition="state.data['age'] < 18")
    world.on_end(first, "success", adult, condition="state.data['age'] >= 18")
    world.on_end(first, "success", broken, condition="state.data['nothing']['here']")
    run = job_start(job=first, given=Input(data={"age": 7}))
    engine.drain()
    assert (len(world.runs(child)), len(world.runs(adult)), len(world.runs(broken))) == (1, 0, 0)
    assert any("EdgeConditionError" in line for line in log_of(run))


def test_a_condition_is_decided_in_a_fresh_child_when_the_first_died(world: World, engine: Engine) -> None:
    first = world.job("import os\nos._exit(3)")
    yes, no = world.job(), world.job()
    world.on_end(first, "failure", yes, condition="state.error['type'] == 'ExitError'")
    world.on_end(first, "failure", no, condition="state.error['type'] == 'JobError'")
    run = job_start(job=first)
    engine.drain()
    assert outcome(run) == "crashed:ExitError"
    assert (len(world.runs(yes)), len(world.runs(no))) == (1, 0)


def test_a_catch_all_hears_every_job_but_those_it_starts(world: World, engine: Engine) -> None:
    one, two, alert = world.job("fail('a')"), world.job("fail('b')"), world.job("fail('the alert itself')")
    world._trigger("flow", [alert], upstream_scope="workflow", event="failure")
    job_start(job=one)
    job_start(job=two)
    engine.drain()
    assert len(world.runs(alert)) == 2


def test_a_chain_stops_at_its_greatest_depth(world: World, engine: Engine) -> None:
    first, second = world.job(), world.job()
    world.on_end(first, "success", second)
    world.on_end(second, "success", first)  # refused by the form; here it stands in the table
    job_start(job=first)
    engine.drain()
    runs = world.runs()
    assert max(run.depth for run in runs) == MAX_DEPTH
    last = next(run for run in runs if run.depth == MAX_DEPTH)
    assert any("looks like a circle" in line for line in log_of(last))


def test_a_job_that_is_off_is_not_started_and_a_paused_one_waits(world: World, engine: Engine) -> None:
    first, off, paused = world.job(), world.job(state="off"), world.job(state="paused")
    world.on_end(first, "success", off, paused)
    job_start(job=first)
    engine.drain()
    assert world.runs(off) == []
    assert [run.state for run in world.runs(paused)] == ["available"]


def test_steps_show_the_final_state_of_an_earlier_job(world: World, engine: Engine) -> None:
    first = world.job("state.data = {'uuid': 'p-1'}", key="make-patient")
    middle = world.job("state.data = {}")
    last = world.job("state.data = {'was': steps['make-patient'].data['uuid']}")
    world.on_end(first, "success", middle)
    world.on_end(middle, "success", last)
    job_start(job=first)
    engine.drain()
    assert final_of(world.runs(last)[0])["data"] == {"was": "p-1"}


def test_once_gives_a_retry_the_remembered_result(world: World, engine: Engine) -> None:
    job = world.job(
        "sent = once('sms', lambda: {'id': run.id})\nstate.data = {**state.data, 'sms': sent}\n"
        "if value('n') == 1: fail('later step')"
    )
    run = job_start(job=job, given=Input(data={"n": 1}))
    engine.drain()
    again = run_retry(run=run, by=world.owner, corrected={"data": {"n": 2}})
    engine.drain()
    assert final_of(again)["data"]["sms"] == {"id": str(run.pk)}


def test_begun_and_not_done_is_unsure_until_somebody_has_looked(world: World, engine: Engine) -> None:
    dies = "import os\nif value('die', True): once('sms 7', lambda: os._exit(9))\nelse: once('sms 7', lambda: 'sent')"
    job = world.job(dies)
    run = job_start(job=job)
    engine.drain()
    assert outcome(run) == "crashed:ExitError"
    unsure = run_retry(run=run, by=world.owner, corrected={"data": {"die": False}})
    engine.drain()
    assert outcome(unsure) == "failed:UnsureError"
    assert "sms 7" in unsure.error_message
    once_resolve(mark_id=OnceMark.objects.get().pk, happened=True, by=world.owner)
    settled = run_retry(run=unsure, by=world.owner)
    engine.drain()
    assert outcome(settled) == "success"


def test_a_retry_with_corrected_input_repeats_nothing_else(world: World, engine: Engine) -> None:
    first = world.job("state.data = {'seen': True}")
    second = world.job("if not value('fixed', False): fail('no')")
    third = world.job()
    world.on_end(first, "success", second)
    world.on_end(second, "success", third)
    job_start(job=first)
    engine.drain()
    run_retry(run=world.runs(second)[0], by=world.owner, corrected={"data": {"fixed": True}})
    engine.drain()
    assert (len(world.runs(first)), len(world.runs(second)), len(world.runs(third))) == (1, 2, 1)


def test_finishing_twice_makes_follow_ups_once(world: World, engine: Engine) -> None:
    from runs.ending import Ending
    from runs.finishing import run_finish
    from runs.models import RunState
    from runs.planning import run_load

    first, second = world.job(), world.job()
    world.on_end(first, "success", second)
    run = job_start(job=first)
    engine.drain()
    assert not run_finish(
        run=run_load(run_id=run.pk),
        token=None,
        source=RunState.STARTED,
        ending=Ending(state=RunState.SUCCESS),
    )
    assert Run.objects.filter(job=second).count() == 1
