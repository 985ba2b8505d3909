"""Invitations: somebody may come into a project, and has not answered yet."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower

from openfn_platform.common.models import Row
from openfn_platform.projects.models.membership import Role


class Invitation(Row):
    """One person, one project, one link that works once. Only the link's fingerprint is kept."""

    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="invitations")
    email = models.EmailField("e-mail address", max_length=254)
    role = models.CharField(max_length=10, choices=Role)
    may_see_data = models.BooleanField(default=False)
    failure_mail = models.BooleanField(default=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)  # SHA-256 of 256 random bits
    invited_by = models.ForeignKey(
        "projects.User", models.SET_NULL, null=True, related_name="+", editable=False
    )
    sent_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "invitation"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="invitation_role_known"),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="invitation_email_in_small_letters"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.get_role_display().split(':')[0]}"
