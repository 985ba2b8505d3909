"""A workflow: a named group of jobs and triggers, drawn as one diagram."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import KeyField, Row
from openfn_platform.common.tenancy import tenant_unique


class Workflow(Row):
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="workflows")
    key = KeyField()
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "workflow"
        ordering = ["name"]
        constraints = [
            tenant_unique("workflow"),
            models.UniqueConstraint(fields=["project", "key"], name="workflow_key_once"),
        ]

    def __str__(self) -> str:
        return self.name
