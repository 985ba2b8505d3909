"""Reminders: after one hour, after four, then daily, and none after the end."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db.models import F
from django.utils import timezone

from runs.models import Incident
from runs.notifications.reminders import reminders_queue

from . import cast

pytestmark = pytest.mark.django_db


def hours_pass(hours: float) -> None:
    Incident.objects.update(next_reminder_at=F("next_reminder_at") - timedelta(hours=hours))


def test_they_come_after_one_hour_after_four_and_then_daily(clinic: SimpleNamespace) -> None:
    cast.fail(cast.failing_run(clinic.project))
    assert reminders_queue() == 0
    seen = []
    for hours in (0.9, 0.2, 2.8, 0.3, 23.8, 0.3, 23.8, 0.3):
        hours_pass(hours)
        seen.append(reminders_queue())
    assert seen == [0, 1, 0, 1, 0, 1, 0, 1]
    assert Incident.objects.get().reminders == 4
    assert len(cast.mails("reminder")) == 8
    assert len({mail.cause for mail in cast.mails("reminder")}) == 4


def test_a_reminder_carries_the_count_and_who_took_it(clinic: SimpleNamespace) -> None:
    run = cast.failing_run(clinic.project)
    for _ in range(12):
        cast.fail(run)
    hours_pass(2)
    Incident.objects.update(taken_by=clinic.viewer, taken_at=timezone.now())
    reminders_queue()
    mail = cast.mails("reminder")[0]
    assert mail.subject == "[Clinic registration] Create patient: still AdaptorError (12 failures)"
    assert "How often: 12 times, last " in mail.text
    assert "Vera looks after it." in mail.text


def test_a_platform_that_was_down_for_a_week_reminds_once(clinic: SimpleNamespace) -> None:
    cast.fail(cast.failing_run(clinic.project))
    hours_pass(24 * 7)
    assert [reminders_queue(), reminders_queue(), reminders_queue()] == [1, 0, 0]


def test_a_closed_incident_reminds_nobody(clinic: SimpleNamespace) -> None:
    run = cast.failing_run(clinic.project)
    cast.fail(run)
    hours_pass(2)
    cast.succeed(run)
    assert reminders_queue() == 0
    Incident.objects.update(next_reminder_at=timezone.now() - timedelta(hours=1))  # a row that should not be
    assert reminders_queue() == 0
    assert cast.mails("reminder") == []
