"""Taking a change of a credential back, what is kept of an attempt, and until when a credential is good."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.attempts import Desk, attempt_find, attempt_forget, attempt_park, attempts_forget
from jobs.credentials import credential_archive, credential_change
from jobs.expiring import credential_expiry_set, days_left, end_of, expiry_words, is_over, last_day
from jobs.models import Credential, CredentialAttempt, CredentialBody, CredentialPrevious
from jobs.opening import CredentialLoadError, credential_open
from jobs.rotating import credentials_rotate
from jobs.signals import credential_changed
from jobs.undoing import MOST, NothingToUndo, credential_undo, earlier_values, earlier_values_forget
from openfn_platform.common.crypto import new_key
from openfn_platform.common.errors import Conflict, NotAllowed
from openfn_platform.projects.models import AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db
SECRET = "canary-5ac1-horse"
VALUES = {"baseUrl": "https://api.example.org", "access_token": SECRET}


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def credential(cast):
    return factories.credential(cast.project, "Web", adaptor="http", values=VALUES)


def opened(credential):
    return credential_open(credential=Credential.objects.get(pk=credential.pk), environment="main")


# ---- undo ------------------------------------------------------------------------------------------------


def test_a_change_can_be_undone_and_that_can_be_undone_too(cast, credential):
    before = opened(credential)
    credential_change(credential=credential, values={"access_token": SECRET + "2"}, by=cast.admin)
    after = opened(credential)
    heard = []

    def hear(signal, **facts):
        heard.append(signal)

    credential_changed.connect(hear)
    credential_undo(credential=credential, by=cast.admin)
    credential_changed.disconnect(hear)
    assert heard == [credential_changed]  # what worked a week ago has to prove itself again
    assert opened(credential) == before
    credential_undo(credential=credential, by=cast.admin)
    assert opened(credential) == after
    entry = AuditEntry.objects.filter(action="credential change undone").first()
    assert entry is not None
    assert entry.changes["fields"] == ["access_token"]


def test_every_value_of_the_week_can_be_put_back_by_its_id(cast, credential):
    for name in ("one", "two", "three"):
        credential_change(credential=credential, values={"username": name}, by=cast.admin)
    found = earlier_values(credential=credential, environment="main")
    assert len(found) == 3
    credential_undo(credential=credential, by=cast.admin, earlier=str(found[-1].pk))
    assert "username" not in opened(credential)
    assert earlier_values(credential=credential, environment="main")[0].replaced_by == cast.admin


def test_earlier_values_are_wiped_after_seven_days(cast, credential):
    credential_change(credential=credential, values={"username": "x"}, by=cast.admin)
    CredentialPrevious.objects.update(replaced_at=timezone.now() - timedelta(days=6, hours=23))
    assert earlier_values_forget() == 0
    CredentialPrevious.objects.update(replaced_at=timezone.now() - timedelta(days=7, seconds=1))
    with pytest.raises(NothingToUndo):
        credential_undo(credential=credential, by=cast.admin)
    assert earlier_values_forget() == 1
    assert not CredentialPrevious.objects.exists()


def test_only_so_many_are_kept(cast, credential):
    for number in range(MOST + 3):
        credential_change(credential=credential, values={"username": f"user {number}"}, by=cast.admin)
    assert len(earlier_values(credential=credential, environment="main")) == MOST


def test_earlier_values_are_bound_to_their_row_and_encrypted(cast, credential):
    credential_change(credential=credential, values={"access_token": SECRET + "2"}, by=cast.admin)
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, '') FROM credential_previous t")
        dump = cursor.fetchone()[0]
    assert SECRET.encode().hex() not in dump
    earlier = CredentialPrevious.objects.get()
    CredentialBody.objects.update(ciphertext=earlier.ciphertext, key_id=earlier.key_id)
    with pytest.raises(CredentialLoadError, match="cannot be read"):
        opened(credential)


def test_a_new_key_encrypts_earlier_values_too(cast, credential, settings):
    before = opened(credential)
    credential_change(credential=credential, values={"username": "x"}, by=cast.admin)
    settings.CREDENTIAL_KEYS = [new_key(), *settings.CREDENTIAL_KEYS]
    assert credentials_rotate() == 2
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    credential_undo(credential=credential, by=cast.admin)
    assert opened(credential) == before


def test_undoing_is_for_admins_and_for_what_is_in_use(cast, credential):
    credential_change(credential=credential, values={"username": "x"}, by=cast.admin)
    with pytest.raises(NotAllowed):
        credential_undo(credential=credential, by=cast.editor)
    with pytest.raises(NothingToUndo):
        credential_undo(credential=credential, by=cast.admin, environment="test")
    with pytest.raises(NothingToUndo):
        credential_undo(credential=credential, by=cast.admin, earlier="01900000-0000-7000-8000-000000000000")
    credential_archive(credential=credential, by=cast.admin)
    with pytest.raises(Conflict):
        credential_undo(credential=credential, by=cast.admin)
    assert CredentialPrevious.objects.count() == 1  # putting away wipes nothing


# ---- what was typed and not stored -----------------------------------------------------------------------


def test_an_attempt_is_given_back_to_the_same_desk_only(cast, credential):
    desk = Desk(user=cast.admin, session="s1", adaptor="http", credential=credential, environment="main")
    parked = attempt_park(desk=desk, values={"access_token": SECRET}, sentence="no")
    found = attempt_find(desk=desk, attempt=parked.id)
    assert found is not None
    assert found.values == {"access_token": SECRET}
    assert SECRET not in repr(found)
    other = factories.credential(cast.project)
    for elsewhere in (
        {"user": cast.owner},
        {"session": "s2"},
        {"credential": None},
        {"credential": other},
        {"environment": "test"},
        {"adaptor": "openmrs"},
    ):
        facts = {
            "user": cast.admin,
            "session": "s1",
            "adaptor": "http",
            "credential": credential,
            "environment": "main",
        }
        assert attempt_find(desk=Desk(**{**facts, **elsewhere}), attempt=parked.id) is None, elsewhere
    assert attempt_find(desk=desk, attempt="nonsense") is None


def test_an_attempt_lasts_a_quarter_of_an_hour_and_is_encrypted(cast):
    desk = Desk(user=cast.admin, session="s1", adaptor="http")
    parked = attempt_park(desk=desk, values={"access_token": SECRET})
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, '') FROM credential_attempt t")
        assert SECRET.encode().hex() not in cursor.fetchone()[0]
    assert attempts_forget() == 0
    CredentialAttempt.objects.update(keep_until=timezone.now() - timedelta(seconds=1))
    assert attempt_find(desk=desk, attempt=parked.id) is None
    assert attempts_forget() == 1


def test_a_new_attempt_takes_the_place_of_the_last(cast):
    desk = Desk(user=cast.admin, session="s1", adaptor="http")
    first = attempt_park(desk=desk, values={"access_token": "one"})
    attempt_park(desk=desk, values={"access_token": "two"})
    assert attempt_find(desk=desk, attempt=first.id) is None
    assert CredentialAttempt.objects.count() == 1
    attempt_forget(desk=desk)
    assert CredentialAttempt.objects.count() == 0


# ---- until when it is good -------------------------------------------------------------------------------


def test_it_is_good_through_the_whole_last_day_where_the_project_is(cast, credential):
    cast.project.time_zone = "Africa/Nairobi"
    cast.project.save()
    end = end_of(date(2026, 3, 12), cast.project)
    assert end.isoformat() == "2026-03-12T23:59:59+03:00"
    credential_expiry_set(credential=credential, expires_at=end, by=cast.admin)
    fresh = Credential.objects.select_related("project").get(pk=credential.pk)
    assert last_day(fresh) == date(2026, 3, 12)
    assert days_left(fresh, now=end_of(date(2026, 3, 11), cast.project)) == 1
    assert days_left(fresh, now=end) == 0
    assert days_left(fresh, now=end + timedelta(seconds=2)) == -1


@pytest.mark.parametrize(
    ("days", "words"),
    [(14, "expires in 14 days"), (2, "expires in 2 days"), (1, "expires tomorrow"), (0, "expires today"), (-3, "expired")],
)  # fmt: skip
def test_how_near_the_end_is_is_said_in_words(days, words):
    assert expiry_words(days) == words


def test_another_date_begins_the_warnings_anew(cast, credential):
    Credential.objects.filter(pk=credential.pk).update(expires_at=timezone.now(), expiry_told=0)
    fresh = Credential.objects.get(pk=credential.pk)
    credential_expiry_set(credential=fresh, expires_at=timezone.now() + timedelta(days=90), by=cast.admin)
    fresh.refresh_from_db()
    assert fresh.expiry_told is None
    assert not is_over(fresh)
    assert "expires_at" in AuditEntry.objects.latest("id").changes
    with pytest.raises(NotAllowed):
        credential_expiry_set(credential=fresh, expires_at=None, by=cast.editor)
