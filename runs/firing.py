"""Firing schedules: which slots are due is computed here, from the database, whoever rings.

Two beats, a late beat, one that was down and a stepped clock cannot lose or double a slot: the trigger's row is
locked (others pass it over), `unique(trigger, at)` keeps slots single, and `next_slot_at` only moves forward.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from jobs.models import JobState
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.ids import uuid7
from runs.models import Cause, Run, WorkOrder
from runs.permits import publish_on_commit
from triggers import schedules
from triggers.clock import clock_rung
from triggers.models import CatchUp, Slot, SlotState, Trigger, TriggerKind
from triggers.timetable import schedule_of

logger = logging.getLogger(__name__)

AT_ONCE = 50  # triggers per transaction
CATCH_UP_CAP = 100
ON_TIME = timedelta(seconds=90)  # a slot that is this young was not missed, the clock just rings in steps


def schedules_fire_due(*, rung_by: str) -> int:
    """Make the work orders of every slot that is due; returns how many. Safe to call from anywhere, any time."""
    clock_rung(task="triggers.fire_due", by=rung_by)
    if rung_by == "beat":  # workers ring too; only this row tells whether the clock itself is alive
        clock_rung(task="beat", by=rung_by)
    made = 0
    while True:
        done, fired = _fire_some()
        made += fired
        if done < AT_ONCE:
            return made


def _fire_some() -> tuple[int, int]:
    with transaction.atomic():
        now = _database_now()
        due = list(
            Trigger.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .select_related("project")
            .filter(
                kind=TriggerKind.SCHEDULE,
                enabled=True,
                archived_at=None,
                project__archived_at=None,
                next_slot_at__lte=now,
            )
            .order_by("next_slot_at")[:AT_ONCE]
        )
        fired = sum(_fire(trigger=trigger, now=now) for trigger in due)
        return len(due), fired


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now


def _fire(*, trigger: Trigger, now: datetime) -> int:
    """Decide about every slot of one trigger up to now, and set the next one."""
    try:
        schedule = schedule_of(trigger)
        assert trigger.next_slot_at is not None  # noqa: S101  # the query asked for it
        first = trigger.next_slot_at
        before = first - timedelta(microseconds=1)
        missed = schedules.missed(schedule, before, now, CATCH_UP_CAP)
        following = schedules.slots_after(schedule, now, 1)
    except PlatformError as error:  # a zone that vanished from the time zone database, say
        logger.error("action=schedule_unusable trigger=%s error=%s", trigger.pk, error.message)
        Trigger.objects.filter(pk=trigger.pk).update(enabled=False, next_slot_at=None)
        return 0
    slots = list(missed.slots) or [first]
    run_them, skip_them = _by_policy(trigger.catch_up, slots, now)
    older = missed.total - len(missed.slots)
    for at in skip_them:
        _record(trigger, schedule, at, SlotState.SKIPPED, "The clock was not running at that time.")
    if older > 0:
        exactly = "" if missed.exact else "at least "
        _record(
            trigger,
            schedule,
            first,
            SlotState.SKIPPED,
            f"{exactly}{older} more missed times before {slots[0]:%Y-%m-%d %H:%M} UTC were skipped.",
        )
    fired = sum(_work_order(trigger, schedule, at) for at in run_them)
    Trigger.objects.filter(pk=trigger.pk).update(next_slot_at=following[0] if following else None)
    return fired


def _by_policy(policy: str, slots: list[datetime], now: datetime) -> tuple[list[datetime], list[datetime]]:
    """(slots to run, slots to record as skipped). A slot on time is run whatever the policy."""
    if policy == CatchUp.ALL:
        return slots, []
    latest = slots[-1]
    if policy == CatchUp.LATEST or now - latest <= ON_TIME:
        return [latest], slots[:-1]
    return [], slots


def _record(trigger: Trigger, schedule: Any, at: datetime, state: SlotState, reason: str) -> Slot | None:
    slot = Slot(
        id=uuid7(),
        project_id=trigger.project_id,
        trigger=trigger,
        at=at,
        previous_at=schedules.slot_before(schedule, at),
        state=state,
        reason=reason[:300],
    )
    Slot.objects.bulk_create([slot], ignore_conflicts=True)
    return slot if Slot.objects.filter(pk=slot.pk).exists() else None


def _work_order(trigger: Trigger, schedule: Any, at: datetime) -> int:
    jobs = [link.job for link in trigger.trigger_jobs.select_related("job") if link.job.archived_at is None]
    ready = [job for job in jobs if job.state != JobState.OFF]
    if not ready:
        why = "Its job is off." if jobs else "It starts no job."
        _record(trigger, schedule, at, SlotState.SKIPPED, why)
        return 0
    slot = _record(trigger, schedule, at, SlotState.FIRED, "")
    if slot is None:
        return 0  # somebody else had it
    order = WorkOrder.objects.create(
        id=uuid7(),
        project_id=trigger.project_id,
        workflow_id=trigger.workflow_id,
        cause=Cause.SLOT,
        slot=slot,
    )
    Run.objects.bulk_create(
        Run(
            id=uuid7(),
            project_id=trigger.project_id,
            workflow_id=trigger.workflow_id,
            work_order=order,
            job=job,
            trigger=trigger,
        )
        for job in ready
    )
    publish_on_commit(len(ready))
    return 1


def overdue(now: datetime | None = None) -> int:
    """How many enabled schedules should have fired more than a minute ago: zero while the clock is well."""
    limit = (now or datetime.now(UTC)) - timedelta(seconds=60)
    return Trigger.objects.filter(
        kind=TriggerKind.SCHEDULE,
        enabled=True,
        archived_at=None,
        project__archived_at=None,
        next_slot_at__lt=limit,
    ).count()
