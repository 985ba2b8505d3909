"""Reprocessing: messages × jobs, leaving out what succeeded; each start once, whoever presses how often."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from jobs.models import JobState
from openfn_platform.common.errors import Conflict, Invalid, NotAllowed, NotFound
from openfn_platform.projects.models import AuditEntry, Role
from runs.models import Cause, Run, WorkOrder
from runs.reprocessing import message_reprocess, message_run, messages_reprocess
from tests.flows.world import World, final_of
from triggers.models import Message


def arrived(world: World, body) -> Message:
    return Message.objects.get(pk=world.post(body).answer["message"])


def test_each_job_starts_once_per_message_with_the_body_as_its_data(world, engine):
    first, second = world.job("state.out = state.data"), world.job("state.out = state.request")
    message = arrived(world, {"n": 1})
    done = message_reprocess(message=message, jobs=[first, second], by=world.owner)
    engine.drain()
    assert {run.job for run in done.runs} == {first, second}
    assert final_of(done.runs[0])["out"] == {"n": 1}
    assert final_of(done.runs[1])["out"]["method"] == "POST"
    order = WorkOrder.objects.get()
    assert (order.cause, order.message, order.resend_of, order.started_by) == (
        Cause.MESSAGE,
        message,
        None,
        world.owner,
    )
    assert AuditEntry.objects.filter(action="message reprocessed").exists()


def test_what_succeeded_or_is_on_its_way_is_left_out_and_what_failed_is_started_again(world, engine):
    good, bad = world.job("pass"), world.job("fail('no')")
    world.on_message(good)
    world.on_message(bad)
    message = arrived(world, {})
    engine.drain()
    done = message_reprocess(message=message, jobs=[good, bad], by=world.owner)
    assert [run.job for run in done.runs] == [bad]
    assert [(left.job, left.reason) for left in done.left_out] == [
        (good, "it succeeded with this message already")
    ]
    first, second = world.orders()
    assert second.resend_of == first
    waiting = message_reprocess(message=message, jobs=[bad], by=world.owner)
    assert [left.reason for left in waiting.left_out] == ["it is on its way with this message"]


def test_many_messages_go_in_order_of_arrival_and_one_that_cannot_stops_no_other(world):
    job = world.job()
    messages = [arrived(world, {"n": number}) for number in range(3)]
    Message.objects.filter(pk=messages[1].pk).update(body_wiped_at=messages[1].created_at)
    done = messages_reprocess(messages=messages[::-1], jobs=[job], by=world.owner)
    assert [run.work_order.message_id for run in done.runs] == [messages[0].pk, messages[2].pk]
    assert [(left.message, left.reason) for left in done.left_out] == [
        (messages[1], "The body of this message was erased.")
    ]


def test_a_job_that_is_off_draft_or_elsewhere_is_refused_with_a_sentence(world):
    message = arrived(world, {})
    draft = world.job()
    draft.live_version = None
    for job, error in (
        (world.job(state=JobState.OFF), Conflict),
        (draft, Conflict),
        (World("Elsewhere").job(), Invalid),
    ):
        with pytest.raises(error):
            message_reprocess(message=message, jobs=[job], by=world.owner)
    with pytest.raises(Invalid):
        message_reprocess(message=message, jobs=[], by=world.owner)
    assert not Run.objects.exists()


def test_only_operators_of_the_project_may(world):
    message, job = arrived(world, {}), world.job()
    for person, error in ((world.person(Role.VIEWER), NotAllowed), (World("Elsewhere").owner, NotFound)):
        for verb in (
            lambda by: message_reprocess(message=message, jobs=[job], by=by),
            lambda by: message_run(message=message, job=job, by=by),
        ):
            with pytest.raises(error):
                verb(person)
    assert not Run.objects.exists()


def test_pressed_twice_at_the_same_moment_it_starts_once(world):
    message, job = arrived(world, {}), world.job()
    ready = threading.Barrier(3)

    def press() -> None:
        try:
            ready.wait()
            message_reprocess(message=message, jobs=[job], by=world.owner)
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Run.objects.count() == 1


def test_run_with_this_message_belongs_to_the_message_and_can_be_done_again(world, engine):
    job = world.job(state=JobState.OFF)
    message = arrived(world, {"n": 1})
    first = message_run(message=message, job=job, by=world.owner)
    second = message_run(message=message, job=job, by=world.owner)
    engine.drain()
    orders = {order.pk: order for order in WorkOrder.objects.filter(message=message)}
    assert orders[first.work_order_id].resend_of_id is None
    assert orders[second.work_order_id].resend_of_id == first.work_order_id
    with transaction.atomic():
        message.refresh_from_db()
    assert message.matched
    assert {run.state for run in world.runs()} == {"success"}
