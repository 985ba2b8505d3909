"""Starting jobs by hand or by the API, and test runs: one work order with one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from jobs.models import Job, JobVersion
from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.actors import By, as_actor, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role
from runs.models import Cause, Run, RunMode, State, StateKind, WorkOrder
from runs.models.run import Priority
from runs.permits import publish_on_commit
from runs.states import encode, state_copy, state_read, state_store
from triggers.models import Message, Slot, SlotState, Trigger, TriggerKind


class NothingToRun(Conflict):
    """This job has no live version yet; make one live first."""

    code = "nothing_to_run"


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a run starts with. Exactly one of these, or none for an empty state."""

    message: Message | None = None
    run: Run | None = None  # its input again
    saved: State | None = None
    data: Any = None  # becomes `state.data`
    state: dict[str, Any] | None = None  # the whole state


def job_start(
    *,
    job: Job,
    given: Input | None = None,
    cause: Cause = Cause.MANUAL,
    by: By | None = None,
    mode: RunMode = RunMode.LIVE,
    version: JobVersion | None = None,
    code: str | None = None,
) -> Run:
    """Start one job now. `version` (a draft) or `code` (unsaved) make it a test run of that."""
    if by is not None:
        require(by, job.project_id, Role.OPERATOR)
    given = given or Input()
    author = author_of(by) if by is not None else None
    if version is None and code is None and job.live_version_id is None:
        raise NothingToRun()
    if (version is not None or code is not None) and mode == RunMode.LIVE:
        raise Invalid("A draft can only be tried out; make it live to run it.")
    if job.archived_at is not None:
        raise Conflict("This job was archived.")
    with transaction.atomic():
        order = WorkOrder.objects.create(
            id=uuid7(),
            project_id=job.project_id,
            workflow_id=job.workflow_id,
            cause=cause if mode == RunMode.LIVE else Cause.TRIAL,
            started_by=author,
        )
        run = Run.objects.create(
            id=uuid7(),
            project_id=job.project_id,
            workflow_id=job.workflow_id,
            work_order=order,
            job=job,
            job_version=version or (job.latest_version if code is not None else None),
            trial_code=code,
            mode=mode,
            priority=Priority.PERSON,
            probe=True,  # a person asked for it: also when the job is off or its connection is on hold
            created_by=author,
            input_id=_input_of(job=job, given=given, by=author).pk,
        )
        if by is not None:
            changes = {"run": run.pk, "mode": mode, "with": _named(given)}
            if code is not None or version is not None:
                changes["code"] = "unsaved" if version is None else f"version {version.number}"
            audit("job started", by, project=job.project, target=job, changes=changes)
        publish_on_commit(1)
    return run


def _named(given: Input) -> str:
    """Which data it starts with, for the audit: never the data."""
    if given.message is not None:
        return f"message {given.message.pk}"
    if given.run is not None:
        return f"input of run {given.run.pk}"
    if given.saved is not None:
        return f"saved input {given.saved.name or given.saved.pk}"
    return "nothing" if given.state is None and given.data is None else "pasted data"


def _input_of(*, job: Job, given: Input, by: Any) -> State:
    if given.saved is not None:
        # A copy: whoever deletes a saved input does not take the input of past runs away.
        return state_copy(state_id=given.saved.pk, project_id=job.project_id, kind=StateKind.INPUT)
    if given.run is not None:
        if given.run.input_id is None:
            raise Conflict("That run never had an input.")
        kept = State.objects.filter(pk=given.run.input_id, project_id=job.project_id, wiped_at=None).first()
        if kept is None:
            raise Conflict("The input of that run was erased.")
        if not job.project.keeps_payloads:  # the other run's is wiped with the other run
            raw = state_read(state_id=kept.pk)
            return state_store(project_id=job.project_id, kind=StateKind.INPUT, raw=raw, created_by=by)
        return kept
    return state_store(project_id=job.project_id, kind=StateKind.INPUT, raw=raw_of(given), created_by=by)


def raw_of(given: Input) -> bytes:
    """The JSON text of the initial state, but for an input that is stored already."""
    if given.message is not None:
        return message_state(given.message)
    if given.state is not None:
        return encode({**given.state, "data": given.state.get("data", {})})
    return encode({"data": {} if given.data is None else given.data})


def message_state(message: Message) -> bytes:
    """The initial state that a message makes, from its stored payload."""
    from triggers.initial import initial_state
    from triggers.parsing import kept_text

    payload = None if message.body_wiped_at is not None else getattr(message, "payload", None)
    if payload is None:
        raise Conflict("The body of this message was erased.")
    return initial_state(
        text=kept_text(raw=bytes(payload.raw), content_type=message.content_type, body=payload.body),
        method=payload.method,
        path=payload.path,
        query=payload.query,
        headers=payload.headers,
    )


def schedule_run_now(*, trigger: Trigger, by: By) -> list[Run]:
    """*Run now* is the next slot, early: its time is the present moment, memory moves as for any slot."""
    from django.utils import timezone

    require(by, trigger.project_id, Role.OPERATOR)
    if trigger.kind != TriggerKind.SCHEDULE:
        raise Invalid("Only a schedule can be run now.")
    jobs = [link.job for link in trigger.trigger_jobs.select_related("job") if link.job.archived_at is None]
    if not any(job.live_version_id for job in jobs):
        raise NothingToRun()
    with transaction.atomic():
        now = timezone.now()
        previous = Slot.objects.filter(trigger=trigger, state=SlotState.FIRED).order_by("-at").first()
        slot = Slot.objects.create(
            project_id=trigger.project_id,
            trigger=trigger,
            at=now,
            previous_at=previous.at if previous else None,
            state=SlotState.FIRED,
            reason=f"Run now, by {as_actor(by).name}.",
        )
        order = WorkOrder.objects.create(
            id=uuid7(),
            project_id=trigger.project_id,
            workflow_id=trigger.workflow_id,
            cause=Cause.SLOT,
            slot=slot,
            started_by=author_of(by),
        )
        runs = Run.objects.bulk_create(
            Run(
                id=uuid7(),
                project_id=trigger.project_id,
                workflow_id=trigger.workflow_id,
                work_order=order,
                job=job,
                trigger=trigger,
                priority=Priority.PERSON,
                probe=True,
                created_by=author_of(by),
            )
            for job in jobs
            if job.live_version_id
        )
        publish_on_commit(len(runs))
        started = {"runs": [run.pk for run in runs]}
        audit("schedule run now", by, project=trigger.project, target=trigger, changes=started)
    return runs


def input_text(run: Run) -> str:
    """A run's input for a person to look at or correct."""
    return state_read(state_id=run.input_id).decode("utf-8", "replace")
