"""The project's tables: values that jobs look up by a key, or keep there from one run to the next.

Keys are ordered and compared by their characters' codes (collation C), so that the keys with a beginning lie side by side.
"""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Now

from openfn_platform.common.models import KeyField, Row
from openfn_platform.common.tenancy import TenantKey, tenant_unique

KEY_CHARACTERS = 255
VALUE_BYTES = 64_000
MOST_ROWS = 1_000_000
PROJECT_BYTES = 1_000_000_000  # of all tables of one project
HISTORY_KEPT = 20  # changes of one key


class TableKind(models.TextChoices):
    LOOKUP = "lookup", "Lookup: people keep it, jobs read it"
    STORE = "store", "Store: jobs keep there what they need again"


class Table(Row):
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="tables")
    key = KeyField(
        help_text="Its name in code: `tables.facilities`. It stays the same when the name changes."
    )
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=6, choices=TableKind, default=TableKind.LOOKUP)
    most_rows = models.PositiveIntegerField(
        "rows at most",
        default=100_000,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_ROWS)],
    )
    value_bytes = models.PositiveIntegerField(
        "largest value",
        default=VALUE_BYTES,
        validators=[MinValueValidator(10), MaxValueValidator(VALUE_BYTES)],
        help_text="In bytes, of one value as JSON.",
    )
    # Counted along, so that nobody counts a million rows to say how many there are.
    row_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    byte_count = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False)  # when a row was made or removed last
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "lookup_table"
        ordering = ["name"]
        constraints = [
            tenant_unique("lookup_table"),
            models.UniqueConstraint(fields=["project", "key"], name="lookup_table_key_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=TableKind.values), name="lookup_table_kind_known"
            ),
            models.CheckConstraint(
                condition=models.Q(row_count__gte=0), name="lookup_table_counts_from_zero"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def attribute(self) -> str:
        """As it is written behind `tables.`"""
        return str(self.key).replace("-", "_")


class TableRow(models.Model):
    """One value. A row whose time is over is absent at once, and removed by the sweep."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+", db_index=False)
    table = TenantKey("jobs.Table", related_name="rows")
    key = models.CharField(max_length=KEY_CHARACTERS, db_collation="C")
    value = models.JSONField()
    size = models.PositiveIntegerField(editable=False)  # bytes of key and value as text
    # From one sequence for all: a row that was removed and made again never has a version twice.
    version = models.BigIntegerField(
        editable=False, db_default=Func(Value("table_row_version_seq"), function="nextval")
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", db_index=False
    )
    run_id = models.UUIDField(null=True, editable=False)  # the run that wrote it; runs are a floor above
    # First attempt of that run's chain: what it set "if absent" is its own also when it is retried.
    chain_id = models.UUIDField(null=True, editable=False)

    class Meta:
        db_table = "table_row"
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["table", "key"], name="table_row_key_once")]
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="table_row_expires",
                condition=models.Q(expires_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.key


class ChangeKind(models.TextChoices):
    MADE = "made", "Made"
    CHANGED = "changed", "Changed"
    REMOVED = "removed", "Removed"
    EXPIRED = "expired", "Expired"


class TableChange(models.Model):
    """What happened to one key. The last changes of each are kept; of one that expired, only that it did."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+", db_index=False)
    table = TenantKey("jobs.Table", related_name="changes")
    key = models.CharField(max_length=KEY_CHARACTERS, db_collation="C")
    kind = models.CharField(max_length=7, choices=ChangeKind)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False
    )
    by_name = models.CharField(max_length=254, blank=True)  # empty: a run did it
    run_id = models.UUIDField(null=True)
    # What it was before; nothing when it was made. What it became is the next change's, or stands in the row.
    before = models.JSONField(null=True)

    class Meta:
        db_table = "table_change"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["table", "key", "id"], name="table_change_of_key"),
            models.Index(fields=["table", "id"], name="table_change_newest"),
            models.Index(
                fields=["at"],
                name="table_change_ended",
                condition=models.Q(kind__in=[ChangeKind.REMOVED, ChangeKind.EXPIRED]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.kind}"


class TableUpload(Row):
    """A CSV that somebody is looking at before it is brought in. Kept for a quarter of an hour."""

    project = models.ForeignKey("projects.Project", models.PROTECT, related_name="+")
    table = TenantKey("jobs.Table", related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    body = models.BinaryField(editable=False)  # compressed
    keep_until = models.DateTimeField(db_index=True, editable=False)

    class Meta:
        db_table = "table_upload"

    def __str__(self) -> str:
        return self.name
