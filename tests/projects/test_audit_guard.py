"""The database keeps the audit: nothing in it changes, and it ends only where retention and erasing say so."""

from __future__ import annotations

import pytest
from django.db import ProgrammingError, transaction

from openfn_platform.projects.actors import Actor
from openfn_platform.projects.audit_upkeep import erasing, pruning
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry():
    person, project = factories.user("Ama"), factories.project()
    token, _ = factories.token(project, "read")
    actor = Actor(user=person, token=token)
    made = audit("tried", actor, project=project, target=token, changes={"name": ["Joy", "Joyce"]})
    return AuditEntry.objects.get(pk=made.pk)


def rows():
    return AuditEntry.objects.filter(action="tried")


@pytest.mark.parametrize(
    "change",
    [
        {"action": "nothing"},
        {"actor_name": "Somebody else"},
        {"changes": {}},
        {"object_name": "x"},
        {"opened": True},
        {"address": "10.0.0.1"},
        {"at": None},
    ],
)
def test_no_entry_is_changed(entry, change):
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        rows().update(**change)


def test_no_entry_leads_to_somebody_else(entry):
    other = factories.user()
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        rows().update(actor=other)


def test_no_entry_is_deleted(entry):
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        rows().delete()
    assert rows().exists()


def test_retention_deletes_and_the_door_is_shut_behind_it(entry):
    with pruning():
        rows().filter(pk=entry.pk).delete()
    assert not rows().exists()
    audit("tried", factories.user())
    with pytest.raises(ProgrammingError), transaction.atomic():
        rows().delete()


def test_retention_changes_nothing(entry):
    with pytest.raises(ProgrammingError), pruning():
        rows().update(changes={})


def test_erasing_a_person_replaces_texts_and_nothing_else(entry):
    with erasing():
        rows().update(changes={"name": "erased"}, object_name="erased")
    assert rows().get().changes == {"name": "erased"}
    for what in ({"actor_name": "x"}, {"action": "x"}, {"object_id": "x"}):
        with pytest.raises(ProgrammingError), erasing():
            rows().update(**what)
    with pytest.raises(ProgrammingError), erasing():
        rows().delete()


def test_a_person_that_goes_leaves_the_name(entry):
    name = entry.actor_name
    entry.token.delete()
    entry.actor.delete()
    entry.refresh_from_db()
    assert (entry.actor_id, entry.token_id, entry.actor_name) == (None, None, name)
