"""The clock: django-celery-beat rings two bells, and each ring is written down so that silence is seen."""

from __future__ import annotations

from django.db.models.functions import Now

from triggers.models import ClockRing

BELLS = {"triggers.fire_due": 10, "runs.sweep": 15}  # task -> seconds between rings


def clock_rung(*, task: str, by: str) -> None:
    """A bell rang."""
    rung = ClockRing.objects.filter(task=task).update(rung_at=Now(), rung_by=by[:120])
    if not rung:
        ClockRing.objects.bulk_create(
            [ClockRing(task=task, rung_at=Now(), rung_by=by[:120])], ignore_conflicts=True
        )


def bells_hang() -> None:
    """Make the two rows of django-celery-beat, or make them again when somebody removed or changed them."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    for task, seconds in BELLS.items():
        interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
        row = PeriodicTask.objects.filter(name=task).first()
        if row is None:
            PeriodicTask.objects.create(
                name=task,
                task=task,
                interval=interval,
                expire_seconds=60,
                description="Part of the platform's clock; made again when it is missing.",
            )
        elif not row.enabled or row.interval_id != interval.pk or row.task != task:
            row.enabled, row.interval, row.task, row.crontab = True, interval, task, None
            row.save()
