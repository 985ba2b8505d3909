"""What a token's scopes let it do in the API, and what it is told when they do not."""

from __future__ import annotations

from openfn_platform.common.errors import NotAllowed
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.models import ApiToken, Project, Role, Scope

_SCOPE_FOR = {
    Role.VIEWER: Scope.READ,
    Role.OPERATOR: Scope.OPERATE,
    Role.EDITOR: Scope.DEPLOY,
}


class ScopeMissing(NotAllowed):
    """This token may not do that."""

    code = "scope_missing"


def scope_require(*, token: ApiToken, role: Role = Role.VIEWER, data: bool = False) -> None:
    """Raises ScopeMissing unless the token may act as `role` in its project, and see data where that is asked."""
    actor = Actor(token=token)
    project: Project = token.project
    if data and not actor.may_see_data(project):
        raise _missing(Scope.READ_DATA)  # which is enough to read, too
    if not actor.may(project, role):
        raise _missing(_SCOPE_FOR[role])


def _missing(scope: Scope) -> ScopeMissing:
    return ScopeMissing(
        f"This token lacks the scope “{scope.value}” ({scope.label[0].lower()}{scope.label[1:]}). "
        "An administrator of the project can make one that has it.",
        scope=scope.value,
    )
