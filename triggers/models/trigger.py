"""Triggers: what starts jobs. A message that matches, a schedule, or another job's end."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import KeyField, Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique
from openfn_platform.projects.models.user import known_time_zone


class TriggerKind(models.TextChoices):
    MESSAGE = "message", "Message"
    SCHEDULE = "schedule", "Schedule"
    FLOW = "flow", "Another job's end"


class ScheduleKind(models.TextChoices):
    CRON = "cron", "Cron expression"
    EVERY = "every", "Every so often"
    ONCE = "once", "Once"


class EveryUnit(models.TextChoices):
    MINUTES = "minutes", "minutes"
    HOURS = "hours", "hours"
    DAYS = "days", "days"
    WEEKS = "weeks", "weeks"
    MONTHS = "months", "months"


class CatchUp(models.TextChoices):
    LATEST = "latest", "Run the latest missed time, record the others as skipped"
    ALL = "all", "Run every missed time, at most 100"
    SKIP = "skip", "Record missed times as skipped"


class FlowEvent(models.TextChoices):
    SUCCESS = "success", "succeeds"
    FAILURE = "failure", "fails (after its last attempt)"
    COMPLETION = "completion", "ends, either way"


class FlowScope(models.TextChoices):
    JOB = "job", "one job"
    WORKFLOW = "workflow", "any job of this workflow"
    PROJECT = "project", "any job of the project"


class Trigger(Row):
    """One reason to start jobs of its workflow. Which columns count depends on `kind`."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="triggers")
    workflow = TenantKey("jobs.Workflow", related_name="triggers", db_index=True)
    key = KeyField()
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=TriggerKind)
    enabled = models.BooleanField("on", default=False)
    revision = models.PositiveIntegerField(default=1, editable=False)
    jobs: models.ManyToManyField[models.Model, models.Model] = models.ManyToManyField(
        "jobs.Job", through="triggers.TriggerJob", related_name="triggers"
    )
    # --- message
    criteria = models.JSONField(default=list, blank=True)  # [{inclusion: …, exclusion: …}], any is enough
    # --- schedule
    schedule_kind = models.CharField(max_length=5, choices=ScheduleKind, blank=True)
    cron = models.CharField("cron expression", max_length=200, blank=True)
    every_count = models.PositiveIntegerField("every", null=True, blank=True)
    every_unit = models.CharField("unit", max_length=7, choices=EveryUnit, blank=True)
    starts_at = models.DateTimeField("from", null=True, blank=True)  # shown and typed in the schedule's zone
    time_zone = models.CharField(
        max_length=64, blank=True, validators=[known_time_zone], help_text="Empty: the project's."
    )
    catch_up = models.CharField("missed times", max_length=6, choices=CatchUp, default=CatchUp.LATEST)
    keeps_whole_state = models.BooleanField(
        "memory is the whole final state, as in OpenFn v1",
        default=False,
        help_text="Otherwise every key but data, response, references.",
    )
    next_slot_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    # --- flow
    upstream = TenantKey("jobs.Job", null=True, blank=True, related_name="downstream_triggers", db_index=True)
    upstream_scope = models.CharField("of", max_length=8, choices=FlowScope, default=FlowScope.JOB)
    event = models.CharField("when it", max_length=10, choices=FlowEvent, blank=True)
    condition = models.TextField(blank=True, help_text="An expression over `state`; empty means always.")
    # --- kinds to come
    config = models.JSONField(default=dict, blank=True, editable=False)
    settings = models.JSONField(default=dict, blank=True)  # overrides of the jobs' settings
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "trigger"
        ordering = ["name"]
        constraints = [
            tenant_unique("trigger"),
            models.UniqueConstraint(fields=["workflow", "key"], name="trigger_key_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=TriggerKind.values), name="trigger_kind_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="schedule") | models.Q(schedule_kind__in=ScheduleKind.values),
                name="trigger_schedule_says_which",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="flow") | models.Q(event__in=FlowEvent.values),
                name="trigger_flow_says_event",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="flow", upstream_scope="job") | models.Q(upstream__isnull=False),
                name="trigger_flow_says_upstream",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_slot_at"], name="trigger_due", condition=models.Q(enabled=True, kind="schedule")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TriggerJob(Row):
    """One job that the trigger starts."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    trigger = TenantKey("triggers.Trigger", models.CASCADE, related_name="trigger_jobs")
    job = TenantKey("jobs.Job", related_name="trigger_jobs", db_index=True)

    class Meta:
        db_table = "trigger_job"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["trigger", "job"], name="trigger_job_once")]

    def __str__(self) -> str:
        return str(self.job)


class TriggerRevision(models.Model):
    """What the trigger said at each change: a message is explained by the criteria as they were."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    trigger = TenantKey("triggers.Trigger", models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    snapshot = models.JSONField()
    author = models.ForeignKey("projects.User", models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "trigger_revision"
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["trigger", "number"], name="trigger_revision_once")]

    def __str__(self) -> str:
        return f"revision {self.number}"
