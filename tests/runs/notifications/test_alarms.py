"""Alarms on silence, and the watchdog that still sees it when every worker is gone."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from jobs.models import Workflow
from runs.models import Incident, Notification, WorkerHeartbeat
from runs.notifications import alarms, watchdog
from runs.notifications.alarms import alarms_check
from tests.servers.smtp import Postbox
from triggers.models import ClockRing, Trigger, TriggerKind

from . import cast

pytestmark = pytest.mark.django_db


def ago(**span: float) -> Any:
    return timezone.now() - timedelta(**span)


def worker(**fields: Any) -> WorkerHeartbeat:
    return WorkerHeartbeat.objects.create(
        **{"name": "w", "host": "h", "pid": 1, "capacity": 1, "started_at": ago(minutes=10)} | fields
    )


def rung(**span: float) -> None:
    ClockRing.objects.update_or_create(task="beat", defaults={"rung_at": ago(**span)})


def open_alarms() -> set[str]:
    return set(Incident.objects.filter(closed_at=None).values_list("title", flat=True))


@pytest.fixture
def well(clinic: SimpleNamespace, settings: Any) -> SimpleNamespace:
    """An installation where nothing is silent."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    worker()
    rung(seconds=10)
    alarms_check(up_for=100)
    assert open_alarms() == set()
    return clinic


def test_a_clock_that_has_not_rung_for_a_minute_is_told_once_and_so_is_its_return(
    well: SimpleNamespace,
) -> None:
    rung(seconds=50)
    alarms_check(up_for=100)
    assert open_alarms() == set()
    rung(seconds=70)
    alarms_check(up_for=100)
    alarms_check(up_for=100)
    assert open_alarms() == {"The clock is silent"}
    rung(seconds=1)
    alarms_check(up_for=100)
    assert open_alarms() == set()
    assert [(mail.kind, mail.recipient) for mail in cast.mails()] == [
        ("opened", "root@clinic.example"),
        ("closed", "root@clinic.example"),
    ]


def test_a_clock_that_never_rang_is_silent_once_the_platform_is_up_for_two_minutes(
    well: SimpleNamespace,
) -> None:
    ClockRing.objects.all().delete()
    WorkerHeartbeat.objects.update(started_at=ago(seconds=100))
    alarms_check(up_for=100)
    assert open_alarms() == set()
    WorkerHeartbeat.objects.update(started_at=ago(seconds=130))
    alarms_check(up_for=100)
    assert open_alarms() == {"The clock is silent"}


def test_an_installation_without_redis_does_not_miss_the_ring_of_beat(
    well: SimpleNamespace, settings: Any
) -> None:
    settings.REDIS_URL = ""
    rung(hours=1)
    alarms_check(up_for=100)
    assert open_alarms() == set()


@pytest.mark.parametrize("gone", [{"beat_at": ago(seconds=40)}, {"stopped_at": ago(seconds=1)}])
def test_no_worker_alive_is_an_alarm(well: SimpleNamespace, gone: dict[str, Any]) -> None:
    WorkerHeartbeat.objects.update(**gone)
    rung(seconds=90)  # beat rings through workers: one alarm says enough
    alarms_check(up_for=100)
    assert open_alarms() == {"No worker is running"}
    worker(name="w2")
    rung(seconds=1)
    alarms_check(up_for=100)
    assert open_alarms() == set()


def test_a_process_that_was_just_started_calls_nothing_silent(well: SimpleNamespace) -> None:
    WorkerHeartbeat.objects.all().delete()
    alarms_check(up_for=20)
    assert open_alarms() == set()


def test_mail_that_was_tried_for_a_quarter_of_an_hour_is_an_alarm_but_not_by_its_own_mails(
    well: SimpleNamespace, postbox: Postbox
) -> None:
    cast.fail(cast.failing_run(well.project))
    tried = Notification.objects.filter(kind="opened")
    tried.update(created_at=ago(minutes=16))
    alarms_check(up_for=100)
    assert "Mails cannot be delivered" not in open_alarms()  # not tried yet: no server is set, say
    tried.update(attempts=3)
    alarms_check(up_for=100)
    assert "Mails cannot be delivered" in open_alarms()
    tried.update(state="sent")
    Notification.objects.filter(recipient="root@clinic.example").update(attempts=3, created_at=ago(hours=1))
    alarms_check(up_for=100)
    assert "Mails cannot be delivered" not in open_alarms()


def test_a_mail_that_was_given_up_is_an_alarm_for_a_day(well: SimpleNamespace) -> None:
    cast.fail(cast.failing_run(well.project))
    Notification.objects.update(state="given-up", attempts=80, next_try_at=ago(hours=1))
    alarms_check(up_for=100)
    assert "Mails were given up" in open_alarms()
    Notification.objects.update(state="given-up", attempts=80)
    Notification.objects.filter(project__isnull=False).update(next_try_at=ago(hours=25))
    alarms_check(up_for=100)
    assert "Mails were given up" not in open_alarms()


def test_a_schedule_that_nothing_looked_at_is_an_alarm(well: SimpleNamespace) -> None:
    workflow = Workflow.objects.create(project=well.project, key="w", name="W")
    Trigger.objects.create(
        project=well.project,
        workflow=workflow,
        key="weekly",
        name="Weekly",
        kind=TriggerKind.SCHEDULE,
        schedule_kind="cron",
        cron="0 23 * * 5",
        enabled=True,
        next_slot_at=ago(minutes=2),
    )
    alarms_check(up_for=100)
    assert open_alarms() == {"Schedules are overdue"}


@pytest.mark.django_db(transaction=True)
def test_the_watchdog_notices_and_mails_that_no_worker_is_left(
    well: SimpleNamespace, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    postbox.open()
    WorkerHeartbeat.objects.all().delete()
    monkeypatch.setattr(alarms, "_loaded_at", -1e9)  # the clock: this process was started long ago
    stop = threading.Event()
    thread = threading.Thread(target=watchdog.run_forever, args=(stop,), kwargs={"every": 0.05})
    thread.start()
    try:
        for _ in range(100):
            if postbox.taken:
                break
            threading.Event().wait(0.05)
    finally:
        stop.set()
        thread.join()
        connections.close_all()
    assert [str(taken["Subject"]) for taken in postbox.taken] == ["[Platform] No worker is running"]
