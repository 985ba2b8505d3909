"""Messages: one request that arrived at an inbox, kept byte for byte.

The row is narrow and lives as long as the history; the payload is a row of its own without foreign keys, so
that it can be erased, pruned and partitioned alone; idempotency keys outlive both.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class Message(Row):
    # The inbox vouches for the project: one check less on a hot path.
    project = models.ForeignKey(
        "projects.Project", models.PROTECT, related_name="messages", db_index=False, db_constraint=False
    )
    inbox = TenantKey("triggers.Inbox", related_name="messages")
    content_type = models.CharField(max_length=100, blank=True)
    size = models.PositiveIntegerField()
    digest = models.BinaryField(max_length=32)  # SHA-256 of the raw bytes
    sender_key = models.CharField(
        max_length=300, blank=True
    )  # Idempotency-Key or the value at the duplicate path
    intake = models.UUIDField(
        null=True, editable=False
    )  # the key or token it came with, for "my own messages"
    matched = models.BooleanField(default=False)  # started something
    # [{trigger, revision, matched, jobs: [{job, outcome: run|off|archived|…}]}], by the criteria as they were
    matching = models.JSONField(default=list)
    body_wiped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "message"
        ordering = ["-id"]
        constraints = [tenant_unique("message")]
        indexes = [
            models.Index(
                fields=["project", "-id"], name="message_unmatched", condition=models.Q(matched=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class MessagePayload(models.Model):
    """What was sent: raw bytes, the parsed body, headers without secrets."""

    message = models.OneToOneField(
        "triggers.Message", models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="payload"
    )
    received_at = models.DateTimeField(db_default=Now())
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=500)
    query = models.JSONField(default=dict)
    headers = models.JSONField(default=dict)
    raw = models.BinaryField()
    body = models.JSONField(null=True)

    class Meta:
        db_table = "message_payload"

    def __str__(self) -> str:
        return str(self.message_id)


class IdempotencyKey(models.Model):
    """The first message under a sender's key. Outlives the message, so that a late duplicate is still known."""

    id = models.BigAutoField(primary_key=True)
    # The inbox vouches for the project: one check less on a hot path.
    project = models.ForeignKey(
        "projects.Project", models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    inbox = TenantKey("triggers.Inbox", models.CASCADE, related_name="+")
    source = models.CharField(max_length=10)  # header | body
    key = models.CharField(max_length=300)
    digest = models.BinaryField(max_length=32)  # of the body: same key with another body is refused
    message_id = models.UUIDField()
    answer = models.JSONField()  # what the first one was told
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_key"
        constraints = [
            models.UniqueConstraint(fields=["inbox", "source", "key"], name="idempotency_key_once"),
        ]

    def __str__(self) -> str:
        return self.key
