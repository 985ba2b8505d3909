"""Jobs, triggers and workflows by the API, and starting a job."""

from __future__ import annotations

import pytest

from jobs.models import Job
from openfn_platform.projects.models import AuditEntry
from runs.models import Run, State, WorkOrder
from tests.api.cast import CANARY, UNKNOWN, Caller, Clinic, problem
from tests.flows.world import input_of
from triggers.models import MessagePayload


def test_a_job_says_which_version_is_live(api: Caller, clinic: Clinic):
    job = clinic.job(key="register-patient")
    draft = clinic.version(job, "x = 1")
    Job.objects.filter(pk=job.pk).update(live_version=job.versions.get(number=1))
    told = api.get(f"jobs/{job.pk}").json()
    assert told == {
        "id": str(job.pk),
        "key": "register-patient",
        "name": "Register-patient",
        "description": "",
        "workflow": str(clinic.workflow.pk),
        "state": "on",
        "paused_reason": None,
        "max_concurrency": None,
        "retry_frees_lane": False,
        "live_version": 1,
        "latest_version": draft.number,
        "inserted_at": told["inserted_at"],
        "archived_at": None,
    }
    assert api.results("jobs", workflow="main", state="on,paused") == [told]
    assert api.results("jobs", archived="true") == []


def test_a_job_without_code_has_no_versions(api: Caller, clinic: Clinic):
    Job.objects.create(project=clinic.project, workflow=clinic.workflow, key="new", name="New")
    assert api.results("jobs")[0]["live_version"] is None


def test_a_trigger_says_what_it_starts_and_when(api: Caller, clinic: Clinic):
    first, second = clinic.job(), clinic.job()
    clinic.on_message(first, inclusion={"form": "register"})
    clinic.on_end(first, "failure", second)
    clinic.on_schedule(first, second, schedule_kind="cron", cron="0 23 * * 5", time_zone="Africa/Nairobi")
    schedule, flow, message = api.results("triggers")
    assert message["criteria"] == [{"inclusion": {"form": "register"}, "exclusion": None}]
    assert (message["jobs"], message["schedule"], message["event"]) == ([str(first.pk)], None, None)
    assert (flow["upstream"], flow["event"], flow["jobs"]) == (str(first.pk), "failure", [str(second.pk)])
    assert (schedule["schedule"]["cron"], schedule["schedule"]["time_zone"]) == (
        "0 23 * * 5",
        "Africa/Nairobi",
    )
    assert schedule["jobs"] == sorted([str(first.pk), str(second.pk)])
    assert api.results("triggers", kind="flow") == [flow] == [api.get(f"triggers/{flow['id']}").json()]


def test_workflows_are_listed(api: Caller, clinic: Clinic):
    told = api.results("workflows")[0]
    assert (told["key"], told["name"]) == ("main", "Main")
    assert api.get(f"workflows/{told['id']}").json() == told


# --- starting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "initial"),
    [
        ({"data": {"patient": 7}}, {"data": {"patient": 7}}),
        ({"data": None}, {"data": {}}),
        ({"data": [1]}, {"data": [1]}),
        ({"state": {"cursor": 3}}, {"cursor": 3, "data": {}}),
        ({}, {"data": {}}),
        (None, {"data": {}}),
    ],
    ids=["data", "null", "list", "whole state", "empty", "no body"],
)
def test_a_job_is_started_with_what_was_sent(api: Caller, clinic: Clinic, body, initial):
    job = clinic.job()
    answer = api.post(f"jobs/{job.pk}/run", body)
    assert answer.status_code == 201
    run = Run.objects.get(pk=answer.json()["id"])
    assert input_of(run) == initial
    assert (run.job, run.work_order.cause) == (job, "api")
    assert api.get(answer["Location"]).json() == answer.json()


def test_a_job_is_started_with_a_message_or_with_the_input_of_a_run(api: Caller, clinic: Clinic):
    job, message = clinic.job(), clinic.message()
    first = api.post(f"jobs/{job.pk}/run", {"message": str(message.pk)}).json()["id"]
    initial = input_of(Run.objects.get(pk=first))
    assert initial["data"] == {"name": CANARY}
    assert initial["request"]["method"] == "POST"
    second = api.post(f"jobs/{job.pk}/run", {"run": first}).json()["id"]
    assert input_of(Run.objects.get(pk=second)) == initial


def test_starting_a_job_is_written_down(api: Caller, clinic: Clinic):
    api.post(f"jobs/{clinic.job().pk}/run")
    assert AuditEntry.objects.latest("id").action == "job started"


def test_a_job_that_is_not_live_cannot_be_started(api: Caller, clinic: Clinic):
    job = Job.objects.create(project=clinic.project, workflow=clinic.workflow, key="new", name="New")
    assert "no live version" in problem(api.post(f"jobs/{job.pk}/run"), 409)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": 1, "state": {}}, 400),
        ({"dta": 1}, 400),
        ({"project": UNKNOWN}, 400),
        ({"state": [1]}, 400),
        ({"message": "seven"}, 400),
        ({"message": 10**30}, 400),
        ({"message": {"id": UNKNOWN}}, 400),
        ({"message": UNKNOWN}, 404),
        ({"run": UNKNOWN}, 404),
        ([], 400),
    ],
)
def test_what_cannot_be_an_input_is_refused_and_starts_nothing(api: Caller, clinic: Clinic, body, status):
    problem(api.post(f"jobs/{clinic.job().pk}/run", body), status)
    assert WorkOrder.objects.count() == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"7",
        b"null",
        b'{"data": "\\u0000"}',
        b'{"data": "\\ud800"}',
        b'{"data": 1e999}',
        b'{"data": NaN}',
        b'{"data": ' + b"9" * 5_000 + b"}",
        b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"data": 1, "data": 2}',
        b"\xff\xfe{}",
        b'{"data": "' + b"x" * 10_000_000 + b'"}',
    ],
    ids=[
        "cut",
        "number",
        "null",
        "NUL",
        "half a pair",
        "infinite",
        "NaN",
        "long number",
        "deep",
        "twice",
        "not UTF-8",
        "large",
    ],
)
def test_a_hostile_body_is_refused_and_starts_nothing(api: Caller, clinic: Clinic, raw: bytes):
    answer = api.post(f"jobs/{clinic.job().pk}/run", raw=raw)
    assert 400 <= answer.status_code < 500
    problem(answer, answer.status_code)
    assert State.objects.count() == WorkOrder.objects.count() == 0


def test_what_was_erased_cannot_be_an_input(api: Caller, clinic: Clinic):
    job, message, run = clinic.job(), clinic.message(), clinic.run()
    MessagePayload.objects.all().delete()
    State.objects.filter(pk__in=[run.input_id]).delete()
    assert "erased" in problem(api.post(f"jobs/{job.pk}/run", {"message": str(message.pk)}), 409)
    assert "erased" in problem(api.post(f"jobs/{job.pk}/run", {"run": str(run.pk)}), 409)
