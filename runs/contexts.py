"""What a worker knows about a job: project, workflow, live version, connections, and who listens to its end.

Cached per process. The claim brings the project's `config_version`, which the database counts up on every change
of any of these rows, so a change holds from the next claim on. The objects are shared between threads: nobody
writes to them. Credentials are not here: they are read afresh for each run.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from jobs.models import Job, JobConnection, JobVersion
from runs.followups import Flow, flows_of

CACHED_AT_MOST = 5_000  # jobs per process


@dataclass(frozen=True, kw_only=True)
class JobContext:
    config_version: int
    job: Job  # with project, workflow and live version
    flows: tuple[Flow, ...]


_contexts: dict[uuid.UUID, JobContext] = {}
_connections: dict[uuid.UUID, tuple[JobConnection, ...]] = {}


def context_of(*, job_id: uuid.UUID, config_version: int) -> JobContext:
    known = _contexts.get(job_id)
    if known is not None and known.config_version == config_version:
        return known
    job = Job.objects.select_related("project", "workflow", "live_version").get(pk=job_id)
    fresh = JobContext(config_version=config_version, job=job, flows=tuple(flows_of(job=job)))
    if len(_contexts) >= CACHED_AT_MOST:
        _contexts.clear()
    _contexts[job_id] = fresh
    return fresh


def connections_of(version: JobVersion) -> tuple[JobConnection, ...]:
    """The aliases of a version, in order. Versions never change, so neither does this."""
    known = _connections.get(version.pk)
    if known is None:
        if len(_connections) >= CACHED_AT_MOST:
            _connections.clear()
        known = _connections[version.pk] = tuple(
            JobConnection.objects.filter(version=version).order_by("position")
        )
    return known
