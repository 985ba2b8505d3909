"""Rows of history as the engine would have left them, for tests that need no engine."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs.models import Job
from openfn_platform.common.words import words_of
from runs.models import Cause, HttpExchange, LogLine, Run, RunState, StateKind, WorkOrder
from runs.states import state_store
from tests.flows.world import World

CANARY = "s3cr3t-canary-of-a-patient"
SCRIPT = "<script>alert('xss')</script>"


def ended_run(
    world: World,
    job: Job,
    *,
    state: RunState = RunState.FAILED,
    data: Any = None,
    final: Any = None,
    order: WorkOrder | None = None,
    **fields: Any,
) -> Run:
    """One run that is over, with an input, a final state, a log line and an exchange."""
    order = order or WorkOrder.objects.create(
        project=world.project, workflow=job.workflow, cause=Cause.MANUAL, started_by=world.owner
    )
    now = timezone.now()
    times = {"started_at": now, "finished_at": now}
    kept = {
        kind: state_store(project_id=world.project.pk, kind=kind, raw=json.dumps(value).encode())
        for kind, value in (
            (StateKind.INPUT, {"data": data or {}}),
            (StateKind.FINAL, final or {"data": {}, "done": True}),
        )
    }
    if state != RunState.SUCCESS:
        fields.setdefault("error_type", "JobError")
        fields.setdefault("error_message", "OpenMRS refused the patient.")
    run = Run.objects.create(
        project=world.project,
        workflow=job.workflow,
        work_order=order,
        job=job,
        state=state,
        input=kept[StateKind.INPUT],
        final=kept[StateKind.FINAL],
        **{"job_version": job.live_version, **times, **fields},
    )
    LogLine.objects.create(
        project_id=world.project.pk, run_id=run.pk, seq=1, at=now, level="info", text=f"log of {CANARY}"
    )
    HttpExchange.objects.create(
        project_id=world.project.pk,
        run_id=run.pk,
        seq=1,
        at=now,
        method="POST",
        url=f"https://openmrs.example/{CANARY}",
        status=400,
        request_body=f"sent {CANARY}",
    )
    return run


def running_run(world: World, job: Job, **fields: Any) -> Run:
    """One run in the hands of a worker that says nothing."""
    order = WorkOrder.objects.create(
        project=world.project, workflow=job.workflow, cause=Cause.MANUAL, started_by=world.owner
    )
    now = timezone.now()
    held = {"token": uuid.uuid4(), "lease_until": now + timedelta(minutes=1), "started_at": now}
    return Run.objects.create(
        project=world.project,
        workflow=job.workflow,
        work_order=order,
        job=job,
        job_version=job.live_version,
        state=RunState.STARTED,
        **{**held, **fields},
    )


def exchanged(run: Run, **fields: Any) -> HttpExchange:
    """One exchange more, as a worker would have stored it."""
    values: dict[str, Any] = {
        "seq": HttpExchange.objects.filter(run_id=run.pk).count() + 1,
        "at": timezone.now(),
        "connection": "dhis2",
        "method": "POST",
        "write": True,
        "url": "https://dhis2.example/api/events",
        "status": 201,
        "duration_ms": 120,
        "request_body": "",
        "response_body": "",
        **fields,
    }
    for side in ("request", "response"):
        values.setdefault(f"{side}_bytes", len((values[f"{side}_body"] or "").encode()))
    return HttpExchange.objects.create(
        project_id=run.project_id,
        run_id=run.pk,
        job_id=run.job_id,
        work_order_id=run.work_order_id,
        words=words_of(values["url"], values["request_body"], values["response_body"]),
        **values,
    )


def page(run: Run, what: str = "change", query: str = "") -> str:
    return f"/admin/runs/run/{run.pk}/{what}/{query}"


def text_of(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return body.decode()
