"""A job: a named, reusable piece of code with connections, settings, limits and a retry policy.

What is versioned (all that decides how a run behaves) stands in `JobVersion`. The columns here that begin with
`live_` copy what the claim needs from the live version, so that claiming joins nothing.
"""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from openfn_platform.common.models import KeyField, Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class JobState(models.TextChoices):
    ON = "on", "On"
    PAUSED = "paused", "Paused: runs are made and wait"
    OFF = "off", "Off: no runs, messages are kept"


class Job(Row):
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="jobs")
    workflow = TenantKey("jobs.Workflow", related_name="jobs", db_index=True)
    key = KeyField()
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    state = models.CharField(max_length=6, choices=JobState, default=JobState.OFF)
    paused_reason = models.CharField(max_length=300, blank=True, editable=False)
    max_concurrency = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many of its runs may go on at once; 1 means strictly in order of arrival. Empty: no limit.",
    )
    retry_frees_lane = models.BooleanField(
        "a waiting retry lets others pass",
        default=False,
        help_text="Only for one at a time: normally an automatic retry that waits holds up those behind it.",
    )
    live_version = TenantKey("jobs.JobVersion", null=True, blank=True, editable=False, related_name="+")
    latest_version = TenantKey("jobs.JobVersion", null=True, blank=True, editable=False, related_name="+")
    crashes_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "job"
        ordering = ["name"]
        constraints = [
            tenant_unique("job"),
            models.UniqueConstraint(fields=["workflow", "key"], name="job_key_once"),
            models.CheckConstraint(condition=models.Q(state__in=JobState.values), name="job_state_known"),
            models.CheckConstraint(
                condition=models.Q(max_concurrency__isnull=True) | models.Q(max_concurrency__gte=1),
                name="job_runs_at_least_one",
            ),
        ]

    def __str__(self) -> str:
        return self.name
