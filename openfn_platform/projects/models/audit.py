"""The append-only record of who did what.

A trigger in the database (migration 0003) refuses to change or delete entries. Three things are let through:

- a person, a token or a project that is deleted is taken off its entries; the copied names stay;
- with `SET LOCAL platform.pruning = 'on'`, deleting: retention, after the time that the installation decides;
- with `SET LOCAL platform.erasing = 'on'`, new texts in `object_name` and `changes`: erasing a person of whom
  they speak. Who did what, when and to which object stays.

`projects.audit_upkeep` sets the two; nothing else does. TRUNCATE and dropping the trigger are left to whoever
owns the database, as everything is.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One deed. Names are copied, so that an entry outlives the person and the thing."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now(), editable=False)
    project = models.ForeignKey("projects.Project", models.SET_NULL, null=True, related_name="+")
    actor = models.ForeignKey("projects.User", models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=254)
    token = models.ForeignKey("projects.ApiToken", models.SET_NULL, null=True, related_name="+")
    address = models.GenericIPAddressField(null=True, editable=False)  # from where; null: from inside
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=60, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    changes = models.JSONField(default=dict)  # before and after, never a secret
    # Personal data was shown or handed out: bodies, states, logs, traces.
    opened = models.BooleanField(default=False, db_default=False, editable=False)
    # The same deed under the same mark is written once: looking on is one opening, not one a second.
    once = models.UUIDField(null=True, editable=False)

    class Meta:
        db_table = "audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["project", "-id"], name="audit_project_newest"),
            models.Index(fields=["project", "-id"], name="audit_opened_newest", condition=Q(opened=True)),
            models.Index(fields=["object_id", "-id"], name="audit_of_object"),
            models.Index(fields=["action", "-id"], name="audit_of_action"),
            BrinIndex(fields=["at"], name="audit_by_time"),  # entries stand in the order of time: tiny
        ]
        constraints = [
            models.UniqueConstraint(fields=["once"], condition=Q(once__isnull=False), name="audit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}"
