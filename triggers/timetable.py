"""The pure schedule that a trigger's columns mean, and its next slot."""

from __future__ import annotations

from datetime import datetime

from triggers.models import ScheduleKind, Trigger
from triggers.schedules import Cron, Every, Once, Schedule, slots_after, validate
from triggers.wallclock import zone_of


def zone_name(trigger: Trigger) -> str:
    return trigger.time_zone or trigger.project.time_zone


def schedule_of(trigger: Trigger) -> Schedule:
    """The schedule as a value; wall-clock times are read in the schedule's zone."""
    zone = zone_name(trigger)
    if trigger.schedule_kind == ScheduleKind.CRON:
        return Cron(trigger.cron, zone)
    start = trigger.starts_at.astimezone(zone_of(zone)).replace(tzinfo=None) if trigger.starts_at else None
    if trigger.schedule_kind == ScheduleKind.EVERY:
        return Every(trigger.every_count or 0, trigger.every_unit, start, zone)
    return Once(start, zone)


def next_slot(trigger: Trigger, *, after: datetime) -> datetime | None:
    """The first slot after `after`, or None. Raises ScheduleError or CronError when the columns make no sense."""
    schedule = schedule_of(trigger)
    validate(schedule)
    slots = slots_after(schedule, after, 1)
    return slots[0] if slots else None
