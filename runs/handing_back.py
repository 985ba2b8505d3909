"""A claimed run of which nothing ran: back to the queue, or over when somebody has cancelled it meanwhile."""

from __future__ import annotations

import uuid

from django.db import transaction

from runs import ending as endings
from runs.finishing import run_finish
from runs.lifecycle import run_move
from runs.models import Run, RunState
from runs.planning import run_load


@transaction.atomic
def run_hand_back(*, run_id: uuid.UUID, token: uuid.UUID | None) -> None:
    """Let another worker take it now, and not when the lease ends. Nothing happens to what is no longer ours."""
    held = Run.objects.select_for_update(no_key=True, of=("self",)).select_related("cancel_requested_by")
    run = held.filter(pk=run_id, token=token, state=RunState.CLAIMED).first()
    if run is None:
        return
    if run.cancel_requested_at is None:
        run_move(run_id=run_id, to=RunState.AVAILABLE, source=RunState.CLAIMED, token=token)
        return
    ending = endings.cancelled(f"Cancelled by {run.cancel_requested_by or 'somebody'} before it started.")
    run_finish(run=run_load(run_id=run_id), token=token, source=RunState.CLAIMED, ending=ending)
