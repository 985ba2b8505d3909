"""Schedules: every slot makes at most one work order; a missed one is run or recorded, by the catch-up policy."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from django.utils import timezone

from runs.firing import schedules_fire_due
from runs.models import Run, WorkOrder
from tests.flows.world import Engine, World
from triggers.clock import bells_hang
from triggers.models import ClockRing, Slot, Trigger


def hourly(world: World, *, behind: timedelta, **fields: object) -> Trigger:
    """A trigger that should have fired every hour since `behind` ago."""
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - behind
    return world.on_schedule(
        world.job(),
        schedule_kind="every",
        every_count=1,
        every_unit="hours",
        starts_at=start,
        next_slot_at=start,
        **fields,
    )


def test_a_due_slot_fires_once_and_the_next_one_is_set(world: World) -> None:
    trigger = hourly(world, behind=timedelta())
    assert schedules_fire_due(rung_by="test") == 1
    assert schedules_fire_due(rung_by="test") == 0
    trigger.refresh_from_db()
    assert trigger.next_slot_at is not None
    assert trigger.next_slot_at > timezone.now()
    assert Slot.objects.get().state == "fired"


@pytest.mark.parametrize(
    ("policy", "fired", "skipped"), [("latest", 1, 5), ("all", 6, 0), ("skip", 0, 6)], ids=str
)
def test_missed_slots_are_run_or_recorded(world: World, policy: str, fired: int, skipped: int) -> None:
    minutes = timezone.now().minute
    hourly(world, behind=timedelta(hours=5), catch_up=policy)
    if policy == "skip" and minutes < 2:
        pytest.skip("The newest slot is on time in the first minutes of an hour.")
    schedules_fire_due(rung_by="test")
    assert Slot.objects.filter(state="fired").count() == fired
    assert Slot.objects.filter(state="skipped").count() == skipped
    assert WorkOrder.objects.count() == fired


def test_catching_up_on_everything_stops_at_a_hundred_and_says_so(world: World) -> None:
    hourly(world, behind=timedelta(hours=300), catch_up="all")
    schedules_fire_due(rung_by="test")
    assert WorkOrder.objects.count() == 100
    assert "201 more missed times" in Slot.objects.get(state="skipped").reason


def test_two_beats_and_ten_workers_fire_a_slot_once(world: World) -> None:
    for _ in range(5):
        hourly(world, behind=timedelta(hours=2), catch_up="all")

    def ring() -> None:
        schedules_fire_due(rung_by="beat")
        connections.close_all()

    threads = [threading.Thread(target=ring) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    schedules_fire_due(rung_by="beat")
    assert WorkOrder.objects.count() == 15
    assert Slot.objects.filter(state="fired").count() == 15


def test_a_clock_that_is_stepped_back_repeats_nothing(world: World) -> None:
    trigger = hourly(world, behind=timedelta(hours=1), catch_up="all")
    schedules_fire_due(rung_by="test")
    made = WorkOrder.objects.count()
    first = Slot.objects.order_by("at").first()
    assert first is not None
    Trigger.objects.filter(pk=trigger.pk).update(next_slot_at=first.at)  # as if time had gone back
    schedules_fire_due(rung_by="test")
    assert WorkOrder.objects.count() == made


def test_a_slot_of_a_job_that_is_off_is_recorded_as_skipped(world: World) -> None:
    start = timezone.now()
    world.on_schedule(world.job(state="off"), schedule_kind="once", starts_at=start, next_slot_at=start)
    schedules_fire_due(rung_by="test")
    assert Slot.objects.get().reason == "Its job is off."
    assert WorkOrder.objects.count() == 0


def test_once_fires_once_and_has_no_next_slot(world: World) -> None:
    start = timezone.now() - timedelta(seconds=5)
    trigger = world.on_schedule(world.job(), schedule_kind="once", starts_at=start, next_slot_at=start)
    schedules_fire_due(rung_by="test")
    trigger.refresh_from_db()
    assert trigger.next_slot_at is None
    assert WorkOrder.objects.count() == 1


def test_a_run_knows_its_slot_and_period_in_the_schedules_zone(world: World, engine: Engine) -> None:
    code = "start, end = run.period\nnote(f'{start:%a %d %H:%M} to {end:%a %d %H:%M}')"
    zone = ZoneInfo("Africa/Nairobi")
    friday = datetime(2026, 11, 20, 23, 0, tzinfo=zone)
    world.on_schedule(
        world.job(code),
        schedule_kind="cron",
        cron="0 23 * * FRI",
        time_zone="Africa/Nairobi",
        next_slot_at=friday.astimezone(UTC),
    )
    # The test's own clock may be any; the slot is what counts.
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
    schedules_fire_due(rung_by="test")
    engine.drain()
    run = Run.objects.order_by("lane").first()
    assert run is not None
    assert run.note.startswith("Fri ")
    assert run.note.count("23:00") == 2


def test_a_schedule_that_makes_no_sense_any_more_is_switched_off_and_the_others_go_on(world: World) -> None:
    broken = hourly(world, behind=timedelta())
    Trigger.objects.filter(pk=broken.pk).update(time_zone="Mars/Phobos")
    hourly(world, behind=timedelta())
    assert schedules_fire_due(rung_by="test") == 1
    broken.refresh_from_db()
    assert not broken.enabled


def test_the_clock_has_two_rows_that_come_back_when_somebody_removes_them(world: World) -> None:
    from django_celery_beat.models import PeriodicTask

    PeriodicTask.objects.all().delete()
    bells_hang()
    assert set(PeriodicTask.objects.values_list("task", flat=True)) == {"triggers.fire_due", "runs.sweep"}
    PeriodicTask.objects.filter(name="runs.sweep").update(enabled=False)
    bells_hang()
    assert PeriodicTask.objects.get(name="runs.sweep").enabled


def test_each_ring_is_written_down(world: World) -> None:
    schedules_fire_due(rung_by="beat")
    assert ClockRing.objects.get(task="triggers.fire_due").rung_by == "beat"
    assert ClockRing.objects.filter(task="beat").exists()
