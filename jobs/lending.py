"""Credentials lent to other projects. Their values stay with the project that owns them."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from jobs.models import Credential, ProjectCredential
from jobs.usage import credential_locked, credential_used_by, refuse_while_used
from openfn_platform.common.errors import Conflict, NotFound
from openfn_platform.common.saving import row_save
from openfn_platform.projects.actors import By, require, require_to_connect
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Project, Role


@transaction.atomic
def credential_lend(
    *, credential: Credential, project: Project, by: By, borrower: By | None = None
) -> ProjectCredential:
    """Let another project use it. Its values stay with the project that owns it.

    Who lends belongs to both projects, or shows somebody who belongs to the other one: a token has one project only.
    """
    actor = require_to_connect(by, credential.project_id)
    require(borrower or actor, project, Role.VIEWER)
    credential = credential_locked(credential)
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
    actor = require_to_connect(by, credential.project_id)
    if project.pk == credential.project_id:
        raise Conflict("A credential stays usable in the project that owns it; archive it instead.")
    credential = credential_locked(credential)
    link = ProjectCredential.objects.filter(project=project, credential=credential, ended_at=None).first()
    if link is None:
        raise NotFound("This credential is not lent to that project.")
    refuse_while_used(actor, credential, credential_used_by(credential=credential, project=project))
    link.ended_at = timezone.now()
    link.save(update_fields=["ended_at"])
    changes = {"project": project.name}
    audit("credential taken back", by, project=credential.project, target=credential, changes=changes)
    audit("credential taken back", by, project=project, target=credential)
