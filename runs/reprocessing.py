"""Messages started by a person: *Run with this message* (one job now) and *Reprocess* (messages × jobs).

Reprocessing is for what the triggers missed: each message, in order of arrival, starts each chosen job, leaving
out what succeeded already or is on its way. Its work orders belong to the message like the first ones;
`resend_of` says which they repeat.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from jobs.models import Job, JobState
from openfn_platform.common.errors import Conflict, Invalid, PlatformError
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role
from runs.models import Cause, Run, RunMode, RunState, State, StateKind, WorkOrder
from runs.models.run import FINAL_STATES, Priority
from runs.permits import publish_on_commit
from runs.starting import Input, job_start, message_state
from runs.states import state_store
from triggers.models import Message

MOST_PAIRS = 2_000  # messages × jobs in one go


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """One job that a message did not start, and why."""

    message: Message
    job: Job | None  # None: none of them, because of the message
    reason: str


@dataclass(frozen=True, kw_only=True)
class Reprocessed:
    runs: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]


def message_run(*, message: Message, job: Job, by: By, cause: Cause = Cause.MANUAL) -> Run:
    """Start one job now with the message, as if its trigger had matched; the run shows on the message's page."""
    require(by, message.project_id, Role.OPERATOR)
    _same_project(message, [job])
    with transaction.atomic():
        _lock(message)
        run = job_start(job=job, given=Input(message=message), by=by, cause=cause)
        WorkOrder.objects.filter(pk=run.work_order_id).update(
            message=message, resend_of=_first_order(message, job.workflow_id)
        )
        _started(message)
    return run


def message_reprocess(*, message: Message, jobs: Sequence[Job], by: By) -> Reprocessed:
    """Start the jobs with one message: one work order per workflow, one run per job."""
    require(by, message.project_id, Role.OPERATOR)
    _same_project(message, jobs)
    for job in jobs:
        _check_ready(job)
    with transaction.atomic():
        # Two people may press the button at the same time: the second finds the first one's runs.
        message = _lock(message)
        taken = _taken(message, jobs)
        left_out = tuple(
            LeftOut(message=message, job=job, reason=taken[job.pk]) for job in jobs if job.pk in taken
        )
        wanted = [job for job in jobs if job.pk not in taken]
        runs = _start(message, wanted, by) if wanted else []
        if runs:
            _started(message)
            names = [job.name for job in wanted]
            audit("message reprocessed", by, project=message.project, target=message, changes={"jobs": names})
        publish_on_commit(len(runs))
    return Reprocessed(runs=tuple(runs), left_out=left_out)


def messages_reprocess(*, messages: Sequence[Message], jobs: Sequence[Job], by: By) -> Reprocessed:
    """Many messages, in order of arrival. One that cannot be started does not stop the others."""
    if len(messages) * len(jobs) > MOST_PAIRS:
        raise Invalid(f"That would start more than {MOST_PAIRS:,} runs; choose fewer messages or jobs.")
    runs: list[Run] = []
    left_out: list[LeftOut] = []
    for message in sorted(messages, key=lambda each: each.pk):
        try:
            done = message_reprocess(message=message, jobs=jobs, by=by)
        except PlatformError as error:
            left_out.append(LeftOut(message=message, job=None, reason=error.message))
            continue
        runs += done.runs
        left_out += done.left_out
    return Reprocessed(runs=tuple(runs), left_out=tuple(left_out))


def _same_project(message: Message, jobs: Sequence[Job]) -> None:
    if not jobs:
        raise Invalid("Choose at least one job.", field="jobs")
    if any(job.project_id != message.project_id for job in jobs):
        raise Invalid("A message starts jobs of its own project only.", field="jobs")


def _check_ready(job: Job) -> None:
    if job.archived_at is not None:
        raise Conflict(f"“{job.name}” was archived.")
    if job.live_version_id is None:
        raise Conflict(f"“{job.name}” has no live version yet; make one live first.")
    if job.state == JobState.OFF:
        raise Conflict(f"“{job.name}” is off; switch it on first.")


def _lock(message: Message) -> Message:
    return (
        Message.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project")
        .get(pk=message.pk)
    )


def _taken(message: Message, jobs: Sequence[Job]) -> dict[uuid.UUID, str]:
    """The jobs that this message need not start again, and why."""
    rows = Run.objects.filter(
        work_order__message=message, job__in=list(jobs), parent=None, mode=RunMode.LIVE
    ).values_list("job_id", "state")
    taken: dict[uuid.UUID, str] = {}
    for job_id, state in rows:
        if state == RunState.SUCCESS:
            taken[job_id] = "it succeeded with this message already"
        elif state not in FINAL_STATES:
            taken.setdefault(job_id, "it is on its way with this message")
    return taken


def _start(message: Message, jobs: Sequence[Job], by: By) -> list[Run]:
    state = state_store(
        project_id=message.project_id,
        kind=StateKind.INPUT,
        raw=message_state(message),
        created_by=author_of(by),
    )
    orders: dict[uuid.UUID, WorkOrder] = {}
    for job in jobs:
        if job.workflow_id not in orders:
            orders[job.workflow_id] = _order(message, job.workflow_id, by)
    return Run.objects.bulk_create(_run(orders[job.workflow_id], job, state, by) for job in jobs)


def _order(message: Message, workflow_id: uuid.UUID, by: By) -> WorkOrder:
    return WorkOrder.objects.create(
        id=uuid7(),
        project_id=message.project_id,
        workflow_id=workflow_id,
        cause=Cause.MESSAGE,
        message=message,
        resend_of=_first_order(message, workflow_id),
        started_by=author_of(by),
    )


def _run(order: WorkOrder, job: Job, state: State, by: By) -> Run:
    return Run(
        id=uuid7(),
        project_id=order.project_id,
        workflow_id=order.workflow_id,
        work_order=order,
        job=job,
        priority=Priority.BULK,
        created_by=author_of(by),
        input=state,
    )


def _first_order(message: Message, workflow_id: uuid.UUID) -> WorkOrder | None:
    """The order that a further one of the same message and workflow repeats."""
    return WorkOrder.objects.filter(message=message, workflow_id=workflow_id, resend_of=None).first()


def _started(message: Message) -> None:
    if not message.matched:
        Message.objects.filter(pk=message.pk).update(matched=True)
