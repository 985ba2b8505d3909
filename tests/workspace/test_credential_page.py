"""Credentials in the browser: what is typed goes in, what is secret never comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.lending import credential_lend
from jobs.models import Credential, ProjectCredential
from jobs.opening import credential_open
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import Role
from tests import factories
from tests.common.faulty import FaultyServer, answer
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of, told

pytestmark = pytest.mark.django_db
SECRET = "canary-9f2 <&\"'>"
FILLED = {
    "value_instanceUrl": "http://127.0.0.1:9/openmrs",
    "value_username": "clinic",
    "value_password": SECRET,
    "value_fhirVersion": "R4",
}


@pytest.fixture(autouse=True, scope="module")
def openmrs() -> Iterator[None]:
    """Values are tried before they are stored, so somebody has to answer."""
    with FaultyServer(answer(200, {"authenticated": True, "user": {"display": "clinic"}})) as server:
        FILLED["value_instanceUrl"] = f"{server.url}/openmrs"
        yield


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def credential(cast: Cast) -> Credential:
    return factories.credential(cast.project, "Clinic OpenMRS")


def opened(credential: Credential, environment: str = "main") -> dict[str, Any]:
    return credential_open(credential=credential, environment=environment)


def test_a_credential_is_made_from_the_schema_of_its_system(cast: Cast) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    at(cast.admin).post(url, {"project": str(cast.project.pk), "name": "New", **FILLED})
    assert opened(Credential.objects.get(name="New"))["password"] == SECRET


def test_what_is_required_is_asked_for_and_the_secret_is_not_sent_back(cast: Cast) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    given = {"project": str(cast.project.pk), "name": "New", **FILLED, "value_username": ""}
    answer = at(cast.admin).post(url, given)
    assert "value_username" in answer.context["form"].errors
    assert "canary-9f2" not in text_of(answer)
    assert not Credential.objects.exists()


def test_several_lines_of_secrets_are_not_sent_back_either(cast: Cast) -> None:
    url = page("jobs_credential_add", adaptor="http")
    given = {"project": str(cast.project.pk), "name": "", "value_headers": "X-Key: canary-9f2"}
    assert "canary-9f2" not in text_of(at(cast.admin).post(url, given))


def test_headers_are_typed_one_a_line(cast: Cast) -> None:
    url = page("jobs_credential_add", adaptor="http")
    given = {"project": str(cast.project.pk), "name": "API", "value_baseUrl": "https://api.example.org"}
    at(cast.admin).post(url, {**given, "value_headers": "X-Key: one\r\nX-Tenant: north: 2\r\n"})
    assert opened(Credential.objects.get())["headers"] == {"X-Key": "one", "X-Tenant": "north: 2"}


def test_a_secret_that_is_left_empty_stays_as_it_is(cast: Cast, credential: Credential) -> None:
    given = {"name": "Renamed", **FILLED, "value_username": "other", "value_password": ""}
    at(cast.admin).post(page("jobs_credential_change", credential.pk), given)
    credential.refresh_from_db()
    assert credential.name == "Renamed"
    assert opened(credential)["username"] == "other"
    assert opened(credential)["password"] == factories.OPENMRS["password"]


def test_another_address_asks_for_the_secret_again(cast: Cast, credential: Credential) -> None:
    given = {"name": "x", **FILLED, "value_instanceUrl": "https://evil.example/", "value_password": ""}
    answer = at(cast.admin).post(page("jobs_credential_change", credential.pk), given)
    assert "type again what is secret" in text_of(answer)
    assert opened(credential)["instanceUrl"] == factories.OPENMRS["instanceUrl"]
    credential.refresh_from_db()
    assert credential.name == "Clinic OpenMRS"


def test_another_environment_has_values_of_its_own(cast: Cast, credential: Credential) -> None:
    url = page("jobs_credential_change", credential.pk, environment="test")
    at(cast.admin).post(url, {"name": credential.name, **FILLED, "value_username": "tester"})
    assert opened(credential, "test")["username"] == "tester"
    assert opened(credential)["username"] == "clinic"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.EDITOR])
def test_only_admins_see_even_the_harmless_values(cast: Cast, credential: Credential, role: Role) -> None:
    shown = text_of(at(cast.of(role)).get(page("jobs_credential_change", credential.pk)))
    assert factories.OPENMRS["instanceUrl"] not in shown


def test_the_test_of_a_connection_says_in_a_sentence_what_happened(
    cast: Cast, credential: Credential
) -> None:
    answer = at(cast.editor).post(page("jobs_credential_test", credential.pk), follow=True)
    assert answer.status_code == 200
    assert told(answer)
    assert factories.OPENMRS["password"] not in text_of(answer)


def test_one_that_is_lent_may_be_looked_at_and_not_changed(cast: Cast, credential: Credential) -> None:
    borrower = factories.project("Borrower", owner=cast.outsider)
    url = page("jobs_credential_change", credential.pk)
    assert at(cast.outsider).get(url).status_code == 404
    credential_lend(credential=credential, project=borrower, by=PLATFORM)
    shown = at(cast.outsider).get(url)
    assert shown.status_code == 200
    assert factories.OPENMRS["instanceUrl"] not in text_of(shown)
    assert at(cast.outsider).post(url, {"name": "Mine", **FILLED}).status_code == 403


def test_lending_only_goes_to_projects_that_one_belongs_to(cast: Cast, credential: Credential) -> None:
    foreign = factories.project()
    url = page("jobs_credential_lend", credential.pk)
    assert at(cast.admin).post(url, {"project": str(foreign.pk)}).status_code == 404
    assert ProjectCredential.objects.filter(credential=credential).count() == 1


def test_one_that_a_live_job_uses_is_not_put_away(cast: Cast, credential: Credential) -> None:
    factories.job(cast.project, "Register", connections={"openmrs": credential})
    answer = at(cast.admin).post(page("jobs_credential_archive", credential.pk), follow=True)
    assert "Register" in told(answer)
    credential.refresh_from_db()
    assert credential.archived_at is None
