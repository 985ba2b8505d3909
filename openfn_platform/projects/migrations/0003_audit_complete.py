"""The audit: from where, what was opened, append-only by a trigger. Projects that keep no payloads.

The indexes are built beside the running platform (CONCURRENTLY), so nothing waits however long the audit is.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

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

    dependencies = [("projects", "0001_projects_and_people")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="keeps_payloads",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Off: bodies, states, log texts and exchanges are erased as soon as no run needs them.",
                verbose_name="keep messages and states",
            ),
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
