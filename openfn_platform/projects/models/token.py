"""API tokens: they belong to a project, not to a person, and are stored only as a hash."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from openfn_platform.common.models import Row


class Scope(models.TextChoices):
    INTAKE = "intake", "Post messages and see what became of one's own"
    READ = "read", "Read everything but payloads"
    READ_DATA = "read-data", "Read payloads, states and logs too"
    OPERATE = "operate", "Start, retry, cancel"
    DEPLOY = "deploy", "Change workflows, jobs and triggers, and as an administrator credentials and inboxes"


class ApiToken(Row):
    """A program's key to the API of one project. The token itself is shown once, when it is made."""

    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.BinaryField(
        max_length=32, unique=True, editable=False
    )  # SHA-256: the token has 256 random bits
    scopes = ArrayField(models.CharField(max_length=12, choices=Scope))
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey("projects.User", models.SET_NULL, null=True, blank=True, editable=False)

    class Meta:
        db_table = "api_token"
        verbose_name = "API token"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="token_name_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
