"""The audit: from where, what was opened, append-only by a trigger. Projects that keep no payloads.

The indexes are built beside the running platform (CONCURRENTLY), so nothing waits however long the audit is.
"""

from __future__ import annotations

import django.db.models.deletion
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

_GUARD = """
CREATE FUNCTION audit_entry_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := to_jsonb(OLD);
    becomes jsonb;
    links text[] := ARRAY['project_id', 'actor_id', 'token_id'];
    texts text[] := ARRAY['object_name', 'changes'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF current_setting('platform.pruning', true) = 'on' THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'The audit is append-only: entry % cannot be deleted.', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    becomes := to_jsonb(NEW);
    -- A link may go when its row goes; it never leads anywhere else.
    IF was - links = becomes - links
        AND (NEW.project_id IS NULL OR NEW.project_id = OLD.project_id)
        AND (NEW.actor_id IS NULL OR NEW.actor_id = OLD.actor_id)
        AND (NEW.token_id IS NULL OR NEW.token_id = OLD.token_id) THEN
        RETURN NEW;
    END IF;
    IF current_setting('platform.erasing', true) = 'on' AND was - texts = becomes - texts THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The audit is append-only: entry % cannot be changed.', OLD.id
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_guard();
"""

_NO_GUARD = """
DROP TRIGGER audit_entry_append_only ON audit_entry;
DROP FUNCTION audit_entry_guard();
"""

_ONCE = "CREATE UNIQUE INDEX CONCURRENTLY audit_once ON audit_entry (once) WHERE once IS NOT NULL"


class Migration(migrations.Migration):
    atomic = False  # or no index could be built concurrently

    dependencies = [("projects", "0002_accounts")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="keeps_payloads",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Off: bodies, headers, states, log lines, problems, notes and texts of errors are erased within a minute after their work has succeeded or was cancelled, and of exchanges only the system and the outcome are kept. What a person may still want to repair (failures, messages that started nothing) is kept for three days at most; test and dry runs for an hour. Counts, states and times stay, and so do memories of schedules and saved inputs.",
                verbose_name="keep messages and states",
            ),
        ),
        migrations.AlterField(  # only its help
            model_name="project",
            name="allowed_hosts",
            field=ArrayField(
                base_field=models.CharField(max_length=253),
                blank=True,
                default=list,
                help_text="Hosts that connections of jobs may speak to: dhis2.example.org, *.example.org, emr.local:8443, 10.0.0.0/24. Empty means any public one; hosts on your own network must be named. It holds for every connection, log-in and test. Code that opens a connection by itself, past the connections, is not held back by it.",
                size=None,
            ),
        ),
        migrations.CreateModel(
            name="PayloadDue",
            fields=[
                ("work_order_id", models.UUIDField(primary_key=True, serialize=False)),
                ("project_id", models.UUIDField()),
                ("since", models.DateTimeField(db_default=Now())),
                ("look_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "payload_due",
                "indexes": [models.Index(fields=["look_at"], name="payload_due_next")],
            },
        ),
        migrations.CreateModel(
            name="PayloadMark",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="projects.project",
                    ),
                ),
                ("orders_until", models.UUIDField()),
                ("messages_until", models.UUIDField()),
            ],
            options={"db_table": "payload_mark"},
        ),
        migrations.AddField(
            model_name="auditentry",
            name="address",
            field=models.GenericIPAddressField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="opened",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="auditentry", name="once", field=models.UUIDField(editable=False, null=True)
        ),
        migrations.RunSQL(_GUARD, _NO_GUARD),
        AddIndexConcurrently(
            "auditentry",
            models.Index(fields=["project", "-id"], name="audit_opened_newest", condition=Q(opened=True)),
        ),
        AddIndexConcurrently("auditentry", models.Index(fields=["object_id", "-id"], name="audit_of_object")),
        AddIndexConcurrently("auditentry", models.Index(fields=["action", "-id"], name="audit_of_action")),
        AddIndexConcurrently("auditentry", BrinIndex(fields=["at"], name="audit_by_time")),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(_ONCE, "DROP INDEX audit_once")],
            state_operations=[
                migrations.AddConstraint(
                    model_name="auditentry",
                    constraint=models.UniqueConstraint(
                        fields=["once"], condition=Q(once__isnull=False), name="audit_once"
                    ),
                )
            ],
        ),
    ]
