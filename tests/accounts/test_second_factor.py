"""The second factor: set up, asked for, lost, required."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import connection
from django.urls import reverse

from openfn_platform.common.crypto import new_key
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.founding import project_change
from openfn_platform.projects.models import AuditEntry, Scope
from openfn_platform.projects.second_factors import factors_rotate
from tests import factories
from tests.accounts.doors import (
    DASHBOARD,
    PASSWORD,
    browser,
    code_of,
    is_in,
    letters_to,
    log_in,
    logged_in,
    seen,
    with_factor,
)
from tests.factories import Cast
from tests.workspace.desk import at, page

SET_UP = "/admin/account/second-factor/"
CODES = "/admin/account/second-factor/codes/"
OFF = "/admin/account/second-factor/off/"
CODE = "/admin/login/code/"


def secret_on(client: Any) -> str:
    return str(client.get(SET_UP).context["secret"]).replace(" ", "")


def test_it_is_set_up_with_a_code_and_the_recovery_codes_are_shown_once(cast: Cast):
    client = logged_in(cast.editor)
    assert "<svg" in seen(client.get(SET_UP))
    answer = client.post(SET_UP, {"code": code_of(secret_on(client))})
    codes = answer.context["codes"]
    assert len(codes) == 10
    assert all(code in seen(answer) for code in codes)
    again = seen(client.get("/admin/account/"))
    assert "10 recovery codes left" in again
    assert not any(code in again for code in codes)
    assert is_in(client)


def test_a_wrong_code_does_not_set_it_up(cast: Cast):
    client = logged_in(cast.editor)
    secret_on(client)
    answer = client.post(SET_UP, {"code": "000000"})
    assert "This code is not right" in seen(answer)
    assert not Authenticator.objects.exists()


def test_the_secret_is_not_in_the_database_in_clear(cast: Cast):
    secret, codes = with_factor(cast.editor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM mfa_authenticator")
        stored = " ".join(row[0] for row in cursor.fetchall())
    assert secret not in stored
    assert not any(code in stored for code in codes)


def test_the_password_alone_no_longer_opens_anything(cast: Cast):
    secret, _ = with_factor(cast.editor)
    client = browser()
    answer = log_in(client, cast.editor.email, follow=True)
    assert answer.request["PATH_INFO"] == CODE
    assert not is_in(client)
    assert client.post(CODE, {"code": code_of(secret)})["Location"] == DASHBOARD
    assert is_in(client)


def test_one_arrives_where_one_wanted_to_go(cast: Cast):
    secret, _ = with_factor(cast.editor)
    client = browser()
    asked = client.get("/admin/jobs/job/")["Location"]
    answer = client.post(asked, {"username": cast.editor.email, "password": PASSWORD})
    assert client.post(answer["Location"], {"code": code_of(secret)})["Location"] == "/admin/jobs/job/"


def test_a_code_works_once_in_whatever_process(cast: Cast):
    secret, _ = with_factor(cast.editor)
    code = code_of(secret)
    first, second = browser(), browser()
    for client in (first, second):
        log_in(client, cast.editor.email)
        client.post(CODE, {"code": code})
    assert is_in(first)
    assert not is_in(second)


def test_a_recovery_code_works_once(cast: Cast):
    _, codes = with_factor(cast.editor)
    for expected in (True, False):
        client = browser()
        log_in(client, cast.editor.email)
        client.post(CODE, {"code": codes[3]})
        assert is_in(client) is expected
    assert AuditEntry.objects.get(action="recovery code used").changes == {"left": 9}


def test_codes_cannot_be_guessed_from_many_addresses(cast: Cast):
    with_factor(cast.editor)
    for number in range(settings.AXES_FAILURE_LIMIT):
        client = browser(f"192.0.2.{number + 10}")
        log_in(client, cast.editor.email)
        answer = client.post(CODE, {"code": "000000"})
    assert answer.status_code == 429
    assert "Please wait" in seen(answer)


def test_the_right_code_does_not_help_during_the_lock(cast: Cast):
    secret, _ = with_factor(cast.editor)
    client = browser()
    log_in(client, cast.editor.email)
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client.post(CODE, {"code": "000000"})
    assert client.post(CODE, {"code": code_of(secret)}).status_code == 429
    assert not is_in(client)
    assert AuditEntry.objects.filter(action="log-in locked", object_id=str(cast.editor.pk)).count() == 1


def test_a_code_without_a_password_before_it_opens_nothing(cast: Cast):
    secret, _ = with_factor(cast.editor)
    client = browser()
    assert client.post(CODE, {"code": code_of(secret)})["Location"] == "/admin/login/"
    assert not is_in(client)


def test_switching_it_on_ends_the_other_sessions(cast: Cast):
    here, elsewhere = logged_in(cast.editor), logged_in(cast.editor, address="192.0.2.50")
    here.post(SET_UP, {"code": code_of(secret_on(here))})
    assert is_in(here)
    assert not is_in(elsewhere)


def test_switching_it_off_needs_password_and_code(cast: Cast):
    client = logged_in(cast.editor)
    secret = secret_on(client)
    client.post(SET_UP, {"code": code_of(secret, -1)})
    for given in (
        {"password": "wrong", "code": code_of(secret)},
        {"password": PASSWORD, "code": "000000"},
        {},
    ):
        client.post(OFF, given)
        assert Authenticator.objects.exists()
    client.post(OFF, {"password": PASSWORD, "code": code_of(secret, 1)})
    assert not Authenticator.objects.exists()
    assert "switched off" in letters_to(cast.editor.email)[-1].subject


def test_new_recovery_codes_replace_the_old_ones(cast: Cast):
    client = logged_in(cast.editor)
    secret = secret_on(client)
    old = client.post(SET_UP, {"code": code_of(secret, -1)}).context["codes"]
    new = client.post(CODES, {"password": PASSWORD, "code": code_of(secret)}).context["codes"]
    assert not set(old) & set(new)
    for code, works in ((old[0], False), (new[0], True)):
        other = browser()
        log_in(other, cast.editor.email)
        other.post(CODE, {"code": code})
        assert is_in(other) is works


def test_proving_oneself_is_throttled_too(cast: Cast):
    with_factor(cast.editor)
    client = at(cast.editor)
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        answer = client.post(OFF, {"password": "wrong", "code": "000000"})
    assert "too many tries" in seen(answer)


# --- required ------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(cast: Cast) -> Cast:
    project_change(project=cast.project, by=cast.owner, mfa_required=True)
    return cast


def test_a_member_is_led_to_set_it_up_before_seeing_anything_of_the_project(guarded: Cast):
    job = factories.job(guarded.project)
    client = logged_in(guarded.editor)
    answer = client.get(page("jobs_job_change", job.pk))
    assert answer["Location"].startswith(SET_UP)
    assert guarded.project.name in seen(client.get(answer["Location"]))
    done = client.post(answer["Location"], {"code": code_of(secret_on(client))})
    assert done.context["next"] == page("jobs_job_change", job.pk)
    assert client.get(page("jobs_job_change", job.pk)).status_code == 200


def test_whatever_door_is_tried_the_project_is_not_there_without_it(guarded: Cast):
    assert Actor(user=guarded.owner).role_in(guarded.project) is None
    with_factor(guarded.owner)
    assert Actor(user=guarded.owner).role_in(guarded.project) == "owner"


def test_scripts_of_a_page_get_a_refusal_and_not_a_page(guarded: Cast):
    client = at(guarded.editor)
    assert client.get("/admin/jobs/job/", HTTP_HX_REQUEST="true").status_code == 403


def test_api_tokens_are_not_concerned(guarded: Cast, client: Any):
    _, token = factories.token(guarded.project, Scope.READ)
    assert client.get("/api/v1/runs", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 200


def test_members_of_other_projects_are_not_concerned(guarded: Cast):
    assert at(guarded.outsider).get(DASHBOARD).status_code == 200


def test_an_admin_requires_it_on_the_page_of_the_project(cast: Cast):
    client = at(cast.admin)
    form = client.get(page("projects_project_change", cast.project.pk)).context["adminform"].form
    values = {name: form.initial.get(name) for name in form.fields} | {
        "allowed_hosts": "",
        "mfa_required": "on",
    }
    client.post(page("projects_project_change", cast.project.pk), values)
    cast.project.refresh_from_db()
    assert cast.project.mfa_required
    assert AuditEntry.objects.get(action="project changed").changes["mfa_required"] == [False, True]


def test_superusers_need_it_where_the_installation_says_so(cast: Cast, settings: Any):
    assert at(cast.superuser).get(DASHBOARD).status_code == 200
    settings.SUPERUSERS_NEED_SECOND_FACTOR = True
    client = at(cast.superuser)
    assert client.get(DASHBOARD)["Location"].startswith(SET_UP)
    assert not Actor(user=cast.superuser).is_superuser
    with_factor(cast.superuser)
    assert at(cast.superuser).get(DASHBOARD).status_code == 200


# --- kept ----------------------------------------------------------------------------------------------


def test_a_new_key_takes_over_and_the_old_one_can_go(cast: Cast, settings: Any):
    secret, codes = with_factor(cast.editor)
    old, new = settings.CREDENTIAL_KEYS, new_key()
    settings.CREDENTIAL_KEYS = [new, *old]
    assert factors_rotate() == 2
    assert factors_rotate() == 0
    settings.CREDENTIAL_KEYS = [new]
    for given in (code_of(secret), codes[1]):
        client = browser()
        log_in(client, cast.editor.email)
        client.post(CODE, {"code": given})
        assert is_in(client)


# --- lost ----------------------------------------------------------------------------------------------


def test_who_runs_the_installation_resets_a_lost_one_and_the_person_is_told(cast: Cast):
    with_factor(cast.editor)
    elsewhere = at(cast.editor)
    at(cast.superuser).post(page("projects_user_reset_second_factor", cast.editor.pk))
    assert log_in(browser(), cast.editor.email)["Location"] == DASHBOARD
    assert not is_in(elsewhere)
    assert AuditEntry.objects.get(action="second factor reset").actor == cast.superuser
    assert "reset" in letters_to(cast.editor.email)[-1].subject


def membership_of(person: Any) -> Any:
    return person.memberships.get()


def test_an_owner_resets_it_for_members_of_the_own_project(cast: Cast):
    with_factor(cast.editor)
    url = page("projects_membership_reset_second_factor", membership_of(cast.editor).pk)
    assert at(cast.admin).post(url).status_code == 403
    at(cast.owner).post(url)
    assert not Authenticator.objects.exists()


def test_an_owner_does_not_open_other_projects_that_way(cast: Cast):
    from openfn_platform.projects.actors import PLATFORM
    from openfn_platform.projects.membering import member_add
    from openfn_platform.projects.models import Role

    url = page("projects_membership_reset_second_factor", membership_of(cast.editor).pk)
    member_add(project=factories.project(), user=cast.editor, role=Role.VIEWER, by=PLATFORM)
    with_factor(cast.editor)
    answer = at(cast.owner).post(url, follow=True)
    assert "projects that are not yours" in seen(answer)
    assert Authenticator.objects.exists()


def test_the_pages_are_for_people_who_are_logged_in(client: Any, db: None):
    for name in ("account", "second-factor", "recovery-codes", "second-factor-off", "password_change"):
        assert client.get(reverse(name))["Location"].startswith("/admin/login/")
