"""Cancelling: a waiting run at once, a running one by asking its worker, which kills the child within seconds."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from openfn_platform.common.errors import Conflict
from openfn_platform.projects.actors import By, as_actor, author_of
from openfn_platform.projects.auditing import audit
from runs.lifecycle import run_move
from runs.models import Run, RunState
from runs.wiping import wipe_note
from runs.work_orders import work_order_lock, work_order_refresh


class AlreadyEnded(Conflict):
    """This run has ended already."""

    code = "already_ended"


@transaction.atomic
def run_cancel(*, run: Run, by: By) -> bool:
    """Cancel one run. True: it is cancelled; False: it was running and its worker has been asked."""
    author = author_of(by)
    reason = f"Cancelled by {as_actor(by).name} before it started."
    if run_move(
        run_id=run.pk,
        to=RunState.CANCELLED,
        source=RunState.AVAILABLE,
        note=reason,
        cancel_requested_by=author,
    ):
        audit("run cancelled", by, project=run.project, target=run)
        work_order_lock(work_order_id=run.work_order_id)
        wipe_note(project=run.project, work_order_id=run.work_order_id)
        work_order_refresh(work_order_id=run.work_order_id)
        return True
    asked = Run.objects.filter(pk=run.pk, state__in=[RunState.CLAIMED, RunState.STARTED]).update(
        cancel_requested_at=Now(), cancel_requested_by=author
    )
    if not asked:
        raise AlreadyEnded()
    audit("run cancelled", by, project=run.project, target=run)
    return False
