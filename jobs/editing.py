"""Jobs as people edit them: made, saved as drafts, made live, switched, renamed, put away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypedDict, Unpack

from django.conf import settings as platform
from django.db import transaction
from django.utils import timezone

from jobs.connecting import ConnectionChoice, choices_of, connections_build, connections_prove_usable
from jobs.declaring import declared
from jobs.language.check import check_in_process
from jobs.language.linting import Finding
from jobs.library import module_keys
from jobs.models import Job, JobState, JobVersion, Workflow
from jobs.signals import job_archived, job_switched, version_made_live
from jobs.tables import table_keys
from jobs.workflows import workflow_create
from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.models import free_key
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name, one_line, plural
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import Guard, project_lock, unguarded
from openfn_platform.projects.models import Project, Role

__all__ = [
    "ConnectionChoice",
    "JobArchived",
    "Limits",
    "NotFit",
    "NotLive",
    "draft_check",
    "draft_save",
    "job_archive",
    "job_change",
    "job_create",
    "job_rename",
    "job_switch",
    "version_make_live",
    "version_restore",
]


class Limits(TypedDict, total=False):
    """Limits and retry policy of a version; what is not given stays as in the version before."""

    wall_seconds: int
    memory_mb: int
    state_bytes: int
    trace_reads: bool
    max_attempts: int
    first_wait_seconds: int
    longest_wait_seconds: int
    safe_to_run_again: bool
    too_late_seconds: int | None
    problems_allowed: int


class JobValues(TypedDict, total=False):
    """What can be changed about a job without a new version."""

    name: str
    description: str
    max_concurrency: int | None
    retry_frees_lane: bool


class NotFit(Conflict):
    """This version has errors; correct them first."""

    code = "not_fit"


class NotLive(Conflict):
    """This job has no live version yet; make one live first."""

    code = "not_live"


class JobArchived(Conflict):
    """This job was archived."""

    code = "job_archived"


_LEAST: Mapping[str, int] = {
    "wall_seconds": 1,
    "memory_mb": 32,
    "state_bytes": 1_000,
    "first_wait_seconds": 1,
}
_MOST_ATTEMPTS = 20


@transaction.atomic
def job_create(
    *,
    project: Project,
    name: str,
    by: By,
    workflow: Workflow | None = None,
    key: str | None = None,
    description: str = "",
    max_concurrency: int | None = None,
    retry_frees_lane: bool = False,
) -> Job:
    """A new job, switched off and without code. Without a workflow one is made that has the job's name."""
    require(by, project, Role.EDITOR)
    project_lock(project)
    if workflow is None:
        workflow = workflow_create(project=project, name=name, by=by)
    if workflow.project_id != project.pk:
        raise Invalid("That workflow belongs to another project.", field="workflow")
    if workflow.archived_at is not None:
        raise Conflict("That workflow was archived.")
    name = clean_name(name)
    taken = Job.objects.filter(workflow=workflow)
    job = Job(
        project=project,
        workflow=workflow,
        name=name,
        key=key or free_key(name, taken),
        description=description,
        max_concurrency=max_concurrency,
        retry_frees_lane=retry_frees_lane,
    )
    row_save(job)
    audit("job made", by, project=project, target=job)
    return job


def draft_check(
    *,
    job: Job,
    code: str,
    aliases: Mapping[str, str],
    settings: Sequence[Mapping[str, Any]] = (),
    language: str = "python",
) -> list[Finding]:
    """What can be said about the code without running it; for the editor, too. Takes some 0.2 s."""
    others = Job.objects.filter(workflow_id=job.workflow_id, archived_at=None).exclude(pk=job.pk)
    return check_in_process(
        language=language,
        code=code,
        aliases=aliases,
        settings=[item["key"] for item in settings],
        steps=list(others.values_list("key", flat=True)),
        tables=table_keys(job.project_id) if "tables" in code else None,
        library=module_keys(job.project_id) if "library" in code else (),
    )


def draft_save(
    *,
    job: Job,
    by: By,
    code: str,
    connections: Sequence[ConnectionChoice] | None = None,
    settings: Sequence[Mapping[str, Any]] | None = None,
    note: str = "",
    language: str | None = None,
    guard: Guard = unguarded,
    **limits: Unpack[Limits],
) -> JobVersion:
    """A new version with everything in it. It may have errors; what is not given is as in the version before."""
    require(by, job.project_id, Role.EDITOR)
    _check_limits(limits)
    before = JobVersion.objects.filter(job=job).first()  # the newest; the caller's `job` may be older
    if connections is None:
        connections = choices_of(before) if before else []
    chosen = declared(before.settings if settings is None and before else settings or [])
    language = language or (before.language if before else "python")
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    # Before the transaction: a slow check shall hold no lock.
    findings = draft_check(
        job=job,
        code=code,
        aliases={choice.alias: choice.adaptor for choice in connections},
        settings=chosen,
        language=language,
    )
    with transaction.atomic():
        job = _locked(job, given=job)
        guard()
        version = JobVersion(
            project_id=job.project_id,
            job=job,
            number=_next_number(job),
            language=language,
            code=code,
            settings=chosen,
            author=author_of(by),
            note=one_line(note, 300),
            findings=[asdict(finding) for finding in findings],
            **{**_limits_of(before), **limits},
        )
        rows = connections_build(project=job.project, version=version, choices=connections)
        row_save(version)
        for row in rows:
            row_save(row)
        job.latest_version = version
        job.save(update_fields=["latest_version"])
        audit("draft saved", by, project=job.project, target=job, changes={"version": version.number})
    return version


def version_make_live(*, version: JobVersion, by: By, guard: Guard = unguarded) -> JobVersion:
    """From the next start on, runs of the job take this version."""
    require(by, version.project_id, Role.EDITOR)
    errors = [finding for finding in _findings_now(version) if finding["severity"] == "error"]
    if errors:
        where = f"Line {errors[0]['line']}: {errors[0]['message']}."
        more = f" And {plural(len(errors) - 1, 'more error')}." if len(errors) > 1 else ""
        raise NotFit(f"This version has errors; correct them first. {where}{more}", findings=errors)
    with transaction.atomic():
        job = _locked(version.job, given=version.job)
        guard()
        if job.live_version_id == version.pk:
            return version  # pressed twice
        connections_prove_usable(version=version)
        previous = job.live_version
        job.live_version = version
        job.save(update_fields=["live_version"])
        version.made_live_at = timezone.now()
        version.save(update_fields=["made_live_at"])
        audit(
            "version made live",
            by,
            project=job.project,
            target=job,
            changes={"version": [previous.number if previous else None, version.number]},
        )
        version_made_live.send(sender=JobVersion, version=version, previous=previous, by=by)
    return version


def version_restore(*, version: JobVersion, by: By) -> JobVersion:
    """An old version as a new draft."""
    return draft_save(
        job=Job.objects.get(pk=version.job_id),
        by=by,
        code=version.code,
        connections=choices_of(version),
        settings=version.settings,
        note=f"as version {version.number} was",
        language=version.language,
        **_limits_of(version),
    )


@transaction.atomic
def job_switch(*, job: Job, state: JobState, by: By) -> Job:
    """On, paused or off. Operators may pause a job and let it go on; to switch it off or on is for editors."""
    actor = require(by, job.project_id, Role.OPERATOR)
    job = _locked(job, given=job)  # what it is now decides, not what somebody saw on a page
    if JobState.OFF in (state, job.state):
        require(actor, job.project_id, Role.EDITOR)
    if state == JobState.ON and job.live_version_id is None:
        raise NotLive()
    previous = JobState(job.state)
    job.state = state
    # Whoever switches it has looked at it: three crashes pause a job again, counted from here.
    job.paused_reason = ""
    job.crashes_in_a_row = 0
    row_save(job, only=["state", "paused_reason", "crashes_in_a_row"])
    if state != previous:
        audit("job switched", by, project=job.project, target=job, changes={"state": [previous, state]})
        job_switched.send(sender=Job, job=job, previous=previous, by=by)
    return job


@transaction.atomic
def job_change(*, job: Job, by: By, **values: Unpack[JobValues]) -> Job:
    """Change name, description or how many of its runs may go on at once. The key stays."""
    require(by, job.project_id, Role.EDITOR)
    job = _locked(job, given=job)
    unknown = set(values) - set(JobValues.__annotations__)
    if unknown:
        raise Invalid(f"A job has no “{min(unknown)}” that could be changed here.", field=min(unknown))
    wanted: dict[str, Any] = dict(values)
    if "name" in wanted:
        wanted["name"] = clean_name(wanted["name"])
    before = {field: getattr(job, field) for field in wanted}
    for field, value in wanted.items():
        setattr(job, field, value)
    changes = differences(before, wanted)
    if changes:
        row_save(job, only=changes)
        audit("job changed", by, project=job.project, target=job, changes=changes)
    return job


def job_rename(*, job: Job, name: str, by: By) -> Job:
    """Another name; the key stays."""
    return job_change(job=job, by=by, name=name)


@transaction.atomic
def job_archive(*, job: Job, by: By) -> None:
    """Put it away. It starts no more; its runs and versions are kept."""
    require(by, job.project_id, Role.EDITOR)
    job = _locked(job, given=job)
    job.state = JobState.OFF
    job.paused_reason = ""
    job.archived_at = timezone.now()
    job.save(update_fields=["state", "paused_reason", "archived_at"])
    audit("job archived", by, project=job.project, target=job)
    job_archived.send(sender=Job, job=job, by=by)


def _locked(job: Job, *, given: Job | None = None) -> Job:
    """The job as it is now, with nobody else editing the project. `given` is brought up to date in place."""
    project_lock(job.project_id)
    fresh = Job.objects.select_for_update(no_key=True, of=("self",)).select_related("project", "live_version")
    if given is not None:
        given.refresh_from_db(from_queryset=fresh)
    now = given or fresh.get(pk=job.pk)
    if now.archived_at is not None:
        raise JobArchived()
    return now


def _next_number(job: Job) -> int:
    last = JobVersion.objects.filter(job=job).order_by("-number").values_list("number", flat=True).first()
    return (last or 0) + 1


def _findings_now(version: JobVersion) -> list[dict[str, Any]]:
    """The version does not change, but what it names may have: an adaptor's function, another job's key."""
    found = draft_check(
        job=version.job,
        code=version.code,
        aliases={row.alias: row.adaptor for row in version.connections.all()},
        settings=version.settings,
        language=version.language,
    )
    return [asdict(finding) for finding in found]


def _limits_of(version: JobVersion | None) -> Limits:
    if version is None:
        return {}
    kept: Any = {field: getattr(version, field) for field in Limits.__annotations__}
    limits: Limits = kept
    return limits


def _check_limits(limits: Limits) -> None:
    unknown = set(limits) - set(Limits.__annotations__)
    if unknown:
        raise Invalid(f"A job has no limit “{min(unknown)}”.", field=min(unknown))
    given: Mapping[str, Any] = limits
    most = {
        "wall_seconds": platform.JOB_MAX_SECONDS,
        "memory_mb": platform.JOB_MAX_MEMORY_MB,
        "state_bytes": platform.JOB_MAX_STATE_BYTES,
        "max_attempts": _MOST_ATTEMPTS,
    }
    for field, value in given.items():
        label = str(JobVersion._meta.get_field(field).verbose_name)  # type: ignore[union-attr]  # a plain column
        if field in _LEAST and value < _LEAST[field]:
            raise Invalid(f"The least for {label} is {_LEAST[field]}.", field=field)
        if field in most and value > most[field]:
            raise Invalid(
                f"The most that this installation allows for {label} is {most[field]:,}.", field=field
            )
