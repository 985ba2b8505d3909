"""Rows that the engine keeps for itself: turns of projects, holds of connections, heartbeats of workers."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class ProjectTurn(models.Model):
    """When a project was last served: the claim goes round robin, so that none can starve another."""

    project = models.OneToOneField("projects.Project", models.CASCADE, primary_key=True, related_name="turn")
    last_served = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "project_turn"

    def __str__(self) -> str:
        return str(self.last_served)


class HoldStage(models.TextChoices):
    UNPROVEN = "unproven", "Never seen to work: one run at a time"
    OPEN = "open", "In use"
    HELD = "held", "On hold, one probe a minute"
    WARMING = "warming", "Coming back: a few at a time"


class ConnectionHold(Row):
    """How a credential fared lately in one project, and whether its runs wait for it."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    credential = TenantKey("jobs.ProjectCredential", models.CASCADE, related_name="holds")
    stage = models.CharField(max_length=8, choices=HoldStage, default=HoldStage.OPEN)
    connection_failures = models.PositiveIntegerField(default=0)  # in a row
    auth_failures = models.PositiveIntegerField(default=0)  # in a row
    because_of_auth = models.BooleanField(default=False)  # ends only when the credential was saved and tested
    reason = models.CharField(max_length=300, blank=True)
    held_at = models.DateTimeField(null=True)
    next_probe_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "connection_hold"
        constraints = [
            tenant_unique("connection_hold"),
            models.UniqueConstraint(fields=["credential"], name="connection_hold_once"),
        ]

    def __str__(self) -> str:
        return self.reason


class WorkerHeartbeat(models.Model):
    """One row per worker process, written by a thread of its own."""

    name = models.CharField(primary_key=True, max_length=120)
    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True)
    capacity = models.PositiveIntegerField()
    running = models.PositiveIntegerField(default=0)
    confinement = models.CharField(max_length=120, blank=True)

    class Meta:
        db_table = "worker_heartbeat"

    def __str__(self) -> str:
        return self.name
