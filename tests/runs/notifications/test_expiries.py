"""Mails before a credential ends: who is told, when, and exactly once."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connections, transaction
from django.utils import timezone

from jobs.credentials import credential_archive
from jobs.expiring import credential_expiry_set, end_of
from jobs.lending import credential_lend, credential_unlend
from jobs.models import Credential
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import Project, Role
from runs.models import Notification
from runs.notifications.expiries import due_mark, expiries_tell
from runs.notifications.quota import mails_take
from tests import factories

from . import cast

pytestmark = pytest.mark.django_db


def credential(project: Project, *, days: int, name: str = "Clinic OpenMRS") -> Credential:
    made = factories.credential(project, name)
    ends_in(made, days)
    return made


def ends_in(made: Credential, days: int) -> None:
    """So many days are left now. The same date is the same end: as if time had passed, not as if it was changed."""
    day = timezone.now().date() + timedelta(days=days)
    Credential.objects.filter(pk=made.pk).update(expires_at=end_of(day, made.project))


@pytest.mark.parametrize(
    ("days", "mark"),
    [(None, None), (15, None), (14, 14), (8, 14), (7, 7), (2, 7), (1, 1), (0, 0), (-3, 0)],
)
def test_the_warning_that_is_due_is_the_latest_whose_day_has_come(days: int | None, mark: int | None) -> None:
    assert due_mark(days) == mark


def test_owners_and_admins_are_told_whatever_they_subscribed_to(clinic: SimpleNamespace) -> None:
    admin = cast.person("Ada")
    cast.member(clinic.project, admin, role=Role.ADMIN, mail=False)
    credential(clinic.project, days=14)
    assert expiries_tell() == 2
    assert cast.told("expiry") == {"olga", "ada"}


def test_each_warning_comes_once_and_all_four_come(clinic: SimpleNamespace) -> None:
    made = credential(clinic.project, days=20)
    told = []
    for days in (15, 14, 13, 7, 7, 3, 1, 0, 0, -1, -2):
        ends_in(made, days)
        told.append(expiries_tell())
        assert expiries_tell() == 0
    assert told == [0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0]


def test_a_mail_says_what_ends_when_and_what_to_do(clinic: SimpleNamespace) -> None:
    made = credential(clinic.project, days=7, name="Clinic\nOpenMRS")
    factories.job(clinic.project, "Register patient", connections={"openmrs": made})
    expiries_tell()
    mail = cast.mails("expiry")[0]
    assert mail.subject == "[Clinic registration] Clinic OpenMRS expires in 7 days"
    assert "- Register patient" in mail.text
    assert f"/admin/jobs/credential/{made.pk}/change/" in mail.text
    assert "tested before it is stored" in mail.text
    assert factories.OPENMRS["password"] not in mail.text
    assert mail.project == clinic.project


def test_those_who_borrow_it_are_told_too_and_whom_to_ask(clinic: SimpleNamespace) -> None:
    borrower = cast.project("Borrowers")
    cast.member(borrower, cast.person("Bea"), role=Role.ADMIN)
    cast.member(borrower, clinic.owner, role=Role.OWNER)
    made = credential(clinic.project, days=1)
    credential_lend(credential=made, project=borrower, by=PLATFORM)
    factories.job(borrower, "Weekly export", connections={"openmrs": made})
    factories.job(clinic.project, "Register patient", connections={"openmrs": made})
    assert expiries_tell() == 2
    by_name = {mail.recipient.split("@")[0]: mail for mail in cast.mails("expiry")}
    assert set(by_name) == {"olga", "bea"}
    assert (
        by_name["olga"].project == clinic.project
    )  # in both projects, told once, as one of those who own it
    assert "is lent to yours" in by_name["bea"].text
    assert "Ask an administrator of “Clinic registration”" in by_name["bea"].text
    assert "Weekly export" in by_name["bea"].text
    assert "Register patient" not in by_name["bea"].text


def test_who_no_longer_borrows_it_is_told_nothing(clinic: SimpleNamespace) -> None:
    borrower = cast.project("Borrowers")
    cast.member(borrower, cast.person("Bea"), role=Role.ADMIN)
    made = credential(clinic.project, days=1)
    credential_lend(credential=made, project=borrower, by=PLATFORM)
    credential_unlend(credential=made, project=borrower, by=PLATFORM)
    expiries_tell()
    assert cast.told("expiry") == {"olga"}


def test_a_platform_that_was_down_tells_once_how_it_stands(clinic: SimpleNamespace) -> None:
    credential(clinic.project, days=-2)
    assert [expiries_tell(), expiries_tell()] == [1, 0]
    mail = cast.mails("expiry")[0]
    assert mail.subject.endswith("expired")
    assert "it was good until" in mail.text


def test_nothing_is_said_of_what_ended_long_ago_or_was_put_away(clinic: SimpleNamespace) -> None:
    credential(clinic.project, days=-30)
    credential_archive(credential=credential(clinic.project, days=1), by=PLATFORM)
    gone = cast.project("Gone", archived_at=timezone.now())
    Credential.objects.create(
        project=gone, key="x", name="X", adaptor="http", expires_at=timezone.now() + timedelta(days=1)
    )
    assert expiries_tell() == 0


def test_another_date_is_another_end(clinic: SimpleNamespace) -> None:
    made = credential(clinic.project, days=1)
    assert expiries_tell() == 1
    later = end_of(timezone.now().date() + timedelta(days=14), clinic.project)
    credential_expiry_set(credential=Credential.objects.get(pk=made.pk), expires_at=later, by=PLATFORM)
    assert expiries_tell() == 1
    assert len({mail.cause for mail in cast.mails("expiry")}) == 2


def test_many_that_end_later_hide_none_that_is_due(clinic: SimpleNamespace) -> None:
    for number in range(60):
        credential(clinic.project, days=13, name=f"Later {number}")
    Credential.objects.update(expiry_told=14)
    credential(clinic.project, days=14, name="Due")
    assert expiries_tell() == 1


def test_a_project_without_anybody_in_charge_is_told_to_those_who_run_the_installation(
    clinic: SimpleNamespace,
) -> None:
    alone = cast.project("Alone")
    credential(alone, days=7)
    expiries_tell()
    assert cast.told("expiry") == {"root"}


def test_many_at_once_become_a_list_that_leads_to_each(clinic: SimpleNamespace) -> None:
    made = [credential(clinic.project, days=7, name=f"Credential {number}") for number in range(13)]
    expiries_tell()
    mails_take(recipient=clinic.owner.email)
    Notification.objects.filter(state="waiting", sent_at=None).update(
        next_try_at=timezone.now() - timedelta(seconds=1), created_at=timezone.now() - timedelta(hours=2)
    )
    (listed,) = [mail for mail in mails_take(recipient=clinic.owner.email) if mail.kind == "list"]
    assert sum(f"/admin/jobs/credential/{each.pk}/change/" in listed.text for each in made) == 3


@pytest.mark.django_db(transaction=True)
def test_any_number_of_sweeps_makes_one_mail(clinic: SimpleNamespace) -> None:
    credential(clinic.project, days=1)
    told: list[int] = []

    def sweep() -> None:
        try:
            told.append(expiries_tell())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=sweep) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(told) == 1
    assert len(cast.mails("expiry")) == 1


@pytest.mark.django_db(transaction=True)
def test_one_that_somebody_else_has_in_hand_is_passed_over(clinic: SimpleNamespace) -> None:
    made = credential(clinic.project, days=1)
    told: list[int] = []

    def sweep() -> None:
        try:
            told.append(expiries_tell())
        finally:
            connections.close_all()

    with transaction.atomic():
        Credential.objects.select_for_update().get(pk=made.pk)
        thread = threading.Thread(target=sweep)
        thread.start()
        thread.join()
    assert told == [0]
    assert expiries_tell() == 1
