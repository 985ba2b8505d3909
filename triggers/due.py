"""When a schedule is next due, and what becomes of times that it owed when somebody changed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from openfn_platform.common.errors import Invalid
from openfn_platform.common.ids import uuid7
from triggers import schedules
from triggers.models import ScheduleKind, Slot, SlotState, Trigger
from triggers.timetable import next_slot, schedule_of

MOST_RECORDED = 100


def due_set(trigger: Trigger, *, now: datetime | None = None) -> None:
    """Set `next_slot_at` (not saved here), counted from now: times before are no debt of a fresh schedule."""
    if not trigger.enabled:
        trigger.next_slot_at = None
        return
    trigger.next_slot_at = next_slot(trigger, after=now or datetime.now(UTC))
    if trigger.next_slot_at is None:
        word = "That time" if trigger.schedule_kind == ScheduleKind.ONCE else "The last time of this schedule"
        raise Invalid(f"{word} has passed; choose a later one.", field="starts_at")


def debts_record(trigger: Trigger, *, reason: str, now: datetime | None = None) -> int:
    """Record the slots that were due and not served yet as skipped, so that none vanishes. Returns how many."""
    now = now or datetime.now(UTC)
    if not trigger.enabled or trigger.next_slot_at is None or trigger.next_slot_at > now:
        return 0
    schedule = schedule_of(trigger)
    owed = schedules.missed(
        schedule, trigger.next_slot_at - timedelta(microseconds=1), now, MOST_RECORDED
    ).slots or (trigger.next_slot_at,)
    Slot.objects.bulk_create(
        (
            Slot(
                id=uuid7(),
                project_id=trigger.project_id,
                trigger=trigger,
                at=at,
                previous_at=schedules.slot_before(schedule, at),
                state=SlotState.SKIPPED,
                reason=reason,
            )
            for at in owed
        ),
        ignore_conflicts=True,  # the clock may have been faster
    )
    return len(owed)
