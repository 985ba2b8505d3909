"""Finishing a run: one transaction for everything that its end means, then a ring.

{final state, log, follow-ups or next attempt, memory, holds, incident and mails, work-order state} are all
written or none of them is. The first statement is the conditional update: when the lease is gone by then,
nothing else happens and the result is dropped and logged.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Now

from jobs.models import Job, JobState
from openfn_platform.common.ids import uuid7
from openfn_platform.common.text import one_line, storable
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.auditing import audit
from runs import holds, incidents, memories
from runs.backoff import RetryPolicy
from runs.ending import Ending
from runs.followups import Flow, flows_of, followups_create
from runs.lifecycle import run_move
from runs.logs import LogBuffer
from runs.models import Run, RunMode, RunState, State, StateKind
from runs.models.run import Priority, RetryKind
from runs.permits import bulk_ring_soon_on_commit, publish_on_commit
from runs.states import state_build
from runs.unkept import wipe_note
from runs.work_orders import work_order_lock_at_end, work_order_refresh

logger = logging.getLogger(__name__)

CRASHES_UNTIL_PAUSED = 3
PROBLEMS_KEPT = 200


def run_finish(
    *,
    run: Run,
    token: uuid.UUID | None,
    source: RunState,
    ending: Ending,
    log: LogBuffer | None = None,
    flows: list[Flow] | None = None,
) -> bool:
    """Write down how `run` ended. False: it was no longer this worker's, and nothing was written.

    `run` comes with job, job_version, work_order, trigger and slot; `flows` are read again when not given.
    """
    with transaction.atomic():
        final = _final_state(run, ending)
        wait = _wait_for_next_attempt(run, ending)
        moved = run_move(
            run_id=run.pk, to=ending.state, source=source, token=token, **_columns(run, ending, final, log)
        )
        if not moved:
            transaction.set_rollback(True)
            logger.warning("action=late_result_refused run=%s state=%s", run.pk, ending.state)
            return False
        if final is not None:
            final.save(force_insert=True)
        if log is not None:
            log.flush()
        cancelled = work_order_lock_at_end(work_order_id=run.work_order_id, run_id=run.pk)
        wipe_note(project=run.project, work_order_id=run.work_order_id)
        rings = _what_comes_next(run, ending, final, None if cancelled else wait, flows, cancelled)
        work_order_refresh(work_order_id=run.work_order_id)
        publish_on_commit(rings)
        if run.priority == Priority.BULK:
            bulk_ring_soon_on_commit()
    run.state = ending.state
    return True


def _what_comes_next(
    run: Run,
    ending: Ending,
    final: State | None,
    wait: timedelta | None,
    flows: list[Flow] | None,
    cancelled: bool,
) -> int:
    """Next attempt, or else follow-ups, incident and memory. Returns how many runs became available now."""
    holds.note_ending(run=run, ending=ending)
    if run.mode != RunMode.LIVE:
        return 0  # a test or dry run starts nothing, moves no memory and mails nobody
    if wait is not None:
        next_attempt(run=run, wait=wait)
        return 0  # it waits; the sweep rings when its time has come
    if not ending.failed and ending.state != RunState.SUCCESS:
        return 0
    children = followups_create(
        run=run,
        ending=ending,
        flows=flows_of(job=run.job) if flows is None else flows,
        final=final,
        cancelled=cancelled,
    )
    if ending.failed and children:
        Run.objects.filter(pk=run.pk).update(handled=True)
    if ending.state == RunState.SUCCESS:
        memories.memory_advance(run=run, memory=ending.memory)
    _crash_count(run, ending)
    incidents.note_ending(run=run, ending=ending)
    return len(children)


def _wait_for_next_attempt(run: Run, ending: Ending) -> timedelta | None:
    version = run.job_version
    if not ending.failed or version is None or run.mode != RunMode.LIVE or run.cancel_requested_at:
        return None
    policy = RetryPolicy(
        max_attempts=version.max_attempts,
        first_wait=timedelta(seconds=version.first_wait_seconds),
        longest_wait=timedelta(seconds=version.longest_wait_seconds),
        safe_to_run_again=version.safe_to_run_again,
    )
    return policy.wait_after(state=ending.state, attempt=run.attempt, failure=ending.failure)


def next_attempt(*, run: Run, wait: timedelta) -> Run:
    """The automatic retry: a new run that keeps its place in the lane. At most one per run."""
    return Run.objects.create(
        id=uuid7(),
        project_id=run.project_id,
        workflow_id=run.workflow_id,
        work_order_id=run.work_order_id,
        job_id=run.job_id,
        trigger_id=run.trigger_id,
        matched_triggers=run.matched_triggers,
        parent_id=run.parent_id,
        retry_of=run,
        retry_kind=RetryKind.AUTOMATIC,
        root_id=run.root_id or run.pk,
        depth=run.depth,
        mode=run.mode,
        attempt=run.attempt + 1,
        priority=run.priority,
        order_key=run.order_key,
        lane=run.lane,
        input_id=run.input_id,
        run_at=Now() + Value(wait),
        waits_for="its next attempt",
    )


def _final_state(run: Run, ending: Ending) -> State | None:
    if ending.final is None:
        return None
    kind = StateKind.FINAL if ending.state == RunState.SUCCESS else StateKind.PARTIAL
    return state_build(project_id=run.project_id, kind=kind, raw=ending.final)


def _columns(run: Run, ending: Ending, final: State | None, log: LogBuffer | None) -> dict[str, Any]:
    failure = ending.failure
    columns: dict[str, Any] = {
        "final_id": final.pk if final else None,
        "note": one_line(ending.note, 500),
        "problems": [[one_line(k, 200), one_line(r, 500)] for k, r in ending.problems[:PROBLEMS_KEPT]],
        "problem_count": ending.problem_count,
        "error_type": failure.type[:60] if failure else "",
        "error_message": one_line(failure.message, 500) if failure else "",
        "failure": _storable_failure(asdict(failure)) if failure else None,
        "cpu_ms": ending.cpu_ms,
        "memory_kb": ending.memory_kb,
        "wall_ms": ending.wall_ms,
        "log_dropped": ending.log_dropped,
        "job_version_id": run.job_version_id,
        "input_id": run.input_id,
    }
    if log is not None:
        columns["log_lines"] = log.count
    return columns


def _storable_failure(failure: dict[str, Any]) -> dict[str, Any]:
    return {key: storable(value) if isinstance(value, str) else value for key, value in failure.items()}


def _crash_count(run: Run, ending: Ending) -> None:
    """A job whose process died three times in a row is paused: the fourth would only do it again."""
    if not (ending.state == RunState.CRASHED and ending.process_died):
        if run.job.crashes_in_a_row:
            Job.objects.filter(pk=run.job_id).update(crashes_in_a_row=0)
        return
    count = (
        Job.objects.select_for_update(no_key=True)
        .values_list("crashes_in_a_row", flat=True)
        .get(pk=run.job_id)
        + 1
    )
    changes: dict[str, Any] = {"crashes_in_a_row": count}
    if count >= CRASHES_UNTIL_PAUSED and run.job.state == JobState.ON:
        changes |= {
            "state": JobState.PAUSED,
            "paused_reason": f"Its process died {count} times in a row; its runs wait until somebody looks at it.",
        }
        incidents.job_paused(job=run.job, count=count, run=run)
        switched = {"state": [JobState.ON, JobState.PAUSED], "crashes_in_a_row": count}
        audit("job switched", PLATFORM, project=run.project, target=run.job, changes=switched)
    Job.objects.filter(pk=run.job_id).update(**changes)
