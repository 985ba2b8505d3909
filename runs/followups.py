"""Follow-ups: the runs that a flow trigger starts when another job's run has ended for good.

Exactly once per cause: `unique(parent, trigger, job)` and `ON CONFLICT DO NOTHING`. What starts them:

* success, and completion after a success: the upstream's final state (the same stored row);
* failure, and completion after a failure: the upstream's *initial* state and `error`;
* cancelled and skipped start nothing;
* nor does a run that somebody cancelled and that came to its end before its worker could stop it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from jobs.language.contract import Condition
from jobs.models import Job, JobState
from openfn_platform.common.ids import uuid7
from runs.ending import Ending
from runs.models import LogLine, Run, RunMode, RunState, State, StateKind
from runs.states import encode, state_build, state_read, with_error
from triggers.models import FlowEvent, FlowScope, Trigger, TriggerKind

MAX_DEPTH = 50
ERROR_LOG_LINES = 100


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One flow trigger that listens to a job."""

    trigger_id: uuid.UUID
    event: str
    condition: str
    jobs: tuple[uuid.UUID, ...]
    workflow_id: uuid.UUID


def flows_of(*, job: Job) -> list[Flow]:
    """The enabled flow triggers that listen to `job`, with the jobs that they may start now.

    A catch-all (any job of the workflow or project) does not listen to the jobs that it starts itself.
    """
    mine = (
        Q(upstream_scope=FlowScope.JOB, upstream_id=job.pk)
        | Q(upstream_scope=FlowScope.WORKFLOW, workflow_id=job.workflow_id)
        | Q(upstream_scope=FlowScope.PROJECT)
    )
    triggers = (
        Trigger.objects.filter(
            mine, project_id=job.project_id, kind=TriggerKind.FLOW, enabled=True, archived_at=None
        )
        .order_by("id")
        .prefetch_related("trigger_jobs__job")
    )
    flows = []
    for trigger in triggers:
        started = [link.job for link in trigger.trigger_jobs.all()]
        if trigger.upstream_scope != FlowScope.JOB and job in started:
            continue
        ready = tuple(j.pk for j in started if j.state != JobState.OFF and j.archived_at is None)
        flows.append(
            Flow(
                trigger_id=trigger.pk,
                event=trigger.event,
                condition=trigger.condition,
                jobs=ready,
                workflow_id=trigger.workflow_id,
            )
        )
    return flows


def conditions_of(flows: list[Flow]) -> tuple[Condition, ...]:
    """What the child has to decide right after the job."""
    return tuple(
        Condition(trigger=str(flow.trigger_id), event=flow.event, expression=flow.condition)
        for flow in flows
        if flow.condition.strip()
    )


def hears(flow: Flow, state: RunState, *, failed: bool) -> bool:
    """Whether an ended run of that state is an event for the flow."""
    if failed:
        return flow.event in (FlowEvent.FAILURE, FlowEvent.COMPLETION)
    return state == RunState.SUCCESS and flow.event in (FlowEvent.SUCCESS, FlowEvent.COMPLETION)


def followups_create(
    *, run: Run, ending: Ending, flows: list[Flow], final: State | None, cancelled: bool
) -> list[Run]:
    """Make the follow-up runs of a run that ended for good; returns the new ones. In the finish's transaction."""
    if run.mode != RunMode.LIVE:
        return []
    chosen = [
        flow
        for flow in flows
        if flow.jobs
        and hears(flow, ending.state, failed=ending.failed)
        and (not flow.condition.strip() or ending.conditions.get(str(flow.trigger_id), False))
    ]
    if not chosen:
        return []
    if cancelled:
        _say(run, "Somebody cancelled it while it came to its end: what follows from it was not started.")
        return []
    if run.depth >= MAX_DEPTH:
        _say(run, f"The chain stops here: it is {MAX_DEPTH} jobs deep, which looks like a circle.")
        return []
    state_id = _state_for_followups(run=run, ending=ending, final=final)
    wanted = [
        Run(
            id=uuid7(),
            project_id=run.project_id,
            workflow_id=flow.workflow_id,
            work_order_id=run.work_order_id,
            job_id=job_id,
            trigger_id=flow.trigger_id,
            parent=run,
            depth=run.depth + 1,
            mode=run.mode,
            priority=run.priority,
            input_id=state_id,
        )
        for flow in chosen
        for job_id in flow.jobs
    ]
    Run.objects.bulk_create(wanted, ignore_conflicts=True)
    made = set(Run.objects.filter(pk__in=[r.pk for r in wanted]).values_list("pk", flat=True))
    return [child for child in wanted if child.pk in made]


def _state_for_followups(*, run: Run, ending: Ending, final: State | None) -> uuid.UUID | None:
    if not ending.failed:
        return final.pk if final is not None else run.final_id
    initial = ending.initial if ending.initial is not None else state_read(state_id=run.input_id)
    raw = with_error(initial=initial, error=error_json(run=run, ending=ending))
    state = state_build(project_id=run.project_id, kind=StateKind.INPUT, raw=raw)
    state.save(force_insert=True)
    return state.pk


def error_json(*, run: Run, ending: Ending) -> bytes:
    """The `error` that a failure flow finds in its state, as JSON."""
    failure = ending.failure
    lines = LogLine.objects.filter(run_id=run.pk).order_by("-seq")[:ERROR_LOG_LINES]
    error: dict[str, Any] = {
        "job": run.job.key,
        "run": str(run.pk),
        "attempt": run.attempt,
        "type": failure.type if failure else ending.state,
        "message": failure.message if failure else ending.note,
        "hint": failure.hint if failure else None,
        "status": failure.status if failure else None,
        "log": [line.text for line in reversed(lines)],
    }
    body = encode(error)
    partial = ending.final or b"null"
    return b"".join((body[:-1], b',"partial":', partial, b"}"))


def _say(run: Run, text: str) -> None:
    from django.utils import timezone

    last = LogLine.objects.filter(run_id=run.pk).order_by("-seq").values_list("seq", flat=True).first()
    LogLine.objects.create(
        project_id=run.project_id,
        run_id=run.pk,
        seq=(last or 0) + 1,
        at=timezone.now(),
        level="warning",
        text=text,
    )
