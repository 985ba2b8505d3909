"""Log lines and HTTP exchanges of runs. No foreign keys in either direction: many rows, pruned by time."""

from __future__ import annotations

from django.db import models


class LogLine(models.Model):
    id = models.BigAutoField(primary_key=True)
    project_id = models.UUIDField()
    run_id = models.UUIDField()
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=8)
    text = models.TextField()

    class Meta:
        db_table = "log_line"
        constraints = [models.UniqueConstraint(fields=["run_id", "seq"], name="log_line_once")]

    def __str__(self) -> str:
        return self.text


class HttpExchange(models.Model):
    """One request to a partner with its answer, masked."""

    id = models.BigAutoField(primary_key=True)
    project_id = models.UUIDField()
    run_id = models.UUIDField()
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    connection = models.CharField(max_length=40, blank=True)
    method = models.CharField(max_length=10)
    url = models.TextField()
    status = models.PositiveSmallIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    request_bytes = models.PositiveIntegerField(default=0)
    response_bytes = models.PositiveIntegerField(default=0)
    attempt = models.PositiveSmallIntegerField(default=1)
    dry = models.BooleanField(default=False)
    error = models.CharField(max_length=300, blank=True)
    request_body = models.TextField(null=True)
    response_body = models.TextField(null=True)

    class Meta:
        db_table = "http_exchange"
        constraints = [models.UniqueConstraint(fields=["run_id", "seq"], name="http_exchange_once")]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"
