"""Who asks: a person, an API token, the platform itself, or nobody. What they may do is decided here, once.

Views hide what an actor may not see; verbs ask `require` again, so that no path around a view is a way in.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from openfn_platform.common.clients import client_address
from openfn_platform.common.errors import NotAllowed, NotFound
from openfn_platform.projects.models import ApiToken, Membership, Project, Role, Scope, User
from openfn_platform.projects.models.membership import RANK

# The first scope that a token has decides; `intake` alone opens nothing but the inbox.
_ROLE_OF_SCOPE = (
    (Scope.DEPLOY, Role.EDITOR),
    (Scope.OPERATE, Role.OPERATOR),
    (Scope.READ, Role.VIEWER),
    (Scope.READ_DATA, Role.VIEWER),
)


@dataclass(frozen=True)
class Standing:
    """What an actor is in one project."""

    role: Role
    may_see_data: bool
    archived: bool = False


@dataclass(frozen=True)
class Actor:
    """Somebody who asks. Loads the memberships once, so keep one for the length of a request."""

    user: User | None = None
    token: ApiToken | None = None
    platform: bool = False  # the platform's own doing: commands, the demo, migrations of data
    # From where the request came, for the audit; says nothing about who it is.
    address: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        if self.token is not None:
            return f"API token {self.token.name}"
        if self.user is not None:
            return str(self.user)
        return "The platform" if self.platform else "Nobody"

    @property
    def is_superuser(self) -> bool:
        """May do everything everywhere. A token never is, whoever made it."""
        if self.token is not None:
            return False
        if self.user is None or not self.user.is_active or not self.user.is_superuser:
            return self.platform
        return not (settings.SUPERUSERS_NEED_SECOND_FACTOR and self.lacks_factor)

    @cached_property
    def standings(self) -> dict[uuid.UUID, Standing]:
        """By project. Empty for superusers too: they need none."""
        if self.token is not None:
            return self._of_token(self.token)
        return {
            project_id: Standing(role=Role(role), may_see_data=data, archived=archived is not None)
            for project_id, role, data, archived, guarded in self._memberships
            if not (guarded and self.lacks_factor)
        }

    @cached_property
    def _memberships(self) -> list[tuple[uuid.UUID, str, bool, datetime | None, bool]]:
        if self.user is None or not self.user.is_active:
            return []
        return list(
            Membership.objects.filter(user=self.user).values_list(
                "project_id", "role", "may_see_data", "project__archived_at", "project__mfa_required"
            )
        )

    @cached_property
    def lacks_factor(self) -> bool:
        """Whether the person logs in with a password alone. Asked only where a second factor is required."""
        authenticators = apps.get_model("mfa", "Authenticator")
        return not authenticators.objects.filter(user=self.user, type="totp").exists()

    @property
    def must_set_up_factor(self) -> bool:
        """Whether a project of this person, or the installation, waits for a second factor."""
        user = self.user
        if user is None or self.token is not None or not user.is_active:
            return False
        if user.is_superuser and settings.SUPERUSERS_NEED_SECOND_FACTOR:
            return self.lacks_factor
        guarded = any(needs and archived is None for *_, archived, needs in self._memberships)
        return guarded and self.lacks_factor

    @staticmethod
    def _of_token(token: ApiToken) -> dict[uuid.UUID, Standing]:
        role = next((role for scope, role in _ROLE_OF_SCOPE if scope in token.scopes), None)
        if role is None:
            return {}
        data = Scope.READ_DATA in token.scopes
        archived = token.project.archived_at is not None
        return {token.project_id: Standing(role=role, may_see_data=data, archived=archived)}

    def role_in(self, project: Project | uuid.UUID) -> Role | None:
        """The role there; None for outsiders."""
        if self.is_superuser:
            return Role.OWNER
        standing = self.standings.get(_id(project))
        return standing.role if standing else None

    def may(self, project: Project | uuid.UUID, role: Role) -> bool:
        """Whether the actor is at least that there."""
        own = self.role_in(project)
        return own is not None and RANK[own] >= RANK[role]

    def may_see_data(self, project: Project | uuid.UUID) -> bool:
        """Payloads, states, traces, logs: the personal data of patients."""
        if self.is_superuser:
            return True
        standing = self.standings.get(_id(project))
        return standing is not None and standing.may_see_data


By = User | Actor
"""Who a verb is told that it acts for."""

NOBODY = Actor()
PLATFORM = Actor(platform=True)


def as_actor(by: By) -> Actor:
    """The same for a verb that was given a person."""
    return by if isinstance(by, Actor) else Actor(user=by)


def author_of(by: By) -> User | None:
    """The person to name in a column; tokens and the platform are named in the audit only."""
    return by.user if isinstance(by, Actor) else by


def require(actor: By, project: Project | uuid.UUID, role: Role) -> Actor:
    """NotFound for outsiders, who shall not learn that it exists; NotAllowed for too low a role."""
    actor = as_actor(actor)
    if actor.role_in(project) is None:
        raise NotFound()
    if not actor.may(project, role):
        raise NotAllowed(f"Only {_article(role)} or higher may do that in this project.", role=role.value)
    return actor


def require_superuser(actor: By) -> Actor:
    """For what concerns the installation and no single project."""
    actor = as_actor(actor)
    if not actor.is_superuser:
        raise NotAllowed("Only somebody who runs this installation may do that.")
    return actor


def actor_of(request: HttpRequest | Request) -> Actor:
    """The actor of a request, kept on it: an admin page asks dozens of times."""
    user: Any = request.user  # for the API this is what authenticates
    token = getattr(request, "auth", None)
    token = token if isinstance(token, ApiToken) else None
    person = user if token is None and isinstance(user, User) else None
    known = getattr(request, "_actor", None)
    if isinstance(known, Actor) and known.user == person and known.token == token:
        return known
    actor = Actor(user=person, token=token, address=client_address(request.META))
    request._actor = actor  # type: ignore[union-attr]  # a request is where Django itself keeps such things
    return actor


def _id(project: Project | uuid.UUID) -> uuid.UUID:
    return project.pk if isinstance(project, Project) else project


def _article(role: Role) -> str:
    word = role.value
    return f"an {word}" if word[0] in "aeo" else f"a {word}"
