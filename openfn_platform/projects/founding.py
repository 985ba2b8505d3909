"""Making projects, changing their settings, putting them away."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.hosts import hosts_checked
from openfn_platform.common.models import free_key
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import By, author_of, require, require_superuser
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Membership, Project, Role, User
from openfn_platform.projects.signals import project_archived, project_changed, project_made


class ProjectValues(TypedDict, total=False):
    """What can be set about a project besides its name."""

    description: str
    environment: str
    time_zone: str
    max_concurrency: int
    payload_days: int
    history_days: int
    max_body_bytes: int
    max_waiting: int
    messages_per_minute: int | None
    messages_burst: int | None
    mail_shows_text: bool
    keeps_payloads: bool
    allowed_hosts: list[str]
    mfa_required: bool


@transaction.atomic
def project_create(
    *, name: str, by: By, key: str | None = None, owner: User | None = None, **values: Unpack[ProjectValues]
) -> Project:
    """A new project with its inbox. Its owner is `owner`, or else whoever makes it."""
    require_superuser(by)
    name = clean_name(name)
    _check(values)
    project = Project(name=name, key=key or free_key(name, Project.objects.all()), **values)
    _check_burst(project)
    row_save(project)
    owner = owner or author_of(by)
    if owner is not None:
        row_save(
            Membership(project=project, user=owner, role=Role.OWNER, may_see_data=True, failure_mail=True)
        )
    audit("project made", by, project=project, target=project, changes={"name": name, **values})
    project_made.send(sender=Project, project=project, by=by)
    return project


@transaction.atomic
def project_change(
    *, project: Project, by: By, name: str | None = None, **values: Unpack[ProjectValues]
) -> Project:
    """Change the settings that are given. The key stays: files and addresses depend on it."""
    require(by, project, Role.ADMIN)
    project_lock(project)
    wanted: dict[str, Any] = dict(values)
    if name is not None:
        wanted["name"] = clean_name(name)
    unknown = set(wanted) - {"name"} - set(ProjectValues.__annotations__)
    if unknown:
        raise Invalid(f"A project has no setting “{min(unknown)}”.", field=min(unknown))
    _check(wanted)
    before = {field: getattr(project, field) for field in wanted}
    for field, value in wanted.items():
        setattr(project, field, value)
    _check_burst(project)
    changed = differences(before, wanted)
    if changed:
        row_save(project, only=changed)
        # Inboxes cache the project's limits and look at this number alone.
        Project.objects.filter(pk=project.pk).update(config_version=F("config_version") + 1)
        audit("project changed", by, project=project, target=project, changes=changed)
        project_changed.send(sender=Project, project=project, changed=frozenset(changed), by=by)
    return project


@transaction.atomic
def project_archive(*, project: Project, by: By) -> None:
    """Put a project away: nothing of it runs or is received any more, everything is kept."""
    require(by, project, Role.OWNER)
    project_lock(project)
    if project.archived_at is not None:
        raise Conflict("This project was archived before.")
    project.archived_at = timezone.now()
    project.save(update_fields=["archived_at"])
    audit("project archived", by, project=project, target=project)
    project_archived.send(sender=Project, project=project, by=by)


def _check_burst(project: Project) -> None:
    if project.messages_burst is not None and project.messages_per_minute is None:
        raise Invalid(
            "Without a number of messages a minute, none of them can come at once; fill in both or none.",
            field="messages_burst",
        )


def _check(values: Any) -> None:
    """What the columns themselves cannot judge."""
    if "allowed_hosts" in values:
        values["allowed_hosts"] = hosts_checked(values["allowed_hosts"])
