"""Bulk operations follow the runs that they make, and stop when these fail.

Columns with constant defaults, so that no row is written; indexes are built and constraints checked beside those who
work. A worker of before this migration goes on working: what it makes is not followed.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.models import Q

STATES = [
    ("waiting", "Waiting"),
    ("running", "Running"),
    ("done", "Done"),
    ("cancelled", "Cancelled"),
    ("stopped", "Stopped"),
]
OUTCOMES = [
    ("under_way", "Under way"),
    ("succeeded", "Succeeded"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
]
COUNTS = ("runs_under_way", "runs_succeeded", "runs_failed", "runs_cancelled")


class Migration(migrations.Migration):
    atomic = False  # or no index could be built concurrently

    dependencies = [("runs", "0008_run_library")]

    operations = [
        migrations.AddField(
            "bulkoperation", "at_once", models.PositiveSmallIntegerField(default=20, db_default=20)
        ),
        *(
            migrations.AddField("bulkoperation", name, models.PositiveIntegerField(default=0, db_default=0))
            for name in COUNTS
        ),
        migrations.AddField("bulkoperation", "stopped_by", models.UUIDField(null=True)),
        migrations.AlterField(
            "bulkoperation",
            "state",
            models.CharField(choices=STATES, default="waiting", max_length=9),
        ),
        migrations.AddField("bulkitem", "runs", ArrayField(models.UUIDField(), null=True)),
        migrations.AddField(
            "bulkitem",
            "outcome",
            models.CharField(blank=True, choices=OUTCOMES, db_default="", default="", max_length=9),
        ),
        migrations.AddField(
            "bulkitem",
            "fingerprint",
            models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.RemoveConstraint("bulkoperation", "bulk_state_known"),
        AddConstraintNotValid(
            "bulkoperation",
            models.CheckConstraint(
                condition=Q(state__in=[state for state, _ in STATES]), name="bulk_state_known"
            ),
        ),
        ValidateConstraint("bulkoperation", "bulk_state_known"),
        AddConstraintNotValid(
            "bulkitem",
            models.CheckConstraint(
                condition=Q(outcome="") | Q(outcome__in=[outcome for outcome, _ in OUTCOMES]),
                name="bulk_item_outcome_known",
            ),
        ),
        ValidateConstraint("bulkitem", "bulk_item_outcome_known"),
        AddIndexConcurrently(
            "bulkoperation",
            models.Index(fields=["id"], name="bulk_followed", condition=Q(runs_under_way__gt=0)),
        ),
        AddIndexConcurrently(
            "bulkitem",
            models.Index(fields=["operation"], name="bulk_item_under_way", condition=Q(outcome="under_way")),
        ),
        AddIndexConcurrently(
            "bulkitem",
            models.Index(
                fields=["operation", "fingerprint"], name="bulk_item_failures", condition=Q(outcome="failed")
            ),
        ),
    ]
