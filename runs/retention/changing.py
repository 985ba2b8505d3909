"""Changing how long a project keeps what, and what that would take away at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.projects.actors import By, require
from openfn_platform.projects.founding import project_change
from openfn_platform.projects.models import Project, Role
from runs.models import Housekeeping
from runs.retention.batches import BEGINNING, rows
from runs.retention.chores import OF_INSTALLATION, TASKS, Task
from runs.retention.policy import Policy, floor, policy, policy_of

MOST_COUNTED = 10_000
LONGEST_DAYS = 36_500
# What has still something to lose.
_WHOLE = {"run": "wiped_at IS NULL", "message": "body_wiped_at IS NULL", "notification": "text <> ''"}


class NotConfirmed(Conflict):
    """That takes away for good what is kept now. Confirm it."""

    code = "not_confirmed"


@dataclass(frozen=True, kw_only=True)
class Due:
    """What goes next, of one kind."""

    label: str
    count: int

    @property
    def uncounted(self) -> bool:
        return self.count > MOST_COUNTED


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a task has done so far."""

    label: str
    rows: int
    last_rows: int
    last_at: datetime


def due(*, project: Project, by: Policy | None = None) -> list[Due]:
    """How many rows are too old now, or would be by another policy. Counted up to MOST_COUNTED."""
    given = by or policy_of(project, now=timezone.now())
    known = dict(Housekeeping.objects.filter(project=project).values_list("task", "cursor"))
    found = [
        Due(label=task.label, count=_count(project, task, given, known.get(task.name, "")))
        for task in TASKS
        if task.table
    ]
    return [each for each in found if each.count]


def _count(project: Project, task: Task, given: Policy, cursor: str) -> int:
    """Rows before the cursor were looked at: what could not go then is looked at again, and is not counted here."""
    whole = _WHOLE.get(task.table, "TRUE") if task.kind == "payloads" else "TRUE"
    sql = f"SELECT id FROM {task.table} WHERE project_id = %s AND id >= %s AND id < %s AND {whole} LIMIT %s"  # noqa: S608
    values = [project.pk, cursor or BEGINNING, floor(given.before(task.kind)), MOST_COUNTED + 1]
    return int(rows(f"SELECT count(*) FROM ({sql}) AS old", values)[0][0])  # noqa: S608


def done(*, project: Project | None) -> list[Done]:
    """What has gone so far, the latest first."""
    labels = {task.name: task.label for task in (*TASKS, *OF_INSTALLATION)}
    found = Housekeeping.objects.filter(project=project, last_at__isnull=False).order_by("-last_at")
    return [
        Done(label=labels[row.task], rows=row.rows, last_rows=row.last_rows, last_at=row.last_at)
        for row in found
        if row.task in labels and row.last_at is not None
    ]


def would_go(*, project: Project, payload_days: int, history_days: int) -> list[Due]:
    """What these days would take away beyond what is due anyway; empty where nothing is lowered."""
    if payload_days >= project.payload_days and history_days >= project.history_days:
        return []
    asked = policy(payload_days=payload_days, history_days=history_days, now=timezone.now())
    return due(project=project, by=asked)


@transaction.atomic
def retention_change(
    *, project: Project, payload_days: int, history_days: int, confirmed: bool = False, by: By
) -> Project:
    """Keep things for so many days. Raises NotConfirmed where that takes away what is kept now."""
    require(by, project, Role.ADMIN)
    for field, days in (("payload_days", payload_days), ("history_days", history_days)):
        if not 1 <= days <= LONGEST_DAYS:
            raise Invalid(f"Between one day and {LONGEST_DAYS:,}.", field=field)
    if payload_days > history_days:
        raise Invalid(
            "Payloads go with the history at the latest: not more days than it.", field="payload_days"
        )
    if not confirmed and would_go(project=project, payload_days=payload_days, history_days=history_days):
        raise NotConfirmed()
    return project_change(project=project, by=by, payload_days=payload_days, history_days=history_days)
