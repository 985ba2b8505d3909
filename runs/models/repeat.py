"""Calls of the API that may be repeated: by their Idempotency-Key, what they made the first time."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import Row


class RepeatKey(Row):
    """One call. Kept for a week: a program that is unsure asks again within minutes."""

    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    digest = models.BinaryField(max_length=32)  # SHA-256 of what was asked
    made = models.UUIDField(null=True)  # what came of it: null only inside the transaction that makes it

    class Meta:
        db_table = "repeat_key"
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="repeat_key_once")]
        indexes = [models.Index(fields=["created_at"], name="repeat_key_age")]

    def __str__(self) -> str:
        return self.key
