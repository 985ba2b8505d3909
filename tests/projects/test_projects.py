"""Founding projects, changing them, and who belongs to them."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from openfn_platform.common.errors import Conflict, Invalid, NotAllowed, NotFound
from openfn_platform.projects.founding import project_archive, project_change, project_create
from openfn_platform.projects.membering import (
    AlreadyMember,
    LastOwner,
    member_add,
    member_change,
    member_remove,
)
from openfn_platform.projects.models import AuditEntry, Membership, Project, Role
from tests import factories
from triggers.inboxes import project_inbox
from triggers.models.inbox import InboxAccess

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return factories.cast()


def membership(person, project: Project) -> Membership:
    return Membership.objects.get(user=person, project=project)


def test_whoever_makes_a_project_owns_it_and_is_told_of_failures():
    maker = factories.superuser()
    made = project_create(name="  Clinic\u200b registration ", by=maker, time_zone="Africa/Lome")
    own = membership(maker, made)
    assert (made.name, made.key) == ("Clinic registration", "clinic-registration")
    assert (own.role, own.may_see_data, own.failure_mail) == (Role.OWNER, True, True)


def test_a_project_has_an_inbox_from_the_start_that_is_shut_without_a_key():
    inbox = project_inbox(project=factories.project())
    assert inbox.access == InboxAccess.KEY
    assert not inbox.auths.exists()


def test_two_projects_of_one_name_have_different_keys():
    keys = [factories.project("Vaccines").key for _ in range(3)]
    assert keys == ["vaccines", "vaccines-2", "vaccines-3"]


def test_only_who_runs_the_installation_makes_projects(cast):
    with pytest.raises(NotAllowed):
        project_create(name="Mine", by=cast.owner)


def test_nonsense_is_refused_in_a_sentence_that_names_the_field():
    with pytest.raises(Invalid, match=r"Time zone: There is no time zone of that name") as caught:
        factories.project(time_zone="Africa/Atlantis")
    assert caught.value.context["field"] == "time_zone"


def test_changed_settings_are_saved_audited_and_reach_the_inboxes(cast):
    before = Project.objects.get(pk=cast.project.pk).config_version
    project_change(project=cast.project, by=cast.admin, max_waiting=7)
    after = Project.objects.get(pk=cast.project.pk)
    assert after.max_waiting == 7
    assert after.config_version > before
    assert AuditEntry.objects.get(action="project changed").changes == {"max_waiting": [100_000, 7]}


def test_editors_do_not_change_the_project_and_admins_do_not_archive_it(cast):
    with pytest.raises(NotAllowed):
        project_change(project=cast.project, by=cast.editor, name="Other")
    with pytest.raises(NotAllowed):
        project_archive(project=cast.project, by=cast.admin)


def test_an_archived_project_cannot_be_archived_again(cast):
    project_archive(project=cast.project, by=cast.owner)
    with pytest.raises(Conflict):
        project_archive(project=cast.project, by=cast.owner)


@pytest.mark.parametrize(
    ("role", "answerable"), [(Role.VIEWER, False), (Role.EDITOR, False), (Role.ADMIN, True)]
)
def test_who_answers_for_the_project_sees_data_and_gets_mail(cast, role, answerable):
    added = member_add(project=cast.project, user=factories.user(), role=role, by=cast.admin)
    assert (added.may_see_data, added.failure_mail) == (answerable, answerable)


def test_a_member_cannot_be_added_twice(cast):
    with pytest.raises(AlreadyMember):
        member_add(project=cast.project, user=cast.viewer, role=Role.EDITOR, by=cast.admin)


def test_admins_decide_about_members_but_not_about_owners(cast):
    member_change(membership=membership(cast.viewer, cast.project), by=cast.admin, role=Role.EDITOR)
    assert membership(cast.viewer, cast.project).role == Role.EDITOR
    for deed in (
        lambda: member_add(project=cast.project, user=factories.user(), role=Role.OWNER, by=cast.admin),
        lambda: member_change(
            membership=membership(cast.admin, cast.project), by=cast.admin, role=Role.OWNER
        ),
        lambda: member_change(
            membership=membership(cast.owner, cast.project), by=cast.admin, role=Role.VIEWER
        ),
        lambda: member_remove(membership=membership(cast.owner, cast.project), by=cast.admin),
    ):
        with pytest.raises(NotAllowed):
            deed()


def test_nobody_raises_themselves_but_everybody_may_silence_their_mails_and_leave(cast):
    own = membership(cast.viewer, cast.project)
    with pytest.raises(NotAllowed):
        member_change(membership=own, by=cast.viewer, role=Role.ADMIN)
    with pytest.raises(NotAllowed):
        member_change(membership=own, by=cast.viewer, may_see_data=True)
    assert member_change(membership=own, by=cast.viewer, failure_mail=True).failure_mail
    member_remove(membership=own, by=cast.viewer)
    assert not Membership.objects.filter(user=cast.viewer, project=cast.project).exists()


def test_an_outsider_cannot_touch_members(cast):
    with pytest.raises(NotFound):
        member_change(membership=membership(cast.viewer, cast.project), by=cast.outsider, role=Role.ADMIN)


def test_the_last_owner_can_neither_leave_nor_be_lowered(cast):
    last = membership(cast.owner, cast.project)
    with pytest.raises(LastOwner):
        member_remove(membership=last, by=cast.owner)
    with pytest.raises(LastOwner):
        member_change(membership=last, by=cast.superuser, role=Role.ADMIN)
    member_add(project=cast.project, user=cast.outsider, role=Role.OWNER, by=cast.owner)
    member_remove(membership=last, by=cast.owner)


def test_an_owner_who_was_switched_off_does_not_count(cast):
    other = factories.user(is_active=False)
    member_add(project=cast.project, user=other, role=Role.OWNER, by=cast.owner)
    with pytest.raises(LastOwner):
        member_remove(membership=membership(cast.owner, cast.project), by=cast.owner)


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_the_same_time_do_not_both_succeed():
    first, second = factories.user("First"), factories.user("Second")
    project = factories.project(owner=first)
    member_add(project=project, user=second, role=Role.OWNER, by=first)
    refused: list[LastOwner] = []
    begin = threading.Barrier(2)

    def leave(person):
        try:
            own = membership(person, project)
            begin.wait(timeout=10)
            with transaction.atomic():
                member_remove(membership=own, by=person)
        except LastOwner as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(person,)) for person in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(refused) == 1
    assert Membership.objects.filter(project=project, role=Role.OWNER).count() == 1


def test_allowed_hosts_are_kept_in_one_spelling_and_no_web_addresses(cast):
    project_change(
        project=cast.project, by=cast.admin, allowed_hosts=["EMR.local:8443", "emr.local:8443", ""]
    )
    assert cast.project.allowed_hosts == ["emr.local:8443"]
    with pytest.raises(Invalid, match="without http://") as refused:
        project_change(project=cast.project, by=cast.admin, allowed_hosts=["https://dhis2.example.org/api"])
    assert refused.value.context["field"] == "allowed_hosts"
