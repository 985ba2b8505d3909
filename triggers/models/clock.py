"""When each of the clock's two bells last rang, so that silence can be seen."""

from __future__ import annotations

from django.db import models


class ClockRing(models.Model):
    """One row per bell: `triggers.fire_due` and `runs.sweep`."""

    task = models.CharField(primary_key=True, max_length=60)
    rung_at = models.DateTimeField()
    rung_by = models.CharField(max_length=120, blank=True)  # beat, or the worker whose thread did it

    class Meta:
        db_table = "clock_ring"

    def __str__(self) -> str:
        return self.task
