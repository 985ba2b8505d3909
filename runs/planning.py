"""Everything that a claimed run needs before its child can be forked: version, state, credentials, conditions.

Whatever is missing becomes a `CannotStart` with a sentence; the run then ends as `exception` and nothing of the
job has run.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from jobs.expiring import is_over, last_day
from jobs.language.contract import Connection, LibrarySource, Request, RunFacts
from jobs.library import LibraryTooBig, library_of
from jobs.models import Credential, Job, JobConnection, JobVersion, ProjectCredential
from jobs.opening import CredentialLoadError
from jobs.tokens import TokenError, credential_ready
from openfn_platform.common.errors import PlatformError
from runs import memories
from runs.claiming import Claim
from runs.contexts import JobContext, connections_of, context_of
from runs.followups import Flow, conditions_of
from runs.hiding import secrets_of
from runs.models import Run, RunMode, StateKind, WorkOrder
from runs.sandbox.limits import Limits
from runs.states import StateGone, state_read, state_store, with_memory
from triggers.models import Trigger, TriggerKind


class CannotStart(PlatformError):
    """The platform could not start this run."""

    code = "cannot_start"

    def __init__(
        self,
        error_type: str,
        message: str,
        hint: str | None = None,
        *,
        kind: str = "platform",
        alias: str = "",
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.hint = hint
        self.kind = kind  # as of a Failure
        self.alias = alias  # of the connection at fault


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run, ready to be executed."""

    run: Run
    token: uuid.UUID
    version: JobVersion
    request: Request
    state: bytes
    flows: list[Flow]
    limits: Limits
    secrets: list[dict[str, Any]]
    warnings: tuple[str, ...] = ()  # for the run's log


def run_load(*, run_id: uuid.UUID) -> Run:
    """A run with all that finishing looks at, in one query: for those who have not claimed it."""
    return Run.objects.select_related(
        "project", "workflow", "job__live_version", "job_version", "trigger", "work_order__slot"
    ).get(pk=run_id)


def run_load_claimed(*, claim: Claim) -> tuple[Run, JobContext]:
    """A run that this worker claimed, around it what is cached about its job."""
    run = Run.objects.get(pk=claim.run_id)
    context = context_of(job_id=run.job_id, config_version=claim.config_version)
    run.job = context.job
    run.project = context.job.project
    run.workflow = context.job.workflow
    if run.trigger_id is not None:
        run.trigger = Trigger.objects.get(pk=run.trigger_id)
        if run.trigger.kind == TriggerKind.SCHEDULE:
            run.work_order = WorkOrder.objects.select_related("slot").get(pk=run.work_order_id)
    return run, context


def run_plan(*, run: Run, token: uuid.UUID, context: JobContext) -> Plan:
    version = run.job_version or run.job.live_version
    if version is None:
        raise CannotStart(
            "NotLiveError", f"“{run.job.name}” has no live version.", "Open the job and press Make live."
        )
    run.job_version = version
    rows = connections_of(version)
    links = _links([row.credential_id for row in rows if row.credential_id is not None])
    connections = _connections(run, rows, links)
    flows = list(context.flows) if run.mode == RunMode.LIVE else []
    state = _initial_state(run)
    return Plan(
        run=run,
        token=token,
        version=version,
        request=_request(run, version, connections, flows),
        state=state,
        flows=flows,
        limits=_limits(version),
        secrets=[secrets_of(connection) for connection in connections],
        warnings=_warnings([link.credential for link in links.values()]),
    )


def _connections(
    run: Run, rows: tuple[JobConnection, ...], links: dict[uuid.UUID | None, ProjectCredential]
) -> tuple[Connection, ...]:
    return tuple(_connection(run, row, links.get(row.credential_id)) for row in rows)


def _connection(run: Run, row: JobConnection, link: ProjectCredential | None) -> Connection:
    if link is None:
        return Connection(alias=row.alias, adaptor=row.adaptor, configuration={})
    credential = link.credential
    if link.ended_at is not None:
        raise CannotStart(
            "CredentialLoadError",
            f"The credential “{credential.name}” is no longer lent to this project.",
            "Choose another one in the job, or ask those who lent it.",
        )
    try:
        ready = credential_ready(credential=credential, environment=run.project.environment)
    except CredentialLoadError as error:
        # Refused tokens count like refused passwords: after two of them the others wait.
        kind = error.kind if isinstance(error, TokenError) else "platform"
        raise CannotStart(
            "CredentialLoadError",
            error.message,
            "An administrator of the project can mend the credential.",
            kind=kind,
            alias=row.alias,
        ) from None
    return Connection(
        alias=row.alias,
        adaptor=row.adaptor,
        configuration=ready.configuration,
        credential=str(link.pk),
        credential_name=credential.name,
        renewable=ready.renewable,
    )


def _warnings(credentials: list[Credential]) -> tuple[str, ...]:
    """It is the partner who decides whether a credential still works after its date; people should know."""
    return tuple(
        f"The credential “{each.name}” was good until {day.day} {day:%B %Y}; it is used all the same."
        for each in dict.fromkeys(credentials)
        if is_over(each) and (day := last_day(each)) is not None
    )


def _links(ids: list[uuid.UUID]) -> dict[uuid.UUID | None, ProjectCredential]:
    if not ids:
        return {}
    rows = ProjectCredential.objects.filter(pk__in=ids).select_related("credential")
    return {row.pk: row for row in rows.prefetch_related("credential__bodies")}


def _initial_state(run: Run) -> bytes:
    """The stored input; a scheduled run's is made now, from the memory as it is when its turn has come."""
    try:
        if run.input_id is not None:
            return state_read(state_id=run.input_id)
        memory = None
        if run.trigger_id is not None and run.parent_id is None:
            memory = memories.memory_read(trigger_id=run.trigger_id, job_id=run.job_id)
    except StateGone as error:
        raise CannotStart("InputGoneError", error.message, "Start it with another input.") from None
    raw = with_memory(memory=memory)
    state = state_store(project_id=run.project_id, kind=StateKind.INPUT, raw=raw)
    run.input_id = state.pk
    return raw


def _request(
    run: Run, version: JobVersion, connections: tuple[Connection, ...], flows: list[Flow]
) -> Request:
    scheduled = run.trigger is not None and run.trigger.kind == TriggerKind.SCHEDULE
    slot = run.work_order.slot if scheduled else None
    values = {item["key"]: item.get("default") for item in version.settings}
    if run.trigger is not None:
        values |= {key: value for key, value in run.trigger.settings.items() if key in values}
    period = (slot.previous_at.isoformat(), slot.at.isoformat()) if slot and slot.previous_at else None
    return Request(
        language=version.language,
        code=run.trial_code if run.trial_code is not None else version.code,
        connections=connections,
        settings=values,
        steps=_steps(run, version),
        library=_library(run, version),
        run=RunFacts(
            id=str(run.pk),
            attempt=run.attempt,
            work_order=str(run.work_order_id),
            project=run.project.key,
            workflow=run.workflow.key,
            job=run.job.key,
            trigger=run.trigger.key if run.trigger else None,
            scheduled_for=slot.at.isoformat() if slot else None,
            period=period,
            idempotency_key=str(run.root_id or run.pk),
            mode=run.mode,
            time_zone=(run.trigger.time_zone if run.trigger else "") or run.project.time_zone,
        ),
        conditions=conditions_of(flows),
        state_limit=min(version.state_bytes, settings.JOB_MAX_STATE_BYTES),
        keep_memory=memories.keeps_memory(run),
        allowed_hosts=tuple(run.project.allowed_hosts),
        allow_private=settings.JOB_ALLOW_LOOPBACK,
        trace_reads=version.trace_reads,
    )


def _library(run: Run, version: JobVersion) -> tuple[LibrarySource, ...]:
    """The modules that the code speaks of: as they are live, or as they were for a retry with the same code."""
    code = run.trial_code if run.trial_code is not None else version.code
    try:
        return library_of(project_id=run.project_id, code=code, pinned=run.library)
    except LibraryTooBig as error:
        raise CannotStart("ExecutionError", error.message, "Cut the modules into smaller ones.") from None


def _steps(run: Run, version: JobVersion) -> tuple[str, ...]:
    """Keys of the jobs whose final states this one may ask for, where its code does ask."""
    if "steps" not in (run.trial_code if run.trial_code is not None else version.code):
        return ()
    return tuple(
        Job.objects.filter(workflow_id=run.workflow_id).exclude(pk=run.job_id).values_list("key", flat=True)
    )


def _limits(version: JobVersion) -> Limits:
    return Limits(
        wall_seconds=min(version.wall_seconds, settings.JOB_MAX_SECONDS),
        memory_bytes=min(version.memory_mb, settings.JOB_MAX_MEMORY_MB) * 1024 * 1024,
        state_bytes=min(version.state_bytes, settings.JOB_MAX_STATE_BYTES),
    )
