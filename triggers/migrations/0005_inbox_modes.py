"""Reply modes, JSON Schema and limits of an inbox, and the buckets that count for the limits.

A change of the new columns must be seen by every process that has the inbox in its cache, as one of the old ones is.
"""

import django.core.validators
import django.db.models.functions.datetime
from django.db import migrations, models

SETTINGS_CHANGED = """
CREATE FUNCTION inbox_settings_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE project SET config_version = config_version + 1 WHERE id = NEW.project_id;
    RETURN NEW;
END $$;
CREATE TRIGGER settings_changed AFTER UPDATE OF reply, reply_seconds, reply_content, failed_status, schema,
    max_body_bytes, key_per_minute, key_burst ON inbox
    FOR EACH ROW EXECUTE FUNCTION inbox_settings_changed();
"""
NO_SETTINGS_CHANGED = "DROP TRIGGER settings_changed ON inbox; DROP FUNCTION inbox_settings_changed();"


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0004_message_limits"),
        ("triggers", "0004_inbox_auth_kinds"),
    ]

    operations = [
        migrations.CreateModel(
            name="RateBucket",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("capacity", models.FloatField()),
                ("per_second", models.FloatField()),
                ("tokens", models.FloatField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "rate_bucket",
            },
        ),
        migrations.AddField(
            model_name="inbox",
            name="failed_status",
            field=models.PositiveSmallIntegerField(
                default=424,
                help_text="When answering at the end: 424 unless the sender needs another. The message is kept all the same.",
                verbose_name="answer when a run failed",
            ),
        ),
        migrations.AddField(
            model_name="inbox",
            name="key_burst",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="After a pause. Empty: a minute's worth.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000000),
                ],
                verbose_name="of these at once",
            ),
        ),
        migrations.AddField(
            model_name="inbox",
            name="key_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="More are answered 429 and not kept. Empty: no limit. An inbox without keys has one for everybody.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000000),
                ],
                verbose_name="messages a minute, of each key",
            ),
        ),
        migrations.AddField(
            model_name="inbox",
            name="max_body_bytes",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Empty: as in the project's settings.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(100000000),
                ],
                verbose_name="largest message, in bytes",
            ),
        ),
        migrations.AddField(
            model_name="inbox",
            name="reply",
            field=models.CharField(
                choices=[
                    ("now", "At once, with the ids"),
                    ("done", "When everything that it started has ended"),
                ],
                default="now",
                max_length=4,
                verbose_name="answers",
            ),
        ),
        migrations.AddField(
            model_name="inbox",
            name="reply_content",
            field=models.CharField(
                choices=[
                    ("states", "How the runs ended, no data"),
                    ("job", "What a job says in state.reply"),
                    ("data", "The data of the job's final state"),
                ],
                default="states",
                help_text='When answering at the end. A job says its reply by state.reply = {"status": 201, "body": {…}, "headers": {…}}; what it does not say is as usual.',
                max_length=6,
                verbose_name="the answer holds",
            ),
        ),
        migrations.AddField(
            model_name="inbox",
            name="reply_seconds",
            field=models.PositiveSmallIntegerField(
                default=30,
                help_text="When answering at the end: after so long the answer is 504 with the ids, and the runs go on. Proxies on the way must be as patient.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(120),
                ],
                verbose_name="waits at most, in seconds",
            ),
        ),
        migrations.AddField(
            model_name="inbox",
            name="schema",
            field=models.JSONField(
                blank=True,
                help_text="Draft 2020-12. What does not fit is refused with 422 and the places, and not kept. XML and forms are checked as triggers see them.",
                null=True,
                verbose_name="JSON Schema",
            ),
        ),
        migrations.AddConstraint(
            model_name="inbox",
            constraint=models.CheckConstraint(
                condition=models.Q(("reply__in", ["now", "done"])), name="inbox_reply_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="inbox",
            constraint=models.CheckConstraint(
                condition=models.Q(("reply_seconds__range", (1, 120))), name="inbox_reply_bounded"
            ),
        ),
        # Written often, by every web process, and worth nothing after a crash.
        migrations.RunSQL("ALTER TABLE rate_bucket SET UNLOGGED", "ALTER TABLE rate_bucket SET LOGGED"),
        migrations.RunSQL(SETTINGS_CHANGED, NO_SETTINGS_CHANGED),
    ]
