"""One deed done to many runs or messages: who asked for it, how far it is, what came of each."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from openfn_platform.common.models import Row


class Deed(models.TextChoices):
    RETRY = "retry", "Retry runs"
    CANCEL = "cancel", "Cancel runs"
    ABORT = "abort", "Abort runs"
    DISMISS = "dismiss", "Dismiss runs"
    REPROCESS = "reprocess", "Reprocess messages"


class BulkState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"  # by somebody, or because who asked for it may no longer do so


OPEN_BULK = (BulkState.WAITING, BulkState.RUNNING)


class BulkOperation(Row):
    """Worked off item by item, in their order. `done` + `failed` is the position of the last one looked at."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+", db_index=False)
    deed = models.CharField(max_length=9, choices=Deed)
    state = models.CharField(max_length=9, choices=BulkState, default=BulkState.WAITING)
    parameters = models.JSONField(default=dict)  # the reason, the jobs, whether with the same code
    requested_by = models.ForeignKey("projects.User", models.SET_NULL, null=True, related_name="+")
    token = models.ForeignKey("projects.ApiToken", models.SET_NULL, null=True, related_name="+")
    requested_by_name = models.CharField(max_length=254)  # outlives the person
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True)  # why it ended early
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "bulk_operation"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(deed__in=Deed.values), name="bulk_deed_known"),
            models.CheckConstraint(condition=Q(state__in=BulkState.values), name="bulk_state_known"),
            models.CheckConstraint(
                condition=Q(total__gte=F("done") + F("failed")), name="bulk_no_more_than_all"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="bulk_project_newest"),
            models.Index(fields=["id"], name="bulk_open", condition=Q(state__in=["waiting", "running"])),
        ]

    def __str__(self) -> str:
        return f"{self.get_deed_display()}: {self.total:,}"

    @property
    def worked(self) -> int:
        return self.done + self.failed

    @property
    def waiting(self) -> int:
        """How many nobody has looked at, and after the end: nobody will."""
        return self.total - self.worked

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_BULK


class ItemState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class BulkItem(models.Model):
    """One run or message. No foreign key to it: it may be pruned, and an id that somebody sent may be none."""

    id = models.BigAutoField(primary_key=True)
    operation = models.ForeignKey(BulkOperation, models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()  # from 1
    target = models.UUIDField()
    state = models.CharField(max_length=7, choices=ItemState, default=ItemState.WAITING, db_default="waiting")
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    result = models.UUIDField(null=True)  # the run that was made

    class Meta:
        db_table = "bulk_item"
        constraints = [
            models.UniqueConstraint(fields=["operation", "position"], name="bulk_item_place"),
            models.UniqueConstraint(fields=["operation", "target"], name="bulk_item_once"),
            models.CheckConstraint(condition=Q(state__in=ItemState.values), name="bulk_item_state_known"),
        ]

    def __str__(self) -> str:
        return str(self.target)
