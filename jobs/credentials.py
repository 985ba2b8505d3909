"""Credentials: made, changed, lent, tested, put away. Their secrets go in and never come out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as platform
from django.db import transaction
from django.utils import timezone

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError
from jobs.adaptors.spec import AdaptorSpec
from jobs.models import Credential, CredentialBody, Job, ProjectCredential
from jobs.opening import credential_open, credential_seal
from jobs.signals import credential_changed, credential_proved
from jobs.trying import connection_try
from openfn_platform.common.errors import Conflict, Invalid, NotFound
from openfn_platform.common.models import free_key
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import Actor, By, as_actor, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Project, Role
from openfn_platform.projects.scoping import scoped


class BadCredential(Invalid):
    """The values of this credential cannot be used."""

    code = "invalid_credential"


class InUse(Conflict):
    """A live job uses this credential."""

    code = "credential_in_use"


class TestFailed(Conflict):
    """The connection could not be made with this credential."""

    code = "test_failed"
    __test__ = False  # a name that pytest would take for its own


@dataclass(frozen=True, kw_only=True)
class Visible:
    """What may be shown of a credential's values."""

    values: dict[str, Any]
    secrets_set: tuple[str, ...]  # names of the secrets that have a value


@transaction.atomic
def credential_create(
    *,
    project: Project,
    name: str,
    adaptor: str,
    values: Mapping[str, Any],
    by: By,
    environment: str | None = None,
    key: str | None = None,
    expires_at: datetime | None = None,
) -> Credential:
    """A new credential of the project, with its values for one environment (the project's own by default)."""
    require(by, project, Role.ADMIN)
    spec = _spec(adaptor)
    complete = {name_: value for name_, value in values.items() if not _blank(value)}
    _check(spec, complete)
    project_lock(project)
    name = clean_name(name)
    credential = Credential(
        project=project,
        name=name,
        key=key or free_key(name, Credential.objects.filter(project=project)),
        adaptor=adaptor,
        expires_at=expires_at,
    )
    row_save(credential)
    row_save(ProjectCredential(project=project, credential=credential))
    body = CredentialBody(credential=credential, environment=environment or project.environment)
    credential_seal(body=body, values=complete)
    row_save(body)
    audit(
        "credential made",
        by,
        project=project,
        target=credential,
        changes={"adaptor": adaptor, "environment": body.environment, "fields": sorted(complete)},
    )
    return credential


@transaction.atomic
def credential_change(
    *,
    credential: Credential,
    values: Mapping[str, Any],
    by: By,
    environment: str | None = None,
    clear: Iterable[str] = (),
) -> Credential:
    """Change the values that are given. A secret left empty stays as it is; `clear` names what shall be removed."""
    require(by, credential.project_id, Role.ADMIN)
    spec = _spec(credential.adaptor)
    credential = _locked(credential)
    environment = environment or credential.project.environment
    body = credential.bodies.filter(environment=environment).first()
    before = credential_open(credential=credential, environment=environment) if body is not None else {}
    after = _merged(spec, before, values, frozenset(clear))
    _check(spec, after)
    _keep_secrets_at_home(spec, before, after, values)
    body = body or CredentialBody(credential=credential, environment=environment)
    credential_seal(body=body, values=after)
    row_save(body)
    fields = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    audit(
        "credential changed",
        by,
        project=credential.project,
        target=credential,
        changes={"environment": environment, "fields": fields},
    )
    credential_changed.send(sender=Credential, credential=credential, environment=environment, by=by)
    return credential


@transaction.atomic
def credential_rename(*, credential: Credential, name: str, by: By) -> Credential:
    """Another name; the key stays."""
    require(by, credential.project_id, Role.ADMIN)
    before, credential.name = credential.name, clean_name(name)
    row_save(credential, only=["name"])
    if before != credential.name:
        changes = {"name": [before, credential.name]}
        audit("credential changed", by, project=credential.project, target=credential, changes=changes)
    return credential


def credential_visible(*, credential: Credential, environment: str | None = None) -> Visible:
    """The values that are no secrets, and which secrets are set: what a form may show."""
    spec = _spec(credential.adaptor)
    environment = environment or credential.project.environment
    if not credential.bodies.filter(environment=environment).exists():
        return Visible(values={}, secrets_set=())
    found = credential_open(credential=credential, environment=environment)
    # A field that the schema does not know may be anything, so it is not shown either.
    known = set(spec.schema.get("properties", {})) - spec.secrets()
    return Visible(
        values={name: value for name, value in found.items() if name in known},
        secrets_set=tuple(sorted(name for name in found if name not in known)),
    )


@transaction.atomic
def credential_lend(*, credential: Credential, project: Project, by: By) -> ProjectCredential:
    """Let another project use it. Its values stay with the project that owns it."""
    actor = require(by, credential.project_id, Role.ADMIN)
    require(actor, project, Role.VIEWER)
    credential = _locked(credential)
    link = ProjectCredential.objects.filter(project=project, credential=credential).first()
    if link is not None and link.ended_at is None:
        return link
    link = link or ProjectCredential(project=project, credential=credential)
    link.ended_at = None
    row_save(link)
    changes = {"project": project.name}
    audit("credential lent", by, project=credential.project, target=credential, changes=changes)
    audit("credential lent", by, project=project, target=credential)
    return link


@transaction.atomic
def credential_unlend(*, credential: Credential, project: Project, by: By) -> None:
    """Take it back from a project, unless a live job there uses it."""
    actor = require(by, credential.project_id, Role.ADMIN)
    if project.pk == credential.project_id:
        raise Conflict("A credential stays usable in the project that owns it; archive it instead.")
    credential = _locked(credential)
    link = ProjectCredential.objects.filter(project=project, credential=credential, ended_at=None).first()
    if link is None:
        raise NotFound("This credential is not lent to that project.")
    _refuse_while_used(actor, credential, credential_used_by(credential=credential, project=project))
    link.ended_at = timezone.now()
    link.save(update_fields=["ended_at"])
    changes = {"project": project.name}
    audit("credential taken back", by, project=credential.project, target=credential, changes=changes)
    audit("credential taken back", by, project=project, target=credential)


@transaction.atomic
def credential_archive(*, credential: Credential, by: By) -> None:
    """Put it away, unless a live job uses it. It opens nothing any more."""
    actor = require(by, credential.project_id, Role.ADMIN)
    credential = _locked(credential)
    _refuse_while_used(actor, credential, credential_used_by(credential=credential))
    credential.archived_at = timezone.now()
    credential.save(update_fields=["archived_at"])
    audit("credential archived", by, project=credential.project, target=credential)


def credential_used_by(*, credential: Credential, project: Project | None = None) -> list[Job]:
    """The jobs whose live version uses it, in whatever project it was lent to."""
    jobs = Job.objects.filter(
        archived_at=None,
        project__archived_at=None,
        live_version__connections__credential__credential=credential,
    ).select_related("project")
    if project is not None:
        jobs = jobs.filter(project=project)
    return list(jobs.distinct().order_by("project__name", "name", "pk"))


def credential_test(
    *, credential: Credential, by: By, environment: str | None = None, project: Project | None = None
) -> str:
    """Connect with it and say in one sentence how that went; raises `TestFailed` with one otherwise.

    Tested as a job of `project` (by default the one that owns it) would use it: with its environment and hosts.
    """
    project = project or credential.project
    require(by, project, Role.EDITOR)
    link = ProjectCredential.objects.filter(project=project, credential=credential, ended_at=None)
    if not link.exists():
        raise NotFound("This credential is not one of that project.")
    environment = environment or project.environment
    configuration = credential_open(credential=credential, environment=environment)
    spec = _spec(credential.adaptor)
    context = Context(allowed_hosts=tuple(project.allowed_hosts), allow_private=platform.JOB_ALLOW_LOOPBACK)
    try:
        sentence = connection_try(spec=spec, configuration=configuration, context=context)
    except AdaptorError as error:
        said = f"{error.message} {error.hint or ''}".strip()
        audit("credential tested", by, project=project, target=credential, changes={"worked": False})
        raise TestFailed(said, kind=error.kind) from None
    with transaction.atomic():
        audit("credential tested", by, project=project, target=credential, changes={"worked": True})
        credential_proved.send(sender=Credential, credential=credential, environment=environment, by=by)
    return sentence


def _spec(adaptor: str) -> AdaptorSpec:
    if adaptor not in registry.names():
        known = ", ".join(registry.names())
        raise BadCredential(f"There is no adaptor “{adaptor}”; there are: {known}.", field="adaptor")
    return registry.spec(adaptor)


def _check(spec: AdaptorSpec, values: dict[str, Any]) -> None:
    try:
        spec.check(values)
    except AdaptorError as error:
        raise BadCredential(error.message, field="values") from None


def _blank(value: Any) -> bool:
    return value is None or value == ""


def _merged(
    spec: AdaptorSpec, before: Mapping[str, Any], given: Mapping[str, Any], clear: frozenset[str]
) -> dict[str, Any]:
    """A secret that is given empty was not typed again; any other field that is given empty was emptied."""
    after = dict(before)
    for name, value in given.items():
        if not _blank(value):
            after[name] = value
        elif name not in spec.secrets():
            after.pop(name, None)
    return {name: value for name, value in after.items() if name not in clear}


def _keep_secrets_at_home(
    spec: AdaptorSpec, before: Mapping[str, Any], after: Mapping[str, Any], typed: Mapping[str, Any]
) -> None:
    """Who can change the address must not learn the password by sending it somewhere else."""
    # The same password typed again is no secret to whoever types it: a server that moved keeps its accounts.
    kept = [name for name in spec.secrets() if name in before and name in after and _blank(typed.get(name))]
    if not kept:
        return
    for name, field in spec.schema.get("properties", {}).items():
        moved = field.get("format") == "uri" and _origin(before.get(name)) != _origin(after.get(name))
        if moved and name in before:
            titles = sorted(str(spec.schema["properties"][each].get("title", each)) for each in kept)
            raise BadCredential(
                f"The address leads to another server now, so type again what is secret: {', '.join(titles)}.",
                field=kept[0],
            )


def _origin(address: Any) -> tuple[str, str]:
    parts = urlsplit(str(address or ""))
    return parts.scheme.lower(), parts.netloc.lower()


def _locked(credential: Credential) -> Credential:
    """As it is now; making a version live waits for this lock too."""
    fresh = Credential.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    credential.refresh_from_db(from_queryset=fresh)
    if credential.archived_at is not None:
        raise Conflict("This credential was archived.")
    return credential


def _refuse_while_used(actor: Actor, credential: Credential, jobs: list[Job]) -> None:
    if not jobs:
        return
    pks = [job.pk for job in jobs]
    seen = scoped(Job.objects.filter(pk__in=pks), as_actor(actor)).select_related("project")
    names = [f"“{job.name}” ({job.project.name})" for job in seen.order_by("project__name", "name")]
    hidden = len(jobs) - len(names)
    if hidden:
        names.append(f"{hidden} in projects that you do not belong to")
    raise InUse(f"Live jobs use “{credential.name}”: {', '.join(names)}. Give them another credential first.")
