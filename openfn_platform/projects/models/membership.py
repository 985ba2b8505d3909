"""Who belongs to a project, and what they may do there."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import Row


class Role(models.TextChoices):
    """Each role may do everything that the ones above it may."""

    VIEWER = "viewer", "Viewer: sees"
    OPERATOR = "operator", "Operator: retries, cancels, pauses, dismisses"
    EDITOR = "editor", "Editor: writes jobs and triggers"
    ADMIN = "admin", "Admin: members, inboxes, credentials, retention"
    OWNER = "owner", "Owner: may delete the project"


RANK = {role: rank for rank, role in enumerate(Role)}


class Membership(Row):
    """One person in one project."""

    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="memberships")
    user = models.ForeignKey("projects.User", models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    may_see_data = models.BooleanField(
        default=False, help_text="Bodies of messages, states, traces and logs: personal data of patients."
    )
    failure_mail = models.BooleanField(
        default=False, help_text="A mail when something fails, and when it is well again."
    )

    class Meta:
        db_table = "membership"
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display().split(':')[0]}"
