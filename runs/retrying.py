"""Retry by hand: one run again, with its input as it was or corrected, and the code as it was or as it is live.

The first run stays as it is; the new one points to it, and its follow-ups are its own.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from jobs.models import JobState
from openfn_platform.common.errors import Conflict
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role
from runs.models import FINAL_STATES, Run, RunState, State, StateKind
from runs.models.run import Priority, RetryKind
from runs.permits import publish_on_commit
from runs.starting import NothingToRun
from runs.states import encode, state_store
from runs.work_orders import work_order_lock, work_order_refresh


class RunNotRetryable(Conflict):
    """Only a run that has ended can be retried."""

    code = "run_not_retryable"


class AlreadyRetried(Conflict):
    """This run was retried already; retry its last attempt instead."""

    code = "already_retried"


class RunOfATest(Conflict):
    """A test run is repeated in the job's editor."""

    code = "test_run"


class AlreadyLookedAfter(Conflict):
    """This failure was handled or dismissed; retry it on its own page if it must be."""

    code = "already_looked_after"


class NothingFailed(Conflict):
    """It did not fail; retry it on its own page if it must be run again."""

    code = "nothing_failed"


class JobOff(Conflict):
    """This job is off; switch it on first."""

    code = "job_off"


def run_retry(
    *,
    run: Run,
    by: By,
    corrected: dict[str, Any] | None = None,
    same_code: bool = False,
    bulk: bool = False,
) -> Run:
    """Make the next attempt of an ended run. `corrected` replaces the whole input; the original is kept.

    `bulk`: one of many. It goes behind what comes in, and neither passes a hold nor a job that is paused.
    """
    require(by, run.project_id, Role.OPERATOR)
    with transaction.atomic():
        work_order_lock(work_order_id=run.work_order_id)
        run = Run.objects.select_related("job", "project").get(pk=run.pk)
        if run.state not in FINAL_STATES:
            raise RunNotRetryable()
        if run.is_test:
            raise RunOfATest()
        if run.retries.filter(state__in=[RunState.AVAILABLE, RunState.CLAIMED, RunState.STARTED]).exists():
            raise AlreadyRetried("A retry of this run is on its way already.")
        if run.retries.exists():
            raise AlreadyRetried()
        version_id = run.job_version_id if same_code else None
        if version_id is None and run.job.live_version_id is None:
            raise NothingToRun()
        input_id = run.input_id
        if corrected is not None:
            input_id = _corrected(run=run, value=corrected, by=author_of(by)).pk
        attempt = Run.objects.create(
            id=uuid7(),
            project_id=run.project_id,
            workflow_id=run.workflow_id,
            work_order_id=run.work_order_id,
            job_id=run.job_id,
            job_version_id=version_id,
            library=run.library if same_code else None,
            trigger_id=run.trigger_id,
            matched_triggers=run.matched_triggers,
            parent_id=run.parent_id,
            retry_of=run,
            retry_kind=RetryKind.BY_HAND,
            root_id=run.root_id or run.pk,
            depth=run.depth,
            mode=run.mode,
            attempt=run.attempt + 1,
            priority=Priority.BULK if bulk else Priority.PERSON,
            order_key=run.order_key,
            probe=not bulk,
            created_by=author_of(by),
            input_id=input_id,
        )
        done = {"attempt": attempt.pk, "corrected": corrected is not None, "same_code": same_code}
        audit("run retried", by, project=run.project, target=run, changes=done)
        work_order_refresh(work_order_id=run.work_order_id)
        publish_on_commit(1)
    return attempt


def run_repair(*, run: Run, by: By, same_code: bool = False, bulk: bool = False) -> Run:
    """Retry what failed and nobody looked after: what is meant where many are retried at once."""
    if not run.is_failure:
        raise NothingFailed()
    if run.handled or run.dismissed_at is not None:
        raise AlreadyLookedAfter()
    if bulk and run.job.state == JobState.OFF:
        raise JobOff(f"“{run.job.name}” is off; switch it on first.")
    return run_retry(run=run, by=by, same_code=same_code, bulk=bulk)


def _corrected(*, run: Run, value: dict[str, Any], by: Any) -> State:
    return state_store(
        project_id=run.project_id,
        kind=StateKind.INPUT,
        raw=encode({**value, "data": value.get("data", {})}),
        name="corrected by hand",
        created_by=by,
    )
