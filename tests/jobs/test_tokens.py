"""The token of a credential: got, renewed in time, used by one renewer at a time, given up only for a reason."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from jobs.credential_tests import TestFailed, credential_test
from jobs.credentials import credential_change
from jobs.models import Credential, CredentialToken
from jobs.oauth import BadAnswer, NoOAuth, NotGiven, connect_begin, connect_finish, connection_of, disconnect
from jobs.opening import CredentialLoadError, credential_open, unsealed
from jobs.rotating import credentials_rotate
from jobs.tokens import (
    NotConnected,
    TokenNotGiven,
    TokenUnavailable,
    credential_ready,
    digest_of,
    token_renew,
)
from openfn_platform.common.crypto import new_key
from openfn_platform.common.errors import Conflict, NotAllowed
from openfn_platform.projects.models import AuditEntry
from tests import factories
from tests.servers.connecting import code_of, connected
from tests.servers.oauth import CALLBACK, SECRET, Provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def provider():
    with Provider() as provider:
        yield provider


@pytest.fixture
def by_person(cast, provider):
    values = provider.credential("authorization_code")
    return factories.credential(cast.project, "CRM", adaptor="http", values=values)


@pytest.fixture
def by_itself(cast, provider):
    values = provider.credential("client_credentials")
    return factories.credential(cast.project, "CRM", adaptor="http", values=values)


def ready(credential):
    fresh = Credential.objects.get(pk=credential.pk)
    return credential_ready(credential=fresh, environment="main").configuration


def ends_in(seconds):
    """Time passes until so many seconds are left."""
    for row in CredentialToken.objects.all():
        assert row.expires_at is not None
        assert row.obtained_at is not None
        passed = row.expires_at - timezone.now() - timedelta(seconds=seconds)
        CredentialToken.objects.filter(pk=row.pk).update(
            expires_at=row.expires_at - passed, obtained_at=row.obtained_at - passed
        )


# ---- connecting ------------------------------------------------------------------------------------------


def test_a_person_connects_it_and_the_job_gets_the_token_but_no_secret(cast, provider, by_person):
    with pytest.raises(NotConnected, match="not connected yet"):
        ready(by_person)
    connected(by_person, by=cast.admin)
    given = ready(by_person)
    assert given["access_token"] in provider.access
    assert SECRET not in given.values()
    assert not [value for value in given.values() if str(value).startswith("refresh-")]
    assert AuditEntry.objects.get(action="credential connected").actor == cast.admin
    how = connection_of(credential=by_person, environment="main")
    assert how is not None
    assert (how.is_connected, how.renews, how.by) == (True, True, str(cast.admin))


def test_tokens_are_readable_nowhere_in_the_database(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    row = CredentialToken.objects.get()
    kept = unsealed(row)
    for table in ("credential_token", "audit_entry", "credential_body"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT string_agg(t::text, '') FROM {table} t")
            dump = cursor.fetchone()[0]
        for secret in (kept["access_token"], kept["refresh_token"], SECRET):
            assert secret not in dump
            assert secret.encode().hex() not in dump


def test_a_token_that_is_moved_to_another_credential_does_not_open_there(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    other = factories.credential(
        cast.project, adaptor="http", values=provider.credential("authorization_code")
    )
    connected(other, by=cast.admin)
    stolen = CredentialToken.objects.get(body__credential=by_person)
    CredentialToken.objects.filter(body__credential=other).update(ciphertext=stolen.ciphertext)
    with pytest.raises(NotConnected, match="connected again"):
        ready(other)


@pytest.mark.parametrize("person", ["editor", "operator", "viewer"])
def test_connecting_is_for_admins(cast, provider, by_person, person):
    somebody = getattr(cast, person)
    with pytest.raises(NotAllowed):
        connect_begin(credential=by_person, by=somebody, callback=CALLBACK)
    begun = connect_begin(credential=by_person, by=cast.admin, callback=CALLBACK)
    with pytest.raises(NotAllowed):
        connect_finish(credential=by_person, pending=begun.pending, code="x", by=somebody, callback=CALLBACK)
    with pytest.raises(NotAllowed):
        disconnect(credential=by_person, by=somebody)


def test_an_answer_to_another_credentials_question_is_not_taken(cast, provider, by_person):
    other = factories.credential(
        cast.project, adaptor="http", values=provider.credential("authorization_code")
    )
    begun = connect_begin(credential=other, by=cast.admin, callback=CALLBACK)
    with pytest.raises(BadAnswer):
        connect_finish(
            credential=by_person, pending=begun.pending, code=code_of(begun), by=cast.admin, callback=CALLBACK
        )
    assert provider.asked == []


def test_a_change_while_one_is_at_the_provider_asks_to_connect_anew(cast, provider, by_person):
    begun = connect_begin(credential=by_person, by=cast.admin, callback=CALLBACK)
    credential_change(credential=by_person, values={"scopes": "read"}, by=cast.admin)
    fresh = Credential.objects.get(pk=by_person.pk)
    with pytest.raises(Conflict, match="press Connect again"):
        connect_finish(
            credential=fresh, pending=begun.pending, code=code_of(begun), by=cast.admin, callback=CALLBACK
        )


def test_what_the_provider_refuses_is_told_in_its_words(cast, provider, by_person):
    begun = connect_begin(credential=by_person, by=cast.admin, callback=CALLBACK)
    with pytest.raises(NotGiven, match="expired or revoked"):
        connect_finish(
            credential=by_person, pending=begun.pending, code="made up", by=cast.admin, callback=CALLBACK
        )


def test_a_credential_without_oauth_is_not_connected(cast):
    with pytest.raises(NoOAuth):
        connect_begin(credential=factories.credential(cast.project), by=cast.admin, callback=CALLBACK)


def test_disconnecting_forgets_the_tokens(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    disconnect(credential=by_person, by=cast.admin)
    assert not CredentialToken.objects.exists()
    with pytest.raises(Conflict, match="not connected"):
        disconnect(credential=by_person, by=cast.admin)


# ---- renewing --------------------------------------------------------------------------------------------


def test_a_token_is_used_until_two_minutes_before_its_end_and_then_renewed(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    first = ready(by_person)["access_token"]
    ends_in(150)
    assert ready(by_person)["access_token"] == first
    ends_in(100)
    second = ready(by_person)["access_token"]
    assert second != first
    assert ready(by_person)["access_token"] == second
    assert provider.grants() == ["authorization_code", "refresh_token"]


def test_tokens_that_live_shorter_than_that_are_used_for_half_their_life(cast, provider, by_person):
    provider.lifetime = 60
    connected(by_person, by=cast.admin)
    first = ready(by_person)["access_token"]
    ends_in(40)
    assert ready(by_person)["access_token"] == first
    ends_in(20)
    assert ready(by_person)["access_token"] != first


def test_a_client_that_logs_in_by_itself_does_so_once_for_many_runs(provider, by_itself):
    assert len({ready(by_itself)["access_token"] for _ in range(5)}) == 1
    ends_in(-1)
    assert ready(by_itself)["access_token"] in provider.access
    assert provider.grants() == ["client_credentials"] * 2


def test_a_refused_token_is_renewed_once_for_all_who_ask(provider, by_itself):
    stale = digest_of(ready(by_itself)["access_token"])
    new = token_renew(credential=by_itself, environment="main", stale=stale)
    assert digest_of(new) != stale
    assert token_renew(credential=by_itself, environment="main", stale=stale) == new
    assert len(provider.asked) == 2


def test_an_ended_agreement_is_said_and_not_asked_about_again(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    provider.end_agreements()
    ends_in(60)
    for _ in range(3):
        with pytest.raises(NotConnected, match=r"must be connected again.*expired or revoked"):
            ready(by_person)
    assert provider.grants() == ["authorization_code", "refresh_token"]
    how = connection_of(credential=by_person, environment="main")
    assert how is not None
    assert "expired or revoked" in how.again
    connected(by_person, by=cast.admin)
    assert ready(by_person)["access_token"] in provider.access


def test_a_provider_that_is_away_for_a_moment_ends_nothing(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    first = ready(by_person)["access_token"]
    provider.down = True
    ends_in(60)
    assert ready(by_person)["access_token"] == first  # it lasts a little longer
    ends_in(-1)
    with pytest.raises(TokenUnavailable, match="cannot be renewed"):
        ready(by_person)
    provider.down = False
    assert ready(by_person)["access_token"] != first


def test_a_wrong_secret_gets_no_token_and_asks_nobody_to_connect(cast, provider, by_itself):
    credential_change(credential=by_itself, values={"client_secret": "another"}, by=cast.admin)
    with pytest.raises(TokenNotGiven, match="Unknown client"):
        ready(by_itself)
    assert CredentialToken.objects.get().refused_at is None
    credential_change(credential=by_itself, values={"client_secret": SECRET}, by=cast.admin)
    assert ready(by_itself)["access_token"]


def test_without_a_refresh_token_it_lasts_as_long_as_it_lasts(cast, provider, by_person):
    provider.gives_refresh_token = False
    connected(by_person, by=cast.admin)
    ends_in(5)
    assert ready(by_person)["access_token"]
    ends_in(-1)
    with pytest.raises(NotConnected, match="none to renew it with"):
        ready(by_person)


def test_with_other_values_the_old_token_is_not_used(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    credential_change(credential=by_person, values={"scopes": "everything"}, by=cast.admin)
    with pytest.raises(NotConnected, match="changed since"):
        ready(by_person)
    credential_change(credential=by_person, values={"scopes": ""}, by=cast.admin)
    assert ready(by_person)["access_token"] in provider.access


def test_tokens_are_encrypted_anew_with_a_new_key(cast, provider, by_person, settings):
    connected(by_person, by=cast.admin)
    before = ready(by_person)
    settings.CREDENTIAL_KEYS = [new_key(), *settings.CREDENTIAL_KEYS]
    assert credentials_rotate() == 2
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    assert ready(by_person) == before


def test_the_providers_host_must_be_one_that_the_project_may_speak_to(cast, by_itself):
    cast.project.allowed_hosts = ["crm.example"]
    cast.project.save()
    with pytest.raises(TokenUnavailable, match="not among the hosts"):
        ready(by_itself)


@pytest.mark.django_db(transaction=True)
def test_many_who_need_the_next_token_show_the_refresh_token_once(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    ends_in(10)
    provider.waits = 0.2
    found: list[object] = []

    def start():
        try:
            found.append(ready(by_person)["access_token"])
        except CredentialLoadError as error:
            found.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert provider.grants().count("refresh_token") == 1
    assert len(found) == 8
    assert len(set(found)) == 1
    assert found[0] in provider.access


def test_a_renewer_that_died_keeps_nobody_from_renewing(cast, provider, by_person):
    connected(by_person, by=cast.admin)
    ends_in(10)
    CredentialToken.objects.update(claim=uuid.uuid4(), claimed_until=timezone.now() - timedelta(seconds=1))
    assert ready(by_person)["access_token"] in provider.access
    assert CredentialToken.objects.get().claim is None


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_provider_is_spoken_to(cast, provider, by_itself):
    provider.waits = 0.3
    seen: list[tuple[str, str]] = []

    def look():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            )
            seen.extend(cursor.fetchall())
        connections.close_all()

    timer = threading.Timer(0.15, look)
    timer.start()
    ready(by_itself)
    timer.join()
    assert seen == []


# ---- testing the connection ------------------------------------------------------------------------------


def test_the_test_renews_a_token_that_is_refused(provider, cast, by_itself):
    ready(by_itself)
    provider.revoke_access()
    assert "accepts" in credential_test(credential=by_itself, by=cast.editor)
    assert provider.calls == [401, 200]


def test_the_test_says_that_it_is_not_connected(cast, by_person):
    with pytest.raises(TestFailed, match="not connected yet"):
        credential_test(credential=by_person, by=cast.editor)
    assert credential_open(credential=by_person, environment="main")
