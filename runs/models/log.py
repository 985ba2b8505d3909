"""Log lines and exchanges of runs. No foreign keys in either direction: many rows, pruned by time."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from openfn_platform.common.wordfield import WordField, word_index

FAILED_EXCHANGE = Q(status__gte=400) | ~Q(error="")


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
    """One request to a partner with its answer, masked; by HTTP or by another protocol.

    Who asks for bodies or words must be one who may see data.
    """

    id = models.BigAutoField(primary_key=True)
    project_id = models.UUIDField()
    run_id = models.UUIDField()
    # Copied from the run, so that a search through millions joins nothing. Null: from before there were these.
    job_id = models.UUIDField(null=True)
    work_order_id = models.UUIDField(null=True)
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    connection = models.CharField(max_length=40, blank=True)
    protocol = models.CharField(max_length=8, default="http", db_default="http")
    write = models.BooleanField(default=False, db_default=False)  # it changes something, or would have
    method = models.CharField(max_length=10)
    url = models.TextField()
    status = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(
        max_length=120, blank=True, default="", db_default=""
    )  # where there is no status
    duration_ms = models.PositiveIntegerField(null=True)
    request_bytes = models.PositiveIntegerField(default=0)
    response_bytes = models.PositiveIntegerField(default=0)
    attempt = models.PositiveSmallIntegerField(default=1)
    dry = models.BooleanField(default=False)
    error = models.CharField(max_length=300, blank=True)
    request_body = models.TextField(null=True)
    response_body = models.TextField(null=True)
    request_cut = models.BooleanField(default=False, db_default=False)  # there was more of it
    response_cut = models.BooleanField(default=False, db_default=False)
    over_budget = models.BooleanField(default=False, db_default=False)  # bodies left out: the run had no room
    words = WordField(null=True)  # of address and bodies

    class Meta:
        db_table = "http_exchange"
        verbose_name = "exchange"
        constraints = [models.UniqueConstraint(fields=["run_id", "seq"], name="http_exchange_once")]
        indexes = [
            models.Index(fields=["project_id", "-at", "-id"], name="http_exchange_newest"),
            # What was really sent is asked for most, and is a small part where jobs read much.
            models.Index(
                fields=["project_id", "-at", "-id"],
                name="http_exchange_sent",
                condition=Q(write=True, dry=False),
            ),
            models.Index(
                fields=["project_id", "connection", "-at", "-id"],
                name="http_exchange_sent_by",
                condition=Q(write=True, dry=False),
            ),
            models.Index(
                fields=["project_id", "-at", "-id"],
                name="http_exchange_failed",
                condition=Q(write=True, dry=False) & FAILED_EXCHANGE,
            ),
            models.Index(
                fields=["job_id", "-at", "-id"],
                name="http_exchange_of_job",
                condition=Q(write=True, dry=False),
            ),
            word_index("words", name="http_exchange_words"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"
