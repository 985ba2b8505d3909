"""Mails of one project go to its members, or, where nobody is subscribed, to those who run the installation.

Whatever makes a mail is made to happen in one of two projects that are alike; then it is counted whose mails were stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Credential
from openfn_platform.projects.models import Membership, Project, Role, User
from runs.models import Incident, Notification
from runs.notifications.expiries import expiries_tell
from runs.notifications.refused import refusals_tell
from runs.notifications.reminders import reminders_queue
from tests import factories
from tests.runs.notifications import cast
from triggers.models import Inbox, InboxAuth
from triggers.models.inbox import AuthKind

pytestmark = pytest.mark.django_db
ROLES = (Role.OWNER, Role.ADMIN, Role.EDITOR, Role.OPERATOR, Role.VIEWER)


@dataclass(frozen=True)
class House:
    """A project with somebody in every role, all of them subscribed but those whose name begins with `quiet`."""

    project: Project
    name: str

    def people(self, *roles: Role, quiet: bool = False) -> set[str]:
        return {_address(self.name, role, quiet=quiet) for role in roles}


def _address(house: str, role: Role, *, quiet: bool = False) -> str:
    return f"{'quiet.' if quiet else ''}{role}.{house}@clinic.example"


def house(name: str) -> House:
    project = cast.project(f"{name} canary-of-{name}")
    for role in ROLES:
        for quiet in (False, True):
            user = User.objects.create(email=_address(name, role, quiet=quiet))
            cast.member(project, user, role=role, mail=not quiet)
    factories.credential(project, f"canary-of-{name} login")
    return House(project, name)


@pytest.fixture
def houses() -> tuple[House, House]:
    User.objects.create(email="root@clinic.example", is_superuser=True)
    User.objects.create(email="gone@clinic.example", is_superuser=True, is_active=False)
    User.objects.create(email="stranger@clinic.example")
    both = house("here"), house("there")
    # Somebody in both is told of each by himself; whoever left is told nothing.
    leaver = User.objects.create(email="leaver@clinic.example")
    cast.member(both[0].project, leaver, role=Role.OWNER).delete()
    return both


# --- what makes a mail ----------------------------------------------------------------------------


def incident(project: Project) -> None:
    cast.fail(cast.failing_run(project))


def reminder(project: Project) -> None:
    incident(project)
    Notification.objects.all().delete()
    Incident.objects.update(next_reminder_at=timezone.now() - timedelta(minutes=1))
    reminders_queue()


def all_clear(project: Project) -> None:
    run = cast.failing_run(project)
    cast.fail(run)
    Notification.objects.all().delete()
    cast.succeed(run)


def refusal(project: Project) -> None:
    """A key that worked is revoked, and somebody still knocks with it."""
    now = timezone.now()
    InboxAuth.objects.create(
        project=project,
        inbox=Inbox.objects.create(project=project, name="Inbox"),
        kind=AuthKind.KEY,
        name="tablet",
        last_used_at=now - timedelta(days=2),
        revoked_at=now - timedelta(days=1),
        refused_since=now - timedelta(hours=1),
        refused_at=now,
    )
    refusals_tell()


def expiry(project: Project) -> None:
    Credential.objects.filter(project=project).update(expires_at=timezone.now() + timedelta(days=3))
    expiries_tell()


EVENTS: tuple[Callable[[Project], None], ...] = (incident, reminder, all_clear, refusal)
by_name = pytest.mark.parametrize("happen", EVENTS, ids=lambda each: each.__name__)


@by_name
def test_mails_about_a_project_go_to_its_subscribed_members_and_to_nobody_else(
    houses: tuple[House, House], happen: Callable[[Project], None]
):
    here, there = houses
    happen(here.project)
    mails = cast.mails()
    assert {mail.recipient for mail in mails} == here.people(*ROLES)
    assert {mail.project_id for mail in mails} == {here.project.pk}
    assert not [mail for mail in mails if f"canary-of-{there.name}" in mail.subject + mail.text]


@by_name
def test_where_nobody_is_subscribed_superusers_are_told_and_no_member_of_anything(
    houses: tuple[House, House], happen: Callable[[Project], None]
):
    here, _ = houses
    Membership.objects.filter(project=here.project).update(failure_mail=False)
    happen(here.project)
    assert {mail.recipient for mail in cast.mails()} == {"root@clinic.example"}


def test_a_credential_that_ends_is_told_to_those_who_administer_its_project(houses: tuple[House, House]):
    here, _ = houses
    expiry(here.project)
    seniors = here.people(Role.OWNER, Role.ADMIN) | here.people(Role.OWNER, Role.ADMIN, quiet=True)
    assert {mail.recipient for mail in cast.mails()} == seniors


def test_a_credential_of_a_project_without_administrators_is_told_to_superusers(houses: tuple[House, House]):
    here, _ = houses
    Membership.objects.filter(project=here.project, role__in=(Role.OWNER, Role.ADMIN)).delete()
    expiry(here.project)
    assert {mail.recipient for mail in cast.mails()} == {"root@clinic.example"}


def test_both_projects_in_trouble_are_two_stories(houses: tuple[House, House]):
    """The same job with the same error, in both: each is told of its own."""
    here, there = houses
    for one in houses:
        incident(one.project)
    for one in (here, there):
        told = {mail.recipient for mail in cast.mails() if mail.project_id == one.project.pk}
        assert told == one.people(*ROLES)
    assert Incident.objects.count() == 2
