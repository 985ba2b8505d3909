"""Buttons pressed twice, and old pages' buttons: never done twice in silence, never broken, always one clear sentence."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from jobs.admin.credential_oauth import callback_address
from jobs.credentials import credential_change
from jobs.models import Credential, CredentialToken, Job, JobVersion
from jobs.opening import credential_open
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry
from runs.models import Run, WorkOrder
from runs.pressing import AGAIN
from tests import factories
from tests.factories import Cast
from tests.pressing import at_once, meanwhile, twin, word_in
from tests.servers.connecting import sent_back
from tests.servers.oauth import Provider
from tests.workspace.desk import at, page, text_of, told
from tests.workspace.test_job_page import form, run_form
from tests.workspace.test_oauth_page import begin
from triggers.models import Slot

pytestmark = pytest.mark.django_db
two_threads = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def job(cast: Cast) -> Job:
    return factories.job(cast.project, "Register", code="note('one')\n")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(callbacks={callback_address()}) as provider:
        yield provider


def audited(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


def followed(client: Client, address: str, given: Any = None) -> str:
    """The page at the end of a press. Not by its context: Django gives that to every thread that asks meanwhile."""
    answer = client.post(address, given or {}, follow=True)
    assert answer.status_code == 200
    return html.unescape(text_of(answer))


# --- Undo -------------------------------------------------------------------------------------------------


def changed(cast: Cast) -> tuple[Credential, str]:
    """A credential with earlier values, and where the button beside them leads."""
    credential = factories.credential(cast.project, "Clinic OpenMRS")
    credential_change(credential=credential, values={"username": "second"}, by=PLATFORM)
    shown = text_of(at(cast.admin).get(page("jobs_credential_change", credential.pk)))
    (link,) = re.findall(r'href="([^"]+/undo/[^"]+)"', shown)
    return credential, html.unescape(link)


def user_name(credential: Credential) -> Any:
    return credential_open(credential=Credential.objects.get(pk=credential.pk), environment="main")[
        "username"
    ]


def test_undo_pressed_twice_does_not_take_itself_back(cast: Cast) -> None:
    credential, undo = changed(cast)
    client = at(cast.admin)
    assert "The earlier values are back." in followed(client, undo)
    assert "put back already" in followed(client, undo)
    assert user_name(credential) == "clinic"
    assert audited("credential change undone") == 1


def test_undo_without_saying_what_changes_nothing(cast: Cast) -> None:
    credential, _ = changed(cast)
    said = followed(at(cast.admin), page("jobs_credential_undo", credential.pk, environment="main"))
    assert "are not there any more" in said
    assert user_name(credential) == "second"


@two_threads
def test_two_presses_of_undo_at_once_are_one(cast: Cast) -> None:
    credential, undo = changed(cast)
    client = at(cast.admin)
    said = at_once(*(partial(followed, twin(client), undo) for _ in range(2)))
    assert sorted("are back" in each for each in said) == [False, True]
    assert sum("put back already" in each for each in said) == 1
    assert user_name(credential) == "clinic"


# --- Connect ----------------------------------------------------------------------------------------------


def connectable(cast: Cast, provider: Provider) -> Credential:
    values = provider.credential("authorization_code")
    return factories.credential(cast.project, "CRM", adaptor="http", values=values)


def arrive(client: Client, address: str) -> str:
    return html.unescape(text_of(client.get(address, follow=True)))


@two_threads
def test_an_answer_that_comes_twice_at_once_is_taken_once(cast: Cast, provider: Provider) -> None:
    credential = connectable(cast, provider)
    client = at(cast.admin)
    answer = urlsplit(sent_back(begin(client, credential)["Location"]))
    back = f"{answer.path}?{answer.query}"
    said = meanwhile(partial(arrive, client, back), partial(arrive, twin(client), back))
    assert ["Connected." in each for each in said] == [True, False]
    assert "This answer was taken already" in said[1]
    assert len(provider.asked) == 1, "a code that is shown twice makes providers end what they gave"
    assert "taken already" in arrive(client, back), "nor after both"
    assert audited("credential connected") == 1


def test_connect_pressed_twice_asks_twice_and_each_yes_is_told(cast: Cast, provider: Provider) -> None:
    credential = connectable(cast, provider)
    client = at(cast.admin)
    answers = [urlsplit(sent_back(begin(client, credential)["Location"])) for _ in range(2)]
    for answer in answers:
        assert "Connected." in arrive(client, f"{answer.path}?{answer.query}")
    assert CredentialToken.objects.count() == 1


def test_disconnect_pressed_twice_says_that_it_is_not_connected(cast: Cast, provider: Provider) -> None:
    credential = connectable(cast, provider)
    client = at(cast.admin)
    answer = urlsplit(sent_back(begin(client, credential)["Location"]))
    arrive(client, f"{answer.path}?{answer.query}")
    leave = page("jobs_credential_disconnect", credential.pk)
    assert "forgotten" in followed(client, leave)
    assert "It is not connected." in followed(client, leave)


# --- starting by hand -------------------------------------------------------------------------------------


def test_a_start_by_hand_pressed_twice_leads_to_the_first_run(cast: Cast, job: Job) -> None:
    client, address = at(cast.operator), page("jobs_job_run", job.pk)
    given = {**run_form(), **word_in(client.get(address))}
    first = client.post(address, given)
    again = client.post(address, given, follow=True)
    assert [each.pk for each in Run.objects.all()] == [Run.objects.get().pk]
    assert again.redirect_chain[-1][0] == first["Location"]
    assert AGAIN in told(again)
    assert audited("job started") == 1


def test_going_back_and_starting_with_something_else_starts_it(cast: Cast, job: Job) -> None:
    client, address = at(cast.operator), page("jobs_job_run", job.pk)
    word = word_in(client.get(address))
    for pasted in ('{"age": 4}', '{"age": 5}'):
        client.post(address, {**run_form(pasted=pasted), **word})
    assert Run.objects.count() == 2
    client.post(address, {**run_form(), **word_in(client.get(address))})
    assert Run.objects.count() == 3, "a form that was opened anew is a wish of its own"


def test_a_word_of_somebody_else_hinders_nobody(cast: Cast, job: Job) -> None:
    address = page("jobs_job_run", job.pk)
    given = {**run_form(), **word_in(at(cast.operator).get(address))}
    for person in (cast.operator, cast.editor):
        at(person).post(address, given)
    assert set(Run.objects.values_list("created_by", flat=True)) == {cast.operator.pk, cast.editor.pk}


def test_what_was_refused_can_be_pressed_again(cast: Cast) -> None:
    never_live = factories.job(cast.project, live=False)
    client, address = at(cast.editor), page("jobs_job_run", never_live.pk)
    given = {**run_form(what="draft"), **word_in(client.get(address))}
    Job.objects.filter(pk=never_live.pk).update(latest_version=None)
    assert client.post(address, given).status_code == 200
    Job.objects.filter(pk=never_live.pk).update(latest_version=JobVersion.objects.get(job=never_live))
    assert client.post(address, given).status_code == 302
    assert Run.objects.count() == 1


@two_threads
def test_two_presses_of_a_start_at_once_are_one_run(cast: Cast, job: Job) -> None:
    client, address = at(cast.operator), page("jobs_job_run", job.pk)
    given = {**run_form(), **word_in(client.get(address))}
    answers = at_once(*(partial(twin(client).post, address, given) for _ in range(2)))
    run = Run.objects.get()
    assert [each["Location"] for each in answers] == [page("runs_run_change", run.pk)] * 2


def test_run_now_pressed_twice_is_one_time(cast: Cast, job: Job) -> None:
    trigger = factories.cron_trigger(job)
    client, address = at(cast.operator), page("triggers_trigger_run_now", trigger.pk)
    given = word_in(client.get(address))
    first = client.post(address, given)
    again = client.post(address, given, follow=True)
    assert again.redirect_chain[-1][0] == first["Location"] == page("runs_run_change", Run.objects.get().pk)
    assert AGAIN in told(again)
    assert (Slot.objects.count(), WorkOrder.objects.count()) == (1, 1)


# --- Make live --------------------------------------------------------------------------------------------


def test_make_live_pressed_twice_makes_one_version(cast: Cast, job: Job) -> None:
    client, address = at(cast.editor), page("jobs_job_change", job.pk)
    given = form(job, code="note('two')", _make_live="1")
    assert "v2 is live." in followed(client, address, given)
    assert "v2 is live already" in followed(client, address, given)
    assert job.versions.count() == 2
    assert audited("version made live") == audited("draft saved") == 1


def test_a_draft_saved_twice_is_one_version(cast: Cast, job: Job) -> None:
    client, address = at(cast.editor), page("jobs_job_change", job.pk)
    given = form(job, code="note('two')", name="Register all", _save_draft="1")
    for _ in range(2):
        assert "v2 is saved." in followed(client, address, given)
    assert job.versions.count() == 2
    assert audited("job changed") == 1


def test_an_old_page_does_not_pass_for_a_second_press(cast: Cast, job: Job) -> None:
    client, address = at(cast.editor), page("jobs_job_change", job.pk)
    client.post(address, form(job, code="note('two')", _save_draft="1"))
    for stale in (form(job, code="note('three')"), form(job, code="note('two')", name="Other")):
        answer = client.post(address, {**stale, "_make_live": "1"})
        assert "while you were writing" in text_of(answer)
    assert job.versions.count() == 2


@two_threads
def test_two_presses_of_make_live_at_once_make_one_version(cast: Cast, job: Job) -> None:
    client, address = at(cast.editor), page("jobs_job_change", job.pk)
    given = form(job, code="note('two')", _make_live="1")
    said = at_once(*(partial(followed, twin(client), address, given) for _ in range(2)))
    assert all("v2 is live" in each for each in said), said
    assert job.versions.count() == 2
    assert audited("version made live") == audited("draft saved") == 1
