"""A project: the tenant that everything else belongs to."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models

from openfn_platform.common.models import KeyField, Row
from openfn_platform.projects.models.user import known_time_zone


class Project(Row):
    """Members, credentials, workflows and messages of one programme, with its settings."""

    key = KeyField(unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    environment = models.CharField(
        max_length=30, default="main", help_text="Which values of a credential are used here: main, test, …"
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[known_time_zone],
        help_text="Of schedules, unless they name another.",
    )
    max_concurrency = models.PositiveIntegerField(
        default=50,
        validators=[MinValueValidator(1)],
        help_text="How many runs of this project may go on at once.",
    )
    payload_days = models.PositiveIntegerField(
        default=90, validators=[MinValueValidator(1)], help_text="How long bodies, states and logs are kept."
    )
    history_days = models.PositiveIntegerField(
        default=365, validators=[MinValueValidator(1)], help_text="How long messages and runs are kept."
    )
    max_body_bytes = models.PositiveIntegerField(default=10_000_000, help_text="Largest message, in bytes.")
    max_waiting = models.PositiveIntegerField(
        default=100_000, help_text="When so many runs wait, the inbox answers 429 until there are fewer."
    )
    messages_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of all its inboxes together. More are answered 429 and not kept. Empty: no limit.",
    )
    messages_burst = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many of these may come at once after a pause. Empty: a minute's worth.",
    )
    mail_shows_text = models.BooleanField(
        "mails quote the error's text",
        default=False,
        help_text="Error texts can hold personal data; off keeps them here.",
    )
    keeps_payloads = models.BooleanField(
        "keep messages and states",
        default=True,
        db_default=True,
        help_text="Off: bodies, headers, states, log lines, problems, notes and texts of errors are erased within a "
        "minute after their work has succeeded or was cancelled, and of exchanges only the system and the outcome "
        "are kept. What a person may still want to repair (failures, messages that started nothing) is kept for "
        "three days at most; test and dry runs for an hour. Counts, states and times stay, and so do memories of "
        "schedules and saved inputs.",
    )
    allowed_hosts = ArrayField(
        models.CharField(max_length=253),
        default=list,
        blank=True,
        help_text="Hosts that connections of jobs may speak to: dhis2.example.org, *.example.org, emr.local:8443, "
        "10.0.0.0/24. Empty means any public one; hosts on your own network must be named. It holds for every "
        "connection, log-in and test. Code that opens a connection by itself, past the connections, is not held "
        "back by it.",
    )
    mfa_required = models.BooleanField(
        "members need a second factor",
        default=False,
        help_text="Members without one are led to set it up before they see anything of this project. API tokens "
        "are not concerned.",
    )
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Counted up by every change of an inbox, trigger or job: processes that cache them look at this one number.
    config_version = models.BigIntegerField(default=1, editable=False)

    class Meta:
        db_table = "project"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(max_concurrency__gte=1), name="project_runs_at_least_one"
            ),
        ]

    def __str__(self) -> str:
        return self.name
