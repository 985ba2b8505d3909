"""Triggers as people edit them: made, changed, switched, put away. Each change is kept as a revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from jobs.declaring import overrides
from jobs.models import Job, JobVersion, Workflow
from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.models import free_key
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import Guard, project_lock, unguarded
from openfn_platform.projects.models import Role
from triggers.circles import circles_refuse
from triggers.due import debts_record, due_set
from triggers.models import Inbox, Trigger, TriggerJob, TriggerKind, TriggerRevision
from triggers.specs import FlowSpec, MessageSpec, ScheduleSpec, TriggerSpec, columns_of, kind_of

__all__ = [
    "FlowSpec",
    "MessageSpec",
    "ScheduleSpec",
    "TriggerArchived",
    "trigger_archive",
    "trigger_change",
    "trigger_create",
    "trigger_switch",
]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    TriggerKind.MESSAGE: ("criteria",),
    TriggerKind.SCHEDULE: (
        "schedule_kind",
        "cron",
        "every_count",
        "every_unit",
        "starts_at",
        "time_zone",
        "catch_up",
        "keeps_whole_state",
    ),
    TriggerKind.FLOW: ("upstream_id", "upstream_scope", "event", "condition"),
}
_TIMING = frozenset({"schedule_kind", "cron", "every_count", "every_unit", "starts_at", "time_zone"})


class TriggerArchived(Conflict):
    """This trigger was archived."""

    code = "trigger_archived"


def trigger_create(
    *,
    name: str,
    spec: TriggerSpec,
    by: By,
    jobs: Sequence[Job] = (),
    workflow: Workflow | None = None,
    settings: Mapping[str, Any] | None = None,
    enabled: bool = False,
    key: str | None = None,
) -> Trigger:
    """A new trigger, off unless said otherwise. Its workflow is that of its jobs."""
    workflow = _workflow_of(workflow, jobs)
    require(by, workflow.project_id, Role.EDITOR)
    project = workflow.project
    columns = columns_of(spec, project=project)
    with transaction.atomic():
        project_lock(project)
        workflow.refresh_from_db(fields=["archived_at"])
        if workflow.archived_at is not None:
            raise Conflict("That workflow was archived.")
        name = clean_name(name)
        trigger = Trigger(
            project=project,
            workflow=workflow,
            name=name,
            key=key or free_key(name, Trigger.objects.filter(workflow=workflow)),
            kind=kind_of(spec),
            enabled=enabled,
            settings=overrides(settings or {}, _declarations(jobs)),
            **columns,
        )
        _check_neighbours(trigger, jobs)
        if trigger.kind == TriggerKind.SCHEDULE:
            due_set(trigger)
        row_save(trigger)
        _jobs_set(trigger, jobs)
        snapshot = _snapshot(trigger, jobs)
        _revision_write(trigger, snapshot, by)
        audit("trigger made", by, project=project, target=trigger, changes=snapshot)
    return trigger


def trigger_change(
    *,
    trigger: Trigger,
    by: By,
    name: str | None = None,
    spec: TriggerSpec | None = None,
    jobs: Sequence[Job] | None = None,
    settings: Mapping[str, Any] | None = None,
    guard: Guard = unguarded,
) -> Trigger:
    """Change what is given. Without a new timing the next slot stays, so that none that is due gets lost."""
    require(by, trigger.project_id, Role.EDITOR)
    if spec is not None and kind_of(spec) != trigger.kind:
        raise Invalid("A trigger keeps its kind; make another one instead.", field="kind")
    columns = columns_of(spec, project=trigger.project) if spec is not None else {}
    with transaction.atomic():
        trigger = _locked(trigger)
        guard()
        present = _jobs_of(trigger)
        before = _snapshot(trigger, present)
        retimed = _timing_changes(trigger, columns)
        if retimed:
            debts_record(trigger, reason="The schedule was changed before this time was served.")
        for column, value in columns.items():
            setattr(trigger, column, value)
        if name is not None:
            trigger.name = clean_name(name)
        wanted = present if jobs is None else list(jobs)
        if settings is not None:
            trigger.settings = overrides(settings, _declarations(wanted))
        _check_neighbours(trigger, wanted)
        after = _snapshot(trigger, wanted)
        changes = differences(before, after)
        if not changes:
            return trigger
        if retimed:
            due_set(trigger)
        trigger.revision += 1
        row_save(trigger)
        _jobs_set(trigger, wanted)
        _revision_write(trigger, after, by)
        audit("trigger changed", by, project=trigger.project, target=trigger, changes=changes)
    return trigger


@transaction.atomic
def trigger_switch(*, trigger: Trigger, enabled: bool, by: By) -> Trigger:
    """On or off. A schedule that is switched on counts from now: what it missed while off is no debt."""
    require(by, trigger.project_id, Role.EDITOR)
    trigger = _locked(trigger)
    if trigger.enabled == enabled:
        return trigger
    if trigger.kind == TriggerKind.SCHEDULE:
        debts_record(trigger, reason="The schedule was switched off before this time was served.")
    trigger.enabled = enabled
    if trigger.kind == TriggerKind.SCHEDULE:
        due_set(trigger)
    row_save(trigger, only=["enabled", "next_slot_at"])
    changes = {"enabled": [not enabled, enabled]}
    audit("trigger switched", by, project=trigger.project, target=trigger, changes=changes)
    return trigger


@transaction.atomic
def trigger_archive(*, trigger: Trigger, by: By) -> None:
    """Put it away with the addresses of its own. What it started is kept."""
    require(by, trigger.project_id, Role.EDITOR)
    trigger = _locked(trigger)
    debts_record(trigger, reason="The schedule was archived before this time was served.")
    now = timezone.now()
    trigger.enabled, trigger.next_slot_at, trigger.archived_at = False, None, now
    trigger.save(update_fields=["enabled", "next_slot_at", "archived_at"])
    Inbox.objects.filter(trigger=trigger, archived_at=None).update(archived_at=now)
    audit("trigger archived", by, project=trigger.project, target=trigger)


def _locked(trigger: Trigger) -> Trigger:
    """Brought up to date in place, with nobody else editing the project and no clock at this row."""
    project_lock(trigger.project_id)
    fresh = Trigger.objects.select_for_update(no_key=True, of=("self",)).select_related("project", "workflow")
    trigger.refresh_from_db(from_queryset=fresh)
    if trigger.archived_at is not None:
        raise TriggerArchived()
    return trigger


def _workflow_of(workflow: Workflow | None, jobs: Sequence[Job]) -> Workflow:
    if workflow is None and not jobs:
        raise Invalid("Say which jobs it starts.", field="jobs")
    found: Workflow = workflow if workflow is not None else jobs[0].workflow
    return found


def _check_neighbours(trigger: Trigger, jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.workflow_id != trigger.workflow_id:
            raise Invalid(
                f"“{job.name}” belongs to another workflow; a trigger starts jobs of its own one.",
                field="jobs",
            )
        if job.archived_at is not None:
            raise Invalid(f"“{job.name}” was archived.", field="jobs")
    if trigger.kind == TriggerKind.FLOW:
        circles_refuse(trigger=trigger, started=jobs)


def _declarations(jobs: Sequence[Job]) -> list[list[dict[str, Any]]]:
    """What the jobs declare, live or in their newest draft: both may be overridden."""
    wanted = {pk for job in jobs for pk in (job.live_version_id, job.latest_version_id) if pk}
    return list(JobVersion.objects.filter(pk__in=wanted).values_list("settings", flat=True))


def _jobs_of(trigger: Trigger) -> list[Job]:
    links = TriggerJob.objects.filter(trigger=trigger, job__archived_at=None).select_related("job")
    return [link.job for link in links.order_by("job__name", "job_id")]


def _jobs_set(trigger: Trigger, jobs: Sequence[Job]) -> None:
    wanted = {job.pk for job in jobs}
    links = TriggerJob.objects.filter(trigger=trigger)
    links.exclude(job_id__in=wanted).delete()
    there = set(links.values_list("job_id", flat=True))
    for pk in sorted(wanted - there):
        row_save(TriggerJob(project_id=trigger.project_id, trigger=trigger, job_id=pk))


def _timing_changes(trigger: Trigger, columns: Mapping[str, Any]) -> bool:
    return any(column in _TIMING and getattr(trigger, column) != value for column, value in columns.items())


def _snapshot(trigger: Trigger, jobs: Sequence[Job]) -> dict[str, Any]:
    """All that decides when it starts what, as JSON."""
    said = {column: _json(getattr(trigger, column)) for column in _COLUMNS[trigger.kind]}
    return {
        "name": trigger.name,
        **said,
        "jobs": [{"id": str(job.pk), "key": job.key} for job in sorted(jobs, key=lambda job: str(job.pk))],
        "settings": trigger.settings,
    }


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str | list | dict) else str(value)


def _revision_write(trigger: Trigger, snapshot: dict[str, Any], by: By) -> None:
    TriggerRevision.objects.create(
        project_id=trigger.project_id,
        trigger=trigger,
        number=trigger.revision,
        snapshot=snapshot,
        author=author_of(by),
    )
