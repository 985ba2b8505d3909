"""OAuth as adaptors declare it: what is asked for, what a token endpoint's answers mean, who learns a new token."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from jobs.adaptors import registry
from jobs.adaptors.auth import OAuthBearer
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AuthError, ConfigurationError, Unavailable
from jobs.adaptors.oauth import CLIENT, CODE, MustConnectAgain, OAuthSpec, filled, new_verifier, with_oauth
from jobs.adaptors.spec import AdaptorSpec, address, credential
from jobs.adaptors.token_endpoint import TokenEndpoint, TokenRefused
from openfn_platform.common.addresses import AddressPolicy
from tests.servers.oauth import CALLBACK, SECRET, Provider

SPEC = OAuthSpec(
    endpoint="{instanceUrl}/token",
    authorize="{instanceUrl}/authorize?prompt=consent",
    scopes=("read", "write"),
    authorize_params={"access_type": "offline"},
)


@pytest.fixture
def provider():
    with Provider() as provider:
        yield provider


def endpoint(provider, spec=SPEC, **values):
    given = {
        "instanceUrl": provider.url,
        "client_id": "clinic-platform",
        "client_secret": SECRET,
        "grant": CODE,
    }
    return TokenEndpoint(oauth=spec, values=given | values, policy=AddressPolicy(allow_private=True))


def agreed(provider, where, verifier):
    """The code that the browser brings back."""
    url = where.oauth.authorize_address(where.values, callback=CALLBACK, state="abc", verifier=verifier)
    back = httpx.get(url).headers["location"]
    assert back.startswith(f"{CALLBACK}?state=abc")
    return parse_qs(urlsplit(back).query)["code"][0]


def test_the_browser_is_sent_with_everything_that_the_provider_wants():
    values = {"instanceUrl": "https://crm.example/", "client_id": "a b", "grant": CODE}
    url = SPEC.authorize_address(values, callback=CALLBACK, state="s", verifier="v" * 43)
    parts = urlsplit(url)
    asked = {name: value[0] for name, value in parse_qs(parts.query).items()}
    assert (parts.netloc, parts.path) == ("crm.example", "/authorize")
    assert asked.pop("code_challenge") not in ("", "v" * 43)
    assert asked == {
        "prompt": "consent",
        "access_type": "offline",
        "response_type": "code",
        "client_id": "a b",
        "redirect_uri": CALLBACK,
        "scope": "read write",
        "state": "s",
        "code_challenge_method": "S256",
    }


def test_a_field_that_an_address_needs_is_named_when_it_is_missing():
    with pytest.raises(ConfigurationError, match="tenant"):
        filled("https://login.example/{tenant}/token", {})
    assert filled("https://login.example/{tenant}/t", {"tenant": "a/b"}) == "https://login.example/a%2Fb/t"


def test_a_code_becomes_tokens_and_a_refresh_token_the_next(provider):
    where, verifier = endpoint(provider), new_verifier()
    first = where.exchange(code=agreed(provider, where, verifier), verifier=verifier, callback=CALLBACK)
    assert first.expires_in == 3600
    assert first.scope == "read write"
    second = where.refresh(first.refresh_token)
    assert second.access_token != first.access_token
    assert second.refresh_token not in ("", first.refresh_token)


def test_a_refresh_token_that_does_not_rotate_goes_on(provider):
    provider.rotates = False
    where, verifier = endpoint(provider), new_verifier()
    first = where.exchange(code=agreed(provider, where, verifier), verifier=verifier, callback=CALLBACK)
    assert where.refresh(first.refresh_token).refresh_token == first.refresh_token


def test_a_stolen_code_is_of_no_use_without_the_verifier(provider):
    where = endpoint(provider)
    code = agreed(provider, where, new_verifier())
    with pytest.raises(TokenRefused, match="expired or revoked") as caught:
        where.exchange(code=code, verifier=new_verifier(), callback=CALLBACK)
    assert caught.value.grant_is_over


@pytest.mark.parametrize("style", ["basic", "body"])
def test_a_client_logs_in_by_itself(provider, style):
    spec = OAuthSpec(endpoint="{instanceUrl}/token", grants=(CLIENT,), style=style, scopes=("read",))
    token = endpoint(provider, spec).log_in()
    assert (token.refresh_token, token.scope) == ("", "read")
    assert ("client_secret" in provider.asked[0]) is (style == "body")


def test_a_public_client_shows_its_name_only(provider):
    provider.public = True
    where, verifier = endpoint(provider, client_secret=""), new_verifier()
    code = agreed(provider, where, verifier)
    assert where.exchange(code=code, verifier=verifier, callback=CALLBACK).access_token


def test_a_wrong_secret_is_told_in_the_providers_words_and_without_it(provider):
    with pytest.raises(TokenRefused, match=r"127\.0\.0\.1: Unknown client") as caught:
        endpoint(provider, client_secret="canary-wrong-secret").log_in()
    assert not caught.value.grant_is_over
    assert "canary" not in repr(caught.value)


def test_a_provider_that_is_down_refuses_nothing(provider):
    provider.down = True
    with pytest.raises(Unavailable, match="Come back later"):
        endpoint(provider).log_in()
    assert len(provider.asked) == 1  # a code or a refresh token must not be shown twice


def test_an_address_that_may_not_be_reached_is_not_asked():
    where = TokenEndpoint(
        oauth=SPEC,
        values={"instanceUrl": "http://127.0.0.1:9", "client_id": "x", "grant": CLIENT},
        policy=AddressPolicy(),
    )
    with pytest.raises(Unavailable, match="private address"):
        where.log_in()


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, "<html>Log in</html>", Unavailable, "without a token"),
        (200, "[]", Unavailable, "without a token"),
        (200, '{"token": "x"}', TokenRefused, "no access token"),
        (200, '{"access_token": "x", "token_type": "mac"}', TokenRefused, "kind “mac”"),
        (200, '{"error": "bad_verification_code"}', TokenRefused, "bad_verification_code"),
        (400, '{"error": "invalid_grant", "error_description": "a client-secret b"}', TokenRefused, r"a \*\*\* b"),
        (429, '{"error": "slow_down"}', Unavailable, "slow_down"),
        (500, '{"message": "oops"}', Unavailable, "oops"),
    ],
)  # fmt: skip
def test_strange_answers_are_told_apart(status, body, error, words):
    transport = httpx.MockTransport(lambda request: httpx.Response(status, text=body))
    where = TokenEndpoint(
        oauth=SPEC,
        values={"instanceUrl": "https://crm.example", "client_id": "x", "client_secret": "client-secret", "grant": CLIENT},
        policy=AddressPolicy(),
        transport=transport,
    )  # fmt: skip
    with pytest.raises(error, match=words):
        where.log_in()


@pytest.mark.parametrize(("told", "seconds"), [('"120"', 120), ("120.5", 120.5), ("-3", 0), ('"soon"', None), ("1e300", None)])  # fmt: skip
def test_how_long_a_token_lasts_is_read_however_it_is_written(told, seconds):
    body = f'{{"access_token": "abc", "expires_in": {told}, "instance_url": "https://eu.crm.example"}}'
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=body))
    spec = OAuthSpec(
        endpoint="https://crm.example/token", grants=(CLIENT,), answers={"instance_url": "instanceUrl"}
    )
    where = TokenEndpoint(oauth=spec, values={"client_id": "x"}, policy=AddressPolicy(), transport=transport)
    token = where.log_in()
    assert token.expires_in == seconds
    assert token.answers == {"instanceUrl": "https://eu.crm.example"}


# ---- what an adaptor declares ----------------------------------------------------------------------------


def adaptor(oauth):
    fields = credential(
        {"instanceUrl": address("Address", example="https://crm.example")}, required=("instanceUrl",)
    )
    return AdaptorSpec(name="crm", title="CRM", summary="A CRM.", schema=with_oauth(fields, oauth), client=lambda *_: None, oauth=oauth)  # fmt: skip


@pytest.mark.parametrize(
    ("oauth", "values", "lacking"),
    [
        (OAuthSpec(endpoint="x", grants=(CLIENT,)), {}, {"client_id", "client_secret"}),
        (OAuthSpec(endpoint="x", grants=(CLIENT,)), {"client_id": "a", "access_token": "t"}, set()),
        (OAuthSpec(endpoint="x", grants=(CODE,)), {"client_id": "a"}, set()),
        (OAuthSpec(endpoint="x"), {"client_id": "a"}, {"grant"}),
        (OAuthSpec(endpoint="x"), {"client_id": "a", "grant": CLIENT}, {"client_secret"}),
        (OAuthSpec(endpoint="x", optional=True), {}, set()),
        (OAuthSpec(endpoint="x", optional=True), {"grant": CODE}, {"client_id"}),
    ],
)
def test_a_credential_lacks_what_its_way_of_logging_in_needs(oauth, values, lacking):
    complaints = adaptor(oauth).complaints({"instanceUrl": "https://crm.example", **values})
    assert {each.field for each in complaints} == lacking


@pytest.mark.parametrize(
    ("oauth", "values", "grant"),
    [
        (OAuthSpec(endpoint="x", grants=(CODE,)), {"client_id": "a"}, CODE),
        (OAuthSpec(endpoint="x"), {"client_id": "a", "grant": CLIENT}, CLIENT),
        (OAuthSpec(endpoint="x", optional=True), {"client_id": "a"}, None),
        (OAuthSpec(endpoint="x"), {"grant": CLIENT}, None),
        (OAuthSpec(endpoint="x", grants=(CODE,), optional=True), {"client_id": "a", "grant": CLIENT}, None),
    ],
)
def test_the_values_decide_whether_oauth_is_used(oauth, values, grant):
    assert oauth.grant_of(values) == grant


def test_a_new_secret_keeps_the_tokens_and_another_client_does_not():
    values = {"instanceUrl": "https://crm.example", "client_id": "a", "client_secret": "one", "grant": CODE}
    before = SPEC.fingerprint(values)
    assert SPEC.fingerprint({**values, "client_secret": "two"}) == before
    assert SPEC.fingerprint({**values, "scopes": "write,  read"}) != before
    assert SPEC.fingerprint({**values, "scopes": "read write"}) == before
    assert SPEC.fingerprint({**values, "instanceUrl": "https://other.example"}) != before


# ---- a token that is refused while a job runs ------------------------------------------------------------


def client(provider, token, refresh, said):
    configuration = {**provider.credential(CLIENT), "access_token": token}
    del configuration["client_secret"]
    context = Context(allow_private=True, refresh=refresh, trace=said.append)
    return registry.connect("http", configuration, context)


def test_a_refused_write_goes_exactly_once_more_with_the_next_token(provider):
    said: list[dict[str, Any]] = []
    asked: list[str] = []
    where = endpoint(provider, grant=CLIENT)

    def refresh(old):
        asked.append(hashlib.sha256(old.encode()).hexdigest())
        return where.log_in().access_token

    with client(provider, "access-old-and-over", refresh, said) as http:
        assert http.post("/records", {"n": 1}).body["count"] == 1
        new = next(iter(provider.access))
        assert http.get("/echo", params={"q": new}).ok
    assert provider.records == [{"n": 1}]
    assert provider.calls == [401, 200, 200]
    assert asked == [hashlib.sha256(b"access-old-and-over").hexdigest()]
    assert new not in repr(said)
    assert "q=***" in said[-1]["url"]


def test_a_token_that_is_refused_twice_is_told_as_what_it_is(provider):
    tokens = iter(["access-second", "access-third"])
    with client(provider, "access-first", lambda old: next(tokens), []) as http:
        with pytest.raises(AuthError, match="not valid"):
            http.get("/me")
        assert provider.calls == [401, 401]


def test_without_anybody_who_renews_it_the_refusal_stands(provider):
    with client(provider, "access-first", None, []) as http, pytest.raises(AuthError, match="not valid"):
        http.get("/me")
    assert provider.calls == [401]


def test_a_log_in_of_the_jobs_own_is_not_renewed(provider):
    asked: list[str] = []

    def refresh(old):
        asked.append(old)
        return "access-second"

    with client(provider, "access-first", refresh, []) as http, pytest.raises(AuthError):
        http.get("/me", headers={"authorization": "Bearer of my own"})
    assert asked == []


def test_a_refusal_to_renew_is_not_taken_for_something_that_was_sent(provider):
    def refresh(old):
        raise MustConnectAgain("It must be connected again.", sent=False)

    with client(provider, "access-first", refresh, []) as http, pytest.raises(MustConnectAgain) as caught:
        http.post("/records", {})
    assert caught.value.sent is False
    assert provider.records == []


def test_a_bearer_shows_neither_token_nor_itself_in_errors():
    bearer = OAuthBearer("canary-token")
    assert "canary" not in repr(bearer)
    assert not bearer.renew()
