"""The audit keeps names and forgets secrets."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from openfn_platform.projects.actors import Actor
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.models import AuditEntry, Scope
from tests import factories

pytestmark = pytest.mark.django_db
CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "changes",
    [
        {"password": CANARY},
        {"values": {"api_key": CANARY}},
        {"list": [{"Authorization": CANARY}]},
        {"access_token": ["old", CANARY]},
        {"note": "take ofp_" + CANARY * 4},
    ],
)
def test_what_looks_like_a_secret_is_not_written_down(changes):
    entry = audit("tried", factories.user(), changes=changes)
    entry.refresh_from_db()
    assert CANARY not in json.dumps(entry.changes)


def test_our_own_short_names_are_no_secrets():
    assert audit("tried", factories.user(), changes={"key": "register-patient"}).changes == {
        "key": "register-patient"
    }


def test_an_entry_outlives_the_person_and_the_thing():
    person, project = factories.user("Ama"), factories.project()
    token, _ = factories.token(project, Scope.READ)
    entry = audit("tried", person, project=project, target=token)
    name = str(token)
    token.delete()
    person.delete()
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_name, entry.object_name) == (None, "Ama", name)


def test_a_token_is_named_as_who_did_it():
    token, _ = factories.token(factories.project(), Scope.DEPLOY)
    assert audit("tried", Actor(token=token)).actor_name == f"API token {token.name}"


def test_anything_can_be_told_as_json():
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    odd = {"at": moment, "id": uuid.UUID(int=1), "nul": "a\0b", "deep": [[[[[[[[[[1]]]]]]]]]], "set": {1}}
    audit("tried", factories.user(), changes=odd)
    assert AuditEntry.objects.get(action="tried").changes["at"] == "2026-01-02T00:00:00+00:00"


def test_differences_are_before_and_after():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": [2, 3], "c": [None, 4]}
