"""How many messages a project takes in a minute."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0003_audit_complete"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="messages_burst",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How many of these may come at once after a pause. Empty: a minute's worth.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="messages_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Of all its inboxes together. More are answered 429 and not kept. Empty: no limit.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
    ]
