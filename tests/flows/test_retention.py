"""Retention: what is too old goes, in order and in small steps; what is still needed stays, however old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from openfn_platform.common.ids import uuid7, uuid7_first
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import AuditEntry, Project
from runs.execution import run_execute_next
from runs.housekeeping import only_one
from runs.models import (
    Housekeeping,
    HttpExchange,
    Incident,
    LogLine,
    Memory,
    MemoryValue,
    Notification,
    Run,
    State,
    StateKind,
    WorkOrder,
)
from runs.retention.chores import Chore, chores
from runs.retention.working import chore_batch, retention_work
from runs.starting import Input, job_start
from runs.states import state_store
from tests.flows.world import Engine, World
from triggers.models import IdempotencyKey, Message, MessagePayload, Slot, SlotState

CODE = "print(value('name'))"
TABLES = ("work_order", "run", "message", "notification", "incident", "slot")


def go(_seconds: float) -> bool:
    """No rest between two batches."""
    return False


def prune() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE housekeeping SET again_at = now() - interval '1 second'")
    while retention_work(pause=go):
        pass


def aged(days: int) -> None:
    """Everything that there is happened so many days earlier. Ids tell the age, so they change, too."""
    span = f"interval '{days} days'"
    shift = f"lpad(to_hex((('x' || left(replace(%s::text, '-', ''), 12))::bit(48)::bigint - {days * 86_400_000})), 12, '0')"

    def older(column: str) -> str:
        return f"({shift % column} || substr(replace({column}::text, '-', ''), 13))::uuid"

    keys = {
        "message": ["id"], "message_payload": ["message_id"], "work_order": ["id", "message_id", "slot_id"],
        "run": ["id", "work_order_id", "parent_id", "retry_of_id", "root_id", "input_id", "final_id", "incident_id"],
        "state": ["id"], "log_line": ["run_id"], "http_exchange": ["run_id"], "incident": ["id"], "slot": ["id"],
        "notification": ["id", "incident_id"], "once_mark": ["run_id", "work_order_id"], "memory_value": ["run_id", "state_id"],
        "memory": ["state_id"], "idempotency_key": ["message_id"],
    }  # fmt: skip
    times = {
        "message": ["created_at"], "work_order": ["created_at", "last_activity_at"], "run": ["created_at", "finished_at"],
        "slot": ["at"], "incident": ["closed_at", "opened_at"], "idempotency_key": ["created_at"],
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table, columns in keys.items():
            changes = [f"{column} = {older(column)}" for column in columns]
            changes += [f"{column} = {column} - {span}" for column in times.get(table, [])]
            cursor.execute(f"UPDATE {table} SET {', '.join(changes)}")


def count() -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
    return found


def ran(world: World, engine: Engine, code: str = CODE, **body: Any) -> Run:
    job = world.job(code)
    world.on_message(job)
    world.post({"name": "Ada", **body})
    engine.drain()
    return world.runs(job)[-1]


# --- what goes ------------------------------------------------------------------------------------


def test_payloads_go_after_their_days_and_history_stays(world: World, engine: Engine) -> None:
    ran(world, engine)
    before = count()
    aged(89)
    prune()
    assert State.objects.filter(body=None).count() == 0
    aged(2)
    prune()
    assert count() == before
    assert not MessagePayload.objects.exists()
    assert not LogLine.objects.exists()
    assert set(State.objects.values_list("body", flat=True)) == {None}
    assert Message.objects.get().body_wiped_at is not None


def test_history_goes_after_its_days_with_all_that_hangs_on_it(world: World, engine: Engine) -> None:
    run = ran(world, engine, "once('a', lambda: 1)\nfail('no')")
    HttpExchange.objects.create(
        project_id=run.project_id, run_id=run.pk, seq=1, at=run.created_at, method="GET", url=""
    )
    Incident.objects.update(closed_at=timezone.now())
    Notification.objects.update(state="sent")
    assert count() == {"work_order": 1, "run": 1, "message": 1, "notification": 1, "incident": 1, "slot": 0}
    aged(366)
    prune()
    prune()  # incidents wait for their runs and mails, and are looked at again
    assert count() == dict.fromkeys(TABLES, 0)
    assert [each.objects.count() for each in (State, LogLine, HttpExchange, MessagePayload)] == [0, 0, 0, 0]


def test_each_project_keeps_its_own_days(world: World, engine: Engine) -> None:
    ran(world, engine)
    other = World("Other")
    ran(other, engine)
    Project.objects.filter(pk=other.project.pk).update(payload_days=10, history_days=20)
    aged(30)
    prune()
    assert [run.project_id for run in Run.objects.all()] == [world.project.pk]


def test_history_that_is_kept_shorter_takes_its_payloads_along(world: World, engine: Engine) -> None:
    ran(world, engine)
    Project.objects.update(payload_days=90, history_days=5)
    aged(6)
    prune()
    assert count()["run"] == State.objects.count() == MessagePayload.objects.count() == 0


def test_messages_that_started_nothing_go_too(world: World, engine: Engine) -> None:
    world.post({"name": "Ada"})
    aged(91)
    prune()
    assert not MessagePayload.objects.exists()
    aged(300)
    prune()
    assert not Message.objects.exists()


def test_texts_of_mails_go_with_the_payloads(world: World, engine: Engine) -> None:
    ran(world, engine, "fail('no')")
    Notification.objects.update(state="sent", text="Ada")
    aged(91)
    prune()
    assert Notification.objects.get().text == ""


# --- what stays -----------------------------------------------------------------------------------


def test_nothing_of_a_work_order_goes_before_all_of_it_has_ended(world: World, engine: Engine) -> None:
    first = ran(world, engine)
    after = world.job("pass")
    world.on_end(first.job, "success", after)
    world.post({"name": "Bea"})
    while not Run.objects.filter(job=after).exists():
        run_execute_next(engine.worker)
    aged(400)
    prune()
    assert Run.objects.filter(job=after).count() == 1
    assert Message.objects.count() == 1  # Ada’s is gone, Bea’s is needed
    assert State.objects.exclude(body=None).count() == 2
    engine.drain()
    assert Run.objects.get(job=after).state == "success"


def test_a_failed_run_keeps_its_input_for_the_retry_that_waits(world: World, engine: Engine) -> None:
    job = world.job(
        "nobody.get('/')",
        max_attempts=2,
        connections={"nobody": ("http", world.credential("http", baseUrl="http://127.0.0.1:9"))},
    )
    world.on_message(job)
    world.post({"name": "Ada"})
    engine.drain()
    assert [run.state for run in world.runs(job)] == ["failed", "available"]
    aged(400)
    prune()
    assert [run.state for run in world.runs(job)] == ["failed", "available"]
    assert [state.body is None for state in State.objects.filter(kind=StateKind.INPUT)] == [False]


def test_what_waited_goes_when_it_has_ended(world: World, engine: Engine) -> None:
    job = world.job(CODE, state="paused")
    world.on_message(job)
    world.post({"name": "Ada"})
    aged(91)
    prune()
    assert MessagePayload.objects.count() == 1
    Run.objects.update(state="cancelled", finished_at=timezone.now())
    prune()
    assert MessagePayload.objects.count() == 0


def test_an_open_incident_is_not_touched(world: World, engine: Engine) -> None:
    ran(world, engine, "fail('no')")
    Notification.objects.update(state="sent")
    aged(400)
    prune()
    prune()
    incident = Incident.objects.get()
    assert (incident.closed_at, incident.message) == (None, "no")


def test_memories_saved_inputs_and_versions_are_never_pruned(world: World, engine: Engine) -> None:
    job = world.job("state['cursor'] = 7")
    trigger = world.on_schedule(job, schedule_kind="cron", cron="0 0 * * *")
    slot = Slot.objects.create(
        project=world.project, trigger=trigger, at=timezone.now(), state=SlotState.FIRED
    )
    order = WorkOrder.objects.create(
        id=uuid7(), project=world.project, workflow=world.workflow, cause="slot", slot=slot
    )
    Run.objects.create(
        project=world.project, workflow=world.workflow, work_order=order, job=job, trigger=trigger
    )
    saved = state_store(project_id=world.project.pk, kind=StateKind.SAVED, raw=b'{"data":{}}', name="mine")
    job_start(job=job, given=Input(saved=saved), by=world.owner)
    engine.drain()
    aged(5_000)
    prune()
    assert not Run.objects.exists()
    assert Memory.objects.count() == MemoryValue.objects.count() == 1
    assert State.objects.get(pk=Memory.objects.get().state_id).body is not None
    assert State.objects.filter(kind=StateKind.SAVED).exclude(body=None).count() == 1
    assert Slot.objects.count() == 1  # the newest: the next period begins with it
    job.refresh_from_db()
    assert job.live_version is not None


def test_idempotency_keys_outlive_their_messages(world: World, engine: Engine) -> None:
    world.job(CODE)
    world.post({"name": "Ada"}, key="k-1")
    aged(400)
    prune()
    assert not Message.objects.exists()
    assert IdempotencyKey.objects.count() == 1
    aged(331)
    Project.objects.update(history_days=5_000)
    prune()
    assert IdempotencyKey.objects.count() == 1
    Project.objects.update(history_days=365)
    prune()
    assert IdempotencyKey.objects.count() == 0


def test_the_audit_is_kept_for_three_years_and_tells_when_it_was_pruned(world: World, settings: Any) -> None:
    entry = audit("something done", world.owner, project=world.project)
    prune()
    assert AuditEntry.objects.filter(pk=entry.pk).exists()
    settings.AUDIT_DAYS = 0
    prune()
    assert not AuditEntry.objects.filter(pk=entry.pk).exists()
    assert AuditEntry.objects.latest("id").action == "audit pruned"


# --- how it goes ----------------------------------------------------------------------------------


def test_it_goes_on_where_it_stopped(world: World, engine: Engine) -> None:
    for number in range(5):
        world.post({"name": str(number)})
    aged(400)
    chore = next(each for each in chores() if each.task.name == "history-messages")
    assert chore_batch(chore=chore, size=2).more
    assert Message.objects.count() == 3
    assert Housekeeping.objects.get(task="history-messages").rows == 2
    prune()
    assert Message.objects.count() == 0
    assert Housekeeping.objects.get(task="history-messages", project=world.project).rows == 5


def test_rows_that_somebody_holds_are_passed_over_and_taken_later(world: World) -> None:
    for number in range(3):
        world.post({"name": str(number)})
    aged(400)
    held = Message.objects.order_by("id").values_list("pk", flat=True)[1]
    chore = Chore(
        project=world.project, task=next(t.task for t in chores() if t.task.name == "history-messages")
    )
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM message WHERE id = %s FOR KEY SHARE", [held])
        assert chore_batch(chore=chore, size=100).done == 2
    finally:
        other.rollback()
        other.close()
    prune()
    assert Message.objects.count() == 0


def test_only_one_process_keeps_house(world: World) -> None:
    other = connection.copy()
    try:
        with only_one() as mine:
            assert mine
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(4713)")
                assert cursor.fetchone()[0] is False
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(4713)")
            assert cursor.fetchone()[0] is True
            cursor.execute("SELECT pg_advisory_unlock(4713)")  # closing only gives it back to the pool
    finally:
        other.close()


def test_who_cannot_give_the_house_back_does_not_keep_it(world: World) -> None:
    """A session goes back to the pool as it is, and the next one who gets it must not be housekeeper for ever."""
    with only_one() as mine:
        assert mine
        connection.set_autocommit(False)
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")  # from here on this session takes no statement
    with only_one() as mine, connection.cursor() as cursor:
        assert mine
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4713")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize("days", [1, 90, 20_000])
def test_an_id_tells_the_age(days: int) -> None:
    now = timezone.now()
    assert uuid7_first(now - timedelta(days=days)) < uuid7() < uuid7_first(now + timedelta(days=days))
    assert uuid7_first(now).int >> 80 == int(now.timestamp() * 1000)


def test_messages_wait_for_their_work_orders_to_be_gone(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.retention.working.MOST", 20)
    world.on_message(world.job("pass"))
    for number in range(30):
        world.post({"n": number})
    engine.drain()
    aged(400)
    # So little time that no chore comes to its end: none may step over what the one before has left.
    while retention_work(pause=go, seconds=0):
        pass
    assert count()["message"] == count()["run"] == 0
    assert not Housekeeping.objects.exclude(again_from="").exists()
