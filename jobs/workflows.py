"""Workflows: made (mostly silently, with their first job), renamed, put away."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from jobs.models import Workflow
from jobs.signals import workflow_archived
from openfn_platform.common.errors import Conflict
from openfn_platform.common.models import free_key
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import By, require
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Project, Role


class WorkflowArchived(Conflict):
    """This workflow was archived."""

    code = "workflow_archived"


@transaction.atomic
def workflow_create(
    *, project: Project, name: str, by: By, key: str | None = None, description: str = ""
) -> Workflow:
    """A new, empty workflow."""
    require(by, project, Role.EDITOR)
    project_lock(project)
    name = clean_name(name)
    taken = Workflow.objects.filter(project=project)
    workflow = Workflow(project=project, name=name, key=key or free_key(name, taken), description=description)
    row_save(workflow)
    audit("workflow made", by, project=project, target=workflow)
    return workflow


@transaction.atomic
def workflow_rename(
    *, workflow: Workflow, by: By, name: str | None = None, description: str | None = None
) -> Workflow:
    """Another name or description; the key stays."""
    require(by, workflow.project_id, Role.EDITOR)
    workflow = _locked(workflow)
    before = {"name": workflow.name, "description": workflow.description}
    if name is not None:
        workflow.name = clean_name(name)
    if description is not None:
        workflow.description = description
    row_save(workflow, only=["name", "description"])
    changes = differences(before, {"name": workflow.name, "description": workflow.description})
    if changes:
        audit("workflow changed", by, project=workflow.project, target=workflow, changes=changes)
    return workflow


@transaction.atomic
def workflow_archive(*, workflow: Workflow, by: By) -> None:
    """Put it away with its jobs (and, by the floor above, its triggers). What happened in it is kept."""
    from jobs.editing import job_archive  # jobs are made with workflows there

    require(by, workflow.project_id, Role.EDITOR)
    workflow = _locked(workflow)
    # All of them at once and in order, so that a run that pauses one of them cannot deadlock with us.
    jobs = workflow.jobs.select_for_update(no_key=True).filter(archived_at=None).order_by("pk")
    for job in list(jobs):
        job_archive(job=job, by=by)
    workflow.archived_at = timezone.now()
    workflow.save(update_fields=["archived_at"])
    audit("workflow archived", by, project=workflow.project, target=workflow)
    workflow_archived.send(sender=Workflow, workflow=workflow, by=by)


def _locked(workflow: Workflow) -> Workflow:
    """As it is now, brought up to date in place, with nobody else editing the project."""
    project_lock(workflow.project_id)
    fresh = Workflow.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    workflow.refresh_from_db(from_queryset=fresh)
    if workflow.archived_at is not None:
        raise WorkflowArchived()
    return workflow
