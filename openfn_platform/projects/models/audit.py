"""The append-only record of who did what."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One deed. Names are copied, so that an entry outlives the person and the thing."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now(), editable=False)
    project = models.ForeignKey("projects.Project", models.SET_NULL, null=True, related_name="+")
    actor = models.ForeignKey("projects.User", models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=254)
    token = models.ForeignKey("projects.ApiToken", models.SET_NULL, null=True, related_name="+")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=60, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    changes = models.JSONField(default=dict)  # before and after, never a secret

    class Meta:
        db_table = "audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["project", "-id"], name="audit_project_newest")]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}"
