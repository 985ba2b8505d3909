"""Cancelling and aborting.

*Cancel* ends a waiting run at once and asks the worker of a running one, which kills the job's process within
seconds and writes down the end with the whole log. *Abort* does not wait for the worker: the run is over when the
call returns, also when its worker hangs or is out of reach. That worker finds its run taken away and kills the
process all the same; what it had not written yet of the log is lost.

A run that comes to its end after it was cancelled, but before its worker could stop it, has ended as it did, and
nothing follows from it: no run of a flow trigger, no next attempt. Whether it was cancelled is asked in the
transaction that ends it, with its row held; so whoever cancels either comes before that, or finds what followed.
"""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models.functions import Now

from openfn_platform.common.errors import Conflict
from openfn_platform.projects.actors import By, as_actor, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role
from runs import ending as endings
from runs.finishing import run_finish
from runs.lifecycle import run_move
from runs.models import Run, RunState, WorkOrder
from runs.planning import run_load
from runs.unkept import wipe_note
from runs.work_orders import work_order_lock, work_order_refresh

OPEN_STATES = (RunState.AVAILABLE, RunState.CLAIMED, RunState.STARTED)
MOST_AT_ONCE = 500


class AlreadyEnded(Conflict):
    """This run has ended already."""

    code = "already_ended"


@transaction.atomic
def run_cancel(*, run: Run, by: By) -> bool:
    """Cancel one run. True: it is cancelled; False: it was running and its worker has been asked."""
    require(by, run.project_id, Role.OPERATOR)
    held = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if held.is_final:
        raise AlreadyEnded()
    if held.state == RunState.AVAILABLE:
        _waiting_cancel(run=run, by=by)
    elif held.cancel_requested_at is None:  # asking twice changes nothing
        Run.objects.filter(pk=run.pk).update(cancel_requested_at=Now(), cancel_requested_by=author_of(by))
        audit("run cancelled", by, project=run.project, target=run)
    return bool(held.state == RunState.AVAILABLE)


def _waiting_cancel(*, run: Run, by: By) -> None:
    reason = f"Cancelled by {as_actor(by).name} before it started."
    run_move(
        run_id=run.pk,
        to=RunState.CANCELLED,
        source=RunState.AVAILABLE,
        note=reason,
        cancel_requested_by=author_of(by),
    )
    audit("run cancelled", by, project=run.project, target=run)
    work_order_lock(work_order_id=run.work_order_id)
    wipe_note(project=run.project, work_order_id=run.work_order_id)
    work_order_refresh(work_order_id=run.work_order_id)


@transaction.atomic
def run_abort(*, run: Run, by: By) -> None:
    """End one run now, whatever its worker does."""
    require(by, run.project_id, Role.OPERATOR)
    held = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if held.state == RunState.AVAILABLE:
        run_cancel(run=held, by=by)
        return
    if held.is_final:
        raise AlreadyEnded()
    Run.objects.filter(pk=held.pk).update(cancel_requested_at=Now(), cancel_requested_by=author_of(by))
    ending = endings.cancelled(f"Aborted by {as_actor(by).name} while it ran.")
    run_finish(run=run_load(run_id=held.pk), token=held.token, source=RunState(held.state), ending=ending)
    audit("run aborted", by, project=run.project, target=run)


def work_order_cancel(*, order: WorkOrder, by: By) -> bool:
    """Cancel everything of one event that has not ended. False: some were running and have been asked.

    A run that ends in this very moment may still start what follows from it: the next round finds that. There are
    only so many rounds: what one of them leaves is a step deeper in its chain.
    """
    require(by, order.project_id, Role.OPERATOR)
    asked: set[uuid.UUID] = set()
    cancelled = 0
    while True:
        rows = Run.objects.filter(work_order=order, state__in=OPEN_STATES).exclude(pk__in=asked)
        found = list(rows.select_related("project").order_by("lane")[:MOST_AT_ONCE])
        if not found:
            break
        for run in found:
            try:
                if run_cancel(run=run, by=by):
                    cancelled += 1
                else:
                    asked.add(run.pk)
            except AlreadyEnded:
                continue  # it was faster
    if not cancelled and not asked:
        raise AlreadyEnded("Everything of this work order has ended already.")
    audit("work order cancelled", by, project=order.project, target=order)
    return not asked
