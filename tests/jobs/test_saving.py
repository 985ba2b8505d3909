"""Trying a credential before it is stored, and what is kept of that."""

from __future__ import annotations

import pytest
from django.db import connection

from jobs.credential_tests import (
    Tested,
    TestFailed,
    credential_test,
    credential_try_change,
    credential_try_new,
)
from jobs.credential_values import BadCredential
from jobs.credentials import ReasonMissing, credential_change, credential_create
from jobs.models import Credential, CredentialBody
from jobs.opening import credential_open
from jobs.signals import credential_changed, credential_proved
from jobs.undoing import (
    credential_undo,
    earlier_values,
)
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


def test_the_result_of_their_test_comes_back_with_the_values(cast, credential):
    credential_test(credential=credential, by=cast.admin)
    credential_change(credential=credential, values={"username": "x"}, by=cast.admin)
    credential_undo(credential=credential, by=cast.admin)
    assert result(credential)[0] is True
