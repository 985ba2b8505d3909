"""Deeds for many runs or messages, worked off with progress; and calls of the API that may be repeated.

New tables only: nothing waits for them.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Now

import openfn_platform.common.ids

DEEDS = [
    ("retry", "Retry runs"),
    ("cancel", "Cancel runs"),
    ("abort", "Abort runs"),
    ("dismiss", "Dismiss runs"),
    ("reprocess", "Reprocess messages"),
]
STATES = [("waiting", "Waiting"), ("running", "Running"), ("done", "Done"), ("cancelled", "Cancelled")]
ITEM_STATES = [("waiting", "Waiting"), ("done", "Done"), ("failed", "Failed")]


def own_id() -> models.UUIDField:  # type: ignore[type-arg]  # the class takes no parameters
    return models.UUIDField(
        default=openfn_platform.common.ids.uuid7, editable=False, primary_key=True, serialize=False
    )


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0001_projects_and_people"),
        ("runs", "0005_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "BulkOperation",
            [
                ("id", own_id()),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("deed", models.CharField(choices=DEEDS, max_length=9)),
                ("state", models.CharField(choices=STATES, default="waiting", max_length=9)),
                ("parameters", models.JSONField(default=dict)),
                ("requested_by_name", models.CharField(max_length=254)),
                ("total", models.PositiveIntegerField()),
                ("done", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                        db_index=False,
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="projects.apitoken",
                    ),
                ),
            ],
            {
                "db_table": "bulk_operation",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(deed__in=[deed for deed, _ in DEEDS]), name="bulk_deed_known"
                    ),
                    models.CheckConstraint(
                        condition=Q(state__in=[state for state, _ in STATES]), name="bulk_state_known"
                    ),
                    models.CheckConstraint(
                        condition=Q(total__gte=F("done") + F("failed")), name="bulk_no_more_than_all"
                    ),
                ],
                "indexes": [
                    models.Index(fields=["project", "-id"], name="bulk_project_newest"),
                    models.Index(
                        fields=["id"], name="bulk_open", condition=Q(state__in=["waiting", "running"])
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "BulkItem",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("position", models.PositiveIntegerField()),
                ("target", models.UUIDField()),
                (
                    "state",
                    models.CharField(
                        choices=ITEM_STATES, db_default="waiting", default="waiting", max_length=7
                    ),
                ),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=300)),
                ("result", models.UUIDField(null=True)),
                (
                    "operation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="runs.bulkoperation",
                    ),
                ),
            ],
            {
                "db_table": "bulk_item",
                "constraints": [
                    models.UniqueConstraint(fields=["operation", "position"], name="bulk_item_place"),
                    models.UniqueConstraint(fields=["operation", "target"], name="bulk_item_once"),
                    models.CheckConstraint(
                        condition=Q(state__in=[state for state, _ in ITEM_STATES]),
                        name="bulk_item_state_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "RepeatKey",
            [
                ("id", own_id()),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("key", models.CharField(max_length=255)),
                ("digest", models.BinaryField(max_length=32)),
                ("made", models.UUIDField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            {
                "db_table": "repeat_key",
                "constraints": [models.UniqueConstraint(fields=["project", "key"], name="repeat_key_once")],
                "indexes": [models.Index(fields=["created_at"], name="repeat_key_age")],
            },
        ),
    ]
