"""What jobs remember across attempts (`once`) and about their own writes (echo guard of two-way syncs)."""

from __future__ import annotations

from django.db import models

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey


class OnceMark(Row):
    """`once(key, fn)`: begun before, done after the call. Begun without done means: it may have happened."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    work_order = TenantKey("runs.WorkOrder", related_name="once_marks")
    job = TenantKey("jobs.Job", related_name="+")
    key = models.CharField(max_length=300)
    run = TenantKey("runs.Run", related_name="once_marks", db_index=True)  # that began it
    done_at = models.DateTimeField(null=True)
    result = models.BinaryField(null=True)  # JSON; bytes, so that NUL and surrogates survive
    resolved_by = models.ForeignKey("projects.User", models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "once_mark"
        constraints = [models.UniqueConstraint(fields=["work_order", "job", "key"], name="once_mark_once")]

    def __str__(self) -> str:
        return self.key


class EchoMark(models.Model):
    """The content that this project last wrote to a record of a partner, as a hash."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    system = models.CharField(max_length=100)
    record = models.CharField(max_length=300)
    digest = models.BinaryField(max_length=32)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "echo_mark"
        constraints = [models.UniqueConstraint(fields=["project", "system", "record"], name="echo_mark_once")]

    def __str__(self) -> str:
        return f"{self.system} {self.record}"
