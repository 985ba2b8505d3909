"""Drafts and versions of jobs by the API."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.lending import credential_lend, credential_unlend
from jobs.models import Job, JobVersion
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry
from tests import factories
from tests.api.cast import UNKNOWN, Caller, Clinic, problem


@pytest.fixture
def job(clinic: Clinic) -> Job:
    return Job.objects.create(project=clinic.project, workflow=clinic.workflow, key="new", name="New")


def put(api: Caller, job: Job, code: str = "x = 1", **body: Any) -> Any:
    answer = api.put(f"jobs/{job.pk}/draft", {"code": code, **body})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_job_without_code_has_an_empty_draft_to_begin_with(api: Caller, job: Job):
    told = api.get(f"jobs/{job.pk}/draft").json()
    assert (told["number"], told["code"], told["connections"], told["live"]) == (None, "", [], False)
    assert told["limits"]["wall_seconds"] == 300
    assert put(api, job)["number"] == 1


def test_a_draft_holds_everything_that_decides_how_a_run_behaves(api: Caller, clinic: Clinic, job: Job):
    credential = clinic.credential("openmrs").credential
    body: dict[str, Any] = {
        "code": "  patient = openmrs.get('patient')\r\n\n",
        "connections": [
            {"alias": "openmrs", "adaptor": "openmrs", "credential": str(credential.pk)},
            {"alias": "web", "adaptor": "http", "credential": None},
        ],
        "settings": [{"key": "place", "label": "Clinic", "type": "text", "default": "Kisumu"}],
        "limits": {"wall_seconds": 60, "too_late_seconds": 5},
        "retry": {"max_attempts": 3, "safe_to_run_again": True},
        "note": "First",
    }
    told = put(api, job, **body)
    assert told["code"] == "  patient = openmrs.get('patient')\n\n"
    assert told["connections"] == body["connections"]
    assert told["settings"] == body["settings"]
    assert told["limits"] == {
        "wall_seconds": 60,
        "memory_mb": 512,
        "state_bytes": 10_000_000,
        "too_late_seconds": 5,
        "problems_allowed": 0,
        "trace_reads": False,
    }
    assert (told["retry"]["max_attempts"], told["retry"]["safe_to_run_again"]) == (3, True)
    assert (told["note"], told["author"], told["number"]) == ("First", None, 1)
    assert AuditEntry.objects.latest("id").actor_name.startswith("API token")


def test_what_is_left_out_stays_and_the_same_again_makes_no_version(api: Caller, clinic: Clinic, job: Job):
    credential = clinic.credential("openmrs").credential
    first = put(
        api,
        job,
        connections=[{"alias": "openmrs", "adaptor": "openmrs", "credential": str(credential.pk)}],
        settings=[{"key": "place", "default": "Kisumu"}],
        retry={"max_attempts": 3},
    )
    second = put(api, job, code="x = 2")
    assert second["number"] == 2
    for name in ("connections", "settings", "limits", "retry"):
        assert second[name] == first[name]
    whole = {name: second[name] for name in ("code", "connections", "settings", "limits", "retry")}
    assert put(api, job, **whole) == second
    assert put(api, job, code="x = 2", connections=[])["number"] == 3
    assert JobVersion.objects.filter(job=job).count() == 3


def test_a_draft_may_have_errors_which_are_told_with_their_lines(api: Caller, job: Job):
    told = put(api, job, "x = 1\ny = nothing_like_it\n")
    assert [(each["line"], each["severity"]) for each in told["findings"]] == [(2, "error")]
    answer = api.post(f"jobs/{job.pk}/versions/1/make-live")
    assert "Line 2" in problem(answer, 409)
    assert answer.json()["findings"][0]["line"] == 2


def test_a_draft_is_not_put_over_one_that_was_not_read(api: Caller, job: Job):
    path = f"jobs/{job.pk}/draft"
    old = api.get(path)["ETag"]
    assert api.put(path, {"code": "x = 1"}, match=old).status_code == 200
    problem(api.put(path, {"code": "x = 2"}, match=old), 412)
    problem(api.put(path, {"code": "x = 1"}, match=old), 412)  # also where it happens to be the same
    problem(api.put(path, {"code": "x = 2"}, match=""), 428)
    assert api.put(path, {"code": "x = 2"}, match="*").json()["number"] == 2


def test_making_live_does_not_make_a_draft_stale(api: Caller, job: Job):
    put(api, job)
    tag = api.get(f"jobs/{job.pk}/draft")["ETag"]
    told = api.post(f"jobs/{job.pk}/versions/1/make-live").json()
    assert (told["live_version"], told["latest_version"], told["state"]) == (1, 1, "off")
    assert api.get(f"jobs/{job.pk}/draft").json()["live"] is True
    assert api.put(f"jobs/{job.pk}/draft", {"code": "x = 2"}, match=tag).status_code == 200
    assert api.get(f"jobs/{job.pk}").json()["live_version"] == 1


def test_what_is_live_is_not_changed_under_somebody(api: Caller, job: Job):
    put(api, job)
    tag = api.get(f"jobs/{job.pk}")["ETag"]
    put(api, job, "x = 2")
    path = f"jobs/{job.pk}/versions/2/make-live"
    problem(api.send("POST", path, match=tag), 412)
    assert Job.objects.get(pk=job.pk).live_version is None
    answer = api.send("POST", path, match=api.get(f"jobs/{job.pk}")["ETag"])
    assert (answer.status_code, answer["ETag"]) == (200, api.get(f"jobs/{job.pk}")["ETag"])


def test_versions_are_listed_newest_first_and_brought_back_as_drafts(api: Caller, job: Job):
    for number in range(1, 4):
        put(api, job, f"x = {number}", note=f"n{number}")
    page = api.get(f"jobs/{job.pk}/versions", page_size=2).json()
    rest = api.get(page["next"]).json()
    rows = page["results"] + rest["results"]
    assert [row["number"] for row in rows] == [3, 2, 1]
    assert "code" not in rows[0]
    assert api.get(f"jobs/{job.pk}/versions/1").json()["code"] == "x = 1"
    answer = api.post(f"jobs/{job.pk}/versions/1/restore")
    assert (answer.status_code, answer.json()["number"], answer.json()["code"]) == (201, 4, "x = 1")
    assert api.get(answer["Location"]).json() == answer.json()


def test_the_difference_of_two_versions(api: Caller, job: Job):
    put(api, job, "x = 1\ny = 1")
    put(api, job, "x = 1\ny = 2", limits={"wall_seconds": 60})
    told = api.get(f"jobs/{job.pk}/versions/2/diff").json()
    assert (told["before"], told["after"]) == (1, 2)
    assert "-y = 1\n+y = 2" in told["code"]
    assert told["changes"] == [{"field": "limits.wall_seconds", "before": 300, "after": 60}]
    same = api.get(f"jobs/{job.pk}/versions/2/diff", against="2").json()
    assert (same["code"], same["changes"]) == ("", [])
    assert "+x = 1" in api.get(f"jobs/{job.pk}/versions/1/diff").json()["code"]
    problem(api.get(f"jobs/{job.pk}/versions/2/diff", against="9"), 404)
    problem(api.get(f"jobs/{job.pk}/versions/2/diff", against="x"), 400)


@pytest.mark.parametrize("number", ["0", "9", "x", "-1", "1.0", "9" * 30, "²", "%00"])
def test_a_version_that_there_is_not(api: Caller, job: Job, number: str):
    put(api, job)
    problem(api.get(f"jobs/{job.pk}/versions/{number}"), 404)
    problem(api.post(f"jobs/{job.pk}/versions/{number}/make-live"), 404)


def test_code_is_checked_without_being_kept(api: Caller, clinic: Clinic, job: Job):
    put(api, job, "x = openmrs", connections=[{"alias": "openmrs", "adaptor": "openmrs"}])
    path = f"jobs/{job.pk}/check"
    assert api.post(path, {"code": "openmrs.get('x')"}).json() == {"fit": True, "findings": []}
    told = api.post(path, {"code": "openmrs.nope('x')", "connections": []}).json()
    assert told["fit"] is False
    assert told["findings"][0]["line"] == 1
    assert "syntax" in {each["code"] for each in api.post(path, {"code": "def ("}).json()["findings"]}
    assert JobVersion.objects.filter(job=job).count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "code"),
        ({"code": None}, "code"),
        ({"code": ["x"]}, "code"),
        ({"code": "x" * 300_000}, "code"),
        ({"code": "", "limit": {}}, "limit"),
        ({"code": "", "limits": {"wall": 1}}, "limits.wall"),
        ({"code": "", "limits": {"wall_seconds": "60"}}, "limits.wall_seconds"),
        ({"code": "", "limits": {"wall_seconds": 10**12}}, "limits.wall_seconds"),
        ({"code": "", "limits": {"wall_seconds": True}}, "limits.wall_seconds"),
        ({"code": "", "retry": {"max_attempts": 0}}, "retry.max_attempts"),
        ({"code": "", "retry": []}, "retry"),
        ({"code": "", "connections": {}}, "connections"),
        ({"code": "", "connections": [{"alias": "Bad alias", "adaptor": "http"}]}, "connections.0.alias"),
        ({"code": "", "connections": [{"alias": "a", "adaptor": "http", "x": 1}]}, "connections.0.x"),
        ({"code": "", "connections": [{"alias": "a", "adaptor": "http"}] * 21}, "connections"),
        ({"code": "", "settings": [{"key": "a", "type": "colour"}]}, "settings.0.type"),
    ],
)
def test_a_draft_that_cannot_be_read_is_told_where(api: Caller, job: Job, body, field):
    answer = api.put(f"jobs/{job.pk}/draft", body, match="*")
    problem(answer, 400)
    assert answer.json()["field"] == field
    assert not JobVersion.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": "", "connections": [{"alias": "a", "adaptor": "nope"}]}, 422),
        ({"code": "", "connections": [{"alias": "a", "adaptor": "http"}] * 2}, 422),
        ({"code": "", "connections": [{"alias": "a", "adaptor": "http", "credential": UNKNOWN}]}, 404),
        ({"code": "", "limits": {"wall_seconds": 0}}, 422),
        ({"code": "", "limits": {"memory_mb": 10**6}}, 422),
        ({"code": "", "settings": [{"key": "Not a name"}]}, 422),
        ({"code": "", "settings": [{"key": "a", "type": "number", "default": "x"}]}, 422),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(api: Caller, job: Job, body, status):
    problem(api.put(f"jobs/{job.pk}/draft", body, match="*"), status)
    assert not JobVersion.objects.exists()


def test_a_neighbours_credential_is_one_that_there_is_not(clinic: Clinic, stranger: Clinic, job: Job):
    theirs = stranger.credential("openmrs").credential
    api = clinic.caller()
    bodies = [
        {"code": "", "connections": [{"alias": "openmrs", "adaptor": "openmrs", "credential": str(key)}]}
        for key in (theirs.pk, UNKNOWN)
    ]
    told = {problem(api.put(f"jobs/{job.pk}/draft", body, match="*"), 404) for body in bodies}
    assert told == {"There is no credential by that id."}


def test_a_loan_that_ended_is_kept_in_drafts_and_refused_when_made_live(db: None):
    home, borrower = factories.cast("Home"), factories.cast("Borrower")
    credential = factories.credential(home.project)
    credential_lend(credential=credential, project=borrower.project, by=PLATFORM)
    job = factories.job(borrower.project, connections={"openmrs": credential}, live=False)
    credential_unlend(credential=credential, project=borrower.project, by=home.owner)
    api = Caller(factories.token(borrower.project, "deploy")[1])
    draft = api.get(f"jobs/{job.pk}/draft").json()
    assert draft["connections"][0]["credential"] == str(credential.pk)
    assert put(api, job, "x = 2", connections=draft["connections"])["number"] == 2
    assert "no longer lent" in problem(api.post(f"jobs/{job.pk}/versions/2/make-live"), 422)


def test_a_neighbour_finds_no_versions(clinic: Clinic, stranger: Clinic):
    job = clinic.job()
    caller = stranger.caller()
    for key in (job.pk, UNKNOWN):
        for path in (f"jobs/{key}/versions", f"jobs/{key}/versions/1", f"jobs/{key}/draft"):
            problem(caller.get(path), 404)
        problem(caller.put(f"jobs/{key}/draft", {"code": ""}, match="*"), 404)
        problem(caller.post(f"jobs/{key}/versions/1/make-live"), 404)
        problem(caller.post(f"jobs/{key}/check", {"code": ""}), 404)
