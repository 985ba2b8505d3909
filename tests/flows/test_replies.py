"""Answers when done, by HTTP from end to end: a sender waits while real runs are executed, and hears how it went."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from runs.models import Run, WorkOrder
from runs.retrying import run_retry
from tests.flows.world import Engine, World
from tests.triggers.serving import Answer, Server, database_url, request_of, served
from triggers.inboxes import inbox_change
from triggers.models import Inbox, Message
from triggers.models.inbox import Reply, ReplyContent

PLACES = 3  # that this server has for senders who wait


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("INBOX_WAITING_MOST", str(PLACES))
        environment.setenv(
            "DATABASE_POOL", "2"
        )  # so that one who kept a connection while waiting would block others
        with served(database_url(), tmp_path_factory.mktemp("web") / "log") as running:
            yield running


@pytest.fixture
def others() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


class Sender:
    """Posts to an inbox that answers when done, while the test lets runs be executed."""

    def __init__(self, server: Server, world: World, engine: Engine, pool: ThreadPoolExecutor) -> None:
        self.server, self.world, self.engine, self.pool = server, world, engine, pool
        self.mode(reply=Reply.DONE, reply_seconds=20)

    def mode(self, **values: Any) -> None:
        inbox_change(inbox=Inbox.objects.get(pk=self.world.inbox.pk), by=self.world.owner, **values)

    def post(self, body: bytes = b'{"a": 1}', **headers: str) -> Future[Answer]:
        return self.pool.submit(self.server.post, f"/inbox/{self.world.inbox.address}", body, **headers)

    def hears(self, body: bytes = b'{"a": 1}', **headers: str) -> Answer:
        """The answer, after everything was executed."""
        answer = self.post(body, **headers)
        until(lambda: answer.done() or Run.objects.filter(state="available").exists())
        self.engine.drain()
        return answer.result(20)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def sender(server: Server, world: World, engine: Engine, others: ThreadPoolExecutor) -> Sender:
    return Sender(server, world, engine, others)


# --- what is answered ---------------------------------------------------------------------------------


def test_the_answer_comes_when_all_have_ended_and_has_no_data(sender: Sender):
    first = sender.world.job("state.data = {'seen': 'canary'}")
    sender.world.on_message(first)
    sender.world.on_end(first, "success", sender.world.job("pass"))
    answer = sender.hears(b'{"name": "canary"}')
    assert answer.status == 200
    told = answer.json
    assert (told["state"], told["matched"]) == ("success", 1)
    assert [run["state"] for run in told["work_orders"][0]["runs"]] == ["success", "success"]
    assert b"canary" not in answer.body
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_failure_is_424_or_what_the_inbox_says_and_never_500(sender: Sender):
    sender.world.on_message(sender.world.job("fail('no')"))
    answer = sender.hears()
    assert (answer.status, answer.json["state"]) == (424, "failed")
    sender.mode(failed_status=200)
    assert sender.hears().status == 200


def test_a_failure_that_a_flow_caught_is_no_failure(sender: Sender):
    job = sender.world.job("fail('no')")
    sender.world.on_message(job)
    sender.world.on_end(job, "failure", sender.world.job("pass"))
    assert (sender.hears().status, WorkOrder.objects.get().state) == (200, "success")


def test_a_message_that_starts_nothing_is_answered_at_once(sender: Sender):
    answer = sender.post().result(5)
    assert (answer.status, answer.json["state"], answer.json["work_orders"]) == (200, "unmatched", [])


REPLY = "state.reply = {'status': 201, 'body': {'id': 7}, 'headers': {'Location': 'https://x.example/7'}}"


def test_a_job_says_the_reply_where_the_inbox_lets_it(sender: Sender):
    sender.world.on_message(sender.world.job(REPLY))
    assert sender.hears().status == 200
    sender.mode(reply_content=ReplyContent.JOB)
    answer = sender.hears()
    assert (answer.status, answer.json, answer.headers["location"]) == (201, {"id": 7}, "https://x.example/7")


def test_the_first_jobs_reply_counts_and_in_a_chain_the_last_ones(sender: Sender):
    sender.mode(reply_content=ReplyContent.JOB)
    first, second = sender.world.job(REPLY, key="first"), sender.world.job(REPLY.replace("201", "202"))
    sender.world.on_message(first)
    sender.world.on_message(second)
    assert sender.hears().status == 201
    sender.world.on_end(first, "success", sender.world.job("state.reply = {'body': 'after'}"))
    answer = sender.hears()
    assert (answer.status, answer.body) == (200, b'"after"')


def test_a_job_that_fails_after_it_said_its_reply_is_heard(sender: Sender):
    sender.mode(reply_content=ReplyContent.JOB)
    sender.world.on_message(sender.world.job("state.reply = {'status': 404, 'body': 'nobody'}\nfail('no')"))
    answer = sender.hears()
    assert (answer.status, answer.body) == (404, b'"nobody"')


def test_a_reply_that_cannot_be_sent_is_named_and_the_usual_one_is_sent(sender: Sender):
    sender.mode(reply_content=ReplyContent.JOB)
    sender.world.on_message(sender.world.job("state.reply = {'status': 500, 'body': 'canary'}"))
    answer = sender.hears()
    assert (answer.status, answer.json["state"]) == (200, "success")
    assert "status" in answer.json["reply_problem"]
    assert b"canary" not in answer.body


def test_the_data_of_the_final_state_can_be_the_answer(sender: Sender):
    sender.mode(reply_content=ReplyContent.DATA)
    sender.world.on_message(sender.world.job("state.data = {'patient': 'P-7'}"))
    answer = sender.hears()
    assert (answer.status, answer.json["data"], answer.json["state"]) == (200, {"patient": "P-7"}, "success")


# --- when it takes too long, is asked again, or hangs up ----------------------------------------------


def test_after_the_limit_the_ids_and_where_to_ask_are_told_and_the_runs_go_on(sender: Sender):
    sender.mode(reply_seconds=1)
    sender.world.on_message(sender.world.job())
    answer = sender.post().result(10)
    told = answer.json
    assert (answer.status, told["code"]) == (504, "still_running")
    assert answer.headers["content-type"] == "application/problem+json"
    assert Message.objects.get().pk == uuid.UUID(told["message"])
    assert [str(run.pk) for run in Run.objects.all()] == told["work_orders"][0]["runs"]
    sender.engine.drain()
    status = told["status_url"].partition("/inbox/")[2]
    seen = sender.server.send(request_of(f"/inbox/{status}", method="GET"))
    assert seen is not None
    assert seen.json["work_orders"][0]["state"] == "success"


def test_the_same_message_again_waits_and_hears_the_same(sender: Sender):
    sender.mode(reply_content=ReplyContent.JOB)
    sender.world.on_message(sender.world.job(REPLY))
    first, again = (sender.post(Idempotency_Key="form-7") for _ in range(2))
    until(lambda: Run.objects.exists())
    time.sleep(0.2)
    assert not first.done()
    assert not again.done()
    sender.engine.drain()
    late = sender.post(Idempotency_Key="form-7").result(10)
    for answer in (first.result(10), again.result(10), late):
        assert (answer.status, answer.json) == (201, {"id": 7})
    assert late.headers["idempotency-replayed"] == "true"
    assert Message.objects.count() == Run.objects.count() == 1


def test_a_sender_that_hangs_up_loses_nothing(sender: Sender):
    sender.world.on_message(sender.world.job())
    request = request_of(f"/inbox/{sender.world.inbox.address}", b'{"a": 1}')
    with socket.create_connection(("127.0.0.1", sender.server.port), timeout=5) as link:
        link.sendall(request)
        until(lambda: Run.objects.exists())
    sender.engine.drain()
    assert Run.objects.get().state == "success"
    assert Message.objects.count() == 1
    assert sender.hears().status == 200  # and the server is none the worse


def test_a_retry_by_hand_is_waited_for_by_who_asks_then(sender: Sender):
    job = sender.world.job("fail('no')")
    sender.world.on_message(job)
    assert sender.hears(Idempotency_Key="k").status == 424
    sender.world.version(job, "pass")
    run_retry(run=Run.objects.get(), by=sender.world.owner)
    answer = sender.hears(Idempotency_Key="k")
    assert (answer.status, [run["attempt"] for run in answer.json["work_orders"][0]["runs"]]) == (200, [1, 2])


# --- many at once -------------------------------------------------------------------------------------


def test_more_senders_than_places_do_not_starve_the_server_nor_hold_connections(sender: Sender):
    sender.world.on_message(sender.world.job())
    waiting = [sender.post() for _ in range(PLACES)]
    until(lambda: Run.objects.count() == PLACES)
    time.sleep(0.2)
    surplus = sender.post().result(5)
    told = surplus.json
    assert (surplus.status, told["waited"]) == (202, False)
    assert surplus.headers["location"] == told["status_url"]
    assert sender.server.post(f"/inbox/{uuid.uuid4()}", b"{}").status == 404  # others are served
    sender.engine.drain()
    assert [answer.result(10).status for answer in waiting] == [200] * PLACES
    assert Message.objects.count() == PLACES + 1
