"""Who may go, and what is shown before somebody is switched off."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from jobs.credentials import credential_create
from openfn_platform.common.errors import Conflict, NotAllowed
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.founding import project_archive
from openfn_platform.projects.inviting import invitation_make
from openfn_platform.projects.membering import LastOwner, member_add, member_change, member_remove
from openfn_platform.projects.models import Membership, Role, Scope, User
from openfn_platform.projects.people import person_change, person_switch
from openfn_platform.projects.tokens import token_create
from runs.incidents import alarm_raise, incident_take
from runs.models import Incident
from tests import factories
from tests.accounts.doors import seen
from tests.factories import Cast
from tests.workspace.desk import at, page, told


def own(cast: Cast) -> Membership:
    return Membership.objects.get(user=cast.owner)


@pytest.mark.parametrize("by", ["owner", "superuser"])
def test_the_last_owner_stays_whoever_asks(cast: Cast, by: str):
    who = getattr(cast, by)
    with pytest.raises(LastOwner):
        member_remove(membership=own(cast), by=who)
    with pytest.raises(LastOwner):
        member_change(membership=own(cast), by=who, role=Role.ADMIN)
    assert own(cast).role == Role.OWNER


def test_the_last_owner_is_not_switched_off_and_the_project_is_named(cast: Cast):
    answer = at(cast.superuser).post(page("projects_user_switch_off", cast.owner.pk), follow=True)
    assert f"last owner of “{cast.project}”" in told(answer)
    cast.owner.refresh_from_db()
    assert cast.owner.is_active


def test_a_switched_off_second_owner_does_not_count(cast: Cast):
    second = factories.user("Second")
    row = member_add(project=cast.project, user=second, role=Role.OWNER, by=cast.owner)
    person_switch(person=second, active=False, by=cast.superuser)
    with pytest.raises(Conflict):
        person_switch(person=cast.owner, active=False, by=cast.superuser)
    with pytest.raises(LastOwner):
        member_remove(membership=own(cast), by=cast.owner)
    person_switch(person=second, active=True, by=cast.superuser)
    person_switch(person=cast.owner, active=False, by=cast.superuser)
    assert row.role == Role.OWNER


def test_a_superuser_is_not_thereby_an_owner(cast: Cast):
    member_add(project=cast.project, user=cast.superuser, role=Role.ADMIN, by=cast.owner)
    with pytest.raises(Conflict):
        person_switch(person=cast.owner, active=False, by=cast.superuser)


def test_the_last_owner_of_an_archived_project_may_go(cast: Cast):
    project_archive(project=cast.project, by=cast.owner)
    person_switch(person=cast.owner, active=False, by=cast.superuser)


def test_the_last_who_runs_the_installation_stays(cast: Cast):
    with pytest.raises(Conflict):
        person_change(person=cast.superuser, by=cast.superuser, is_superuser=False)
    with pytest.raises(NotAllowed):
        person_switch(person=cast.viewer, active=False, by=cast.owner)


@pytest.mark.django_db(transaction=True)
def test_two_owners_switched_off_at_the_same_time_leave_one(transactional_db: None):
    chief = factories.superuser()
    owners = [factories.user("One"), factories.user("Two")]
    home = factories.project(owner=owners[0])
    member_add(project=home, user=owners[1], role=Role.OWNER, by=PLATFORM)
    together, refused = threading.Barrier(2), []

    def off(person: User) -> None:
        try:
            together.wait(timeout=5)
            person_switch(person=person, active=False, by=chief)
        except Conflict as error:
            refused.append(error.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=off, args=(person,)) for person in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert User.objects.filter(pk__in=[each.pk for each in owners], is_active=True).count() == 1
    assert len(refused) == 1


# --- what hangs on a person ----------------------------------------------------------------------------


@pytest.fixture
def busy(cast: Cast) -> Cast:
    """An admin with something of everything."""
    admin = cast.admin
    token_create(project=cast.project, name="Monthly report", scopes=[Scope.READ], by=admin)
    job = factories.job(cast.project, "Register patients")
    version: Any = job.live_version
    version.author = admin
    version.save(update_fields=["author"])
    invitation_make(project=cast.project, email="friend@example.org", role=Role.VIEWER, by=admin)
    credential_create(
        project=cast.project, name="Clinic OpenMRS", adaptor="openmrs", values=factories.OPENMRS, by=admin
    )
    alarm_raise(name="silent", title="The inbox is silent", message="", project_id=cast.project.pk)
    incident_take(incident=Incident.objects.get(), by=admin)
    return cast


def test_everything_that_hangs_on_a_person_is_shown_before_they_are_switched_off(busy: Cast):
    client = at(busy.superuser)
    for url in (
        page("projects_user_hanging", busy.admin.pk),
        page("projects_user_switch_off", busy.admin.pk),
    ):
        shown = seen(client.get(url))
        for expected in (
            "Memberships",
            "Mails on failure",
            "Monthly report",
            "Register patients",
            "friend@example.org",
            "Clinic OpenMRS",
            "The inbox is silent",
        ):
            assert expected in shown, (url, expected)
    assert "no longer log in" in shown


def test_an_only_owner_is_named_as_such(cast: Cast):
    shown = seen(at(cast.superuser).get(page("projects_user_hanging", cast.owner.pk)))
    assert "the only one" in shown


def test_nothing_hangs_on_a_stranger(cast: Cast):
    nobody = factories.user("Nobody")
    assert "Nothing hangs" in seen(at(cast.superuser).get(page("projects_user_hanging", nobody.pk)))


def test_the_page_is_for_who_runs_the_installation(cast: Cast):
    assert at(cast.owner).get(page("projects_user_hanging", cast.viewer.pk)).status_code == 404
