"""One deed done to many runs or messages: who asked for it, how far it is, what came of each.

Where the deed makes runs, the operation follows them: it is over when they have ended, and what came of each item is
what came of its runs.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
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
    STOPPED = "stopped", "Stopped"  # by itself: its runs fail


OPEN_BULK = (BulkState.WAITING, BulkState.RUNNING)
MOST_UNDER_WAY = 20  # runs of one operation at the same time: what fails is seen before much of it has failed


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
    # Of the items that made runs: how many may have runs under way at the same time, and what came of them.
    at_once = models.PositiveSmallIntegerField(default=MOST_UNDER_WAY, db_default=MOST_UNDER_WAY)
    runs_under_way = models.PositiveIntegerField(default=0, db_default=0)
    runs_succeeded = models.PositiveIntegerField(default=0, db_default=0)
    runs_failed = models.PositiveIntegerField(default=0, db_default=0)
    runs_cancelled = models.PositiveIntegerField(default=0, db_default=0)
    note = models.CharField(
        max_length=300, blank=True
    )  # why it ended early; no words of a run, they can be erased
    stopped_by = models.UUIDField(null=True)  # the run whose failure stopped it
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
            models.Index(fields=["id"], name="bulk_followed", condition=Q(runs_under_way__gt=0)),
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

    @property
    def may_go_on(self) -> bool:
        """Whether it may take up its next item now."""
        return self.is_open and self.waiting > 0 and self.runs_under_way < self.at_once

    @property
    def one_first(self) -> bool:
        return bool(self.parameters.get("one_first"))

    @property
    def tries_first(self) -> bool:
        """No run has shown yet that the others may follow."""
        return self.one_first and not self.runs_succeeded

    @property
    def makes_runs(self) -> bool:
        return self.deed in (Deed.RETRY, Deed.REPROCESS)


class ItemState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class Outcome(models.TextChoices):
    """What came of the runs that an item made."""

    UNDER_WAY = "under_way", "Under way"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"  # after its last automatic attempt
    CANCELLED = "cancelled", "Cancelled"  # or skipped


class BulkItem(models.Model):
    """One run or message. No foreign key to it: it may be pruned, and an id that somebody sent may be none."""

    id = models.BigAutoField(primary_key=True)
    operation = models.ForeignKey(BulkOperation, models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()  # from 1
    target = models.UUIDField()
    state = models.CharField(max_length=7, choices=ItemState, default=ItemState.WAITING, db_default="waiting")
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    result = models.UUIDField(null=True)  # the run that was made
    runs = ArrayField(models.UUIDField(), null=True)  # of each run that was made, the newest attempt
    outcome = models.CharField(max_length=9, choices=Outcome, blank=True, default="", db_default="")
    fingerprint = models.CharField(max_length=64, blank=True, default="", db_default="")  # of its failure

    class Meta:
        db_table = "bulk_item"
        constraints = [
            models.UniqueConstraint(fields=["operation", "position"], name="bulk_item_place"),
            models.UniqueConstraint(fields=["operation", "target"], name="bulk_item_once"),
            models.CheckConstraint(condition=Q(state__in=ItemState.values), name="bulk_item_state_known"),
            models.CheckConstraint(
                condition=Q(outcome="") | Q(outcome__in=Outcome.values), name="bulk_item_outcome_known"
            ),
        ]
        indexes = [
            models.Index(fields=["operation"], name="bulk_item_under_way", condition=Q(outcome="under_way")),
            models.Index(
                fields=["operation", "fingerprint"], name="bulk_item_failures", condition=Q(outcome="failed")
            ),
        ]

    def __str__(self) -> str:
        return str(self.target)
