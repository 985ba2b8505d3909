"""What is still to be wiped of projects that keep no payloads. `runs.wiping` works it off.

Plain ids: orders and messages live floors above, and go their own ways.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class PayloadDue(models.Model):
    """A work order whose payloads are to be wiped when no run needs them any more."""

    work_order_id = models.UUIDField(primary_key=True)
    project_id = models.UUIDField()
    since = models.DateTimeField(db_default=Now())
    look_at = models.DateTimeField(db_default=Now())  # not ready before: looked at again then

    class Meta:
        db_table = "payload_due"
        indexes = [models.Index(fields=["look_at"], name="payload_due_next")]

    def __str__(self) -> str:
        return str(self.work_order_id)


class PayloadMark(models.Model):
    """How far the history of a project was gone through; ids sort by time."""

    project = models.OneToOneField("projects.Project", models.CASCADE, primary_key=True, related_name="+")
    orders_until = models.UUIDField()
    messages_until = models.UUIDField()

    class Meta:
        db_table = "payload_mark"

    def __str__(self) -> str:
        return str(self.project_id)
