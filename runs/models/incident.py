"""Incidents (equal failures taken together) and the mails that tell people about them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique

KEY_REFUSED = "KeyRefused"  # the error type of the one alarm that belongs to a project


class IncidentKind(models.TextChoices):
    RUN = "run", "Runs fail"
    HOLD = "hold", "A connection is on hold"
    PAUSE = "pause", "A job was paused"
    ALARM = "alarm", "Something is silent"


# What these say are the platform's own words; the others repeat a partner's or a job's.
OWN_WORDS = frozenset({IncidentKind.ALARM, IncidentKind.PAUSE})


class Incident(Row):
    """From the first failure to the all-clear. At most one open one per fingerprint."""

    project = models.ForeignKey(
        "projects.Project", models.PROTECT, null=True, blank=True, related_name="incidents"
    )
    kind = models.CharField(max_length=5, choices=IncidentKind, default=IncidentKind.RUN)
    job = TenantKey("jobs.Job", null=True, blank=True, related_name="incidents", db_index=True)
    fingerprint = models.CharField(max_length=64)
    error_type = models.CharField(max_length=60, blank=True)
    title = models.CharField(max_length=200)  # without texts of messages or states
    message = models.CharField(max_length=500, blank=True)  # the newest error's sentence
    opened_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_reason = models.CharField(max_length=300, blank=True)
    count = models.PositiveIntegerField(default=1)
    last_run_id = models.UUIDField(null=True)
    taken_by = models.ForeignKey("projects.User", models.SET_NULL, null=True, blank=True, related_name="+")
    taken_at = models.DateTimeField(null=True, blank=True)
    reminders = models.PositiveSmallIntegerField(default=0)
    next_reminder_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "incident"
        ordering = ["-opened_at"]
        constraints = [
            tenant_unique("incident"),
            models.UniqueConstraint(
                fields=["project", "fingerprint"],
                condition=models.Q(closed_at__isnull=True),
                nulls_distinct=False,
                name="incident_one_open",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_reminder_at"], name="incident_reminders", condition=models.Q(closed_at=None)
            ),
        ]

    def __str__(self) -> str:
        return self.title


class NotificationState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    GATHERED = "gathered", "Sent as part of a list"
    GIVEN_UP = "given-up", "Given up"


class Notification(Row):
    """One mail to one person: stored with its cause, sent by the sweep, retried until delivered."""

    project = models.ForeignKey("projects.Project", models.PROTECT, null=True, blank=True, related_name="+")
    incident = TenantKey("runs.Incident", null=True, blank=True, related_name="notifications")
    kind = models.CharField(max_length=20)  # opened | reminder | closed | list | alarm | expiry
    cause = models.CharField(max_length=120)  # with kind and recipient: exactly one mail per cause
    recipient = models.EmailField(max_length=254)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    state = models.CharField(max_length=8, choices=NotificationState, default=NotificationState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "notification"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "cause", "recipient"], name="notification_once"),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], name="notification_due", condition=models.Q(state="waiting")
            ),
            models.Index(fields=["recipient", "-sent_at"], name="notification_sent_to"),
            models.Index(fields=["project", "id"], name="notification_of_project"),
            models.Index(
                fields=["incident"],
                name="notification_of_incident",
                condition=models.Q(incident__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.subject
