"""Credentials: encrypted configurations for one adaptor, owned by a project and lent to others."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from jobs.models.sealed import Sealed, Tried
from openfn_platform.common.models import KeyField, Row
from openfn_platform.common.tenancy import tenant_unique


class Credential(Row):
    """What it is called and what it is for; the secrets stand encrypted in `CredentialBody`."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="credentials")  # its home
    key = KeyField()
    name = models.CharField(max_length=120)
    adaptor = models.CharField(max_length=60)
    expires_at = models.DateTimeField(null=True, blank=True)
    # The last warning that was sent about this date: so many days before it.
    expiry_told = models.PositiveSmallIntegerField(null=True, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "credential"
        ordering = ["name"]
        constraints = [
            tenant_unique("credential"),
            models.UniqueConstraint(fields=["project", "key"], name="credential_key_once"),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="credential_expires",
                condition=models.Q(expires_at__isnull=False, archived_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CredentialBody(Tried, Sealed):
    """The values for one environment. The cipher is bound to this row's own id."""

    credential = models.ForeignKey("jobs.Credential", models.CASCADE, related_name="bodies")
    environment = models.CharField(max_length=30, default="main")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "credential_body"
        verbose_name_plural = "credential bodies"
        constraints = [
            models.UniqueConstraint(fields=["credential", "environment"], name="credential_body_once"),
        ]

    def __str__(self) -> str:
        return self.environment


class CredentialPrevious(Tried, Sealed):
    """Values that were replaced, kept for a week so that they can be put back.

    Rows and not columns of the body: each replaced value has a week of its own, forgetting one is a plain DELETE,
    and no ciphertext of the past opens in the row that runs read.
    """

    body = models.ForeignKey("jobs.CredentialBody", models.CASCADE, related_name="earlier")
    replaced_at = models.DateTimeField(db_default=Now(), db_index=True, editable=False)
    replaced_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )

    class Meta:
        db_table = "credential_previous"
        ordering = ["-id"]
        verbose_name_plural = "previous values"

    def __str__(self) -> str:
        return f"values until {self.replaced_at:%d %b %Y, %H:%M}"


class ProjectCredential(Row):
    """A project that may use the credential; its home project always may."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="usable_credentials")
    credential = models.ForeignKey("jobs.Credential", models.PROTECT, related_name="lent_to")
    # Old versions of jobs point here, so a loan that is over is ended and not deleted.
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "project_credential"
        constraints = [
            tenant_unique("project_credential"),
            models.UniqueConstraint(fields=["project", "credential"], name="project_credential_once"),
        ]

    def __str__(self) -> str:
        return self.credential.name
