"""Flow triggers that would start each other for ever. Pure but for the loading at the end.

A flow trigger leads from every job that it hears to every job that it starts. A catch-all (any job of the
workflow or project) hears all but those that it starts itself; what follows from those it does hear.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobs.models import Job
from openfn_platform.common.errors import Conflict
from triggers.models import FlowScope, Trigger, TriggerKind

Places = Mapping[uuid.UUID, uuid.UUID]  # job -> its workflow


class Circle(Conflict):
    """These triggers would start each other for ever."""

    code = "circle"


@dataclass(frozen=True, kw_only=True)
class Link:
    """One flow trigger, as far as it leads from jobs to jobs."""

    scope: str
    upstream: uuid.UUID | None
    workflow: uuid.UUID
    jobs: frozenset[uuid.UUID]

    def hears(self, job: uuid.UUID, places: Places) -> bool:
        if self.scope == FlowScope.JOB:
            return job == self.upstream
        if job in self.jobs:
            return False
        return self.scope == FlowScope.PROJECT or places[job] == self.workflow


def circle_through(link: Link, others: Iterable[Link], places: Places) -> list[uuid.UUID] | None:
    """The shortest way from a job that `link` starts back to one that it hears; None if there is no way."""
    links = [link, *others]
    came_from: dict[uuid.UUID, uuid.UUID | None] = {job: None for job in sorted(link.jobs) if job in places}
    ahead = deque(came_from)
    while ahead:
        job = ahead.popleft()
        if link.hears(job, places):
            return _way(job, came_from)
        for other in links:
            if other.hears(job, places):
                fresh = [each for each in sorted(other.jobs) if each in places and each not in came_from]
                came_from.update(dict.fromkeys(fresh, job))
                ahead.extend(fresh)
    return None


def _way(job: uuid.UUID, came_from: Mapping[uuid.UUID, uuid.UUID | None]) -> list[uuid.UUID]:
    way = [job]
    while (before := came_from[way[-1]]) is not None:
        way.append(before)
    return way[::-1]


def circles_refuse(*, trigger: Trigger, started: Iterable[Job]) -> None:
    """Raise if the trigger, as it is about to be saved, closes a circle. The caller holds the project's lock."""
    started = list(started)
    if trigger.upstream_scope == FlowScope.JOB and any(job.pk == trigger.upstream_id for job in started):
        raise Circle(f"“{trigger.upstream.name}” would start itself again and again.")
    jobs = {job.pk: job for job in Job.objects.filter(project_id=trigger.project_id, archived_at=None)}
    places = {pk: job.workflow_id for pk, job in jobs.items()}
    way = circle_through(_link(trigger, {job.pk for job in started}), _links_but(trigger), places)
    if way is None:
        return
    names = " → ".join(f"“{jobs[pk].name}”" for pk in [*way, way[0]])
    hint = ""
    if trigger.upstream_scope != FlowScope.JOB:
        hint = " A trigger for any job also hears what follows from the jobs that it starts."
    raise Circle(f"This would go round in a circle: {names}.{hint}")


def _links_but(trigger: Trigger) -> list[Link]:
    """Those that are off count too: switching one on later must not close a circle."""
    rows = Trigger.objects.filter(
        project_id=trigger.project_id, kind=TriggerKind.FLOW, archived_at=None
    ).prefetch_related("trigger_jobs")
    return [
        _link(row, {each.job_id for each in row.trigger_jobs.all()}) for row in rows if row.pk != trigger.pk
    ]


def _link(trigger: Trigger, jobs: set[uuid.UUID]) -> Link:
    return Link(
        scope=trigger.upstream_scope,
        upstream=trigger.upstream_id,
        workflow=trigger.workflow_id,
        jobs=frozenset(jobs),
    )
