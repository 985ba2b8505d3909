"""*Connect* in the browser: to the provider and back, for the browser that asked and once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from jobs.admin.credential_oauth import callback_address
from jobs.credential_tests import credential_try_change
from jobs.models import Credential, CredentialToken
from openfn_platform.projects.models import Role
from tests import factories
from tests.factories import Cast
from tests.servers.connecting import sent_back
from tests.servers.oauth import SECRET, Provider
from tests.workspace.desk import at, page, text_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(callbacks={callback_address()}) as provider:
        yield provider


@pytest.fixture
def credential(cast: Cast, provider: Provider) -> Credential:
    values = provider.credential("authorization_code")
    return factories.credential(cast.project, "CRM", adaptor="http", values=values)


def begin(client: Client, credential: Credential, **given: str) -> Any:
    return client.post(page("jobs_credential_connect", credential.pk), given)


def back(client: Client, address: str) -> Any:
    """The browser follows the provider home."""
    parts = urlsplit(sent_back(address))
    return client.get(f"{parts.path}?{parts.query}", follow=True)


def test_a_person_connects_it_and_sees_that_it_works(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    client = at(cast.admin)
    shown = text_of(client.get(page("jobs_credential_change", credential.pk)))
    assert "not yet" in shown
    assert callback_address() in shown
    begun = begin(client, credential)
    assert begun["Location"].startswith(f"{provider.url}/authorize?")
    answered = back(client, begun["Location"])
    assert "Connected." in told(answered)
    assert "accepts the credential" in told(answered)
    shown = text_of(answered)
    assert f"by {cast.admin}" in shown
    assert "renewed by itself" in shown
    kept = CredentialToken.objects.get()
    assert kept.connected_by == cast.admin
    for secret in (*provider.access, *provider.refresh, SECRET):
        assert secret not in shown


def test_what_is_remembered_on_the_way_is_no_part_of_the_address(cast: Cast, credential: Credential) -> None:
    client = at(cast.admin)
    address = begin(client, credential)["Location"]
    (pending,) = client.session["credential_connections"].values()
    assert pending["verifier"] not in address
    assert SECRET not in address


def test_an_answer_counts_once(cast: Cast, provider: Provider, credential: Credential) -> None:
    client = at(cast.admin)
    answer = urlsplit(sent_back(begin(client, credential)["Location"]))
    for expected in ("Connected.", "press Connect again"):
        assert expected in told(client.get(f"{answer.path}?{answer.query}", follow=True))
    assert len(provider.asked) == 1


def test_another_browser_cannot_bring_the_answer(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    address = begin(at(cast.admin), credential)["Location"]
    for somebody in (at(cast.admin), at(cast.owner)):
        assert "press Connect again" in told(back(somebody, address))
    assert provider.asked == []


def test_an_answer_without_a_question_does_nothing(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    client = at(cast.admin)
    url = page("jobs_credential_oauth_callback")
    for state in ("", "made up", "a:b:c"):
        said = told(client.get(f"{url}?{urlencode({'state': state, 'code': 'x'})}", follow=True))
        assert "press Connect again" in said
    assert provider.asked == []


def test_who_lost_the_right_on_the_way_does_not_arrive(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    client = at(cast.admin)
    address = begin(client, credential)["Location"]
    cast.project.memberships.filter(user=cast.admin).update(role=Role.VIEWER)
    assert back(client, address).status_code == 403
    assert provider.asked == []
    cast.project.memberships.filter(user=cast.admin).delete()
    client = at(cast.admin)
    assert begin(client, credential).status_code == 404


def test_a_no_at_the_provider_is_told_in_its_words(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    provider.agrees = False
    client = at(cast.admin)
    assert "The person said no." in told(back(client, begin(client, credential)["Location"]))
    assert not CredentialToken.objects.exists()


def test_words_of_a_provider_are_shown_as_text(cast: Cast, credential: Credential) -> None:
    client = at(cast.admin)
    state = parse_qs(urlsplit(begin(client, credential)["Location"]).query)["state"][0]
    evil = urlencode({"state": state, "error": "x", "error_description": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in text_of(
        client.get(f"{page('jobs_credential_oauth_callback')}?{evil}", follow=True)
    )


def test_connecting_needs_a_press_and_the_right_role(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    assert begin(at(cast.editor), credential).status_code == 403
    assert begin(at(cast.outsider), credential).status_code == 404
    client = at(cast.admin)
    client.get(page("jobs_credential_connect", credential.pk))
    assert "credential_connections" not in client.session


def test_each_environment_is_connected_by_itself(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    values = {**provider.credential("authorization_code"), "scopes": "sandbox"}
    client = at(cast.admin)
    url = page("jobs_credential_change", credential.pk, environment="test")
    client.post(url, {"name": "CRM", **{f"value_{name}": value for name, value in values.items()}})
    back(client, begin(client, credential, environment="test")["Location"])
    assert [row.body.environment for row in CredentialToken.objects.select_related("body")] == ["test"]


def test_an_ended_agreement_is_on_the_page_and_in_the_list(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    client = at(cast.admin)
    back(client, begin(client, credential)["Location"])
    provider.end_agreements()
    client.post(page("jobs_credential_test", credential.pk))
    shown = text_of(client.get(page("jobs_credential_change", credential.pk)))
    assert "It must be connected again." in shown
    assert "Token has been expired or revoked" in shown
    assert "connect again" in text_of(client.get(page("jobs_credential_changelist")))


def test_a_new_secret_is_saved_without_connecting_again(
    cast: Cast, provider: Provider, credential: Credential
) -> None:
    client = at(cast.admin)
    back(client, begin(client, credential)["Location"])
    fresh = Credential.objects.get()
    tested = credential_try_change(credential=fresh, values={"test_path": "/other"}, by=cast.admin)
    assert tested is not None
    assert tested.ok


def test_disconnecting_asks_first(cast: Cast, provider: Provider, credential: Credential) -> None:
    client = at(cast.admin)
    back(client, begin(client, credential)["Location"])
    leave = page("jobs_credential_disconnect", credential.pk)
    assert "cannot start" in text_of(client.get(leave))
    assert CredentialToken.objects.exists()
    client.post(leave)
    assert not CredentialToken.objects.exists()
