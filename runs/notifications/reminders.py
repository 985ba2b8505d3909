"""Reminders of open incidents: after 1 h, after 4 h, then daily, until they close."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Now

from runs.models import Incident
from runs.notifications import outbox

AT_ONCE = 50
_SECOND_AFTER = timedelta(hours=3)  # four hours after it opened
_DAILY = timedelta(days=1)


def reminders_queue() -> int:
    """Write the reminders that are due; returns how many incidents were told about.

    The row's lock and its count keep two sweeps from reminding twice. The next time counts from now, so that a
    platform that was down for a week does not send seven at once.
    """
    told = 0
    while True:
        done = _some()
        told += done
        if done < AT_ONCE:
            return told


@transaction.atomic
def _some() -> int:
    due = (
        Incident.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .select_related("project", "job", "taken_by")
        .filter(closed_at=None, next_reminder_at__lte=Now())
        .order_by("next_reminder_at")[:AT_ONCE]
    )
    done = 0
    for incident in due:
        number = incident.reminders + 1
        outbox.incident_reminded(incident=incident, number=number)
        wait = _SECOND_AFTER if number == 1 else _DAILY
        Incident.objects.filter(pk=incident.pk).update(reminders=number, next_reminder_at=Now() + Value(wait))
        done += 1
    return done
