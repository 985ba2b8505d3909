"""Trying a credential before it is stored, what is kept of that, and taking a change back."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.attempts import Desk, attempt_find, attempt_forget, attempt_park, attempts_forget
from jobs.credential_tests import (
    Tested,
    TestFailed,
    credential_test,
    credential_try_change,
    credential_try_new,
)
from jobs.credential_values import BadCredential
from jobs.credentials import ReasonMissing, credential_archive, credential_change, credential_create
from jobs.expiring import credential_expiry_set, days_left, end_of, expiry_words, is_over, last_day
from jobs.models import Credential, CredentialAttempt, CredentialBody, CredentialPrevious
from jobs.opening import credential_open
from jobs.rotating import credentials_rotate
from jobs.signals import credential_changed, credential_proved
from jobs.undoing import (
    MOST,
    NothingToUndo,
    credential_undo,
    earlier_values,
    earlier_values_forget,
)
from openfn_platform.common.crypto import new_key
from openfn_platform.common.errors import Conflict, NotAllowed, NotFound
from openfn_platform.projects.models import AuditEntry
from tests import factories
from tests.common.faulty import FaultyServer, answer
from tests.servers.oauth import Provider

pytestmark = pytest.mark.django_db
SECRET = "canary-5ac1-horse"


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def partner():
    """Accepts everything until it is told otherwise."""
    with FaultyServer(answer(200, {})) as server:
        yield server


def refuses(server):
    server.acts = [answer(401, {"message": "Who are you?"})]


def values(server, **more):
    return {"baseUrl": server.url, "access_token": SECRET, "test_path": "/me", **more}


@pytest.fixture
def credential(cast, partner):
    return factories.credential(cast.project, "Web", adaptor="http", values=values(partner))


@pytest.fixture
def heard():
    found = []

    def hear(signal, **facts):
        found.append(signal)

    for signal in (credential_changed, credential_proved):
        signal.connect(hear)
    yield found
    for signal in (credential_changed, credential_proved):
        signal.disconnect(hear)


def opened(credential):
    return credential_open(credential=Credential.objects.get(pk=credential.pk), environment="main")


def result(credential):
    body = CredentialBody.objects.get(credential=credential, environment="main")
    return body.test_ok, body.test_sentence


def change(credential, by, **given):
    """As the page does it: tried, then stored."""
    tested = credential_try_change(credential=credential, values=given, by=by)
    credential_change(credential=credential, values=given, by=by, tested=tested)


# ---- trying ----------------------------------------------------------------------------------------------


def test_new_values_are_tried_before_anything_is_stored(cast, partner):
    tested = credential_try_new(project=cast.project, adaptor="http", values=values(partner), by=cast.admin)
    assert tested is not None
    assert (tested.ok, tested.sentence) == (True, "The web service accepts the credential.")
    assert partner.seen[0].headers["authorization"] == f"Bearer {SECRET}"
    assert not Credential.objects.exists()
    assert SECRET not in repr(tested)
    made = credential_create(
        project=cast.project, name="Web", adaptor="http", values=values(partner), by=cast.admin, tested=tested
    )
    assert result(made) == (True, tested.sentence)


def test_a_failed_try_says_why_in_the_partners_words_and_stores_nothing(cast, partner):
    refuses(partner)
    tested = credential_try_new(project=cast.project, adaptor="http", values=values(partner), by=cast.admin)
    assert tested is not None
    assert not tested.ok
    assert "Who are you?" in tested.sentence
    assert SECRET not in tested.sentence
    assert not Credential.objects.exists()


def test_what_failed_is_stored_only_with_a_reason_which_the_audit_keeps(cast, credential, partner):
    refuses(partner)
    tested = credential_try_change(credential=credential, values={"username": "x"}, by=cast.admin)
    with pytest.raises(ReasonMissing):
        credential_change(
            credential=credential, values={"username": "x"}, by=cast.admin, tested=tested, reason=" "
        )
    assert "username" not in opened(credential)
    credential_change(
        credential=credential, values={"username": "x"}, by=cast.admin, tested=tested, reason="The server moves tonight"
    )  # fmt: skip
    assert opened(credential)["username"] == "x"
    assert result(credential)[0] is False
    entry = AuditEntry.objects.get(action="credential changed")
    assert entry.changes["saved_anyway"] == "The server moves tonight"
    assert entry.changes["worked"] is False


def test_what_works_proves_the_credential_and_what_does_not_leaves_it_in_doubt(cast, credential, heard):
    change(credential, cast.admin, username="x")
    assert heard == [credential_changed, credential_proved]
    heard.clear()
    credential_change(
        credential=credential,
        values={"username": "y"},
        by=cast.admin,
        tested=Tested(ok=False, sentence="no"),
        reason="later",
    )
    assert heard == [credential_changed]


def test_code_may_store_untested_and_it_is_shown_as_that(cast, credential):
    assert result(credential) == (None, "")


def test_a_change_tries_the_new_values_with_the_stored_secrets(cast, credential, partner):
    tested = credential_try_change(credential=credential, values={"test_path": "/other"}, by=cast.admin)
    assert tested is not None
    assert tested.ok
    assert partner.seen[-1].target == "/other"
    assert partner.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
    assert opened(credential)["test_path"] == "/me"


def test_stored_secrets_are_not_tried_at_another_server(cast, credential):
    with FaultyServer() as elsewhere:
        with pytest.raises(BadCredential, match="another server"):
            credential_try_change(credential=credential, values={"baseUrl": elsewhere.url}, by=cast.admin)
        assert elsewhere.seen == []


def test_an_address_where_there_was_none_is_another_server_too(cast):
    values = {"provider": "twilio", "accountSid": "AC1", "authToken": SECRET}
    sms = factories.credential(cast.project, adaptor="sms", values=values)
    with FaultyServer() as elsewhere:
        with pytest.raises(BadCredential, match="another server"):
            credential_try_change(credential=sms, values={"baseUrl": elsewhere.url}, by=cast.admin)
        assert elsewhere.seen == []


def test_nothing_new_is_not_tried_and_changes_nothing(cast, credential, partner, heard):
    seen = len(partner.seen)
    assert (
        credential_try_change(credential=credential, values={"access_token": SECRET}, by=cast.admin) is None
    )
    credential_change(credential=credential, values={"access_token": SECRET}, by=cast.admin)
    assert len(partner.seen) == seen
    assert heard == []
    assert earlier_values(credential=credential, environment="main") == []


def test_what_is_stored_must_be_what_was_tried(cast, credential):
    tested = credential_try_change(credential=credential, values={"username": "x"}, by=cast.admin)
    credential_change(credential=credential, values={"test_path": "/new"}, by=cast.owner)
    with pytest.raises(Conflict, match="Somebody changed"):
        credential_change(credential=credential, values={"username": "x"}, by=cast.admin, tested=tested)


@pytest.mark.parametrize("person", ["editor", "outsider"])
def test_trying_is_for_those_who_may_store(cast, credential, partner, person):
    somebody = getattr(cast, person)
    expected = NotFound if person == "outsider" else NotAllowed
    seen = len(partner.seen)
    with pytest.raises(expected):
        credential_try_new(project=cast.project, adaptor="http", values=values(partner), by=somebody)
    with pytest.raises(expected):
        credential_try_change(credential=credential, values={"username": "x"}, by=somebody)
    assert len(partner.seen) == seen


def test_no_transaction_is_open_while_the_partner_is_spoken_to(transactional_db):
    """Asked from inside the partner's answer, over a connection of its own."""
    idle = []

    def act(peer, seen):
        own = connection.copy()
        own.settings_dict["OPTIONS"] = {k: v for k, v in own.settings_dict["OPTIONS"].items() if k != "pool"}
        with own.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state LIKE 'idle in transaction%'"
            )
            idle.append(cursor.fetchone()[0])
        own.close()
        answer(200, {})(peer, seen)

    with FaultyServer(act) as server:
        fresh = factories.cast()
        credential_try_new(project=fresh.project, adaptor="http", values=values(server), by=fresh.admin)
        web = factories.credential(fresh.project, adaptor="http", values=values(server))
        credential_test(credential=web, by=fresh.admin)
    assert idle == [0, 0]


def test_a_client_that_logs_in_by_itself_is_tried_with_a_token_of_the_new_values(cast):
    with Provider() as provider:
        given = provider.credential("client_credentials")
        tested = credential_try_new(project=cast.project, adaptor="http", values=given, by=cast.admin)
        assert tested is not None
        assert tested.ok
        wrong = {**given, "client_secret": "canary-wrong"}
        tested = credential_try_new(project=cast.project, adaptor="http", values=wrong, by=cast.admin)
        assert tested is not None
        assert not tested.ok
        assert "Unknown client" in tested.sentence
        by_person = provider.credential("authorization_code")
        assert (
            credential_try_new(project=cast.project, adaptor="http", values=by_person, by=cast.admin) is None
        )


def test_the_result_of_a_test_stays_with_the_values(cast, credential, partner):
    credential_test(credential=credential, by=cast.editor)
    assert result(credential) == (True, "The web service accepts the credential.")
    refuses(partner)
    with pytest.raises(TestFailed):
        credential_test(credential=credential, by=cast.editor)
    assert result(credential)[0] is False
    assert CredentialBody.objects.get().tested_at is not None
    credential_change(credential=credential, values={"username": "x"}, by=cast.admin)
    assert result(credential) == (None, "")


# ---- undo ------------------------------------------------------------------------------------------------


def test_a_change_can_be_undone_and_that_can_be_undone_too(cast, credential, heard):
    before = opened(credential)
    credential_change(credential=credential, values={"access_token": SECRET + "2"}, by=cast.admin)
    after = opened(credential)
    heard.clear()
    credential_undo(credential=credential, by=cast.admin)
    assert opened(credential) == before
    assert heard == [credential_changed]
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


def test_the_result_of_their_test_comes_back_with_the_values(cast, credential):
    credential_test(credential=credential, by=cast.admin)
    credential_change(credential=credential, values={"username": "x"}, by=cast.admin)
    credential_undo(credential=credential, by=cast.admin)
    assert result(credential)[0] is True


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
    with pytest.raises(Exception, match="cannot be read"):
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
