"""The first page: for everybody their own, open incidents first, and what to do when there is nothing yet."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from openfn_platform.projects.models import Membership, Project
from openfn_platform.workspace.navigation import FOR_EVERYBODY, GROUPS
from openfn_platform.workspace.pulse import ago
from runs.models import Incident, RunMode, WorkerHeartbeat
from runs.starting import job_start
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of
from triggers.clock import BELLS, clock_rung

pytestmark = pytest.mark.django_db
MOST_QUERIES = 18


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


def incident(project: Project, title: str, **fields) -> Incident:
    return Incident.objects.create(project=project, fingerprint=title, title=title, **fields)


def test_open_incidents_stand_first_with_who_looks_after_them(cast: Cast) -> None:
    incident(cast.project, "Register: AuthError", taken_by=cast.editor, taken_at=timezone.now())
    incident(cast.project, "Export: Timeout")
    incident(cast.project, "Old: over", closed_at=timezone.now())
    shown = text_of(at(cast.viewer).get(page("index")))
    assert (
        shown.index("Export: Timeout") < shown.index("Register: AuthError") < shown.index("Runs of the last")
    )
    assert "Nobody yet" in shown
    assert "Editor" in shown
    assert "Old: over" not in shown


def test_one_sees_only_ones_own_projects(cast: Cast) -> None:
    incident(cast.project, "Secret trouble")
    assert "Secret trouble" not in text_of(at(cast.outsider).get(page("index")))


@pytest.mark.parametrize("several", [False, True])
def test_who_runs_the_installation_sees_its_own_troubles_also_where_there_is_one_project(
    cast: Cast, several: bool
) -> None:
    if several:
        incident(factories.cast("Elsewhere").project, "Theirs")
    Incident.objects.create(project=None, fingerprint="x", title="Nobody rings the clock")
    incident(cast.project, "Ours")
    shown = at(cast.superuser).get(page("index"))
    assert "Nobody rings the clock" in text_of(shown)
    listed = at(cast.superuser).get(page("runs_incident_changelist")).context["cl"].result_list
    assert {each.title for each in listed} == {each.title for each in shown.context["incidents"]}
    for person in (cast.owner, cast.viewer):
        for address in ("index", "runs_incident_changelist"):
            assert "Nobody rings" not in text_of(at(person).get(page(address)))


def test_runs_are_counted_by_day_and_outcome_without_tests(cast: Cast) -> None:
    job = factories.job(cast.project)
    job_start(job=job, by=cast.editor)
    job_start(job=job, by=cast.editor, version=job.latest_version, mode=RunMode.TRIAL)
    context = at(cast.viewer).get(page("index")).context
    assert context["runs_total"] == 1
    assert len(json.loads(context["chart"])["labels"]) == 14
    assert context["queue"].waiting == 2


def test_a_project_of_which_nobody_would_hear_is_named(cast: Cast) -> None:
    assert "gets a mail when something fails" not in text_of(at(cast.owner).get(page("index")))
    Membership.objects.filter(project=cast.project).update(failure_mail=False)
    assert "Nobody of “Clinic” gets a mail when something fails" in text_of(at(cast.owner).get(page("index")))


def test_silence_of_clock_and_workers_is_said(cast: Cast) -> None:
    shown = text_of(at(cast.viewer).get(page("index")))
    assert "The clock is silent" in shown
    assert "No worker is running" in shown
    for task in BELLS:
        clock_rung(task=task, by="beat")
    WorkerHeartbeat.objects.create(name="w1", host="h", pid=1, capacity=4, confinement="process")
    shown = text_of(at(cast.viewer).get(page("index")))
    assert "The clock is silent" not in shown
    assert "No worker is running" not in shown
    assert "process" in shown


def test_an_empty_project_says_what_to_do_first(cast: Cast) -> None:
    assert "What to do first" in text_of(at(cast.editor).get(page("index")))
    factories.job(cast.project)
    assert "What to do first" not in text_of(at(cast.editor).get(page("index")))


def test_somebody_without_a_project_is_told_whom_to_ask() -> None:
    assert "Ask an admin of the project" in text_of(at(factories.user()).get(page("index")))


def test_a_superuser_of_an_empty_installation_makes_the_first_project() -> None:
    assert "Make the first project" in text_of(at(factories.superuser()).get(page("index")))


def test_the_number_of_queries_does_not_grow(cast: Cast) -> None:
    client = at(cast.editor)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(page("index"))
        return len(queries)

    count()
    before = count()
    for number in range(4):
        job = factories.job(cast.project)
        factories.cron_trigger(job)
        incident(cast.project, f"Trouble {number}", job=job)
        job_start(job=job, by=cast.editor)
    assert count() == before <= MOST_QUERIES


def test_every_page_of_the_sidebar_exists() -> None:
    registered = {model._meta.label_lower for model in admin.site._registry}
    assert {page[2] for _title, pages in GROUPS for page in pages} - set(FOR_EVERYBODY) <= registered


def test_the_switch_narrows_lists_to_one_project(cast: Cast) -> None:
    client = at(cast.superuser)
    factories.job(cast.project, "Here")
    elsewhere = factories.project("Elsewhere")
    factories.job(elsewhere, "There")
    assert "There" in text_of(client.get(page("jobs_job_changelist")))
    client.get(page("projects_project_switch", project=cast.project.key))
    shown = text_of(client.get(page("jobs_job_changelist")))
    assert "Here" in shown
    assert "There" not in shown
    client.get(page("jobs_job_changelist", project="all"))
    assert "There" in text_of(client.get(page("jobs_job_changelist")))


def test_the_switch_leads_nowhere_else(cast: Cast) -> None:
    foreign = factories.project("Elsewhere")
    client = at(cast.editor)
    assert client.get(page("projects_project_switch", project=foreign.key)).status_code == 404
    url = page("projects_project_switch", project=cast.project.key, next="https://evil.example/")
    assert client.get(url)["Location"] == page("index")


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (timedelta(seconds=3), "3 s ago"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=30), "30 h ago"),
        (timedelta(days=4), "4 d ago"),
    ],
)
def test_times_are_told_as_how_long_ago(past: timedelta, words: str) -> None:
    assert ago(timezone.now() - past) == words


def test_other_packages_pages_are_not_there() -> None:
    labels = {model._meta.app_label for model in admin.site._registry}
    assert labels == {"projects", "jobs", "triggers", "runs", "axes"}
