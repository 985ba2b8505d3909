"""A version may say that the trace of its runs keeps what reads were answered."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_credential_tests_tokens_previous")]

    operations = [
        migrations.AddField(
            "jobversion",
            "trace_reads",
            models.BooleanField(
                default=False,
                db_default=False,
                help_text="The trace of its runs keeps what partners answered to reads, too, up to 1 MB a run.",
            ),
        ),
    ]
