"""Credentials: encrypted configurations for one adaptor, owned by a project and lent to others."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import KeyField, Row
from openfn_platform.common.tenancy import tenant_unique


class Credential(Row):
    """What it is called and what it is for; the secrets stand encrypted in `CredentialBody`."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="credentials")  # its home
    key = KeyField()
    name = models.CharField(max_length=120)
    adaptor = models.CharField(max_length=60)
    expires_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "credential"
        ordering = ["name"]
        constraints = [
            tenant_unique("credential"),
            models.UniqueConstraint(fields=["project", "key"], name="credential_key_once"),
        ]

    def __str__(self) -> str:
        return self.name


class CredentialBody(Row):
    """The values for one environment. The cipher is bound to this row's own id."""

    credential = models.ForeignKey("jobs.Credential", models.CASCADE, related_name="bodies")
    environment = models.CharField(max_length=30, default="main")
    ciphertext = models.BinaryField(editable=False)
    key_id = models.CharField(max_length=32, editable=False, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "credential_body"
        verbose_name_plural = "credential bodies"
        constraints = [
            models.UniqueConstraint(fields=["credential", "environment"], name="credential_body_once"),
        ]

    def __str__(self) -> str:
        return self.environment


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
