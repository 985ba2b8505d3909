"""The page of refusals: of one inbox, or of all that a person may see. How many, why, and what to do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from triggers.advice import advice_on
from triggers.models import Inbox, Refusal, RefusalCount

if TYPE_CHECKING:
    from triggers.admin.inbox import InboxAdmin

DAYS = 7
HOURS = 24
KEPT = 100
MOST_HOURS = 500  # rows of hours, reasons and inboxes


def refusals_view(model_admin: InboxAdmin, request: HttpRequest, object_id: str = "") -> HttpResponse:
    """Without an inbox: those of the current project, or of all projects of this person."""
    inbox = model_admin.object_or_404(request, object_id) if object_id else None
    if inbox is not None:
        inboxes = Inbox.objects.filter(pk=inbox.pk)
    else:
        inboxes = model_admin.narrowed_plainly(request)
    title = f"Refused at “{inbox.name}”" if inbox else "Refused messages"
    context = {
        **model_admin.page_context(request, inbox, title=title),
        "inbox": inbox,
        "reasons": reasons(inboxes, hours=24 * DAYS),
        "hours": _by_hour(inboxes),
        "refusals": Refusal.objects.filter(inbox__in=inboxes).select_related("inbox").order_by("-id")[:KEPT],
        "days": DAYS,
        "several": inbox is None,
    }
    return TemplateResponse(request, "workspace/refusals.html", context)


def reasons(inboxes: QuerySet[Inbox], *, hours: int) -> list[dict[str, Any]]:
    """For each reason how often, when last, and what to do."""
    rows = (
        _counts(inboxes, hours)
        .values("status", "code")
        .annotate(times=Sum("count"), last=Max("hour"))
        .order_by("-times", "code")
    )
    return [{**row, "advice": advice_on(row["code"])} for row in rows[:50]]


def _by_hour(inboxes: QuerySet[Inbox]) -> list[dict[str, Any]]:
    rows = _counts(inboxes, HOURS).values("hour", "inbox__name", "status", "code")
    return [
        dict(row)
        for row in rows.annotate(times=Sum("count")).order_by("-hour", "-times", "code")[:MOST_HOURS]
    ]


def _counts(inboxes: QuerySet[Inbox], hours: int) -> QuerySet[RefusalCount]:
    since = timezone.now() - timedelta(hours=hours)
    return RefusalCount.objects.filter(inbox__in=inboxes, hour__gte=since)
