"""Who uses a credential, and the lock under which nobody begins to."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet

from jobs.models import Credential, Job
from openfn_platform.common.errors import Conflict
from openfn_platform.projects.actors import Actor, as_actor
from openfn_platform.projects.models import Project
from openfn_platform.projects.scoping import scoped


class InUse(Conflict):
    """A live job uses this credential."""

    code = "credential_in_use"


def credential_used_by(*, credential: Credential, project: Project | None = None) -> list[Job]:
    """The jobs whose live version uses it, in whatever project it was lent to."""
    jobs = _in_use().filter(live_version__connections__credential__credential=credential)
    if project is not None:
        jobs = jobs.filter(project=project)
    return list(jobs.distinct().order_by("project__name", "name", "pk"))


def credential_drafted_by(*, credential: Credential) -> list[Job]:
    """The jobs whose newest version uses it and is not live yet: they will, once that is made live."""
    draft = Q(live_version=None) | ~Q(live_version=F("latest_version"))
    jobs = _in_use().filter(draft, latest_version__connections__credential__credential=credential)
    return list(jobs.distinct().order_by("project__name", "name", "pk"))


def refuse_while_used(actor: Actor, credential: Credential, jobs: list[Job]) -> None:
    if not jobs:
        return
    pks = [job.pk for job in jobs]
    seen = scoped(Job.objects.filter(pk__in=pks), as_actor(actor)).select_related("project")
    names = [f"“{job.name}” ({job.project.name})" for job in seen.order_by("project__name", "name", "pk")]
    hidden = len(jobs) - len(names)
    if hidden:
        names.append(f"{hidden} in projects that you do not belong to")
    raise InUse(f"Live jobs use “{credential.name}”: {', '.join(names)}. Give them another credential first.")


def credential_locked(credential: Credential) -> Credential:
    """As it is now; making a version live waits for this lock too."""
    fresh = Credential.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    credential.refresh_from_db(from_queryset=fresh)
    if credential.archived_at is not None:
        raise Conflict("This credential was archived.")
    return credential


def _in_use() -> QuerySet[Job]:
    return Job.objects.filter(archived_at=None, project__archived_at=None).select_related("project")
