"""Saved inputs are found among millions of states. Built beside the writers, because that table is never still."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("runs", "0006_bulk_operations")]

    operations = [
        AddIndexConcurrently(
            "state",
            models.Index(condition=models.Q(kind="saved"), fields=["project", "-id"], name="state_saved"),
        ),
    ]
