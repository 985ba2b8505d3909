"""Who belongs to a project. Admins decide; only owners decide about owners, and the last one stays."""

from __future__ import annotations

from django.db import transaction

from openfn_platform.common.errors import Conflict, NotAllowed
from openfn_platform.common.saving import row_save
from openfn_platform.projects.actors import By, as_actor, require
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Membership, Project, Role, User

# They answer for the project: they see its data and are told when something fails, unless they say otherwise.
ANSWERABLE = frozenset({Role.ADMIN, Role.OWNER})


class LastOwner(Conflict):
    """A project needs an owner; make somebody else one first."""

    code = "last_owner"


class AlreadyMember(Conflict):
    """This person is a member already; change the role instead."""

    code = "already_member"


@transaction.atomic
def member_add(
    *,
    project: Project,
    user: User,
    role: Role,
    by: By,
    may_see_data: bool | None = None,
    failure_mail: bool | None = None,
) -> Membership:
    """Let somebody in. What is not said follows from the role."""
    may_decide(by, project, role)
    project_lock(project)
    if Membership.objects.filter(project=project, user=user).exists():
        raise AlreadyMember()
    answerable = role in ANSWERABLE
    membership = Membership(
        project=project,
        user=user,
        role=role,
        may_see_data=answerable if may_see_data is None else may_see_data,
        failure_mail=answerable if failure_mail is None else failure_mail,
    )
    row_save(membership)
    audit("member added", by, project=project, target=membership, changes=_values(membership))
    return membership


@transaction.atomic
def member_change(
    *,
    membership: Membership,
    by: By,
    role: Role | None = None,
    may_see_data: bool | None = None,
    failure_mail: bool | None = None,
) -> Membership:
    """Change what is given. Everybody may switch their own mails; the rest is for admins."""
    project = membership.project
    only_own_mails = role is None and may_see_data is None and as_actor(by).user == membership.user
    project_lock(project)
    membership.refresh_from_db(fields=["role", "may_see_data", "failure_mail"])
    if not only_own_mails:
        may_decide(by, project, Role(membership.role), role)
    before = _values(membership)
    if role is not None:
        membership.role = role
    if may_see_data is not None:
        membership.may_see_data = may_see_data
    if failure_mail is not None:
        membership.failure_mail = failure_mail
    if before["role"] == Role.OWNER and membership.role != Role.OWNER:
        _not_the_last(membership)
    row_save(membership)
    changes = differences(before, _values(membership))
    if changes:
        audit("member changed", by, project=project, target=membership, changes=changes)
    return membership


@transaction.atomic
def member_remove(*, membership: Membership, by: By) -> None:
    """Let somebody go. One may always leave oneself, unless one is the last owner."""
    project = membership.project
    project_lock(project)
    membership.refresh_from_db(fields=["role"])
    if as_actor(by).user != membership.user:
        may_decide(by, project, Role(membership.role))
    if membership.role == Role.OWNER:
        _not_the_last(membership)
    audit("member removed", by, project=project, target=membership, changes=_values(membership))
    membership.delete()


def may_decide(by: By, project: Project, *roles: Role | None) -> None:
    """Whether the actor may give, change or take that role there."""
    actor = require(by, project, Role.ADMIN)
    if Role.OWNER in roles and not actor.may(project, Role.OWNER):
        raise NotAllowed("Only an owner may decide who is an owner.")


def _not_the_last(membership: Membership) -> None:
    others = Membership.objects.filter(
        project=membership.project_id, role=Role.OWNER, user__is_active=True
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise LastOwner()


def _values(membership: Membership) -> dict[str, object]:
    return {
        "role": str(membership.role),
        "may_see_data": membership.may_see_data,
        "failure_mail": membership.failure_mail,
    }
