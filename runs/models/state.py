"""Stored states: the JSON objects that go into runs and come out of them, as bytes.

Bytes, not jsonb: a worker hands them to a child and back without decoding, and NUL and lone surrogates survive.
No foreign key points here in the database, so that the table can be partitioned by time and rows erased alone.
"""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import Row


class StateKind(models.TextChoices):
    INPUT = "input", "Input"
    FINAL = "final", "Final state"
    PARTIAL = "partial", "State when it failed"
    MEMORY = "memory", "Memory"
    SAVED = "saved", "Saved input"


class State(Row):
    # Unconstrained, as nothing points here either: rows that are written most and may be partitioned.
    project = models.ForeignKey(
        "projects.Project", models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    kind = models.CharField(max_length=7, choices=StateKind)
    codec = models.CharField(max_length=4, default="raw")  # raw | zstd
    body = models.BinaryField(null=True)  # null: wiped
    size = models.PositiveIntegerField()  # of the JSON, in bytes
    digest = models.BinaryField(max_length=32)  # SHA-256 of the JSON
    name = models.CharField(max_length=120, blank=True)
    created_by = models.ForeignKey(
        "projects.User", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    wiped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "state"
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=StateKind.values), name="state_kind_known")
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="state_saved", condition=models.Q(kind="saved"))
        ]

    def __str__(self) -> str:
        return self.name or f"{self.get_kind_display()} of {self.size} bytes"
