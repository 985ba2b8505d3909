"""Retention: when the payloads of a run were taken away."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0004_http_exchange_sent")]

    operations = [
        migrations.AddField("run", "wiped_at", models.DateTimeField(editable=False, null=True)),
    ]
