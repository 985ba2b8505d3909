"""A project that keeps no payloads: its runs get what they need, and then nothing of it is found anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openfn_platform.projects.founding import project_change
from openfn_platform.projects.models import PayloadDue
from runs.cancelling import run_cancel
from runs.incidents import run_dismiss
from runs.models import HttpExchange, LogLine, Run, RunMode, State, WorkOrder
from runs.retrying import run_retry
from runs.starting import Input, job_start
from runs.states import state_store
from runs.sweeping import sweep
from runs.wiping import payloads_wipe
from tests.common.faulty import FaultyServer, answer
from tests.flows.canary import everything_stored, told
from tests.flows.world import Engine, World, final_of, make_due, outcome
from triggers.models import Message

# Pages are rendered here without collected static files.
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

CANARY = "kanari-amina-4711"
TALKATIVE = """
name = value("name")
print("patient", name)
note(f"made {name}")
problem(name, f"{name} has no birthday")
once(f"create {name}", lambda: {"made": name})
http.post(ADDRESS + "/patients?identifier=" + name, {"name": name})
state.data = {"made": name}
"""


@pytest.fixture
def quiet(world: World) -> World:
    project_change(project=world.project, by=world.owner, keeps_payloads=False, max_waiting=500)
    return world


@pytest.fixture
def partner() -> Iterator[FaultyServer]:
    with FaultyServer(*[answer(201, {"name": CANARY})] * 9) as server:
        yield server


def talkative(world: World, partner: FaultyServer, more: str = "", **fields: Any) -> Any:
    link = world.credential("http", baseUrl=partner.url)
    code = TALKATIVE.replace("ADDRESS", repr(partner.url)).replace("http.", "partner.") + more
    return world.job(code, connections={"partner": ("http", link)}, **fields)


def found() -> list[str]:
    return told(everything_stored(), {"canary": {"plain": CANARY.encode()}})


def older(seconds: float) -> None:
    """As if what happened had happened so long ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE work_order SET last_activity_at = last_activity_at - %s * interval '1 second'", [seconds]
        )
        cursor.execute("UPDATE payload_due SET look_at = now()")


def test_what_a_successful_run_was_about_is_nowhere_after_the_sweep(
    quiet: World, engine: Engine, partner: FaultyServer
) -> None:
    first = talkative(quiet, partner)
    after = quiet.job("state.data = {'second': value('made')}\nprint(steps)")
    quiet.on_end(first, "success", after)
    quiet.on_message(first, inclusion={"kind": "visit"})
    quiet.post({"kind": "visit", "name": CANARY})
    assert found() != []
    engine.drain()
    runs = quiet.runs()
    assert [outcome(run) for run in runs] == ["success", "success"]
    assert final_of(runs[1])["data"] == {"second": CANARY}, "the follow-up got what it needs"
    assert json.loads(partner.seen[0].body) == {"name": CANARY}
    sweep(rung_by="test")
    assert found() == []
    run = Run.objects.get(pk=runs[0].pk)
    assert (run.state, run.log_lines > 0, run.problem_count) == ("success", True, 1)
    assert Message.objects.get().body_wiped_at is not None
    exchange = HttpExchange.objects.get(run_id=run.pk)
    assert (exchange.url, exchange.status, exchange.request_bytes > 0) == (partner.url, 201, True)
    assert not PayloadDue.objects.exists()


def test_an_exchange_keeps_no_body_even_while_the_run_goes_on(
    quiet: World, engine: Engine, partner: FaultyServer
) -> None:
    job_start(job=talkative(quiet, partner), given=Input(data={"name": CANARY}))
    engine.drain()
    exchange = HttpExchange.objects.get()
    assert (exchange.request_body, exchange.response_body, exchange.url) == (None, None, partner.url)
    assert CANARY not in str(exchange.words)


def test_a_failure_can_be_repaired_and_is_wiped_when_it_was(
    quiet: World, engine: Engine, partner: FaultyServer
) -> None:
    job = talkative(quiet, partner, "fail(name)")
    quiet.on_message(job)
    quiet.post({"name": CANARY})
    engine.drain()
    payloads_wipe()
    run = quiet.runs()[0]
    assert outcome(run).startswith("failed")
    assert CANARY in run.error_message
    quiet.version(job, "state.data = value('name')")
    again = run_retry(run=run, by=quiet.owner)
    engine.drain()
    assert final_of(again)["data"] == CANARY
    payloads_wipe()
    assert found() == []
    run.refresh_from_db()
    failure = run.failure or {}
    assert (run.error_message, failure["message"]) == ("Not kept by this project.",) * 2
    assert failure["line"] > 0


def test_a_failure_that_nobody_repairs_is_wiped_after_three_days(
    quiet: World, engine: Engine, partner: FaultyServer
) -> None:
    job_start(job=talkative(quiet, partner, "fail(name)"), given=Input(data={"name": CANARY}))
    engine.drain()
    for days in (1, 1.9):
        older(days * 86_400)
        payloads_wipe()
        assert found() != []
    older(0.2 * 86_400)
    payloads_wipe()
    assert found() == []


def test_a_dismissed_failure_is_wiped_at_the_next_sweep(
    quiet: World, engine: Engine, partner: FaultyServer
) -> None:
    job_start(job=talkative(quiet, partner, "fail(name)"), given=Input(data={"name": CANARY}))
    engine.drain()
    payloads_wipe()
    run_dismiss(run=quiet.runs()[0], by=quiet.owner, reason="seen")
    payloads_wipe()
    assert found() == []


def test_what_was_cancelled_before_it_ran_is_wiped(quiet: World, engine: Engine) -> None:
    run = job_start(job=quiet.job(), given=Input(data={"name": CANARY}))
    payloads_wipe()
    assert found() != []
    run_cancel(run=run, by=quiet.owner)
    payloads_wipe()
    assert found() == []


def test_a_waiting_attempt_keeps_what_it_needs(quiet: World, engine: Engine) -> None:
    with FaultyServer(answer(503, {}), *[answer(200, {})] * 3) as server:
        link = quiet.credential("http", baseUrl=server.url)
        code = "partner.request('POST', '/x', value('name'))"
        job = quiet.job(code, connections={"partner": ("http", link)}, max_attempts=2, safe_to_run_again=True)
        job_start(job=job, given=Input(data={"name": CANARY}))
        engine.drain()
        payloads_wipe()
        waiting = quiet.runs()[-1]
        assert waiting.attempt == 2
        make_due(waiting)
        engine.drain()
    assert outcome(waiting) == "success"
    older(0)
    payloads_wipe()
    assert found() == []


def test_a_message_that_starts_two_workflows_goes_when_both_are_done(quiet: World, engine: Engine) -> None:
    paused = quiet.job("state.data = value('name')", state="paused")
    other = World("unused")
    type(paused).objects.filter(pk=paused.pk).update(workflow=_second_workflow(quiet))
    paused.refresh_from_db()
    trigger = quiet.on_message(paused)
    type(trigger).objects.filter(pk=trigger.pk).update(workflow=paused.workflow)
    quiet.on_message(quiet.job("pass"))
    quiet.post({"name": CANARY})
    engine.drain()
    assert sorted(order.state for order in quiet.orders()) == ["pending", "success"]
    payloads_wipe()
    assert found() != []
    type(paused).objects.filter(pk=paused.pk).update(state="on")
    engine.drain()
    older(0)
    payloads_wipe()
    assert found() == []
    assert other.orders() == []


def _second_workflow(world: World) -> Any:
    return type(world.workflow).objects.create(project=world.project, key="second", name="Second")


def test_a_dry_run_can_be_looked_at_for_an_hour(quiet: World, engine: Engine, partner: FaultyServer) -> None:
    run = job_start(job=talkative(quiet, partner), given=Input(data={"name": CANARY}), mode=RunMode.DRY)
    engine.drain()
    payloads_wipe()
    assert CANARY in str(HttpExchange.objects.get(run_id=run.pk).request_body)
    older(3_601)
    payloads_wipe()
    assert found() == []


def test_the_input_of_an_earlier_run_is_taken_along_and_not_shared(quiet: World, engine: Engine) -> None:
    job = quiet.job("fail('no')")
    failed = job_start(job=job, given=Input(data={"name": CANARY}))
    engine.drain()
    quiet.version(job, "state.data = value('name')")
    second = job_start(job=job, given=Input(run=failed))
    engine.drain()
    payloads_wipe()
    assert State.objects.filter(pk__in=[second.input_id]).get().body is None
    assert State.objects.filter(pk__in=[failed.input_id]).get().body is not None


def test_history_from_before_is_found_and_saved_inputs_stay(
    world: World, engine: Engine, partner: FaultyServer
) -> None:
    job = talkative(world, partner)
    world.on_message(job, inclusion={"kind": "visit"})
    world.post({"kind": "visit", "name": CANARY})
    world.post({"kind": "other", "name": CANARY})
    engine.drain()
    state_store(project_id=world.project.pk, kind="saved", raw=b'{"data": "an example"}', name="Example")  # type: ignore[arg-type]
    project_change(project=world.project, by=world.owner, keeps_payloads=False)
    payloads_wipe()
    assert found() != [], "that was a moment ago: its turn comes when it is three days old"
    _age_ids(timedelta(days=4))
    payloads_wipe()
    assert found() == []
    assert State.objects.get(kind="saved").body is not None
    assert LogLine.objects.count() == 0


def _age_ids(by: timedelta) -> None:
    """As if everything had been made that long ago: ids tell the time."""
    ms = int(by.total_seconds() * 1000)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table, column in (
            ("message", "id"), ("message_payload", "message_id"), ("work_order", "message_id"), ("work_order", "id"),
            ("run", "work_order_id"), ("idempotency_key", "message_id"), ("once_mark", "work_order_id"),
            ("http_exchange", "work_order_id"),
        ):  # fmt: skip
            cursor.execute(
                f"UPDATE {table} SET {column} = (lpad(to_hex(('x' || substr(replace({column}::text, '-', ''), 1, 12))"
                f"::bit(48)::bigint - %s), 12, '0') || substr(replace({column}::text, '-', ''), 13))::uuid "
                f"WHERE {column} IS NOT NULL",
                [ms],
            )
        cursor.execute(
            "UPDATE work_order SET last_activity_at = last_activity_at - %s * interval '1 ms'", [ms]
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def test_a_project_that_keeps_payloads_again_loses_nothing_more(quiet: World, engine: Engine) -> None:
    job_start(job=quiet.job(), given=Input(data={"name": CANARY}))
    engine.drain()
    project_change(project=quiet.project, by=quiet.owner, keeps_payloads=True)
    payloads_wipe()
    assert found() != []
    assert not PayloadDue.objects.exists()


def test_pages_and_files_say_that_nothing_is_kept(
    quiet: World, engine: Engine, partner: FaultyServer
) -> None:
    quiet.on_message(talkative(quiet, partner))
    quiet.post({"name": CANARY})
    engine.drain()
    payloads_wipe()
    client = Client()
    client.force_login(quiet.owner)
    run, message = quiet.runs()[0], Message.objects.get()
    for name, thing, parts in (
        ("admin:runs_run_change", run, ("log", "input", "final")),
        ("admin:triggers_message_change", message, ("body", "raw", "headers")),
    ):
        for part in parts:
            page = client.get(reverse(name, args=[thing.pk]), {"show": part}).content.decode()
            assert "Not kept by this project" in page, part
    exported = client.get("/admin/runs/httpexchange/export/", {"format": "jsonl"})
    record = json.loads(b"".join(exported.streaming_content))  # type: ignore[attr-defined]
    assert (record["address"], record["request_body"]) == (partner.url, "Not kept by this project.")
    assert client.get(reverse("admin:runs_run_input_file", args=[run.pk])).status_code == 404


def test_wiping_waits_for_nobody_and_goes_on_later(quiet: World, engine: Engine) -> None:
    job_start(job=quiet.job(), given=Input(data={"name": CANARY}))
    engine.drain()
    assert WorkOrder.objects.count() == 1
    due = PayloadDue.objects.get()
    assert due.look_at <= timezone.now()
    assert payloads_wipe() == 1
    assert payloads_wipe() == 0
