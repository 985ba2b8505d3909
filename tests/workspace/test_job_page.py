"""The job's page: drafts, making live, two people at once, versions, trying out."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.editing import draft_save
from jobs.models import Job, JobState
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.models import Role
from openfn_platform.projects.tokens import token_create
from runs.models import Run, RunMode
from runs.states import state_read
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def job(cast: Cast) -> Job:
    return factories.job(cast.project, "Register", code="note('one')\n")


def form(job: Job, *, code: str, based_on: int = 1, **more: Any) -> dict[str, Any]:
    """What a browser sends."""
    return {
        "name": job.name,
        "description": "",
        "max_concurrency": "",
        "code": code,
        "note": "",
        "based_on": based_on,
        "wall_seconds": 300,
        "memory_mb": 512,
        "state_bytes": 10_000_000,
        "max_attempts": 1,
        "first_wait_seconds": 30,
        "longest_wait_seconds": 3600,
        "too_late_seconds": "",
        "problems_allowed": 0,
        "connections-TOTAL_FORMS": 0,
        "connections-INITIAL_FORMS": 0,
        "settings-TOTAL_FORMS": 0,
        "settings-INITIAL_FORMS": 0,
        **more,
    }


def saved(job: Job) -> Job:
    return Job.objects.select_related("live_version", "latest_version").get(pk=job.pk)


def test_save_draft_keeps_a_new_version_that_is_not_live(cast: Cast, job: Job) -> None:
    client = at(cast.editor)
    url = page("jobs_job_change", job.pk)
    answer = client.post(url, form(job, code="note('two')\r\n", _save_draft="1"), follow=True)
    now = saved(job)
    assert (now.latest_version.number, now.latest_version.code) == (2, "note('two')\n")
    assert now.live_version.number == 1
    assert "Live: v1; the draft v2 is not live." in text_of(answer)


def test_make_live_lets_the_new_version_run(cast: Cast, job: Job) -> None:
    at(cast.editor).post(page("jobs_job_change", job.pk), form(job, code="note('two')", _make_live="1"))
    assert saved(job).live_version.number == 2


def test_make_live_is_refused_with_the_findings_at_their_line(cast: Cast, job: Job) -> None:
    answer = at(cast.editor).post(
        page("jobs_job_change", job.pk), form(job, code="x = 1\nnote(nothing)\n", _make_live="1"), follow=True
    )
    assert saved(job).live_version.number == 1
    assert "not live" in told(answer)
    assert "Line 2" in text_of(answer)
    assert "nothing" in text_of(answer)


def test_saving_the_same_again_makes_no_version(cast: Cast, job: Job) -> None:
    at(cast.editor).post(page("jobs_job_change", job.pk), form(job, code="note('one')\n", _save_draft="1"))
    assert saved(job).latest_version.number == 1


def test_who_saves_on_top_of_anothers_version_is_told_and_loses_nothing(cast: Cast, job: Job) -> None:
    url = page("jobs_job_change", job.pk)
    at(cast.admin).post(url, form(job, code="note('theirs')", _save_draft="1"))
    answer = at(cast.editor).post(url, form(job, code="note('mine')", _save_draft="1"))
    assert answer.status_code == 200
    assert "Admin saved v2 while you were writing" in text_of(answer)
    assert "note(&#x27;mine&#x27;)" in text_of(answer)
    assert saved(job).latest_version.number == 2

    based_on = answer.context["form"]["based_on"].value()
    at(cast.editor).post(url, form(job, code="note('mine')", based_on=int(based_on), _save_draft="1"))
    assert (saved(job).latest_version.number, saved(job).latest_version.code) == (3, "note('mine')")


def test_connections_settings_and_limits_become_part_of_the_version(cast: Cast, job: Job) -> None:
    credential = factories.credential(cast.project)
    link = credential.lent_to.get()
    more: dict[str, Any] = {
        "connections-TOTAL_FORMS": 1,
        "connections-0-alias": "openmrs",
        "connections-0-adaptor": "openmrs",
        "connections-0-credential": str(link.pk),
        "settings-TOTAL_FORMS": 2,
        "settings-0-key": "clinic",
        "settings-0-label": "Clinic",
        "settings-0-type": "choice",
        "settings-0-default": "north",
        "settings-0-choices": "north, south",
        "settings-1-key": "limit",
        "settings-1-type": "number",
        "settings-1-default": "3",
        "max_attempts": 4,
        "trace_reads": "on",
    }
    at(cast.editor).post(page("jobs_job_change", job.pk), form(job, code="pass", _save_draft="1", **more))
    version = saved(job).latest_version
    assert [(row.alias, row.adaptor, row.credential_id) for row in version.connections.all()] == [
        ("openmrs", "openmrs", link.pk)
    ]
    assert [(item["key"], item["default"]) for item in version.settings] == [
        ("clinic", "north"),
        ("limit", 3),
    ]
    assert (version.max_attempts, version.trace_reads) == (4, True)


def test_a_row_that_was_added_and_left_empty_counts_for_nothing(cast: Cast, job: Job) -> None:
    more: dict[str, Any] = {"connections-TOTAL_FORMS": 1, "connections-0-adaptor": "http"}
    more |= {"settings-TOTAL_FORMS": 1, "settings-0-type": "text"}
    at(cast.editor).post(page("jobs_job_change", job.pk), form(job, code="note('two')", **more))
    assert saved(job).latest_version.number == 2
    assert not saved(job).latest_version.connections.exists()


def test_a_credential_of_another_project_is_no_choice(cast: Cast, job: Job) -> None:
    foreign = factories.credential(factories.project()).lent_to.get()
    more: dict[str, Any] = {
        "connections-TOTAL_FORMS": 1,
        "connections-0-alias": "openmrs",
        "connections-0-adaptor": "openmrs",
        "connections-0-credential": str(foreign.pk),
    }
    answer = at(cast.editor).post(
        page("jobs_job_change", job.pk), form(job, code="pass", _save_draft="1", **more)
    )
    assert answer.status_code == 200
    assert saved(job).latest_version.number == 1


def test_a_limit_over_the_installations_is_refused_at_its_field(cast: Cast, job: Job, settings: Any) -> None:
    too_long = settings.JOB_MAX_SECONDS + 1
    answer = at(cast.editor).post(
        page("jobs_job_change", job.pk), form(job, code="note('kept')", wall_seconds=too_long)
    )
    assert "wall_seconds" in answer.context["form"].errors
    assert "note(&#x27;kept&#x27;)" in text_of(answer)


def test_a_viewer_reads_the_code_and_finds_no_button(cast: Cast, job: Job) -> None:
    shown = text_of(at(cast.viewer).get(page("jobs_job_change", job.pk)))
    assert "note(&#x27;one&#x27;)" in shown
    assert "_save_draft" not in shown
    assert "data-readonly" in shown


def test_restore_brings_an_old_version_back_as_a_draft(cast: Cast, job: Job) -> None:
    client = at(cast.editor)
    client.post(page("jobs_job_change", job.pk), form(job, code="note('two')", _make_live="1"))
    client.post(page("jobs_job_versions", job.pk), {"restore": "1"})
    now = saved(job)
    assert (now.latest_version.number, now.latest_version.code) == (3, "note('one')\n")
    assert now.live_version.number == 2


def test_a_version_that_a_token_wrote_is_told_with_its_name(cast: Cast, job: Job) -> None:
    token, _ = token_create(project=cast.project, name="pipeline <1>", scopes=("deploy",), by=cast.admin)
    draft_save(job=job, code="note('two')\n", by=Actor(token=token))
    draft_save(job=job, code="note('three')\n", by=Actor(platform=True))
    client = at(cast.viewer)
    for shown in ("jobs_job_versions", "jobs_job_change"):
        text = text_of(client.get(page(shown, job.pk)))
        assert text.count('<td data-label="By">API token pipeline &lt;1&gt;</td>') == 1
        assert '<td data-label="By">–</td>' in text


def test_the_difference_between_two_versions_is_shown(cast: Cast, job: Job) -> None:
    client = at(cast.editor)
    client.post(page("jobs_job_change", job.pk), form(job, code="note('two')\n", _save_draft="1"))
    answer = client.get(page("jobs_job_versions", job.pk, left="1", right="2"))
    assert [(line.kind, line.text) for line in answer.context["lines"]] == [
        ("removed", "note('one')"),
        ("added", "note('two')"),
    ]


@pytest.mark.parametrize("number", ["99", "x", "-1", "9" * 30])
def test_a_version_that_does_not_exist_is_not_found(cast: Cast, job: Job, number: str) -> None:
    assert at(cast.editor).get(page("jobs_job_versions", job.pk, left=number)).status_code == 404


def test_a_new_job_gets_a_workflow_of_its_own(cast: Cast) -> None:
    at(cast.editor).post(page("jobs_job_add"), {"project": str(cast.project.pk), "name": "Send SMS"})
    made = Job.objects.get(name="Send SMS")
    assert (made.workflow.name, made.state) == ("Send SMS", JobState.OFF)


def test_a_job_cannot_be_made_in_a_foreign_project(cast: Cast) -> None:
    foreign = factories.project()
    answer = at(cast.editor).post(page("jobs_job_add"), {"project": str(foreign.pk), "name": "Spy"})
    assert answer.status_code == 200
    assert not Job.objects.filter(name="Spy").exists()


def test_an_operator_pauses_a_job_and_lets_it_go_on(cast: Cast, job: Job) -> None:
    client = at(cast.operator)
    client.post(page("jobs_job_pause", job.pk))
    assert saved(job).state == JobState.PAUSED
    client.post(page("jobs_job_go_on", job.pk))
    assert saved(job).state == JobState.ON


def test_what_a_verb_refuses_is_a_sentence_and_no_crash(cast: Cast) -> None:
    never_live = factories.job(cast.project, live=False)
    answer = at(cast.editor).post(page("jobs_job_switch_on", never_live.pk), follow=True)
    assert "make one live first" in told(answer)


# --- Run with… --------------------------------------------------------------------------------------------


def run_form(**more: Any) -> dict[str, Any]:
    return {"source": "json", "pasted": '{"age": 4}', "what": "live", **more}


def test_pasted_json_becomes_the_data_of_a_live_run(cast: Cast, job: Job) -> None:
    answer = at(cast.operator).post(page("jobs_job_run", job.pk), run_form())
    run = Run.objects.get(job=job)
    assert answer["Location"] == page("runs_run_change", run.pk)
    assert (run.mode, run.created_by) == (RunMode.LIVE, cast.operator)
    assert state_read(state_id=run.input_id) == b'{"data":{"age":4}}'


def test_a_draft_runs_as_a_test_and_only_for_editors(cast: Cast, job: Job) -> None:
    at(cast.operator).post(page("jobs_job_run", job.pk), run_form(what="draft"))
    assert not Run.objects.exists()
    at(cast.editor).post(page("jobs_job_run", job.pk), run_form(what="draft"))
    assert Run.objects.get().mode == RunMode.TRIAL


def test_a_dry_run_is_marked_dry(cast: Cast, job: Job) -> None:
    at(cast.operator).post(page("jobs_job_run", job.pk), run_form(dry="on"))
    assert Run.objects.get().mode == RunMode.DRY


@pytest.mark.parametrize("pasted", ["{", '{"a": NaN}', "[" * 100_000])
def test_what_is_no_json_is_said_at_its_field(cast: Cast, job: Job, pasted: str) -> None:
    answer = at(cast.operator).post(page("jobs_job_run", job.pk), run_form(pasted=pasted))
    assert "pasted" in answer.context["form"].errors
    assert not Run.objects.exists()


def test_the_input_of_a_foreign_run_is_no_choice(cast: Cast, job: Job) -> None:
    foreign = factories.job(factories.project())
    at(cast.superuser).post(page("jobs_job_run", foreign.pk), run_form())
    run = Run.objects.get(job=foreign)
    answer = at(cast.operator).post(page("jobs_job_run", job.pk), run_form(source="run", run=str(run.pk)))
    assert "run" in answer.context["form"].errors


# --- what the editor asks ---------------------------------------------------------------------------------


def test_the_check_finds_what_the_line_names_wrongly(cast: Cast, job: Job) -> None:
    answer = at(cast.editor).post(page("jobs_job_check", job.pk), {"code": "\nnote(nothing)"})
    findings = answer.json()["findings"]
    assert [(finding["line"], finding["severity"]) for finding in findings] == [(2, "error")]


def test_the_check_knows_connections_that_are_not_saved_yet(cast: Cast, job: Job) -> None:
    url = page("jobs_job_check", job.pk)
    code = {"code": "openmrs.find_one('patient', identifier='1')"}
    assert at(cast.editor).post(url, code).json()["findings"]
    assert not at(cast.editor).post(url, {**code, "aliases": "openmrs:openmrs"}).json()["findings"]


def test_the_names_hold_the_operations_of_each_alias(cast: Cast) -> None:
    job = factories.job(cast.project, connections={"emr": factories.credential(cast.project)})
    names = {
        item["name"]: item for item in at(cast.viewer).get(page("jobs_job_names", job.pk)).json()["names"]
    }
    assert "find_one" in {member["name"] for member in names["emr"]["members"]}
    assert "once" in names


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_editors_may_ask_for_a_check(cast: Cast, job: Job, role: Role) -> None:
    assert at(cast.of(role)).post(page("jobs_job_check", job.pk), {"code": "x"}).status_code == 403
