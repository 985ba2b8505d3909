"""Slots: the times at which a schedule fires. Each makes at most one work order or is recorded as skipped."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class SlotState(models.TextChoices):
    DUE = "due", "Due"  # counted, its work order is made in the same transaction
    FIRED = "fired", "Fired"
    SKIPPED = "skipped", "Skipped"


class Slot(Row):
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    trigger = TenantKey("triggers.Trigger", related_name="slots")
    at = models.DateTimeField()  # the nominal time
    previous_at = models.DateTimeField(null=True)  # the slot before it: `run.period`
    state = models.CharField(max_length=7, choices=SlotState)
    reason = models.CharField(max_length=300, blank=True)
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "slot"
        ordering = ["-at"]
        constraints = [
            tenant_unique("slot"),
            models.UniqueConstraint(fields=["trigger", "at"], name="slot_once"),
            models.CheckConstraint(condition=models.Q(state__in=SlotState.values), name="slot_state_known"),
        ]

    def __str__(self) -> str:
        return self.at.isoformat()
