"""Work orders: one event in one workflow, and everything that came of it."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class Cause(models.TextChoices):
    MESSAGE = "message", "Message"
    SLOT = "slot", "Schedule"
    MANUAL = "manual", "Started by hand"
    API = "api", "Started by the API"
    TRIAL = "trial", "Test run"


class WorkOrderState(models.TextChoices):
    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    SUCCESS = "success", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class WorkOrder(Row):
    # As in Run: the workflow vouches for the project.
    project = models.ForeignKey(
        "projects.Project", models.PROTECT, related_name="work_orders", db_index=False, db_constraint=False
    )
    workflow = TenantKey("jobs.Workflow", related_name="work_orders")
    cause = models.CharField(max_length=7, choices=Cause)
    message = TenantKey("triggers.Message", null=True, blank=True, related_name="work_orders")
    slot = TenantKey("triggers.Slot", null=True, blank=True, related_name="work_orders")
    resend_of = TenantKey("runs.WorkOrder", null=True, blank=True, related_name="resends")
    started_by = models.ForeignKey(
        "projects.User", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    state = models.CharField(max_length=9, choices=WorkOrderState, default=WorkOrderState.PENDING)
    last_activity_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "work_order"
        ordering = ["-id"]
        constraints = [
            tenant_unique("work_order"),
            models.UniqueConstraint(
                fields=["message", "workflow"],
                condition=models.Q(resend_of__isnull=True, message__isnull=False),
                name="work_order_once_per_message",
            ),
            models.UniqueConstraint(
                fields=["slot"],
                condition=models.Q(resend_of__isnull=True, slot__isnull=False),
                name="work_order_once_per_slot",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=WorkOrderState.values), name="work_order_state_known"
            ),
            models.CheckConstraint(condition=models.Q(cause__in=Cause.values), name="work_order_cause_known"),
        ]
        indexes = [
            models.Index(
                fields=["message"], name="work_order_message", condition=models.Q(message__isnull=False)
            ),
            # For the database's check when a slot is deleted: the unique one holds only some of them.
            models.Index(fields=["slot"], name="work_order_slot", condition=models.Q(slot__isnull=False)),
            models.Index(
                fields=["resend_of"], name="work_order_resends", condition=models.Q(resend_of__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
