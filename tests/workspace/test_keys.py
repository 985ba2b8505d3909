"""Inbox keys and API tokens: shown once, then never; revoked after a question."""

from __future__ import annotations

import re

import pytest

from openfn_platform.projects.models import ApiToken
from openfn_platform.projects.tokens import token_find
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of
from triggers.models import InboxAuth

pytestmark = pytest.mark.django_db
KEY = re.compile(r"\bof[pk]_[A-Za-z0-9_-]{43}")


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


def test_a_token_is_shown_once_and_works(cast: Cast) -> None:
    given = {"project": str(cast.project.pk), "name": "report", "scopes": ["read", "operate"]}
    made = at(cast.admin).post(page("projects_apitoken_add"), given)
    [plaintext] = set(KEY.findall(text_of(made)))
    token = token_find(plaintext)
    assert token is not None
    assert token.scopes == ["operate", "read"]
    for url in (page("projects_apitoken_changelist"), page("projects_apitoken_change", token.pk)):
        assert not KEY.search(text_of(at(cast.admin).get(url)))


def test_two_tokens_of_one_name_are_refused_with_the_form_still_filled(cast: Cast) -> None:
    given = {"project": str(cast.project.pk), "name": "report", "scopes": ["read"]}
    at(cast.admin).post(page("projects_apitoken_add"), given)
    answer = at(cast.admin).post(page("projects_apitoken_add"), given)
    assert answer.status_code == 200
    assert answer.context["errors"]
    assert ApiToken.objects.count() == 1


def test_revoking_a_token_asks_first(cast: Cast) -> None:
    token, plaintext = factories.token(cast.project, "read")
    url = page("projects_apitoken_revoke", token.pk)
    assert "cannot be undone" in text_of(at(cast.admin).get(url))
    assert token_find(plaintext) is not None
    at(cast.admin).post(url)
    assert token_find(plaintext) is None


def test_tokens_cannot_be_made_for_another_project(cast: Cast) -> None:
    foreign = factories.project()
    given = {"project": str(foreign.pk), "name": "spy", "scopes": ["read"]}
    assert at(cast.admin).post(page("projects_apitoken_add"), given).status_code == 200
    assert not ApiToken.objects.exists()


def test_an_inbox_key_is_shown_once_with_an_example(cast: Cast) -> None:
    inbox, _auth, _key = factories.inbox_with_key(cast.project)
    made = at(cast.admin).post(page("triggers_inbox_add_key", inbox.pk), {"name": "CommCare"})
    shown = text_of(made)
    assert KEY.search(shown)
    assert str(inbox.address) in shown
    assert not KEY.search(text_of(at(cast.admin).get(page("triggers_inbox_change", inbox.pk))))


def test_revoking_an_inbox_key_asks_first(cast: Cast) -> None:
    inbox, auth, _key = factories.inbox_with_key(cast.project)
    url = page("triggers_inbox_key_revoke", inbox.pk, auth.pk)
    at(cast.admin).get(url)
    assert InboxAuth.objects.get(pk=auth.pk).revoked_at is None
    at(cast.admin).post(url)
    assert InboxAuth.objects.get(pk=auth.pk).revoked_at is not None


def test_a_key_of_another_inbox_is_not_found(cast: Cast) -> None:
    inbox, _auth, _key = factories.inbox_with_key(cast.project)
    _other, foreign, _key = factories.inbox_with_key(factories.project())
    assert at(cast.admin).post(page("triggers_inbox_key_revoke", inbox.pk, foreign.pk)).status_code == 404
    assert InboxAuth.objects.get(pk=foreign.pk).revoked_at is None


def test_an_inbox_that_anybody_can_use_says_so(cast: Cast) -> None:
    inbox, _auth, _key = factories.inbox_with_key(cast.project)
    url = page("triggers_inbox_change", inbox.pk)
    given = {"name": "Open", "access": "none", "duplicate_path": "form.meta.instanceID"}
    at(cast.admin).post(url, given)
    inbox.refresh_from_db()
    assert (inbox.access, inbox.duplicate_path) == ("none", "form.meta.instanceID")
    assert "Anybody who knows this address" in text_of(at(cast.viewer).get(url))


def test_a_bad_path_is_refused_at_its_field(cast: Cast) -> None:
    inbox, _auth, _key = factories.inbox_with_key(cast.project)
    given = {"name": "x", "access": "key", "duplicate_path": "form..id"}
    answer = at(cast.admin).post(page("triggers_inbox_change", inbox.pk), given)
    assert "duplicate_path" in answer.context["adminform"].form.errors
