"""Retention, finding and erasing: what housekeeping remembers, words to find by, searches and certificates.

Not in one transaction: indexes of big tables are built beside those who write to them. What is stored already gets
its words afterwards, by housekeeping.
"""

from __future__ import annotations

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import openfn_platform.common.ids
import openfn_platform.common.tenancy
import openfn_platform.common.wordfield
from openfn_platform.common.tenancy import TenantConstraint


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("jobs", "0005_job_version_trace_reads"),
        ("projects", "0001_projects_and_people"),
        ("runs", "0004_http_exchange_sent"),
        ("triggers", "0003_clock"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=openfn_platform.common.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("number", models.CharField(max_length=24, unique=True)),
                ("search_id", models.UUIDField(null=True)),
                ("by_name", models.CharField(max_length=254)),
                ("reason", models.CharField(max_length=300)),
                ("memories", models.CharField(default="wipe", max_length=6)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting for runs to end"), ("done", "Done")],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                ("counts", models.JSONField(default=dict)),
                ("rows", models.JSONField(default=list)),
                ("todo", models.JSONField(default=dict)),
                ("recipients", models.JSONField(default=list)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "erasure",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Housekeeping",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task", models.CharField(max_length=30)),
                ("cursor", models.CharField(blank=True, max_length=80)),
                ("again_from", models.CharField(blank=True, max_length=80)),
                ("again_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("rows", models.BigIntegerField(default=0)),
                ("last_rows", models.BigIntegerField(default=0)),
                ("last_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "retention",
                "verbose_name_plural": "retention",
                "db_table": "housekeeping",
            },
        ),
        migrations.CreateModel(
            name="PersonFind",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("place", models.CharField(max_length=20)),
                ("ref", models.CharField(max_length=40)),
                ("title", models.CharField(max_length=200)),
                ("run_id", models.UUIDField(null=True)),
                ("at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "person_find",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="PersonSearch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=openfn_platform.common.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("sealed", models.BinaryField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Searching"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                ("progress", models.CharField(blank=True, max_length=200)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("finished_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "search for a person",
                "verbose_name_plural": "searches for persons",
                "db_table": "person_search",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="SearchText",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("project_id", models.UUIDField()),
                (
                    "place",
                    models.CharField(
                        choices=[("message", "Message"), ("run", "Run"), ("mail", "Mail")], max_length=7
                    ),
                ),
                ("ref", models.UUIDField()),
                ("part", models.PositiveIntegerField(default=0)),
                ("words", openfn_platform.common.wordfield.WordField()),
            ],
            options={
                "db_table": "search_text",
            },
        ),
        migrations.AddField(
            model_name="run",
            name="wiped_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="erasure",
            name="by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="erasures", to="projects.project"
            ),
        ),
        migrations.AddField(
            model_name="housekeeping",
            name="project",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="projects.project",
            ),
        ),
        migrations.AddField(
            model_name="personfind",
            name="project",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="projects.project",
            ),
        ),
        migrations.AddField(
            model_name="personsearch",
            name="created_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="personsearch",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="projects.project"
            ),
        ),
        migrations.AddField(
            model_name="personfind",
            name="search",
            field=openfn_platform.common.tenancy.TenantKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="finds",
                to="runs.personsearch",
            ),
        ),
        migrations.AddIndex(
            model_name="searchtext",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["words"], gin_pending_list_limit=1024, name="search_text_words"
            ),
        ),
        migrations.AddConstraint(
            model_name="searchtext",
            constraint=models.UniqueConstraint(fields=("ref", "part"), name="search_text_once"),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["updated_at"], name="erasure_waiting"
            ),
        ),
        migrations.AddConstraint(
            model_name="erasure",
            constraint=models.UniqueConstraint(fields=("project", "id"), name="erasure_project_id_unique"),
        ),
        migrations.AddConstraint(
            model_name="housekeeping",
            constraint=models.UniqueConstraint(
                fields=("project", "task"), name="housekeeping_task_once", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="personsearch",
            constraint=models.UniqueConstraint(
                fields=("project", "id"), name="person_search_project_id_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="personfind",
            constraint=models.UniqueConstraint(fields=("search", "place", "ref"), name="person_find_once"),
        ),
        TenantConstraint("person_find", "search_id", "person_search"),
        migrations.RunSQL("SET statement_timeout = 0", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="notification",
            index=models.Index(fields=["project", "id"], name="notification_of_project"),
        ),
        AddIndexConcurrently(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("incident__isnull", False)),
                fields=["incident"],
                name="notification_of_incident",
            ),
        ),
        AddIndexConcurrently(
            model_name="run",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)), fields=["finished_at"], name="run_ended"
            ),
        ),
        AddIndexConcurrently(
            model_name="workorder",
            index=models.Index(
                condition=models.Q(("slot__isnull", False)), fields=["slot"], name="work_order_slot"
            ),
        ),
        migrations.RunSQL("RESET statement_timeout", migrations.RunSQL.noop),
    ]
