"""The people and things that mails are about: a project with its members, somebody outside, a job that fails."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from jobs.language.contract import Failure
from jobs.models import Job, JobVersion, Workflow
from openfn_platform.projects.models import Membership, Project, Role, User
from runs import incidents
from runs.ending import Ending
from runs.models import Cause, Incident, Notification, Run, RunState, WorkOrder

KNOWN = "canary-7f3a Jane Doe"


def person(name: str, **fields: Any) -> User:
    return User.objects.create(email=f"{name.lower()}@clinic.example", name=name, **fields)


def member(project: Project, user: User, *, role: str = Role.VIEWER, mail: bool = True) -> Membership:
    return Membership.objects.create(project=project, user=user, role=role, failure_mail=mail)


def project(name: str = "Clinic registration", **fields: Any) -> Project:
    key = f"p-{Project.objects.count()}"
    return Project.objects.create(key=key, name=name, **fields)


def failing_run(project: Project, name: str = "Create patient", **fields: Any) -> Run:
    workflow = Workflow.objects.create(project=project, key=f"w-{Workflow.objects.count()}", name="W")
    job = Job.objects.create(project=project, workflow=workflow, key="j", name=name)
    version = JobVersion.objects.create(project=project, job=job, number=1)
    order = WorkOrder.objects.create(project=project, workflow=workflow, cause=Cause.MANUAL)
    run = Run.objects.create(
        project=project,
        workflow=workflow,
        work_order=order,
        job=job,
        job_version=version,
        **{"state": RunState.FAILED, "finished_at": timezone.now()} | fields,
    )
    run.refresh_from_db()
    return run


def fail(run: Run, message: str = f"{KNOWN} was refused", error_type: str = "AdaptorError") -> Incident:
    ending = Ending(state=RunState.FAILED, failure=Failure(type=error_type, message=message))
    incidents.note_ending(run=run, ending=ending)
    run.refresh_from_db()
    assert run.incident is not None
    incident: Incident = run.incident
    return incident


def succeed(run: Run) -> None:
    """A later message of the same job went well."""
    order = WorkOrder.objects.create(project=run.project, workflow=run.workflow, cause=Cause.MANUAL)
    later = Run.objects.create(
        project=run.project,
        workflow=run.workflow,
        work_order=order,
        job=run.job,
        job_version=run.job_version,
        state=RunState.SUCCESS,
        finished_at=timezone.now(),
    )
    later.refresh_from_db()
    incidents.note_ending(run=later, ending=Ending(state=RunState.SUCCESS))


def mails(kind: str | None = None) -> list[Notification]:
    rows = Notification.objects.order_by("id")
    return list(rows.filter(kind=kind) if kind else rows)


def told(kind: str | None = None) -> set[str]:
    return {mail.recipient.split("@")[0] for mail in mails(kind)}
