"""Who wrote a version where no person did: the token's name, which only the audit knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.models import Job, JobVersion
from openfn_platform.projects.models import AuditEntry

LOOKED_AT = 1_000  # the newest deeds to a job; one that is often started by hand has very many


def authors_told(job: Job, versions: Iterable[JobVersion]) -> list[JobVersion]:
    """The versions, those that a token wrote with its name as `written_by`."""
    rows: list[Any] = list(versions)
    if all(version.author_id for version in rows):
        return rows
    newest = AuditEntry.objects.filter(object_id=str(job.pk)).order_by("-id").values("pk")[:LOOKED_AT]
    saved = AuditEntry.objects.filter(
        pk__in=newest, project_id=job.project_id, action="draft saved", token__isnull=False
    )
    names = {changes.get("version"): name for changes, name in saved.values_list("changes", "actor_name")}
    for version in rows:
        version.written_by = "" if version.author_id else names.get(version.number, "")
    return rows
