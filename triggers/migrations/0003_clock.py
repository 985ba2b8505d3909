"""Hangs the clock's two bells: django-celery-beat's only rows (see `triggers.clock`, which re-makes them)."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from triggers.clock import BELLS


def hang(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule")
    tasks = apps.get_model("django_celery_beat", "PeriodicTask")
    for task, seconds in BELLS.items():
        interval, _ = intervals.objects.get_or_create(every=seconds, period="seconds")
        tasks.objects.get_or_create(
            name=task,
            defaults={
                "task": task,
                "interval": interval,
                "expire_seconds": 60,
                "description": "Part of the platform's clock; made again when it is missing.",
            },
        )


def take_down(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=BELLS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("triggers", "0002_tenant_constraints"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(hang, take_down)]
