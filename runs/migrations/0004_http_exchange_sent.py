"""What *Sent* asks for: protocol, writes, job and work order on the exchange itself, and its words.

Every new column has a default of the database's, so that workers of the release before go on writing. Words of
what is there already are not made up for: those exchanges are found by everything else.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models
from django.db.models import Q

import openfn_platform.common.wordfield

SENT = Q(dry=False, write=True)
FAILED = Q(status__gte=400) | ~Q(error="")
KNOWN = """
UPDATE http_exchange AS e
SET job_id = r.job_id, work_order_id = r.work_order_id, write = e.method NOT IN ('GET', 'HEAD', 'OPTIONS')
FROM run AS r WHERE r.id = e.run_id
"""


def flag() -> models.BooleanField[bool, bool]:
    return models.BooleanField(default=False, db_default=False)


class Migration(migrations.Migration):
    dependencies = [("runs", "0003_claim")]

    operations = [
        migrations.AlterModelOptions(name="httpexchange", options={"verbose_name": "exchange"}),
        migrations.AddField("httpexchange", "job_id", models.UUIDField(null=True)),
        migrations.AddField("httpexchange", "work_order_id", models.UUIDField(null=True)),
        migrations.AddField(
            "httpexchange", "protocol", models.CharField(max_length=8, default="http", db_default="http")
        ),
        migrations.AddField("httpexchange", "write", flag()),
        migrations.AddField(
            "httpexchange", "outcome", models.CharField(max_length=120, blank=True, default="", db_default="")
        ),
        migrations.AddField("httpexchange", "request_cut", flag()),
        migrations.AddField("httpexchange", "response_cut", flag()),
        migrations.AddField("httpexchange", "over_budget", flag()),
        migrations.AddField("httpexchange", "words", openfn_platform.common.wordfield.WordField(null=True)),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
        migrations.AddIndex(
            "httpexchange", models.Index(fields=["project_id", "-at", "-id"], name="http_exchange_newest")
        ),
        migrations.AddIndex(
            "httpexchange",
            models.Index(fields=["project_id", "-at", "-id"], name="http_exchange_sent", condition=SENT),
        ),
        migrations.AddIndex(
            "httpexchange",
            models.Index(
                fields=["project_id", "connection", "-at", "-id"],
                name="http_exchange_sent_by",
                condition=SENT,
            ),
        ),
        migrations.AddIndex(
            "httpexchange",
            models.Index(
                fields=["project_id", "-at", "-id"], name="http_exchange_failed", condition=SENT & FAILED
            ),
        ),
        migrations.AddIndex(
            "httpexchange",
            models.Index(fields=["job_id", "-at", "-id"], name="http_exchange_of_job", condition=SENT),
        ),
        migrations.AddIndex(
            "httpexchange",
            GinIndex(fields=["words"], name="http_exchange_words", gin_pending_list_limit=1024),
        ),
    ]
