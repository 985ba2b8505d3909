"""Logging in at the organisation's own identity provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client

from openfn_platform.projects.inviting import invitation_make
from openfn_platform.projects.models import AuditEntry, Membership, Role, User
from tests.accounts.doors import browser, code_of, is_in, seen, with_factor
from tests.factories import Cast
from tests.servers.oidc import CLIENT, SECRET, Identities

BEGIN = "/admin/oidc/login/"
CALLBACK = "http://testserver/admin/oidc/callback/"
NEWCOMER = "newcomer@example.org"


@pytest.fixture
def provider(settings: Any) -> Iterator[Identities]:
    with Identities(callbacks={CALLBACK}) as identities:
        settings.OIDC_ISSUER, settings.OIDC_NAME = identities.url, "Ministry of Health"
        app = {"provider_id": "oidc", "name": "Ministry of Health", "client_id": CLIENT, "secret": SECRET}
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {
                "OAUTH_PKCE_ENABLED": True,
                "APPS": [{**app, "settings": {"server_url": identities.url}}],
            }
        }
        yield identities


def go(client: Client, **given: str) -> Any:
    """Press the button, be at the provider's, come back."""
    begun = client.post(BEGIN, given)
    assert begun.status_code == 302, seen(begun)
    there = httpx.get(begun["Location"], trust_env=False)
    assert there.status_code == 302, there.text
    back = urlsplit(there.headers["Location"])
    return client.get(f"{back.path}?{back.query}")


def refused(client: Client, answer: Any) -> str:
    assert answer["Location"] == "/admin/login/", answer
    assert not is_in(client)
    return seen(client.get("/admin/login/"))


def test_a_person_with_a_verified_address_is_in_where_they_wanted_to_go(cast: Cast, provider: Identities):
    provider.email = cast.editor.email.upper()
    client = browser()
    assert "Log in with Ministry of Health" in seen(client.get("/admin/login/"))
    assert go(client, next="/admin/jobs/job/")["Location"] == "/admin/jobs/job/"
    assert is_in(client)
    entry = AuditEntry.objects.get(action="logged in")
    assert (entry.actor, entry.changes["how"]) == (cast.editor, "the organisation’s log-in")


def test_nothing_of_the_provider_is_stored(cast: Cast, provider: Identities):
    provider.email = cast.editor.email
    go(browser())
    assert not SocialAccount.objects.exists()
    assert not SocialToken.objects.exists()


@pytest.mark.parametrize("verified", [False, None, "true", 1, "false"])
def test_an_address_that_is_not_verified_opens_nothing(cast: Cast, provider: Identities, verified: Any):
    provider.email, provider.email_verified = cast.editor.email, verified
    client = browser()
    assert "not verified" in refused(client, go(client))
    assert AuditEntry.objects.get(action="log-in failed").changes["email"] == cast.editor.email


def test_somebody_unknown_gets_no_account(cast: Cast, provider: Identities):
    provider.email = "stranger@example.org"
    client, before = browser(), User.objects.count()
    assert "ask for an invitation" in refused(client, go(client))
    assert User.objects.count() == before


def test_a_switched_off_person_does_not_come_in_that_way(cast: Cast, provider: Identities):
    cast.editor.is_active = False
    cast.editor.save()
    provider.email = cast.editor.email
    client = browser()
    refused(client, go(client))


def test_a_second_factor_is_asked_for_after_it(cast: Cast, provider: Identities):
    secret, _ = with_factor(cast.editor)
    provider.email = cast.editor.email
    client = browser()
    asked = go(client, next="/admin/jobs/job/")
    assert not is_in(client)
    assert client.post(asked["Location"], {"code": code_of(secret)})["Location"] == "/admin/jobs/job/"
    assert is_in(client)


def test_an_invited_person_comes_in_without_a_password(cast: Cast, provider: Identities):
    _, url = invitation_make(project=cast.project, email=NEWCOMER, role=Role.VIEWER, by=cast.admin)
    provider.email = NEWCOMER
    client = browser()
    assert "Log in with Ministry of Health" in seen(client.get("/" + url.split("/", 3)[3]))
    go(client)
    person = User.objects.get(email=NEWCOMER)
    assert (person.name, person.has_usable_password()) == ("Asha Mushi", False)
    assert Membership.objects.get(user=person).project == cast.project
    assert is_in(client)


def test_the_link_of_an_invitation_does_not_let_in_somebody_else(cast: Cast, provider: Identities):
    _, url = invitation_make(project=cast.project, email=NEWCOMER, role=Role.VIEWER, by=cast.admin)
    provider.email = "stranger@example.org"
    client = browser()
    client.get("/" + url.split("/", 3)[3])
    refused(client, go(client))
    assert not User.objects.filter(email__in=[NEWCOMER, "stranger@example.org"]).exists()


def test_an_invitation_that_was_not_opened_makes_no_account(cast: Cast, provider: Identities):
    invitation_make(project=cast.project, email=NEWCOMER, role=Role.VIEWER, by=cast.admin)
    provider.email = NEWCOMER
    client = browser()
    refused(client, go(client))


@pytest.mark.parametrize("wrong", ["issuer", "audience", "expired", "down", "agrees"])
def test_what_the_provider_gets_wrong_opens_nothing(cast: Cast, provider: Identities, wrong: str):
    provider.email = cast.editor.email
    values = {"issuer": "https://evil.example", "audience": "another", "agrees": False}
    setattr(provider, wrong, values.get(wrong, True))
    client = browser()
    assert "did not log you in" in refused(client, go(client))


def test_an_answer_that_nobody_asked_for_opens_nothing(cast: Cast, provider: Identities):
    """Somebody lures a person to a callback with a code of their own."""
    provider.email = cast.editor.email
    attacker, victim = browser(), browser()
    begun = attacker.post(BEGIN)
    back = urlsplit(httpx.get(begun["Location"], trust_env=False).headers["Location"])
    refused(victim, victim.get(f"{back.path}?{back.query}"))


def test_a_provider_that_cannot_be_reached_is_said(cast: Cast, provider: Identities, settings: Any):
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"] = {
        "server_url": "http://127.0.0.1:9"
    }
    client = browser()
    assert "did not log you in" in refused(client, client.post(BEGIN))


def test_an_answer_works_once(cast: Cast, provider: Identities):
    provider.email = cast.editor.email
    client = browser()
    begun = client.post(BEGIN)
    back = urlsplit(httpx.get(begun["Location"], trust_env=False).headers["Location"])
    client.get(f"{back.path}?{back.query}")
    assert is_in(client)
    client.post("/admin/logout/")
    refused(client, client.get(f"{back.path}?{back.query}"))


def test_nobody_is_sent_elsewhere_afterwards(cast: Cast, provider: Identities):
    provider.email = cast.editor.email
    assert go(browser(), next="https://evil.example/")["Location"] == "/admin/"


def test_another_page_cannot_send_people_there(provider: Identities, db: None):
    assert Client(enforce_csrf_checks=True).post(BEGIN).status_code == 403
    assert browser().get(BEGIN).status_code == 405


def test_it_is_off_unless_it_is_set(db: None):
    client = browser()
    assert "Log in with" not in seen(client.get("/admin/login/"))
    assert client.post(BEGIN).status_code == 404
    assert client.get("/admin/oidc/callback/?code=x&state=y").status_code == 404


@pytest.mark.parametrize(
    "path", ["/accounts/signup/", "/accounts/login/", "/admin/signup/", "/accounts/3rdparty/"]
)
def test_no_page_of_the_library_is_mounted(db: None, path: str):
    assert browser().get(path).status_code in {302, 404}
    from django.urls import NoReverseMatch, reverse

    for name in ("account_signup", "account_login", "socialaccount_signup", "mfa_index"):
        with pytest.raises(NoReverseMatch):
            reverse(name)
