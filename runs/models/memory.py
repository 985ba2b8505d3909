"""Memory: what a scheduled job keeps for its next slot. Rows of their own, never pruned."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class Memory(Row):
    """The present memory of one job under one trigger. Moves only forward, by runs of this trigger."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    trigger = TenantKey("triggers.Trigger", related_name="memories")
    job = TenantKey("jobs.Job", related_name="memories")
    slot_at = models.DateTimeField(null=True)  # of the run that wrote it
    state = models.ForeignKey(
        "runs.State", models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "memory"
        verbose_name_plural = "memories"
        constraints = [
            tenant_unique("memory"),
            models.UniqueConstraint(fields=["trigger", "job"], name="memory_once"),
        ]

    def __str__(self) -> str:
        return f"{self.trigger} · {self.job}"


class MemoryValue(models.Model):
    """One of the last 20 values, newest first, with what wrote it."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    memory = TenantKey("runs.Memory", models.CASCADE, related_name="values", db_index=True)
    state = models.ForeignKey(
        "runs.State", models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    slot_at = models.DateTimeField(null=True)
    run = TenantKey("runs.Run", null=True, blank=True, related_name="+", db_index=True)
    author = models.ForeignKey("projects.User", models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "memory_value"
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.at)
