"""Inboxes: the addresses that partner systems post to, their keys, and what they refused."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from jobs.models import Sealed
from openfn_platform.common.models import Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique


class InboxAccess(models.TextChoices):
    NONE = "none", "Anybody who knows the address"
    KEY = "key", "Only who has a key, a password or a signing secret of this inbox"


class AuthKind(models.TextChoices):
    KEY = "key", "API key"
    BASIC = "basic", "User and password"
    HMAC = "hmac", "Signature"


class Inbox(Row):
    """One address. Without a trigger it feeds all message triggers of the project, with one only that."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="inboxes")
    trigger = TenantKey("triggers.Trigger", null=True, blank=True, related_name="inboxes")
    # Random and not a UUIDv7: an address should not tell when it was made.
    address = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    access = models.CharField(max_length=10, choices=InboxAccess, default=InboxAccess.KEY)
    duplicate_path = models.CharField(
        max_length=300,
        blank=True,
        help_text="Where a message carries its own id, for example form.meta.instanceID.",
    )
    enabled = models.BooleanField("on", default=True)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "inbox"
        verbose_name_plural = "inboxes"
        ordering = ["name"]
        constraints = [
            tenant_unique("inbox"),
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(trigger__isnull=True, archived_at__isnull=True),
                name="inbox_one_for_the_project",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class InboxAuth(Row):
    """One thing that opens an inbox, of any kind. Several at once, so that senders can change over."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    inbox = TenantKey("triggers.Inbox", models.CASCADE, related_name="auths")
    kind = models.CharField(max_length=10, choices=AuthKind, default=AuthKind.KEY, editable=False)
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12, editable=False, blank=True)
    username = models.CharField(max_length=100, editable=False, blank=True)  # basic
    # SHA-256 of a key, or of user:password where the platform made the password: 256 random bits cannot be tried out.
    digest = models.BinaryField(max_length=32, editable=False, null=True, blank=True)
    password_hash = models.CharField(
        max_length=200, editable=False, blank=True
    )  # Argon2, where a person chose it
    config = models.JSONField(default=dict, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # It had worked, and then a message that came with it was refused: since when, when last, and whether somebody
    # was told. Emptied when it works again.
    refused_since = models.DateTimeField(null=True, editable=False)
    refused_at = models.DateTimeField(null=True, editable=False)
    refusal_told_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "inbox_auth"
        verbose_name = "inbox key"
        constraints = [
            tenant_unique("inbox_auth"),
            models.UniqueConstraint(fields=["inbox", "digest"], name="inbox_auth_once"),
        ]
        indexes = [
            models.Index(
                fields=["refused_since"],
                name="inbox_auth_refused",
                condition=models.Q(refused_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"

    @property
    def shown(self) -> str:
        """What tells it from the others and is no secret."""
        return self.username if self.kind == AuthKind.BASIC else f"{self.prefix}…"


class InboxSecret(Sealed):
    """A signing secret. To check a signature it must be known, so it is encrypted and not hashed."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    auth = TenantKey("triggers.InboxAuth", models.CASCADE, related_name="secrets")

    class Meta:
        db_table = "inbox_secret"
        constraints = [models.UniqueConstraint(fields=["auth"], name="inbox_secret_once")]

    def __str__(self) -> str:
        return "a signing secret"


class RefusalCount(models.Model):
    """How many requests an inbox refused in one hour, by status and code."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    inbox = TenantKey("triggers.Inbox", models.CASCADE, related_name="refusal_counts")
    hour = models.DateTimeField()
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40)
    count = models.PositiveIntegerField(default=1)

    class Meta:
        db_table = "refusal_count"
        constraints = [
            models.UniqueConstraint(fields=["inbox", "hour", "status", "code"], name="refusal_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.status} ×{self.count}"


class Refusal(models.Model):
    """One refused request, without its body. The last 100 of each inbox are kept."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    inbox = TenantKey("triggers.Inbox", models.CASCADE, related_name="refusals")
    at = models.DateTimeField(db_default=Now())
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    key_prefix = models.CharField(max_length=12, blank=True)
    sender = models.CharField(max_length=45, blank=True)  # IP address
    size = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "refusal"
        indexes = [models.Index(fields=["inbox", "-id"], name="refusal_newest")]

    def __str__(self) -> str:
        return f"{self.status} {self.code}"
