"""What each deed of a bulk operation applies to, and how it is done to one run or message."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet

from jobs.models import Job, JobState
from openfn_platform.common.errors import Conflict, NotFound
from openfn_platform.projects.actors import Actor
from runs.cancelling import OPEN_STATES, run_abort, run_cancel
from runs.incidents import run_dismiss
from runs.models import FAILED_STATES, BulkOperation, Deed, Run, RunMode
from runs.reprocessing import message_reprocess
from runs.retrying import run_repair
from triggers.models import Message

# Test runs are repeated in the editor; what was retried, caught or put aside needs no repair.
_UNREPAIRED = Q(
    state__in=FAILED_STATES, dismissed_at=None, handled=False, retries__isnull=True, mode=RunMode.LIVE
)


Made = tuple[uuid.UUID, ...]  # runs that one item made


class LeftOut(Conflict):
    """Nothing was done about it."""

    code = "left_out"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One deed: to rows of which model, to which of them, in which order, and how."""

    model: type[Model]
    applies: Q
    order: tuple[str, ...]
    do: Callable[[BulkOperation, Any, Actor], Made]

    def rows(self, *, project_id: uuid.UUID) -> QuerySet[Any]:
        return self.model._default_manager.filter(project_id=project_id)


def refused_of(deed: Deed, *, same_code: bool) -> Q:
    """Which of those that a deed applies to it will be refused when their turn comes, as things stand now."""
    if deed != Deed.RETRY:
        return Q(pk__in=[])
    without_code = Q(job__live_version=None)
    if same_code:
        without_code &= Q(job_version=None)
    return Q(job__state=JobState.OFF) | without_code


def item_do(*, operation: BulkOperation, target: uuid.UUID, by: Actor) -> Made:
    """Do it to one, and return the runs that this made; raises a PlatformError that says why not."""
    way = WAYS[Deed(operation.deed)]
    row = way.rows(project_id=operation.project_id).select_related("project").filter(pk=target).first()
    if row is None:
        raise NotFound("There is none by that id.")
    return way.do(operation, row, by)


def _retry(operation: BulkOperation, run: Run, by: Actor) -> Made:
    same_code = bool(operation.parameters.get("same_code"))
    return (run_repair(run=run, by=by, same_code=same_code, bulk=True).pk,)


def _cancel(operation: BulkOperation, run: Run, by: Actor) -> Made:
    run_cancel(run=run, by=by)
    return ()


def _abort(operation: BulkOperation, run: Run, by: Actor) -> Made:
    run_abort(run=run, by=by)
    return ()


def _dismiss(operation: BulkOperation, run: Run, by: Actor) -> Made:
    run_dismiss(run=run, by=by, reason=operation.parameters["reason"])
    return ()


def _reprocess(operation: BulkOperation, message: Message, by: Actor) -> Made:
    chosen = operation.parameters["jobs"]
    jobs = list(Job.objects.filter(pk__in=chosen, project_id=operation.project_id).order_by("id"))
    if len(jobs) < len(chosen):
        raise NotFound("One of the jobs is not there any more.")
    done = message_reprocess(message=message, jobs=jobs, by=by)
    if not done.runs:
        raise LeftOut("; ".join(dict.fromkeys(each.reason for each in done.left_out)) + ".")
    return tuple(run.pk for run in done.runs)


_ARRIVAL = ("lane", "attempt")
_OPEN = Q(state__in=OPEN_STATES)
WAYS: dict[Deed, Way] = {
    Deed.RETRY: Way(model=Run, applies=_UNREPAIRED, order=_ARRIVAL, do=_retry),
    Deed.CANCEL: Way(model=Run, applies=_OPEN & Q(cancel_requested_at=None), order=_ARRIVAL, do=_cancel),
    Deed.ABORT: Way(model=Run, applies=_OPEN, order=_ARRIVAL, do=_abort),
    Deed.DISMISS: Way(
        model=Run, applies=Q(state__in=FAILED_STATES, dismissed_at=None), order=_ARRIVAL, do=_dismiss
    ),
    Deed.REPROCESS: Way(model=Message, applies=Q(body_wiped_at=None), order=("pk",), do=_reprocess),
}
