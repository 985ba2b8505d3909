"""Where there is nothing, the page says what will be there; where something went wrong, it says what to do."""

from __future__ import annotations

import html

import pytest
from django.contrib import admin
from django.test import Client, override_settings

from openfn_platform.projects.adminbase import ScopedAdmin
from tests import factories
from tests.workspace.desk import at, page, text_of

# These are pages of their own.
WITHOUT_A_LIST = {"runs.housekeeping", "triggers.clockring", "runs.httpexchange", "runs.personsearch"}
LISTS = {
    each.opts.label_lower: each
    for each in admin.site._registry.values()
    if isinstance(each, ScopedAdmin) and each.opts.label_lower not in WITHOUT_A_LIST
}
NEVER_EMPTY = {"projects.project", "projects.user", "projects.membership", "projects.auditentry"}


@pytest.mark.parametrize("label", LISTS)
def test_every_list_has_a_sentence_for_the_time_when_it_is_empty(label: str):
    assert LISTS[label].empty.endswith(".")


@pytest.mark.django_db
@pytest.mark.parametrize("label", [label for label in LISTS if label not in NEVER_EMPTY])
def test_an_empty_list_says_what_will_stand_in_it(label: str):
    person = factories.superuser()
    answer = at(person).get(page(label.replace(".", "_") + "_changelist"))
    assert html.escape(LISTS[label].empty) in text_of(answer)
    assert "Nothing fits" not in text_of(answer)


@pytest.mark.django_db
def test_a_search_that_finds_nothing_is_told_from_an_empty_list():
    cast = factories.cast("Clinic")
    factories.job(cast.project, "Register")
    said = text_of(at(cast.viewer).get(page("jobs_job_changelist", q="no such job")))
    assert "No row fits the search and the filters that are set." in said
    assert LISTS["jobs.job"].empty not in said


@pytest.mark.django_db
def test_whoever_may_not_do_something_is_told_who_can_change_that():
    cast = factories.cast("Clinic")
    answer = at(cast.viewer).get(page("jobs_job_add"))
    assert answer.status_code == 403
    assert "Your role does not allow it. The owners of the project can change that" in text_of(answer)


@pytest.mark.django_db
def test_an_address_with_nothing_behind_it_is_a_page_that_leads_back():
    answer = at(factories.superuser()).get("/admin/jobs/nothing-of-the-kind/")
    assert answer.status_code == 404
    assert "There is nothing here" in text_of(answer)
    assert 'href="/admin/"' in text_of(answer)


@pytest.mark.django_db
def test_a_form_that_is_too_old_is_told_what_to_do():
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.superuser())
    answer = client.post(page("projects_project_add"), {"name": "Clinic"})
    assert answer.status_code == 403
    assert "Go back, load the page again" in text_of(answer)


@pytest.mark.django_db
@override_settings(MIDDLEWARE=["tests.workspace.test_empty_and_wrong.breaks"])
def test_a_mistake_of_ours_is_a_page_too():
    answer = Client(raise_request_exception=False).get("/admin/")
    assert answer.status_code == 500
    assert "It was written to the log." in text_of(answer)


def breaks(get_response: object) -> object:
    """A middleware with a mistake in it."""

    def answer(request: object) -> object:
        raise ZeroDivisionError

    return answer
