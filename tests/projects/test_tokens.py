"""API tokens, and the door that they open."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from openfn_platform.common.errors import Conflict, Invalid, NotAllowed
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.authentication import TokenAuthentication
from openfn_platform.projects.founding import project_archive
from openfn_platform.projects.models import ApiToken, AuditEntry, Role, Scope
from openfn_platform.projects.tokens import token_create, token_find, token_revoke
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return factories.cast()


def ask(header: str | None) -> Request:
    request = APIRequestFactory().get("/")
    if header is not None:
        request.META["HTTP_AUTHORIZATION"] = header
    return Request(request, authenticators=[TokenAuthentication()])


def test_a_token_is_found_by_its_text_and_stored_without_it(cast):
    token, plaintext = token_create(project=cast.project, name="CI", scopes=[Scope.READ], by=cast.admin)
    assert plaintext.startswith("ofp_")
    assert token_find(plaintext) == token
    stored = ApiToken.objects.values_list("digest", "prefix", "name").get()
    assert plaintext not in str(stored)
    assert plaintext.encode() not in bytes(stored[0])


def test_two_tokens_never_are_the_same(cast):
    assert factories.token(cast.project, Scope.READ)[1] != factories.token(cast.project, Scope.READ)[1]


def test_only_admins_make_tokens(cast):
    with pytest.raises(NotAllowed):
        token_create(project=cast.project, name="mine", scopes=[Scope.READ], by=cast.editor)


@pytest.mark.parametrize("scopes", [[], ["everything"]], ids=["none", "unknown"])
def test_a_token_needs_scopes_that_there_are(cast, scopes):
    with pytest.raises(Invalid):
        token_create(project=cast.project, name="CI", scopes=scopes, by=cast.admin)


def test_a_token_cannot_be_born_expired(cast):
    with pytest.raises(Invalid, match="expired from the start"):
        token_create(
            project=cast.project, name="x", scopes=[Scope.READ], by=cast.admin, expires_at=timezone.now()
        )


def test_a_revoked_token_opens_nothing(cast):
    token, plaintext = factories.token(cast.project, Scope.READ)
    token_revoke(token=token, by=cast.admin)
    assert token_find(plaintext) is None
    with pytest.raises(Conflict):
        token_revoke(token=token, by=cast.admin)


def test_an_expired_token_opens_nothing(cast):
    token, plaintext = factories.token(cast.project, Scope.READ)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert token_find(plaintext) is None


def test_a_token_of_an_archived_project_opens_nothing(cast):
    _, plaintext = factories.token(cast.project, Scope.READ)
    project_archive(project=cast.project, by=cast.owner)
    assert token_find(plaintext) is None


def test_use_is_noted_at_most_once_a_minute(cast):
    token, plaintext = factories.token(cast.project, Scope.READ)
    token_find(plaintext)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    token_find(plaintext)
    token.refresh_from_db()
    assert token.last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    token_find(plaintext)
    token.refresh_from_db()
    assert token.last_used_at >= first


def test_a_request_with_a_token_acts_as_the_token(cast):
    token, plaintext = factories.token(cast.project, Scope.OPERATE)
    request = ask(f"Bearer {plaintext}")
    actor = actor_of(request)
    assert (actor.token, actor.user) == (token, None)
    assert actor.role_in(cast.project) == Role.OPERATOR
    assert actor_of(request) is actor


@pytest.mark.parametrize("header", [None, "", "Basic Zm9vOmJhcg==", "ofp_x"])
def test_without_a_bearer_token_one_is_nobody_yet(header):
    request = ask(header)
    assert request.user.is_anonymous
    assert actor_of(request).role_in(factories.project()) is None


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "bearer nope",
        "Bearer ofp_" + "é" * 43,
        "Bearer ofp_\0",
        "Bearer \udcff",
        "Bearer a b c",
        "Bearer ofp_" + "a" * 43,
        "Bearer ofp_" + "a" * 100_000,
    ],
)
def test_a_bad_token_is_refused_and_never_breaks_anything(header):
    with pytest.raises(AuthenticationFailed):
        ask(header).user  # noqa: B018  # asking for it authenticates
    assert TokenAuthentication().authenticate_header(ask(header)).startswith("Bearer")


def test_the_audit_knows_the_token_but_not_its_text(cast):
    token, plaintext = factories.token(cast.project, Scope.READ)
    entry = AuditEntry.objects.get(action="token made")
    assert (entry.object_id, entry.actor_name) == (str(token.pk), "The platform")
    assert plaintext not in str(entry.changes)
