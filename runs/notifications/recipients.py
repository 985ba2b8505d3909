"""Who is told: the subscribed members of a project, or, where nobody is, those who run the installation."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from openfn_platform.common.text import one_line
from openfn_platform.projects.models import Membership, Project, Role, User


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """One person, as a mail needs to know them."""

    email: str
    name: str
    time_zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Everybody who is told about one thing, and whether that is only because nobody is subscribed."""

    people: tuple[Recipient, ...]
    nobody_subscribed: bool = False


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Whether somebody is still there, and which projects they belong to."""

    active: bool = True
    superuser: bool = False
    projects: frozenset[uuid.UUID] = frozenset()

    def covers(self, project_id: uuid.UUID | None) -> bool:
        return self.superuser or project_id in self.projects


def audience_of(*, project_id: uuid.UUID | None) -> Audience:
    """The active subscribed members of the project; else, and for what has no project, the active superusers."""
    if project_id is not None:
        users = User.objects.filter(pk__in=_subscribed().filter(project_id=project_id).values("user_id"))
        if people := _people(users):
            return Audience(people=people)
    return Audience(
        people=_people(User.objects.filter(is_active=True, is_superuser=True)),
        nobody_subscribed=project_id is not None,
    )


def administrators_of(*, project_id: uuid.UUID) -> tuple[Recipient, ...]:
    """The active owners and admins of a project, whatever they subscribed to; else the active superusers."""
    senior = Membership.objects.filter(project_id=project_id, role__in=(Role.OWNER, Role.ADMIN))
    people = _people(User.objects.filter(is_active=True, pk__in=senior.values("user_id")))
    return people or _people(User.objects.filter(is_active=True, is_superuser=True))


def recipient_by_address(*, email: str) -> Recipient:
    """The person behind an address, for the times in a list; a bare address when there is none any more."""
    people = _people(User.objects.filter(email=email))
    return people[0] if people else Recipient(email=email, name=email)


def may_be_told(*, email: str) -> Standing:
    """What the person behind an address may still be told now: a mail can wait for days."""
    user = User.objects.filter(email=email, is_active=True).first()
    if user is None:
        return Standing(active=False)
    return Standing(
        superuser=user.is_superuser,
        projects=frozenset(Membership.objects.filter(user=user).values_list("project_id", flat=True)),
    )


def unsubscribed_projects() -> QuerySet[Project]:
    """Projects whose failures are told to nobody of their own: the dashboard warns."""
    return Project.objects.filter(
        ~Exists(_subscribed().filter(project_id=OuterRef("pk"))), archived_at__isnull=True
    )


def _subscribed() -> QuerySet[Membership]:
    return Membership.objects.filter(failure_mail=True, user__is_active=True)


def _people(users: QuerySet[User]) -> tuple[Recipient, ...]:
    return tuple(
        Recipient(email=user.email, name=one_line(str(user), 80), time_zone=user.time_zone)
        for user in users.order_by("email")
    )
