"""Credentials in the browser: what is typed goes in, tried first, and what is secret never comes out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.adaptors import registry
from jobs.admin.adaptor_groups import LAST, by_group
from jobs.credentials import credential_change
from jobs.expiring import end_of, last_day
from jobs.lending import credential_lend
from jobs.models import Credential, CredentialAttempt, CredentialPrevious, ProjectCredential
from jobs.opening import credential_open
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry, Role
from tests import factories
from tests.common.faulty import FaultyServer, answer
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of, told

pytestmark = pytest.mark.django_db
SECRET = "canary-9f2 <&\"'>"
WELCOME = answer(200, {"authenticated": True, "user": {"display": "clinic"}})
REFUSED = answer(401, {"error": {"message": "Bad password"}})
UNTESTED_REASON = "The server is moved tonight"


@pytest.fixture
def partner() -> Iterator[FaultyServer]:
    """An OpenMRS that lets everybody in until it is told otherwise."""
    with FaultyServer(WELCOME) as server:
        yield server


@pytest.fixture
def filled(partner: FaultyServer) -> dict[str, str]:
    return {
        "value_instanceUrl": f"{partner.url}/openmrs",
        "value_username": "clinic",
        "value_password": SECRET,
        "value_fhirVersion": "R4",
    }


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def credential(cast: Cast, partner: FaultyServer) -> Credential:
    values = {**factories.OPENMRS, "instanceUrl": f"{partner.url}/openmrs"}
    return factories.credential(cast.project, "Clinic OpenMRS", values=values)


def opened(credential: Credential, environment: str = "main") -> dict[str, Any]:
    fresh = Credential.objects.get(pk=credential.pk)
    return credential_open(credential=fresh, environment=environment)


def test_every_system_is_offered_once_and_in_a_group(cast: Cast) -> None:
    groups = at(cast.admin).get(page("jobs_credential_add")).context["groups"]
    offered = [spec.name for group in groups for spec, _fits in group.entries]
    assert sorted(offered) == sorted(registry.names())
    assert all(group.entries for group in groups)


def test_the_choice_of_system_is_searched_without_a_script_too(cast: Cast) -> None:
    answer = at(cast.admin).get(page("jobs_credential_add", q="text vonage"))
    fitting = [spec.name for group in answer.context["groups"] for spec, fits in group.entries if fits]
    assert fitting == ["vonage"]
    hidden = "data-filter-none hidden"
    assert hidden in text_of(answer)
    nothing = text_of(at(cast.admin).get(page("jobs_credential_add", q="<b>zzz")))
    assert hidden not in nothing
    assert "<b>zzz" not in nothing


def test_a_system_that_nobody_sorted_is_offered_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.ADAPTORS, "newcomer", registry.ADAPTORS["asana"])
    title, specs = by_group()[-1]
    assert (title, [spec.name for spec in specs]) == (LAST, ["http", "asana"])


def test_a_credential_is_made_from_the_schema_of_its_system(cast: Cast, filled: dict[str, str]) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    at(cast.admin).post(url, {"project": str(cast.project.pk), "name": "New", **filled})
    assert opened(Credential.objects.get(name="New"))["password"] == SECRET


def test_what_is_required_is_asked_for_and_the_secret_is_not_sent_back(
    cast: Cast, filled: dict[str, str]
) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    given = {"project": str(cast.project.pk), "name": "New", **filled, "value_username": ""}
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


def test_a_secret_that_is_left_empty_stays_as_it_is(
    cast: Cast, credential: Credential, filled: dict[str, str]
) -> None:
    given = {"name": "Renamed", **filled, "value_username": "other", "value_password": ""}
    at(cast.admin).post(page("jobs_credential_change", credential.pk), given)
    credential.refresh_from_db()
    assert credential.name == "Renamed"
    assert opened(credential)["username"] == "other"
    assert opened(credential)["password"] == factories.OPENMRS["password"]


def test_another_address_asks_for_the_secret_again(
    cast: Cast, credential: Credential, filled: dict[str, str]
) -> None:
    given = {"name": "x", **filled, "value_instanceUrl": "https://evil.example/", "value_password": ""}
    answer = at(cast.admin).post(page("jobs_credential_change", credential.pk), given)
    assert "type again what is secret" in text_of(answer)
    assert "evil" not in opened(credential)["instanceUrl"]
    credential.refresh_from_db()
    assert credential.name == "Clinic OpenMRS"


def test_another_environment_has_values_of_its_own(
    cast: Cast, credential: Credential, filled: dict[str, str]
) -> None:
    url = page("jobs_credential_change", credential.pk, environment="test")
    at(cast.admin).post(url, {"name": credential.name, **filled, "value_username": "tester"})
    assert opened(credential, "test")["username"] == "tester"
    assert opened(credential)["username"] == "clinic"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.EDITOR])
def test_only_admins_see_even_the_harmless_values(cast: Cast, credential: Credential, role: Role) -> None:
    shown = text_of(at(cast.of(role)).get(page("jobs_credential_change", credential.pk)))
    assert opened(credential)["instanceUrl"] not in shown


def test_the_test_of_a_connection_says_in_a_sentence_what_happened(
    cast: Cast, credential: Credential
) -> None:
    answer = at(cast.editor).post(page("jobs_credential_test", credential.pk), follow=True)
    assert answer.status_code == 200
    assert told(answer)
    assert factories.OPENMRS["password"] not in text_of(answer)


def test_one_that_is_lent_may_be_looked_at_and_not_changed(
    cast: Cast, credential: Credential, filled: dict[str, str]
) -> None:
    borrower = factories.project("Borrower", owner=cast.outsider)
    url = page("jobs_credential_change", credential.pk)
    assert at(cast.outsider).get(url).status_code == 404
    credential_lend(credential=credential, project=borrower, by=PLATFORM)
    shown = at(cast.outsider).get(url)
    assert shown.status_code == 200
    assert opened(credential)["instanceUrl"] not in text_of(shown)
    assert at(cast.outsider).post(url, {"name": "Mine", **filled}).status_code == 403


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


# ---- tried before it is stored ---------------------------------------------------------------------------


def add(cast: Cast, filled: dict[str, str], **more: str) -> dict[str, str]:
    return {"project": str(cast.project.pk), "name": "New", **filled, **more}


def attempt_of(response: Any) -> str:
    """The only thing about an attempt that a page gets."""
    found: str = response.context["sheet"].parked.id
    assert f'name="attempt" value="{found}"' in text_of(response)
    return found


def test_what_works_is_stored_with_the_partners_sentence(cast: Cast, filled: dict[str, str]) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    answer_ = at(cast.admin).post(url, add(cast, filled), follow=True)
    assert "accepts" in told(answer_)
    body = Credential.objects.get().bodies.get()
    assert body.test_ok
    assert "accepts" in text_of(answer_)


def test_what_does_not_work_is_not_stored_and_nothing_typed_is_lost(
    cast: Cast, partner: FaultyServer, filled: dict[str, str]
) -> None:
    partner.acts = [REFUSED]
    client = at(cast.admin)
    url = page("jobs_credential_add", adaptor="openmrs")
    shown = client.post(url, add(cast, filled))
    assert shown.status_code == 200
    assert not Credential.objects.exists()
    assert "Nothing was stored" in text_of(shown)
    assert "Bad password" in text_of(shown)
    assert 'value="clinic"' in text_of(shown)
    assert "canary-9f2" not in text_of(shown)
    # The slip was elsewhere: the secret is left empty and used all the same.
    partner.acts = [WELCOME]
    again = add(cast, {**filled, "value_password": ""}, attempt=attempt_of(shown))
    client.post(url, again)
    assert opened(Credential.objects.get())["password"] == SECRET
    assert not CredentialAttempt.objects.exists()


def test_save_anyway_asks_for_a_reason_and_the_audit_keeps_it(
    cast: Cast, partner: FaultyServer, filled: dict[str, str]
) -> None:
    partner.acts = [REFUSED]
    client = at(cast.admin)
    url = page("jobs_credential_add", adaptor="openmrs")
    shown = client.post(url, add(cast, filled))
    assert "Save anyway" in text_of(shown)
    anyway = add(cast, {**filled, "value_password": ""}, attempt=attempt_of(shown), _anyway="1")
    seen = len(partner.seen)
    shown = client.post(url, anyway)
    assert "Say why" in text_of(shown)
    assert not Credential.objects.exists()
    client.post(url, {**anyway, "attempt": attempt_of(shown), "reason": UNTESTED_REASON})
    assert len(partner.seen) == seen  # it was not asked again
    made = Credential.objects.get()
    assert opened(made)["password"] == SECRET
    assert made.bodies.get().test_ok is False
    assert AuditEntry.objects.get(action="credential made").changes["saved_anyway"] == UNTESTED_REASON


def test_what_was_corrected_after_the_test_is_stored_as_never_tested(
    cast: Cast, partner: FaultyServer, filled: dict[str, str]
) -> None:
    partner.acts = [REFUSED]
    client = at(cast.admin)
    url = page("jobs_credential_add", adaptor="openmrs")
    parked = attempt_of(client.post(url, add(cast, filled)))
    corrected = {**filled, "value_username": "other", "value_password": ""}
    client.post(url, add(cast, corrected, attempt=parked, _anyway="1", reason=UNTESTED_REASON))
    made = Credential.objects.get()
    assert (opened(made)["username"], opened(made)["password"]) == ("other", SECRET)
    assert made.bodies.get().test_ok is None


def test_save_anyway_is_not_offered_to_those_who_did_not_test(cast: Cast, filled: dict[str, str]) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    client = at(cast.admin)
    assert "Save anyway" not in text_of(client.get(url))
    shown = client.post(url, add(cast, filled, _anyway="1", reason=UNTESTED_REASON))
    assert "so that it is tested" in text_of(shown)
    assert not Credential.objects.exists()


def test_an_attempt_helps_nobody_else_and_not_after_a_quarter_of_an_hour(
    cast: Cast, partner: FaultyServer, filled: dict[str, str]
) -> None:
    partner.acts = [REFUSED]
    url = page("jobs_credential_add", adaptor="openmrs")
    client = at(cast.admin)
    parked = attempt_of(client.post(url, add(cast, filled)))
    again = add(cast, {**filled, "value_password": ""}, attempt=parked)
    for somebody in (at(cast.owner), at(cast.admin)):  # the second has another session
        shown = somebody.post(url, again)
        assert "value_password" in shown.context["form"].errors
    CredentialAttempt.objects.update(keep_until=timezone.now() - timedelta(seconds=1))
    assert "value_password" in client.post(url, again).context["form"].errors
    assert not Credential.objects.exists()


def test_a_slip_beside_the_secret_does_not_cost_the_secret(cast: Cast, filled: dict[str, str]) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    client = at(cast.admin)
    shown = client.post(url, add(cast, filled, name=""))
    assert "Save anyway" not in text_of(shown)
    again = add(cast, {**filled, "value_password": ""}, attempt=attempt_of(shown))
    client.post(url, again)
    assert opened(Credential.objects.get())["password"] == SECRET


def test_a_change_that_does_not_work_leaves_everything_as_it_was(
    cast: Cast, credential: Credential, partner: FaultyServer, filled: dict[str, str]
) -> None:
    partner.acts = [REFUSED]
    before = opened(credential)
    given = {**filled, "name": "Renamed", "expires_on": "2030-01-01"}
    shown = at(cast.admin).post(page("jobs_credential_change", credential.pk), given)
    assert "Bad password" in text_of(shown)
    credential.refresh_from_db()
    assert (credential.name, credential.expires_at) == ("Clinic OpenMRS", None)
    assert opened(credential) == before


def test_another_name_or_date_alone_asks_nobody(
    cast: Cast, credential: Credential, partner: FaultyServer
) -> None:
    given = {"name": "Renamed", "expires_on": "2030-01-01", **shown_values(credential)}
    at(cast.admin).post(page("jobs_credential_change", credential.pk), given)
    seen = len(partner.seen)
    at(cast.admin).post(page("jobs_credential_change", credential.pk), {**given, "name": "Again"})
    credential.refresh_from_db()
    assert credential.name == "Again"
    assert len(partner.seen) == seen


def shown_values(credential: Credential) -> dict[str, str]:
    kept = {name: value for name, value in opened(credential).items() if name != "password"}
    return {f"value_{name}": value for name, value in {"fhirVersion": "R4", **kept}.items()}


# ---- taking it back --------------------------------------------------------------------------------------


def test_undo_asks_then_puts_the_earlier_values_back_and_tries_them(
    cast: Cast, credential: Credential, filled: dict[str, str]
) -> None:
    client = at(cast.admin)
    url = page("jobs_credential_change", credential.pk)
    client.post(url, {"name": credential.name, **filled})
    assert opened(credential)["password"] == SECRET
    shown = text_of(client.get(url))
    assert "Earlier values" in shown
    (earlier,) = CredentialPrevious.objects.all()
    undo = page("jobs_credential_undo", credential.pk, environment="main", earlier=str(earlier.pk))
    assert "can be undone too" in text_of(client.get(undo))
    assert opened(credential)["password"] == SECRET
    answered = client.post(undo, follow=True)
    assert "accepts" in told(answered)
    assert opened(credential)["password"] == factories.OPENMRS["password"]
    assert "canary-9f2" not in text_of(answered)


def test_undo_is_for_admins(cast: Cast, credential: Credential) -> None:
    credential_change(credential=credential, values={"username": "x"}, by=PLATFORM)
    undo = page("jobs_credential_undo", credential.pk)
    assert at(cast.editor).post(undo).status_code == 403
    assert at(cast.outsider).post(undo).status_code == 404
    assert opened(credential)["username"] == "x"
    assert "Earlier values" not in text_of(at(cast.editor).get(page("jobs_credential_change", credential.pk)))


# ---- until when it is good -------------------------------------------------------------------------------


def test_the_date_on_the_form_is_the_last_day_on_which_it_is_good(cast: Cast, filled: dict[str, str]) -> None:
    url = page("jobs_credential_add", adaptor="openmrs")
    at(cast.admin).post(url, add(cast, filled, expires_on="2030-05-06"))
    made = Credential.objects.get()
    assert last_day(made) == date(2030, 5, 6)
    shown = text_of(at(cast.admin).get(page("jobs_credential_change", made.pk)))
    assert 'value="2030-05-06"' in shown
    assert "until 6 May 2030" in shown


@pytest.mark.parametrize(
    ("days", "words"), [(-2, "Expired"), (0, "Expires today"), (5, "Expires in 5 days"), (90, "until ")]
)
def test_lists_and_pages_say_how_near_the_end_is(
    cast: Cast, credential: Credential, days: int, words: str
) -> None:
    day = timezone.now().date() + timedelta(days=days)
    Credential.objects.update(expires_at=end_of(day, cast.project))
    for url in (page("jobs_credential_changelist"), page("jobs_credential_change", credential.pk)):
        assert words in text_of(at(cast.viewer).get(url)), url
    shown = text_of(at(cast.viewer).get(page("jobs_credential_change", credential.pk)))
    assert ("go on using it" in shown) is (days < 0)


# ---- who uses it -----------------------------------------------------------------------------------------


def test_drafts_that_use_it_are_listed_apart_from_live_jobs(cast: Cast, credential: Credential) -> None:
    factories.job(cast.project, "Lives", connections={"openmrs": credential})
    factories.job(cast.project, "Drafted", connections={"openmrs": credential}, live=False)
    shown = at(cast.editor).get(page("jobs_credential_change", credential.pk))
    assert [job.name for job in shown.context["used_by"]] == ["Lives"]
    assert [job.name for job in shown.context["drafted_by"]] == ["Drafted"]
    assert "not live yet" in text_of(shown)


def test_the_list_says_which_credentials_work(cast: Cast, credential: Credential) -> None:
    client = at(cast.editor)
    assert "not tested" in text_of(client.get(page("jobs_credential_changelist")))
    client.post(page("jobs_credential_test", credential.pk))
    assert ">works<" in text_of(client.get(page("jobs_credential_changelist")))
