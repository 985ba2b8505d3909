"""Wiping: what was said goes, that something happened stays, and what is still needed is not touched."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from openfn_platform.common.ids import uuid7
from runs.models import HttpExchange, LogLine, OnceMark, Run, State, StateKind, WorkOrder
from runs.payload_wiping import AT_ONCE, Wiped, payload_wipe
from runs.starting import Input, job_start
from runs.states import state_store
from tests.flows.canary import everything_stored
from tests.flows.world import Engine, World
from triggers.models import Message, MessagePayload

NAME = "Ottilie Wambrecht"
CODE = """
print(value("name"))
once("greet " + value("id"), lambda: value("name"))
note(value("name"))
problem("row 1", value("name"))
if value("fails"):
    fail(value("name"))
"""


def leaks(name: str = NAME) -> list[str]:
    return sorted({place for place, content in everything_stored() if name.encode() in content})


def ran(world: World, engine: Engine, **body: object) -> tuple[Message, Run]:
    job = world.job(CODE)
    world.on_message(job)
    world.post({"name": NAME, "id": "7", "fails": False, **body})
    engine.drain()
    [run] = world.runs(job)
    return Message.objects.get(), run


def exchange(run: Run, url: str) -> HttpExchange:
    return HttpExchange.objects.create(
        project_id=run.project_id, run_id=run.pk, seq=1, at=run.created_at, method="POST", url=url, status=201,
        request_body=NAME, response_body=NAME, error=NAME, request_bytes=17,
    )  # fmt: skip


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_said_is_left_and_what_happened_is_still_told(
    world: World, engine: Engine, fails: bool
) -> None:
    message, run = ran(world, engine, fails=fails)
    exchange(run, f"https://dhis2.example:8443/api/people?name={NAME}")
    lines = run.log_lines
    assert {"message_payload.raw", "state.body", "log_line.text"} <= set(leaks())
    done = payload_wipe(messages=[message.pk], runs=[run.pk])
    assert done == Wiped(messages=1, runs=1, states=2, log_lines=lines, exchanges=1)
    assert [place for place in leaks() if not place.startswith("incident.")] == []
    message.refresh_from_db()
    run.refresh_from_db()
    assert message.body_wiped_at is not None
    assert message.size > 0
    assert run.wiped_at is not None
    assert run.state == ("failed" if fails else "success")
    assert (run.log_lines, run.problem_count) == (lines, 1)
    sent = HttpExchange.objects.get()
    assert (sent.url, sent.method, sent.status, sent.request_bytes) == (
        "https://dhis2.example:8443", "POST", 201, 17,
    )  # fmt: skip


def test_a_marker_stands_where_the_body_was(world: World, engine: Engine) -> None:
    message, run = ran(world, engine)
    payload_wipe(messages=[message.pk], runs=[run.pk], marker="erased: E-1")
    assert leaks() == []
    payload = MessagePayload.objects.get()
    assert (bytes(payload.raw), payload.body, payload.headers) == (b"erased: E-1", "erased: E-1", {})
    assert LogLine.objects.filter(run_id=run.pk).count() == run.log_lines
    assert set(State.objects.values_list("name", "body")) == {("erased: E-1", None)}
    assert OnceMark.objects.get().result is None


def test_sentences_can_be_kept_so_that_staff_see_why_it_failed(world: World, engine: Engine) -> None:
    _, run = ran(world, engine, fails=True)
    payload_wipe(runs=[run.pk], sentences=False)
    run.refresh_from_db()
    assert NAME in run.error_message
    assert not LogLine.objects.exists()


def test_a_run_that_has_not_ended_is_passed_over(world: World, engine: Engine) -> None:
    job = world.job(CODE)
    run = job_start(job=job, given=Input(data={"name": NAME}), by=world.owner)
    assert payload_wipe(runs=[run.pk]) == Wiped()
    assert leaks() == ["state.body"]


def test_a_state_that_a_waiting_run_needs_is_kept(world: World, engine: Engine) -> None:
    _, run = ran(world, engine)
    waiting = job_start(job=run.job, given=Input(run=run), by=world.owner)
    assert payload_wipe(runs=[run.pk]).states == 1  # the final one
    assert State.objects.get(kind=StateKind.INPUT).body is not None
    engine.drain()
    waiting.refresh_from_db()
    assert waiting.state == "success"


def test_saved_inputs_are_kept(world: World, engine: Engine) -> None:
    saved = state_store(
        project_id=world.project.pk, kind=StateKind.SAVED, raw=b'{"data":{"name":"x","id":"1","fails":0}}'
    )
    run = job_start(job=world.job(CODE), given=Input(saved=saved), by=world.owner)
    engine.drain()
    payload_wipe(runs=[run.pk])
    saved.refresh_from_db()
    assert saved.body is not None


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://a.example/p/7?q=Ada", "https://a.example"),
        ("https://user:word@a.example:80/p", "https://a.example:80"),
        ("postgresql://[::1]:5432/patients", "postgresql://[::1]:5432"),
        ("https://a.example?q=Ada@home", "https://a.example"),
        ("Ada Example", ""),
        ("", ""),
    ],
)
def test_of_an_address_the_system_stays(world: World, engine: Engine, url: str, left: str) -> None:
    order = WorkOrder.objects.create(
        id=uuid7(), project=world.project, workflow=world.workflow, cause="manual", state="success"
    )
    job = world.job()
    run = Run.objects.create(
        project=world.project, workflow=world.workflow, work_order=order, job=job, state="success",
        finished_at=order.created_at,
    )  # fmt: skip
    exchange(run, url)
    payload_wipe(runs=[run.pk])
    assert HttpExchange.objects.get().url == left


def test_it_is_bounded(world: World) -> None:
    with pytest.raises(ValueError, match="At most"):
        payload_wipe(messages=[uuid.uuid4()] * (AT_ONCE + 1))


def test_a_batch_takes_a_few_statements_whatever_its_size(
    world: World, engine: Engine, django_assert_max_num_queries: object
) -> None:
    ran(world, engine)
    for number in range(3):
        world.post({"name": NAME, "id": str(number), "fails": False})
    engine.drain()
    keys = list(Run.objects.values_list("pk", flat=True))
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        payload_wipe(messages=list(Message.objects.values_list("pk", flat=True)), runs=keys)
    assert connection.in_atomic_block is False
