"""*Adaptors*: everything that jobs can ask of a system, found by what one wants to do."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from jobs.adaptors import registry
from openfn_platform.projects.models import Role
from openfn_platform.workspace.templatetags.workspace import prose
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


def names(client: Client, words: str = "") -> list[str]:
    found = client.get(reverse("adaptors"), {"q": words})
    return [each.spec.name for _title, group in found.context["groups"] for each in group]


def test_the_list_has_every_adaptor(cast: Cast) -> None:
    client = at(cast.viewer)
    assert sorted(names(client)) == sorted(registry.names())
    shown = text_of(client.get(reverse("adaptors")))
    assert all(escape(registry.spec(name).summary) in shown for name in registry.names())


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("OpenMRS", "openmrs"),
        ("telescope", None),
        ("send text", "sms"),
        ("xml", "http"),
        ("  find_one ", "openmrs"),
        ("nothing like that", None),
    ],
)
def test_one_finds_a_system_by_its_name_or_by_what_one_wants_to_do(
    cast: Cast, words: str, found: str | None
) -> None:
    told = names(at(cast.viewer), words)
    assert (found in told) if found else (told == [])


def test_a_search_that_finds_a_function_leads_to_it(cast: Cast) -> None:
    shown = text_of(at(cast.viewer).get(reverse("adaptors"), {"q": "parse_xml"}))
    assert f"{reverse('adaptor', args=['http'])}#parse_xml" in shown


@pytest.mark.parametrize("name", registry.names())
def test_a_page_has_every_function_and_every_field(cast: Cast, name: str) -> None:
    spec = registry.spec(name)
    shown = text_of(at(cast.viewer).get(reverse("adaptor", args=[name])))
    for each in spec.operations:
        assert f'id="{each.name}"' in shown
    for field in spec.schema["properties"].values():
        assert field["title"] in shown
    assert ("writes" in shown) is any(each.writes for each in spec.operations)


def test_an_adaptor_that_there_is_not_is_not_found(cast: Cast) -> None:
    assert at(cast.viewer).get(reverse("adaptor", args=["opnmrs"])).status_code == 404


@pytest.mark.parametrize(("role", "offered"), [(Role.ADMIN, True), (Role.EDITOR, False)])
def test_a_credential_is_offered_to_those_who_may_add_one(cast: Cast, role: Role, offered: bool) -> None:
    shown = text_of(at(cast.of(role)).get(reverse("adaptor", args=["openmrs"])))
    assert ("Add a credential" in shown) is offered


def test_nobody_who_is_not_logged_in_sees_them(client: Client) -> None:
    for url in (reverse("adaptors"), reverse("adaptor", args=["http"])):
        assert "login" in client.get(url)["Location"]


def test_pages_of_jobs_and_credentials_lead_there(cast: Cast) -> None:
    credential = factories.credential(cast.project)
    job = factories.job(cast.project, connections={"emr": credential})
    plain = factories.job(cast.project)
    client, there = at(cast.editor), f'href="{reverse("adaptor", args=["openmrs"])}"'
    assert there in text_of(client.get(page("jobs_job_change", job.pk)))
    assert there in text_of(client.get(page("jobs_credential_change", credential.pk)))
    assert f'href="{reverse("adaptors")}"' in text_of(client.get(page("jobs_job_change", plain.pk)))
    names_ = client.get(page("jobs_job_names", job.pk)).json()["names"]
    members = {each["name"]: each["writes"] for each in names_[0]["members"]}
    assert members["create"] is True
    assert members["find_one"] is False


def test_help_is_shown_as_text_with_code_and_stress() -> None:
    assert prose("Send `a < b`.\n\nNow *or*\nlater; 2 * 3 * 4 stays.") == (
        '<p>Send <code class="ws-code">a &lt; b</code>.</p><p>Now <em>or</em> later; 2 * 3 * 4 stays.</p>'
    )
    assert prose("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"
    assert prose("") == ""
