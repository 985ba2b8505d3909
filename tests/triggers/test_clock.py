"""The clock's two bells hang from the first migration on, and again when somebody took them down."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from triggers.clock import BELLS, bells_hang

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _taken_down():
    PeriodicTask.objects.all().delete()


def bells() -> dict[str, int]:
    rows = PeriodicTask.objects.filter(enabled=True, interval__period=IntervalSchedule.SECONDS)
    return {row.task: row.interval.every for row in rows.select_related("interval")}


def test_the_migration_hangs_them():
    import_module("triggers.migrations.0003_clock").hang(apps, None)
    assert bells() == BELLS


def test_they_are_hung_again_when_missing_or_changed_and_never_twice():
    bells_hang()
    PeriodicTask.objects.filter(task="runs.sweep").update(enabled=False)
    bells_hang()
    assert bells() == BELLS
    assert PeriodicTask.objects.count() == len(BELLS)
