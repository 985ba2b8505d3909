"""What programs do to single runs, work orders, messages and incidents, and what they start jobs with."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.utils import timezone

from jobs.language.contract import Outcome, Result
from openfn_platform.projects.models import AuditEntry
from runs.ending import from_result
from runs.finishing import run_finish
from runs.models import Cause, Run, RunMode, RunState, State, StateKind
from runs.planning import run_load
from tests.api.cast import CANARY, UNKNOWN, Caller, Clinic, problem
from tests.flows.world import input_of
from triggers.models import Message


def held(clinic: Clinic, state: str = RunState.STARTED, **fields: Any) -> Run:
    return clinic.run(state, token=uuid.uuid4(), lease_until=timezone.now(), final=None, **fields)


# --- abort, dismiss, cancel all -------------------------------------------------------------------


@pytest.mark.parametrize("state", [RunState.AVAILABLE, RunState.CLAIMED, RunState.STARTED])
def test_an_aborted_run_is_over_at_once_whatever_its_worker_does(api: Caller, clinic: Clinic, state: str):
    run = clinic.run(state) if state == RunState.AVAILABLE else held(clinic, state)
    answer = api.post(f"runs/{run.pk}/abort")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    run.refresh_from_db()
    assert (run.token, run.lease_until) == (None, None)
    assert run.finished_at is not None
    assert api.get(f"work-orders/{run.work_order_id}").json()["state"] == "cancelled"
    assert "ended already" in problem(api.post(f"runs/{run.pk}/abort"), 409)


def test_a_result_that_comes_after_an_abort_is_refused(api: Caller, clinic: Clinic):
    run = held(clinic)
    api.post(f"runs/{run.pk}/abort")
    late = from_result(Result(outcome=Outcome.SUCCESS))
    loaded = run_load(run_id=run.pk)
    assert not run_finish(run=loaded, token=run.token, source=RunState.STARTED, ending=late)
    assert api.get(f"runs/{run.pk}").json()["state"] == "cancelled"


def test_a_failure_is_put_aside_with_a_reason(api: Caller, clinic: Clinic):
    incident = clinic.incident()
    run = clinic.run(incident=incident)
    told = api.post(f"runs/{run.pk}/dismiss", {"reason": "Entered by hand."}).json()
    assert (told["dismissed_reason"], told["dismissed_at"] is not None) == ("Entered by hand.", True)
    assert api.get(f"incidents/{incident.pk}").json()["closed_at"] is not None
    assert api.ids("runs", dismissed="true") == [str(run.pk)]
    assert api.ids("runs", dismissed="false") == []
    problem(api.post(f"runs/{run.pk}/dismiss", {"reason": "Again."}), 409)
    problem(api.post(f"runs/{clinic.run(RunState.SUCCESS).pk}/dismiss", {"reason": "x"}), 409)
    for wrong in (None, {}, {"reason": ""}, {"reason": 7}, {"reason": "x" * 301}):
        problem(api.post(f"runs/{clinic.run().pk}/dismiss", wrong), 400)
    problem(api.post(f"runs/{clinic.run().pk}/dismiss", {"reason": " \t"}), 422)


def test_everything_of_a_work_order_is_cancelled(api: Caller, clinic: Clinic):
    waiting = clinic.run(RunState.AVAILABLE)
    order = waiting.work_order
    running = held(clinic, work_order=order)
    ended = clinic.run(RunState.SUCCESS, work_order=order)
    answer = api.post(f"work-orders/{order.pk}/cancel")
    assert answer.status_code == 202
    assert {run["id"]: run["state"] for run in answer.json()["runs"]} == {
        str(waiting.pk): "cancelled",
        str(running.pk): "started",
        str(ended.pk): "success",
    }
    running.refresh_from_db()
    assert running.cancel_requested_at is not None
    other = clinic.run(RunState.AVAILABLE).work_order
    assert api.post(f"work-orders/{other.pk}/cancel").status_code == 200
    assert "ended already" in problem(api.post(f"work-orders/{other.pk}/cancel"), 409)


# --- incidents ------------------------------------------------------------------------------------


def test_an_incident_is_given_back(api: Caller, clinic: Clinic):
    incident = clinic.incident()
    problem(api.post(f"incidents/{incident.pk}/untake"), 409)
    api.post(f"incidents/{incident.pk}/take")
    told = api.post(f"incidents/{incident.pk}/untake").json()
    assert (told["taken_by"], told["taken_at"]) == (None, None)
    assert AuditEntry.objects.latest("id").action == "incident given back"


# --- messages -------------------------------------------------------------------------------------


def test_a_message_starts_what_its_triggers_missed(api: Caller, clinic: Clinic):
    message, job, done = clinic.message(), clinic.job(), clinic.job()
    assert api.ids("messages", matched="false") == [str(message.pk)]
    api.post(f"messages/{message.pk}/reprocess", {"jobs": [str(done.pk)]})
    Run.objects.update(state=RunState.SUCCESS, finished_at=timezone.now())
    told = api.post(f"messages/{message.pk}/reprocess", {"jobs": [str(job.pk), str(done.pk)]}).json()
    assert [run["job"] for run in told["runs"]] == [str(job.pk)]
    assert told["runs"][0]["message"] == str(message.pk)
    assert told["left_out"] == [{"job": str(done.pk), "reason": "it succeeded with this message already"}]
    assert api.ids("messages", matched="true") == [str(message.pk)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"jobs": []}, 400),
        ({"jobs": [UNKNOWN]}, 404),
        ({"jobs": ["x"]}, 400),
        ({"jobs": UNKNOWN}, 400),
    ],
    ids=range(5),
)
def test_a_message_does_not_start_what_is_not_there(api: Caller, clinic: Clinic, body: Any, status: int):
    message = clinic.message()
    problem(api.post(f"messages/{message.pk}/reprocess", body), status)
    assert not Run.objects.exists()


def test_a_message_whose_body_is_gone_starts_nothing(api: Caller, clinic: Clinic):
    message, job = clinic.message(), clinic.job()
    Message.objects.update(body_wiped_at=timezone.now())
    assert "erased" in problem(api.post(f"messages/{message.pk}/reprocess", {"jobs": [str(job.pk)]}), 409)


# --- starting jobs --------------------------------------------------------------------------------


def started(api: Caller, job: Any, body: Any = None, **headers: str) -> Run:
    answer = api.send("POST", f"jobs/{job.pk}/run", body, **headers)
    assert answer.status_code == 201, answer.content
    assert api.get(answer["Location"]).json() == answer.json()
    return Run.objects.select_related("work_order").get(pk=answer.json()["id"])


def test_a_job_starts_with_whatever_is_given(api: Caller, clinic: Clinic):
    job, earlier = clinic.job(), clinic.run()
    assert input_of(started(api, job)) == {"data": {}}
    assert input_of(started(api, job, {"data": [1]})) == {"data": [1]}
    assert input_of(started(api, job, {"state": {"cursor": 3}})) == {"cursor": 3, "data": {}}
    assert input_of(started(api, job, {"run": str(earlier.pk)})) == input_of(earlier)
    saved = api.post("saved-inputs", {"name": "a birth", "data": {"n": 1}}).json()["id"]
    assert input_of(started(api, job, {"saved": saved})) == {"data": {"n": 1}}


def test_a_run_that_a_message_starts_belongs_to_the_message(api: Caller, clinic: Clinic):
    message, job = clinic.message(), clinic.job(state="off")
    run = started(api, job, {"message": str(message.pk)})
    assert (run.work_order.message_id, run.work_order.cause) == (message.pk, Cause.API)
    assert input_of(run)["data"] == {"name": CANARY}
    assert api.ids("runs", message=str(message.pk)) == [str(run.pk)]


@pytest.mark.parametrize("mode", list(RunMode))
def test_a_job_is_started_for_real_or_tried(api: Caller, clinic: Clinic, mode: str):
    run = started(api, clinic.job(), {"mode": mode, "data": 1})
    assert run.mode == mode
    assert api.ids("runs") == ([str(run.pk)] if mode == "live" else [])
    assert api.ids("runs", mode=mode) == [str(run.pk)]


def test_a_draft_is_tried_by_those_who_may_write_it(api: Caller, clinic: Clinic):
    job = clinic.job()
    live = job.live_version
    draft = clinic.version(job, "draft = 1")
    job.live_version = live
    job.save()
    assert started(api, job, {"draft": True, "mode": "dry"}).job_version == draft
    assert started(api, job, {"mode": "dry"}).job_version is None
    problem(api.post(f"jobs/{job.pk}/run", {"draft": True}), 422)
    operator = clinic.caller("operate")
    assert "deploy" in problem(operator.post(f"jobs/{job.pk}/run", {"draft": True, "mode": "trial"}), 403)


def test_a_start_that_is_repeated_starts_nothing_new(api: Caller, clinic: Clinic):
    job = clinic.job()
    first = started(api, job, {"data": 1}, idempotency_key="k-1")
    again = api.send("POST", f"jobs/{job.pk}/run", {"data": 1}, idempotency_key="k-1")
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert again.json()["id"] == str(first.pk)
    problem(api.send("POST", f"jobs/{job.pk}/run", {"data": 2}, idempotency_key="k-1"), 422)
    other = clinic.job()
    problem(api.send("POST", f"jobs/{other.pk}/run", {"data": 1}, idempotency_key="k-1"), 422)
    assert Run.objects.count() == 1


@pytest.mark.parametrize("mode", [RunMode.TRIAL, RunMode.DRY])
def test_a_run_of_unsaved_code_is_not_retried_with_the_live_code(api: Caller, clinic: Clinic, mode: str):
    run = clinic.run(mode=mode, trial_code="note('tried')")
    assert "job's editor" in problem(api.post(f"runs/{run.pk}/retry", {}), 409)
    assert not Run.objects.filter(retry_of=run).exists()


def test_a_dry_run_of_a_draft_is_not_retried_with_live_code_that_is_not_there(api: Caller, clinic: Clinic):
    job = clinic.job()
    draft, job.live_version = job.live_version, None
    job.save()
    run = clinic.run(job=job, job_version=draft, mode=RunMode.DRY)
    assert "no live version" in problem(api.post(f"runs/{run.pk}/retry", {}), 409)
    assert not Run.objects.filter(retry_of=run).exists()
    again = api.post(f"runs/{run.pk}/retry", {"same_code": True})
    assert again.status_code == 201
    assert Run.objects.get(retry_of=run).job_version == draft


def test_a_retry_that_is_repeated_is_the_same_retry(api: Caller, clinic: Clinic):
    run = clinic.run()
    first = api.send("POST", f"runs/{run.pk}/retry", {}, idempotency_key="k")
    assert first.status_code == 201
    assert api.send("POST", f"runs/{run.pk}/retry", {}, idempotency_key="k").json() == first.json()
    problem(api.send("POST", f"runs/{run.pk}/retry", {}), 409)


def test_a_key_of_a_neighbour_is_another_key(clinic: Clinic, stranger: Clinic):
    mine = started(clinic.caller(), clinic.job(), {"data": 1}, idempotency_key="k")
    theirs = started(stranger.caller(), stranger.job(), {"data": 2}, idempotency_key="k")
    assert mine.project_id != theirs.project_id


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": 1, "state": {}}, 400),
        ({"saved": UNKNOWN}, 404),
        ({"saved": 7}, 400),
        ({"state": []}, 400),
        ({"mode": "fast"}, 400),
        ({"draft": "yes", "mode": "dry"}, 400),
        ({"input": 1}, 400),
    ],
    ids=range(7),
)
def test_a_job_is_not_started_by_mistake(api: Caller, clinic: Clinic, body: Any, status: int):
    problem(api.post(f"jobs/{clinic.job().pk}/run", body), status)
    assert not Run.objects.exists()


# --- saved inputs ---------------------------------------------------------------------------------


def test_an_input_is_saved_listed_read_and_deleted(api: Caller, clinic: Clinic):
    run = clinic.run()
    made = api.post("saved-inputs", {"name": "  as it failed ", "run": str(run.pk)})
    assert made.status_code == 201
    told = made.json()
    assert list(told) == ["id", "name", "size", "inserted_at"]
    assert told["name"] == "as it failed"
    assert api.get(made["Location"]).json() == told
    assert api.results("saved-inputs") == [told]
    answer = api.get(f"saved-inputs/{told['id']}/state")
    assert json.loads(answer.getvalue()) == input_of(run)
    assert AuditEntry.objects.latest("id").changes == {"part": "saved input"}
    assert api.send("DELETE", f"saved-inputs/{told['id']}").status_code == 204
    problem(api.get(f"saved-inputs/{told['id']}"), 404)
    assert input_of(run)["data"] == {"name": CANARY}


def test_who_deletes_a_saved_input_leaves_past_runs_theirs(api: Caller, clinic: Clinic):
    saved = api.post("saved-inputs", {"name": "x", "message": str(clinic.message().pk)}).json()["id"]
    run = started(api, clinic.job(), {"saved": saved})
    api.send("DELETE", f"saved-inputs/{saved}")
    assert input_of(run)["data"] == {"name": CANARY}
    assert not State.objects.filter(kind=StateKind.SAVED).exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x"}, 400),
        ({"data": 1}, 400),
        ({"name": "", "data": 1}, 400),
        ({"name": "\u200b", "data": 1}, 422),
        ({"name": "x", "data": 1, "run": UNKNOWN}, 400),
        ({"name": "x", "run": UNKNOWN}, 404),
        ({"name": "x", "saved": UNKNOWN}, 400),
        ({"name": "taken", "data": 1}, 409),
    ],
    ids=range(8),
)
def test_an_input_is_not_saved_by_mistake(api: Caller, clinic: Clinic, body: Any, status: int):
    api.post("saved-inputs", {"name": "taken", "data": 0})
    problem(api.post("saved-inputs", body), status)
    assert State.objects.filter(kind=StateKind.SAVED).count() == 1


def test_other_states_are_no_saved_inputs(api: Caller, clinic: Clinic):
    run = clinic.run()
    for what in ("", "/state"):
        problem(api.get(f"saved-inputs/{run.input_id}{what}"), 404)
    problem(api.send("DELETE", f"saved-inputs/{run.input_id}"), 404)
    assert input_of(run)
