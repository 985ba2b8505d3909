"""The first page: what needs a person, what runs, what comes next. A fixed number of queries, whatever the load."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Count, Exists, F, Min, Model, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils import timezone

from jobs.models import Job
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.current import current_project, projects_of
from openfn_platform.projects.models import Membership, Project, Role
from openfn_platform.projects.scoping import scoped
from openfn_platform.workspace.navigation import open_incidents
from openfn_platform.workspace.pulse import pulse
from runs.models import Run, RunMode, RunState
from runs.models.run import FAILED_STATES
from triggers.models import Message, Trigger, TriggerKind

DAYS = 14
INCIDENTS = 8
FIRINGS = 5

Row = TypeVar("Row", bound=Model)

_SERIES = (
    ("Succeeded", "#10b981", (RunState.SUCCESS,)),
    ("Failed", "#ef4444", tuple(FAILED_STATES)),
    ("Cancelled or skipped", "#94a3b8", (RunState.CANCELLED, RunState.SKIPPED)),
)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What waits and what runs."""

    waiting: int
    running: int
    oldest: datetime | None


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Everything that templates/admin/index.html shows, of the current project or of all that are visible."""
    projects = projects_of(request)
    if not projects:
        return context | {"no_project": True, "may_found": actor_of(request).is_superuser}
    chart, total = runs_by_day(request)
    incidents = list(
        open_incidents(request)
        .select_related("job", "taken_by", "project")
        .order_by(F("taken_at").asc(nulls_first=True), "-last_at")[: INCIDENTS + 1]
    )
    return context | {
        "several": current_project(request) is None and len(projects) > 1,
        "incidents": incidents[:INCIDENTS],
        "more_incidents": len(incidents) > INCIDENTS,
        "chart": chart,
        "chart_options": json.dumps(CHART_OPTIONS),
        "runs_total": total,
        "days": DAYS,
        "queue": queue_now(request),
        "firings": next_firings(request),
        "unmatched": unmatched_today(request),
        "unwatched": projects_without_mail(request),
        "pulse": pulse(actor=actor_of(request)),
        "no_jobs": not shown(request, Job.objects.filter(archived_at=None)).exists(),
        "may_edit": _may_edit(request, projects),
        "may_invite": any(actor_of(request).may(each, Role.ADMIN) for each in projects),
        "public_url": settings.PUBLIC_URL,
    }


def shown(request: HttpRequest, rows: QuerySet[Row]) -> QuerySet[Row]:
    """The rows of the current project, or of every visible one."""
    project = current_project(request)
    return rows.filter(project=project) if project else scoped(rows, actor_of(request))


def runs_by_day(request: HttpRequest) -> tuple[str, int]:
    """Chart.js data of the last days, and how many runs that are."""
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    rows = (
        # Ids sort by time, and `(project, -id)` is an index; `created_at` is none.
        shown(request, Run.objects.filter(pk__gte=first_id_of(first), mode=RunMode.LIVE))
        .annotate(day=TruncDate("created_at"))
        .values("day", "state")
        .annotate(runs=Count("pk"))
        .order_by()
    )
    counts: dict[tuple[date, str], int] = {(row["day"], row["state"]): row["runs"] for row in rows}
    days = [first + timedelta(days=index) for index in range(DAYS)]
    datasets = [
        {
            "label": label,
            "data": [sum(counts.get((day, state), 0) for state in states) for day in days],
            "backgroundColor": colour,
            "borderRadius": 3,
            "maxBarThickness": 34,
            "stack": "runs",
        }
        for label, colour, states in _SERIES
    ]
    return json.dumps({"labels": [f"{day:%d %b}" for day in days], "datasets": datasets}), sum(
        counts.values()
    )


def first_id_of(day: date) -> uuid.UUID:
    """The least UUIDv7 that could have been made on that day, in the person's time zone."""
    start = datetime.combine(day, datetime.min.time(), tzinfo=timezone.get_current_timezone())
    return uuid.UUID(int=(int(start.timestamp() * 1000) & ((1 << 48) - 1)) << 80)


def queue_now(request: HttpRequest) -> Queue:
    due = Q(state=RunState.AVAILABLE, run_at__lte=timezone.now())
    found = shown(
        request, Run.objects.filter(state__in=[RunState.AVAILABLE, RunState.CLAIMED, RunState.STARTED])
    ).aggregate(
        waiting=Count("pk", filter=due),
        oldest=Min("run_at", filter=due),
        running=Count("pk", filter=~Q(state=RunState.AVAILABLE)),
    )
    return Queue(waiting=found["waiting"], running=found["running"], oldest=found["oldest"])


def next_firings(request: HttpRequest) -> list[Trigger]:
    soon = Trigger.objects.filter(
        kind=TriggerKind.SCHEDULE, enabled=True, archived_at=None, next_slot_at__isnull=False
    )
    return list(shown(request, soon).select_related("workflow", "project").order_by("next_slot_at")[:FIRINGS])


def unmatched_today(request: HttpRequest) -> int:
    start = first_id_of(timezone.localdate())
    return shown(request, Message.objects.filter(pk__gte=start, matched=False)).count()


def projects_without_mail(request: HttpRequest) -> list[Project]:
    """Where nobody would hear of a failure."""
    told = Membership.objects.filter(project=OuterRef("pk"), failure_mail=True, user__is_active=True)
    chosen = current_project(request)
    keys = [chosen.pk] if chosen else [each.pk for each in projects_of(request)]
    return list(Project.objects.filter(pk__in=keys).exclude(Exists(told)).order_by("name", "pk")[:5])


def _may_edit(request: HttpRequest, projects: list[Project]) -> bool:
    chosen = current_project(request)
    return any(actor_of(request).may(each, Role.EDITOR) for each in ([chosen] if chosen else projects))


_AXIS_TEXT = "#94a3b8"  # readable on white and on black
CHART_OPTIONS: dict[str, Any] = {
    "responsive": True,
    "maintainAspectRatio": False,
    "animation": False,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {
        "legend": {
            "display": True,
            "position": "bottom",
            "labels": {"boxWidth": 10, "boxHeight": 10, "color": _AXIS_TEXT},
        },
        "tooltip": {"enabled": True},
    },
    "scales": {
        "x": {
            "stacked": True,
            "grid": {"display": False},
            "ticks": {"color": _AXIS_TEXT, "maxRotation": 0, "autoSkipPadding": 12},
        },
        "y": {
            "stacked": True,
            "beginAtZero": True,
            "ticks": {"color": _AXIS_TEXT, "precision": 0, "maxTicksLimit": 6},
            "grid": {"tickLength": 0},
        },
    },
}
