"""Runs: one execution of one job. A retry is a new run; final states never change.

`runs/lifecycle.py` is the only writer of `state`. The claim (a function in the database, see the migrations)
reads the columns `state, priority, run_at, lane, probe` and the partial indexes below.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Now

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class RunState(models.TextChoices):
    AVAILABLE = "available", "Waiting"
    CLAIMED = "claimed", "Claimed"
    STARTED = "started", "Running"
    SUCCESS = "success", "Succeeded"
    FAILED = "failed", "Failed"  # the job raised
    CRASHED = "crashed", "Crashed"  # its code does not load, or its process died
    KILLED = "killed", "Killed"  # over a limit of time, memory or state
    EXCEPTION = "exception", "Not started"  # the platform could not: credential, adaptor
    CANCELLED = "cancelled", "Cancelled"
    SKIPPED = "skipped", "Skipped"  # too late, or the job said so before doing anything
    LOST = "lost", "Lost"  # its worker vanished


FAILED_STATES = frozenset(
    {RunState.FAILED, RunState.CRASHED, RunState.KILLED, RunState.EXCEPTION, RunState.LOST}
)
FINAL_STATES = FAILED_STATES | {RunState.SUCCESS, RunState.CANCELLED, RunState.SKIPPED}


class RunMode(models.TextChoices):
    LIVE = "live", "Live"
    DRY = "dry", "Dry run"
    TRIAL = "trial", "Test run"


class RetryKind(models.TextChoices):
    AUTOMATIC = "auto", "Automatic"
    BY_HAND = "hand", "By hand"


class Priority(models.IntegerChoices):
    """Few on purpose: the claim probes each one by itself, so that delayed runs are never walked over."""

    PERSON = 0, "A person waits"
    NORMAL = 1, "Normal"
    BULK = 2, "Bulk"


class Run(Row):
    # Its workflow is of the same project and says that it exists: one check less on a hot path.
    project = models.ForeignKey(
        "projects.Project", models.PROTECT, related_name="runs", db_index=False, db_constraint=False
    )
    workflow = TenantKey("jobs.Workflow", related_name="runs")
    work_order = TenantKey("runs.WorkOrder", related_name="runs")
    job = TenantKey("jobs.Job", related_name="runs")
    job_version = TenantKey(
        "jobs.JobVersion", null=True, blank=True, related_name="runs"
    )  # taken when it starts
    trigger = TenantKey("triggers.Trigger", null=True, blank=True, related_name="runs")
    matched_triggers = ArrayField(models.UUIDField(), default=list, blank=True)
    parent = TenantKey("runs.Run", null=True, blank=True, related_name="children")  # whose end started it
    retry_of = TenantKey("runs.Run", null=True, blank=True, related_name="retries")
    retry_kind = models.CharField(max_length=4, choices=RetryKind, blank=True)
    root = TenantKey("runs.Run", null=True, blank=True, related_name="+")  # first attempt of its chain
    depth = models.PositiveSmallIntegerField(default=0)  # follow-ups from the event
    mode = models.CharField(max_length=5, choices=RunMode, default=RunMode.LIVE)
    attempt = models.PositiveSmallIntegerField(default=1)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.NORMAL)
    order_key = models.CharField(max_length=200, blank=True)
    lane = models.BigIntegerField(
        editable=False, db_default=Func(Value("run_lane_seq"), function="nextval")
    )  # order of arrival; an automatic retry keeps its first one's
    run_at = models.DateTimeField(db_default=Now())
    deadline = models.DateTimeField(null=True, blank=True)  # too late after this
    created_by = models.ForeignKey(
        "projects.User", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    trial_code = models.TextField(null=True, blank=True)  # unsaved code of a test run
    # Module of the library -> number of its version, as taken when it started; a retry with the same code takes them.
    library = models.JSONField(null=True, blank=True, editable=False)

    state = models.CharField(max_length=9, choices=RunState, default=RunState.AVAILABLE)
    worker = models.CharField(max_length=120, blank=True)
    token = models.UUIDField(null=True)  # fences off a late worker
    lease_until = models.DateTimeField(null=True)
    claims = models.PositiveSmallIntegerField(default=0)
    probe = models.BooleanField(default=False)  # may be claimed although its connection is on hold
    waits_for = models.CharField(max_length=300, blank=True)  # why it is available and not claimed, in words
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.ForeignKey(
        "projects.User", models.SET_NULL, null=True, related_name="+", db_index=False
    )
    confinement = models.CharField(max_length=120, blank=True)

    claimed_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    error_type = models.CharField(max_length=60, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    failure = models.JSONField(
        null=True, blank=True
    )  # hint, line, status …, see jobs.language.contract.Failure
    note = models.CharField(max_length=500, blank=True)
    problems = models.JSONField(default=list, blank=True)  # [[key, reason], …]
    problem_count = models.PositiveIntegerField(default=0)
    handled = models.BooleanField(default=False)  # a flow trigger caught its failure
    dismissed_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.ForeignKey(
        "projects.User", models.SET_NULL, null=True, related_name="+", db_index=False
    )
    dismissed_reason = models.CharField(max_length=300, blank=True)
    incident = TenantKey("runs.Incident", null=True, blank=True, related_name="runs")

    input = models.ForeignKey(
        "runs.State", models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    final = models.ForeignKey(
        "runs.State", models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    cpu_ms = models.PositiveIntegerField(null=True)
    memory_kb = models.PositiveIntegerField(null=True)
    wall_ms = models.PositiveIntegerField(null=True)
    log_lines = models.PositiveIntegerField(default=0)
    log_dropped = models.PositiveIntegerField(default=0)
    wiped_at = models.DateTimeField(null=True, editable=False)  # its states, log and traces were taken away

    class Meta:
        db_table = "run"
        ordering = ["-id"]
        constraints = [
            tenant_unique("run"),
            models.UniqueConstraint(
                fields=["work_order", "job"],
                condition=models.Q(parent__isnull=True, retry_of__isnull=True),
                name="run_once_per_work_order",
            ),
            models.UniqueConstraint(
                fields=["parent", "trigger", "job"],
                condition=models.Q(retry_of__isnull=True, parent__isnull=False),
                name="run_follow_up_once",
            ),
            models.UniqueConstraint(
                fields=["retry_of"], condition=models.Q(retry_kind="auto"), name="run_one_automatic_retry"
            ),
            models.CheckConstraint(condition=models.Q(state__in=RunState.values), name="run_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["claimed", "started"])
                | models.Q(token__isnull=False, lease_until__isnull=False),
                name="run_held_with_token_and_lease",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["available", "claimed", "started"])
                | models.Q(finished_at__isnull=False),
                name="run_final_has_an_end",
            ),
            models.CheckConstraint(condition=models.Q(attempt__gte=1), name="run_attempt_from_one"),
        ]
        indexes = [
            # The three of the claim: the project's first, each job's first, each lane's first.
            models.Index(
                fields=["project", "priority", "run_at", "lane"],
                name="run_queue",
                condition=models.Q(state="available"),
            ),
            models.Index(
                fields=["project", "job", "priority", "run_at", "lane"],
                name="run_queue_of_job",
                condition=models.Q(state="available"),
            ),
            models.Index(
                fields=["project", "job", "lane"], name="run_lane", condition=models.Q(state="available")
            ),
            models.Index(
                fields=["project", "job"],
                name="run_active",
                condition=models.Q(state__in=["claimed", "started"]),
            ),
            models.Index(
                fields=["lease_until"], name="run_lease", condition=models.Q(state__in=["claimed", "started"])
            ),
            models.Index(fields=["work_order"], name="run_work_order"),
            # Partial ones cost nothing for the rows that have none, and serve the checks on deletion.
            models.Index(fields=["parent"], name="run_parent", condition=models.Q(parent__isnull=False)),
            models.Index(
                fields=["retry_of"], name="run_retry_of", condition=models.Q(retry_of__isnull=False)
            ),
            models.Index(fields=["root"], name="run_root", condition=models.Q(root__isnull=False)),
            models.Index(
                fields=["trigger", "-id"], name="run_trigger", condition=models.Q(trigger__isnull=False)
            ),
            models.Index(
                fields=["incident"], name="run_incident", condition=models.Q(incident__isnull=False)
            ),
            models.Index(fields=["job", "-id"], name="run_job_newest"),
            # In which order runs ended: their words are taken out afterwards.
            models.Index(
                fields=["finished_at"], name="run_ended", condition=models.Q(finished_at__isnull=False)
            ),
            models.Index(
                fields=["project", "-id"],
                name="run_failures",
                condition=models.Q(state__in=["failed", "crashed", "killed", "exception", "lost"]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def is_failure(self) -> bool:
        return self.state in FAILED_STATES

    @property
    def is_test(self) -> bool:
        """Of code that was being written: only the editor has that, so only there it is run again."""
        return self.mode == RunMode.TRIAL or self.trial_code is not None
