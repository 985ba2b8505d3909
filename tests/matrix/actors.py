"""Everybody who may stand before a door, and what the doors' rules promise each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from openfn_platform.projects.models import Role
from openfn_platform.projects.models.membership import RANK

Fate = Literal["login", "missing", "refused", "in", "no such method"]
"""`missing`: 404, all that a stranger may learn. `refused`: 403 or 404, for those who know that it is there."""


@dataclass(frozen=True)
class Actor:
    """Somebody at the door. `role` is the one in the project whose things are asked for."""

    name: str
    logged_in: bool = True
    role: Role | None = None
    data: bool = False
    has_project: bool = True
    superuser: bool = False


ACTORS = (
    Actor("anonymous", logged_in=False),
    Actor("a token", logged_in=False),
    Actor("inactive owner", logged_in=False),
    Actor("nobody's member", has_project=False),
    Actor("outsider"),  # owner of another project
    Actor("viewer", role=Role.VIEWER),
    Actor("viewer with data", role=Role.VIEWER, data=True),
    Actor("operator", role=Role.OPERATOR),
    Actor("operator with data", role=Role.OPERATOR, data=True),
    Actor("editor", role=Role.EDITOR),
    Actor("editor with data", role=Role.EDITOR, data=True),
    Actor("admin", role=Role.ADMIN, data=True),
    Actor("owner", role=Role.OWNER, data=True),
    Actor("superuser", superuser=True, data=True),
)
STRANGERS = tuple(each for each in ACTORS if each.role is None and not each.superuser)


@dataclass(frozen=True)
class Rule:
    """One cell of the table: `object editor`, `object viewer data`, `list viewer`, `add admin`, `person` …"""

    kind: str
    role: Role = Role.VIEWER
    data: bool = False

    @classmethod
    def read(cls, text: str) -> Rule:
        kind, *more = text.split()
        data = "data" in more
        roles = [Role(word) for word in more if word != "data"]
        return cls(kind=kind, role=roles[0] if roles else Role.VIEWER, data=data)

    def fate(self, actor: Actor) -> Fate:
        """What this door does to that person."""
        if self.kind == "open":
            return "in"
        if not actor.logged_in:
            return "login"
        if self.kind == "person":
            return "in"
        if self.kind == "never":
            return "refused"
        if actor.superuser:
            return "in"
        if self.kind == "installation":
            return "refused"
        if self.kind in ("list", "add"):
            return self._of_own(actor)
        return self._of_object(actor)

    def _of_own(self, actor: Actor) -> Fate:
        """Pages that show what is one's own: a stranger comes in, and finds only what is his."""
        if not actor.has_project:
            return "refused"
        stranger = actor.role is None  # who owns another project and may see its data
        rank = RANK[actor.role or Role.OWNER]
        return "in" if rank >= RANK[self.role] and (stranger or actor.data or not self.data) else "refused"

    def _of_object(self, actor: Actor) -> Fate:
        if actor.role is None:
            return "missing"
        allowed = RANK[actor.role] >= RANK[self.role] and (actor.data or not self.data)
        return "in" if allowed else "refused"
