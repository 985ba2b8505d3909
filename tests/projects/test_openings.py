"""Who looked at personal data, and from where people and programs come in."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from openfn_platform.projects import auditing
from openfn_platform.projects.actors import Actor, actor_of
from openfn_platform.projects.auditing import payload_opened
from openfn_platform.projects.models import AuditEntry
from openfn_platform.projects.tokens import token_find
from tests import factories

PASSWORD = "correct-horse-battery-9"


def opened(actor, project, part="body", target=None):
    payload_opened(actor, project=project, target=target or project, part=part)


@pytest.mark.django_db
def test_looking_on_is_one_entry_per_person_object_and_part():
    project, other = factories.project(), factories.project()
    ama, kofi = Actor(user=factories.user("Ama")), Actor(user=factories.user("Kofi"))
    token = Actor(token=factories.token(project, "read-data")[0])
    for _ in range(3):
        for actor in (ama, kofi, token):
            opened(actor, project)
        opened(ama, project, part="log")
        opened(ama, project, target=other)
    assert AuditEntry.objects.filter(action="payload opened").count() == 5
    assert all(entry.opened for entry in AuditEntry.objects.filter(action="payload opened"))


@pytest.mark.django_db(transaction=True)
def test_looking_on_asks_the_database_once(django_assert_num_queries):
    project, ama = factories.project(), Actor(user=factories.user("Ama"))
    opened(ama, project)
    with django_assert_num_queries(0):
        opened(ama, project)


@pytest.mark.django_db(transaction=True)
def test_another_process_that_saw_the_same_writes_nothing():
    project, ama = factories.project(), Actor(user=factories.user("Ama"))
    opened(ama, project)
    auditing._written.clear()  # as if this were another one
    opened(ama, project)
    assert AuditEntry.objects.filter(action="payload opened").count() == 1


@pytest.mark.django_db
def test_looking_again_later_is_another_entry(monkeypatch):
    project, ama = factories.project(), Actor(user=factories.user("Ama"))
    for moment in (1_000_000.0, 1_000_100.0, 1_000_700.0):
        monkeypatch.setattr("openfn_platform.projects.auditing.time.time", lambda moment=moment: moment)
        opened(ama, project)
    assert AuditEntry.objects.filter(action="payload opened").count() == 2


@pytest.mark.django_db
def test_an_actor_knows_the_address_of_its_request():
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.user = factories.user()
    assert actor_of(request).address == "192.0.2.7"


@pytest.mark.django_db
def test_the_first_use_of_a_token_from_an_address_is_told():
    token, text = factories.token(factories.project(), "read")
    for address in ("192.0.2.7", "192.0.2.7", "198.51.100.9"):
        type(token).objects.update(last_used_at=None)  # a minute later
        token_find(text, address=address)
    told = AuditEntry.objects.filter(action="token used from a new address").order_by("id")
    assert [entry.address for entry in told] == ["192.0.2.7", "198.51.100.9"]
    assert all(entry.token == token and entry.project == token.project for entry in told)
