"""Cancelling: a waiting run at once, a running one by asking its worker, which kills the child within seconds."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from openfn_platform.common.errors import Conflict
from runs.lifecycle import run_move
from runs.models import Run, RunState
from runs.work_orders import work_order_lock, work_order_refresh


class AlreadyEnded(Conflict):
    """This run has ended already."""

    code = "already_ended"


@transaction.atomic
def run_cancel(*, run: Run, by: Any) -> bool:
    """Cancel one run. True: it is cancelled; False: it was running and its worker has been asked."""
    reason = f"Cancelled by {by} before it started."
    if run_move(
        run_id=run.pk, to=RunState.CANCELLED, source=RunState.AVAILABLE, note=reason, cancel_requested_by=by
    ):
        work_order_lock(work_order_id=run.work_order_id)
        work_order_refresh(work_order_id=run.work_order_id)
        return True
    asked = Run.objects.filter(pk=run.pk, state__in=[RunState.CLAIMED, RunState.STARTED]).update(
        cancel_requested_at=Now(), cancel_requested_by=by
    )
    if not asked:
        raise AlreadyEnded()
    return False
