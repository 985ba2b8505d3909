"""Which adaptor a job speaks through under which name, and with which credential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.adaptors import registry
from jobs.adaptors.errors import ConfigurationError
from jobs.models import Credential, JobConnection, JobVersion, ProjectCredential
from openfn_platform.common.errors import Invalid, PlatformError
from openfn_platform.projects.models import Project


@dataclass(frozen=True, kw_only=True)
class ConnectionChoice:
    """One alias of a job. The first of them is the primary one."""

    alias: str
    adaptor: str
    credential: ProjectCredential | Credential | None = None


class BadConnection(Invalid):
    """A connection of the job cannot be used."""

    code = "invalid_connection"


def connections_build(
    *, project: Project, version: JobVersion, choices: Sequence[ConnectionChoice]
) -> list[JobConnection]:
    """The rows for a version that is not saved yet. Raises with a sentence that names the alias."""
    seen: set[str] = set()
    rows = []
    for position, choice in enumerate(choices):
        if choice.alias in seen:
            raise BadConnection(f"Two connections are called “{choice.alias}”.", field="connections")
        seen.add(choice.alias)
        if choice.adaptor not in registry.names():
            known = ", ".join(registry.names())
            raise BadConnection(
                f"The connection “{choice.alias}” uses an unknown adaptor “{choice.adaptor}”; there are: {known}.",
                field="connections",
            )
        rows.append(
            JobConnection(
                project=project,
                version=version,
                alias=choice.alias,
                position=position,
                adaptor=choice.adaptor,
                credential=_link(project=project, choice=choice),
            )
        )
    return rows


def choices_of(version: JobVersion) -> list[ConnectionChoice]:
    """The connections of a version, to make another one like it."""
    rows = version.connections.select_related("credential__credential").order_by("position")
    return [ConnectionChoice(alias=row.alias, adaptor=row.adaptor, credential=row.credential) for row in rows]


def connections_prove_usable(*, version: JobVersion) -> None:
    """Raise unless every connection of the version has what it needs to run in its project.

    Locks the credentials, so that none is archived or taken back before the version is live.
    """
    used = Credential.objects.filter(lent_to__connections__version=version)
    list(Credential.objects.select_for_update(no_key=True).filter(pk__in=used.values("pk")).order_by("pk"))
    rows = version.connections.select_related("credential__credential", "project").prefetch_related(
        "credential__credential__bodies"
    )
    for row in rows.order_by("position"):
        sentence = _why_unusable(row)
        if sentence:
            raise BadConnection(sentence, field="connections")


def _why_unusable(row: JobConnection) -> str:
    link: ProjectCredential | None = row.credential
    if link is None:
        try:
            registry.spec(row.adaptor).check({})
        except ConfigurationError:
            return f"The connection “{row.alias}” has no credential; choose one."
        except PlatformError as error:
            return error.message
        return ""
    credential = link.credential
    if credential.archived_at is not None:
        return f"The credential “{credential.name}” of “{row.alias}” was archived; choose another one."
    if link.ended_at is not None:
        return f"The credential “{credential.name}” of “{row.alias}” is no longer lent to this project; choose another one."
    environment = row.project.environment
    if all(body.environment != environment for body in credential.bodies.all()):
        return f"The credential “{credential.name}” of “{row.alias}” has no values for “{environment}” yet."
    return ""


def _link(*, project: Project, choice: ConnectionChoice) -> ProjectCredential | None:
    given = choice.credential
    if given is None:
        return None
    credential = given.credential if isinstance(given, ProjectCredential) else given
    link = ProjectCredential.objects.filter(project=project, credential=credential).first()
    if link is None:
        # Not its name: the credential may belong to a project that the person knows nothing of.
        raise BadConnection(
            f"The credential of “{choice.alias}” is not one of this project; have it lent to the project first.",
            field="connections",
        )
    if credential.adaptor != choice.adaptor:
        raise BadConnection(
            f"The credential “{credential.name}” is for {credential.adaptor}, but “{choice.alias}” uses "
            f"{choice.adaptor}.",
            field="connections",
        )
    return link
