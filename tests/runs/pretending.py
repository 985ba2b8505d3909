"""Ends of runs without an engine, for tests of what comes before and after them."""

from __future__ import annotations

from django.utils import timezone

from runs.bulk import bulk_work
from runs.models import Run, RunState


def end_runs(state: RunState = RunState.SUCCESS, **fields: str) -> int:
    """As if workers had executed what waits for them."""
    waiting = Run.objects.filter(state=RunState.AVAILABLE)
    return waiting.update(state=state, finished_at=timezone.now(), **fields)


def work_out(seconds: float = 5) -> None:
    """Until no bulk operation has anything left to do."""
    while bulk_work(seconds=seconds) or end_runs():
        pass
