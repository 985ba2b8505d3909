"""A session ends while somebody types: what was typed is not lost."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.models import Job
from openfn_platform.projects.models import AuditEntry
from tests import factories
from tests.accounts.doors import PASSWORD, browser, code_of, is_in, seen, with_factor
from tests.factories import Cast
from tests.workspace.desk import at, page

CARRIED = re.compile(r'<textarea name="([^"]*)" hidden>\n(.*?)</textarea>', re.DOTALL)
STATE, AGAIN = "/admin/login/state/", "/admin/login/again/"
NAME = 'Rename <me> & "you"\n'


@pytest.fixture
def job(cast: Cast) -> Job:
    return factories.job(cast.project, "Register")


def rename(job: Job) -> tuple[str, dict[str, Any]]:
    """The form of the workflow's page, where one changes its name."""
    return page("jobs_workflow_change", job.workflow_id), {
        "name": "Visits in March",
        "description": "first line\n<b>second</b> & third",
    }


def carried(answer: Any) -> dict[str, str]:
    return {name: unescape(value) for name, value in CARRIED.findall(seen(answer))}


def test_what_was_typed_is_carried_and_sent_with_the_log_in(cast: Cast, job: Job):
    client, (url, typed) = browser(), rename(job)
    asked = client.post(url, typed)
    assert asked.status_code == 401
    assert carried(asked) == typed
    assert asked["Cache-Control"] == "no-store"
    client.post(url, typed | {"_again_email": cast.editor.email, "_again_password": PASSWORD})
    job.workflow.refresh_from_db()
    assert job.workflow.name == "Visits in March"
    assert is_in(client)


def test_a_wrong_password_is_said_and_the_text_stays(cast: Cast, job: Job):
    client, (url, typed) = browser(), rename(job)
    answer = client.post(url, typed | {"_again_email": cast.editor.email, "_again_password": "wrong"})
    assert "Please enter a correct" in seen(answer)
    assert carried(answer) == typed
    assert "wrong" not in carried(answer).values()
    job.workflow.refresh_from_db()
    assert job.workflow.name != "Visits in March"


def test_the_second_factor_is_asked_for_there_too(cast: Cast, job: Job):
    secret, _ = with_factor(cast.editor)
    client, (url, typed) = browser(), rename(job)
    answer = client.post(url, typed | {"_again_email": cast.editor.email, "_again_password": PASSWORD})
    assert "_again_code" in seen(answer)
    assert carried(answer) == typed
    assert not is_in(client)
    client.post(url, typed | {"_again_code": code_of(secret)})
    job.workflow.refresh_from_db()
    assert job.workflow.name == "Visits in March"


def test_trying_passwords_there_is_throttled_like_anywhere(cast: Cast, job: Job):
    client, (url, typed) = browser(), rename(job)
    given = typed | {"_again_email": cast.editor.email, "_again_password": "wrong"}
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = client.post(url, given)
    assert answer.status_code == 429
    assert carried(answer) == typed


def test_whoever_logs_in_does_only_what_they_may(cast: Cast, job: Job):
    client, (url, typed) = browser(), rename(job)
    for person, status in ((cast.viewer, 403), (cast.outsider, 404)):
        answer = client.post(url, typed | {"_again_email": person.email, "_again_password": PASSWORD})
        assert answer.status_code == status
        client.logout()
    job.workflow.refresh_from_db()
    assert job.workflow.name != "Visits in March"


def test_other_pages_cannot_use_it(cast: Cast, job: Job):
    """A form that another site sends is refused before anything is looked at."""
    url, typed = rename(job)
    client = Client(enforce_csrf_checks=True)
    given = typed | {"_again_email": cast.editor.email, "_again_password": PASSWORD}
    assert client.post(url, given).status_code == 403
    assert not AuditEntry.objects.filter(action="logged in").exists()


def test_the_typed_secrets_do_not_end_up_in_the_records_of_log_ins(cast: Cast, job: Job):
    from axes.models import AccessAttempt

    url, typed = rename(job)
    given = typed | {
        "secret": "s3cret-of-a-partner",
        "_again_email": cast.editor.email,
        "_again_password": "wrong",
    }
    browser().post(url, given)
    row = AccessAttempt.objects.get()
    assert "s3cret" not in row.post_data + row.get_data + row.path_info


@pytest.mark.parametrize("kind", ["a file", "too much", "too many fields"])
def test_what_cannot_be_carried_is_said(job: Job, kind: str):
    client, (url, typed) = browser(), rename(job)
    kinds: dict[str, dict[str, Any]] = {
        "a file": {"upload": SimpleUploadedFile("a.csv", b"1,2")},
        "too much": {"description": "x" * 3_000_001},
        "too many fields": {f"field-{number}": "1" for number in range(950)},
    }
    answer = client.post(url, typed | kinds[kind], follow=True)
    assert answer.request["PATH_INFO"] == "/admin/login/"
    assert "could not be kept" in seen(answer)


def test_an_empty_form_just_leads_to_the_log_in(job: Job):
    assert browser().post(page("jobs_job_pause", job.pk))["Location"].startswith("/admin/login/")


# --- for scripts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"HX-Request": "true"}, {"Accept": "application/json"}, {"Sec-Fetch-Mode": "cors"}],
    ids=["htmx", "json", "fetch"],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_scripts_are_told_and_get_no_log_in_page_into_their_part(job: Job, headers: Any, method: str):
    answer = getattr(browser(), method)(page("jobs_job_change", job.pk), {"code": "x"}, headers=headers)
    assert answer.status_code == 401
    assert answer["X-Signed-Out"] == "1"


def test_the_dialog_logs_in_step_by_step(cast: Cast):
    secret, _ = with_factor(cast.editor)
    client = browser()
    assert client.get(STATE).json()["signed_in"] is False
    wrong = client.post(AGAIN, {"email": cast.editor.email, "password": "wrong"})
    assert (wrong.status_code, wrong.json()["signed_in"]) == (422, False)
    first = client.post(AGAIN, {"email": cast.editor.email, "password": PASSWORD}).json()
    assert (first["signed_in"], first["wants_code"]) == (False, True)
    done = client.post(AGAIN, {"code": code_of(secret)}).json()
    assert (done["signed_in"], done["person"]) == (True, cast.editor.email)
    assert client.get(STATE).json()["signed_in"] is True


def test_the_dialog_is_refused_to_other_sites(cast: Cast):
    client = Client(enforce_csrf_checks=True)
    assert client.post(AGAIN, {"email": cast.editor.email, "password": PASSWORD}).status_code == 403
    assert client.get(AGAIN).status_code == 405
    assert at(cast.editor).post(STATE).status_code == 405
