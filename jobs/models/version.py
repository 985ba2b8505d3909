"""Versions of a job: full, immutable snapshots of everything that decides how a run behaves."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique

valid_alias = RegexValidator(
    r"\A[a-z][a-z0-9_]*\Z",
    "An alias is a name in the code: small letters, digits and _, for example `openmrs`.",
)


class JobVersion(Row):
    """Number 1, 2, 3 … of one job. Never changed after it was saved."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    job = TenantKey("jobs.Job", related_name="versions")
    number = models.PositiveIntegerField()
    language = models.CharField(max_length=20, default="python")
    code = models.TextField(blank=True)
    settings = models.JSONField(default=list, blank=True)  # [{key, label, type, default}]
    # --- limits
    wall_seconds = models.PositiveIntegerField(default=300)
    memory_mb = models.PositiveIntegerField(default=512)
    state_bytes = models.PositiveIntegerField(default=10_000_000)
    trace_reads = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The trace of its runs keeps what partners answered to reads, too, up to 1 MB a run.",
    )
    # --- retry policy
    max_attempts = models.PositiveIntegerField(default=1)
    first_wait_seconds = models.PositiveIntegerField(default=30)
    longest_wait_seconds = models.PositiveIntegerField(default=3600)
    safe_to_run_again = models.BooleanField(
        default=False,
        help_text="Running it twice does no harm: a run whose worker vanished is started again.",
    )
    too_late_seconds = models.PositiveIntegerField(
        null=True, blank=True
    )  # a run that waited longer is skipped
    problems_allowed = models.PositiveIntegerField(
        default=0
    )  # more refused records than this open an incident
    author = models.ForeignKey("projects.User", models.SET_NULL, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=300, blank=True)
    findings = models.JSONField(default=list, blank=True)  # what the check said when it was saved
    made_live_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "job_version"
        ordering = ["-number"]
        constraints = [
            tenant_unique("job_version"),
            models.UniqueConstraint(fields=["job", "number"], name="job_version_number_once"),
            models.CheckConstraint(condition=models.Q(max_attempts__gte=1), name="job_version_one_attempt"),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class JobConnection(Row):
    """The alias under which one version uses an adaptor with a credential. Position 0 is the primary one."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    version = TenantKey("jobs.JobVersion", models.CASCADE, related_name="connections")
    alias = models.CharField(max_length=40, validators=[valid_alias])
    position = models.PositiveSmallIntegerField(default=0)
    adaptor = models.CharField(max_length=60)
    adaptor_version = models.CharField(max_length=20, blank=True)
    credential = TenantKey(
        "jobs.ProjectCredential", null=True, blank=True, related_name="connections", db_index=True
    )

    class Meta:
        db_table = "job_connection"
        ordering = ["position"]
        constraints = [
            tenant_unique("job_connection"),
            models.UniqueConstraint(fields=["version", "alias"], name="job_connection_alias_once"),
            models.UniqueConstraint(fields=["version", "position"], name="job_connection_position_once"),
        ]

    def __str__(self) -> str:
        return f"{self.alias}: {self.adaptor}"
