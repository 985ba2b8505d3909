"""What came of a bulk operation, counted by reason, and the runs that it made."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from runs.models import BulkItem, BulkOperation, ItemState

MOST_REASONS = 20


def reasons_of(operation: BulkOperation) -> list[dict[str, Any]]:
    """Why things failed, the commonest first: {reason, count}."""
    failed = BulkItem.objects.filter(operation=operation, state=ItemState.FAILED).values("reason")
    return [
        dict(row) for row in failed.annotate(count=Count("id")).order_by("-count", "reason")[:MOST_REASONS]
    ]


def failed_items(operation: BulkOperation, *, most: int) -> list[BulkItem]:
    """The first things that nothing was done about."""
    return list(
        BulkItem.objects.filter(operation=operation, state=ItemState.FAILED).order_by("position")[:most]
    )
