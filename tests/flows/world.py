"""A small world for flow tests: a project with jobs and triggers, and an engine that runs until nothing is left."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable
from typing import Any

from django.db import connection

from jobs.models import (
    Credential,
    CredentialBody,
    Job,
    JobConnection,
    JobState,
    JobVersion,
    ProjectCredential,
    Workflow,
)
from jobs.opening import credential_seal
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.models import Membership, Project, Role, User
from runs.accepting import Accepted, message_accept
from runs.execution import run_execute_next
from runs.models import LogLine, Run, State, WorkOrder
from runs.states import state_read
from runs.worker import Worker
from triggers.listening import listening_at
from triggers.models import Inbox, InboxAuth, Trigger, TriggerJob, TriggerKind, TriggerRevision
from triggers.receiving import receive

_numbers = itertools.count(1)

PASSWORD = "correct-horse-battery-9"


class World:
    """One project with builders. Names are short because tests are read."""

    def __init__(self, name: str = "Clinic") -> None:
        number = next(_numbers)
        self.project = Project.objects.create(key=f"clinic-{number}", name=name)
        self.workflow = Workflow.objects.create(project=self.project, key="main", name="Main")
        self.owner = self.person(Role.OWNER)
        self.inbox = Inbox.objects.create(project=self.project, name="Inbox", access="none")

    def person(self, role: Role | None = None) -> User:
        user = User.objects.create_user(f"user{next(_numbers)}@example.org", PASSWORD)
        if role is not None:
            senior = role in (Role.OWNER, Role.ADMIN)
            Membership.objects.create(
                project=self.project, user=user, role=role, failure_mail=senior, may_see_data=senior
            )
        return user

    def job(
        self, code: str = "pass", *, key: str | None = None, state: str = JobState.ON, **fields: Any
    ) -> Job:
        """A job that is on and live. Fields of the job (max_concurrency …) or of its version (max_attempts …)."""
        of_job = {k: fields.pop(k) for k in ("max_concurrency", "retry_frees_lane") if k in fields}
        connections = fields.pop("connections", {})
        key = key or f"job-{next(_numbers)}"
        job = Job.objects.create(
            project=self.project,
            workflow=self.workflow,
            key=key,
            name=key.capitalize(),
            state=state,
            **of_job,
        )
        self.version(job, code, connections=connections, **fields)
        return job

    def version(
        self, job: Job, code: str, *, connections: dict[str, Any] | None = None, **fields: Any
    ) -> JobVersion:
        version = JobVersion.objects.create(
            project=self.project, job=job, number=job.versions.count() + 1, code=code, **fields
        )
        for position, (alias, (adaptor, link)) in enumerate((connections or {}).items()):
            JobConnection.objects.create(
                project=self.project,
                version=version,
                alias=alias,
                position=position,
                adaptor=adaptor,
                credential=link,
            )
        job.live_version = job.latest_version = version
        job.save()
        return version

    def credential(self, adaptor: str, **values: Any) -> ProjectCredential:
        number = next(_numbers)
        credential = Credential.objects.create(
            project=self.project,
            key=f"{adaptor}-{number}",
            name=f"{adaptor.title()} {number}",
            adaptor=adaptor,
        )
        body = CredentialBody(id=uuid7(), credential=credential, environment=self.project.environment)
        credential_seal(body=body, values=values)
        body.save(force_insert=True)
        return ProjectCredential.objects.create(project=self.project, credential=credential)

    def on_message(self, *jobs: Job, inclusion: Any = None, exclusion: Any = None, **fields: Any) -> Trigger:
        pair = {"inclusion": {} if inclusion is None else inclusion, "exclusion": exclusion}
        return self._trigger(TriggerKind.MESSAGE, jobs, criteria=[pair], **fields)

    def on_end(self, upstream: Job, event: str, *jobs: Job, **fields: Any) -> Trigger:
        return self._trigger(TriggerKind.FLOW, jobs, upstream=upstream, event=event, **fields)

    def on_schedule(self, *jobs: Job, **fields: Any) -> Trigger:
        return self._trigger(TriggerKind.SCHEDULE, jobs, **fields)

    def _trigger(self, kind: str, jobs: Iterable[Job], **fields: Any) -> Trigger:
        key = f"trigger-{next(_numbers)}"
        trigger = Trigger.objects.create(
            project=self.project, workflow=self.workflow, key=key, name=key, kind=kind, enabled=True, **fields
        )
        TriggerRevision.objects.create(
            project=self.project, trigger=trigger, number=1, snapshot={"criteria": trigger.criteria}
        )
        for job in jobs:
            TriggerJob.objects.create(project=self.project, trigger=trigger, job=job)
        return trigger

    def key(self) -> str:
        """A fresh API key of the inbox, which from now on needs one."""
        text = f"ofk_test_{next(_numbers)}"
        InboxAuth.objects.create(
            project=self.project,
            inbox=self.inbox,
            name=text,
            prefix=text[:8],
            digest=hashlib.sha256(text.encode()).digest(),
        )
        Inbox.objects.filter(pk=self.inbox.pk).update(access="key")
        return text

    def post(self, body: Any, *, key: str | None = None) -> Accepted:
        """A message, taken the way the inbox takes it (without HTTP)."""
        return self.post_raw(json.dumps(body).encode(), key=key)

    def post_raw(
        self, raw: bytes, *, content_type: str = "application/json", key: str | None = None
    ) -> Accepted:
        listening = listening_at(address=self.inbox.address)
        assert listening is not None
        received = receive(
            listening=listening,
            key=None,
            raw=raw,
            content_type=content_type,
            content_encoding="",
            method="POST",
            path=f"/inbox/{self.inbox.address}",
            query={},
            headers={"content-type": content_type, "x-api-key": "not to be kept"},
            idempotency_key=key,
        )
        return message_accept(received=received)

    def runs(self, job: Job | None = None) -> list[Run]:
        rows = (
            Run.objects.filter(project=self.project).select_related("job").order_by("lane", "attempt", "id")
        )
        return list(rows.filter(job=job) if job else rows)

    def orders(self) -> list[WorkOrder]:
        return list(WorkOrder.objects.filter(project=self.project).order_by("id"))


class Engine:
    """Executes what is eligible, here and now, one after the other."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def drain(self, limit: int = 200) -> int:
        """Run until nothing is eligible; returns how many runs that were."""
        count = 0
        while run_execute_next(self.worker):
            count += 1
            assert count < limit, "this never ends"
        return count


def input_of(run: Run) -> Any:
    run.refresh_from_db()
    return json.loads(state_read(state_id=run.input_id))


def final_of(run: Run) -> Any:
    run.refresh_from_db()
    return json.loads(state_read(state_id=run.final_id))


def log_of(run: Run) -> list[str]:
    return list(LogLine.objects.filter(run_id=run.pk).order_by("seq").values_list("text", flat=True))


def outcome(run: Run) -> str:
    run.refresh_from_db()
    return f"{run.state}:{run.error_type}" if run.error_type else str(run.state)


def make_due(*runs: Run) -> None:
    """Let waiting attempts be due now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE run SET run_at = now() - interval '1 second' WHERE id = ANY(%s)", [[r.pk for r in runs]]
        )


def state_count() -> int:
    return State.objects.count()
