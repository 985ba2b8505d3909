"""Runs by the API."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from runs.models import Run, RunMode, RunState, State, StateKind
from runs.states import encode, state_store
from tests.api.cast import CANARY, UNKNOWN, Caller, Clinic, problem
from tests.flows.world import input_of

FIELDS = [
    "id",
    "work_order",
    "job",
    "workflow",
    "trigger",
    "message",
    "state",
    "attempt",
    "retry_of",
    "parent",
    "error_type",
    "error_message",
    "inserted_at",
    "started_at",
    "finished_at",
]


def test_a_run_has_exactly_the_promised_fields(api: Caller, clinic: Clinic):
    job = clinic.job()
    trigger = clinic.on_message(job)
    message = clinic.message()
    run = api.results("runs")[0]
    assert list(run) == FIELDS
    assert run == api.get(f"runs/{run['id']}").json()
    assert (run["job"], run["trigger"], run["message"]) == (str(job.pk), str(trigger.pk), str(message.pk))
    assert (run["state"], run["attempt"], run["error_type"], run["finished_at"]) == (
        "available",
        1,
        None,
        None,
    )


def test_an_error_is_told_by_type_and_sentence(api: Caller, clinic: Clinic):
    run = clinic.run(error_type="JobError", error_message="No such patient.")
    told = api.get(f"runs/{run.pk}").json()
    assert (told["error_type"], told["error_message"]) == ("JobError", "No such patient.")


def test_runs_are_found_by_each_of_their_relations(api: Caller, clinic: Clinic):
    job = clinic.job(key="register-patient")
    trigger = clinic.on_message(job)
    message = clinic.message()
    first = clinic.runs()[0]
    retry = clinic.run(job=job, retry_of=first, work_order=first.work_order, state=RunState.AVAILABLE)
    child = clinic.run(parent=first, work_order=first.work_order)
    clinic.run()  # something else
    both = [str(retry.pk), str(first.pk)]
    assert api.ids("runs", job="register-patient") == api.ids("runs", job=str(job.pk)) == both
    assert api.ids("runs", trigger=trigger.key) == api.ids("runs", trigger=str(trigger.pk)) == [str(first.pk)]
    assert api.ids("runs", message=str(message.pk)) == [str(child.pk), *both]
    assert api.ids("runs", work_order=str(first.work_order_id)) == [str(child.pk), *both]
    assert api.ids("runs", retry_of=str(first.pk)) == [str(retry.pk)]
    assert api.ids("runs", parent=str(first.pk)) == [str(child.pk)]
    assert len(api.ids("runs", workflow="main")) == 4
    assert api.ids("runs", workflow="no-such") == []


def test_runs_are_found_by_several_states_and_by_time(api: Caller, clinic: Clinic):
    failed, lost, fine = clinic.run("failed"), clinic.run("lost"), clinic.run("success")
    assert api.ids("runs", state="failed,lost") == [str(lost.pk), str(failed.pk)]
    Run.objects.filter(pk=failed.pk).update(created_at=failed.created_at - timedelta(days=2))
    yesterday = (fine.created_at - timedelta(days=1)).isoformat()
    assert api.ids("runs", inserted_before=yesterday) == [str(failed.pk)]
    assert api.ids("runs", inserted_after=yesterday) == [str(fine.pk), str(lost.pk)]


def test_a_time_is_understood_with_its_plus_unescaped(api: Caller, clinic: Clinic):
    run = clinic.run()
    answer = api.get("/api/v1/runs?inserted_after=2020-01-31T08:00:00+03:00")
    assert [row["id"] for row in answer.json()["results"]] == [str(run.pk)]


def test_test_runs_are_not_mixed_with_real_ones(api: Caller, clinic: Clinic):
    trial = clinic.run(mode=RunMode.TRIAL)
    assert api.ids("runs") == []
    assert api.ids("runs", mode="trial") == [str(trial.pk)]


# --- log ------------------------------------------------------------------------------------------


def test_a_log_is_read_from_where_one_left_off(api: Caller, clinic: Clinic):
    run = clinic.run()
    clinic.log(run, "two", "three")
    first = api.get(f"runs/{run.pk}/log", page_size=2).json()
    assert [line["text"] for line in first["results"]] == [f"seen {CANARY}", "two"]
    assert set(first["results"][0]) == {"seq", "at", "level", "text"}
    rest = api.get(first["next"]).json()
    assert [line["text"] for line in rest["results"]] == ["three"]
    assert rest["next"] is None
    clinic.log(run, "four")
    assert [line["seq"] for line in api.results(f"runs/{run.pk}/log", after=3)] == [4]


def test_a_nonsensical_position_in_a_log_is_refused(api: Caller, clinic: Clinic):
    run = clinic.run()
    for nonsense in ("-1", "9" * 5000, "two", "1e3", "", "٣"):
        assert "`after`" in problem(api.get(f"runs/{run.pk}/log", after=nonsense), 400)


# --- states ---------------------------------------------------------------------------------------


def test_states_come_byte_for_byte_with_their_fingerprint(api: Caller, clinic: Clinic):
    run = clinic.run()
    stored = encode({"data": {"name": CANARY}, "extra": 1.50})
    for what in ("input", "final-state"):
        answer = api.get(f"runs/{run.pk}/{what}")
        assert answer.getvalue() == stored
        assert answer["Content-Type"] == "application/json"
        assert int(answer["Content-Length"]) == len(stored)
        again = api.get(f"runs/{run.pk}/{what}", headers={"if-none-match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_a_large_state_comes_whole(api: Caller, clinic: Clinic):
    raw = json.dumps({"data": list(range(300_000))}).encode()
    run = clinic.run(final=state_store(project_id=clinic.project.pk, kind=StateKind.FINAL, raw=raw))
    assert api.get(f"runs/{run.pk}/final-state").getvalue() == raw


def test_opening_a_state_is_written_down(api: Caller, clinic: Clinic):
    run = clinic.run()
    api.get(f"runs/{run.pk}/input")
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.object_id, entry.changes) == (
        "payload opened",
        str(run.pk),
        {"part": "input"},
    )
    assert entry.token is not None


def test_an_erased_state_says_so(api: Caller, clinic: Clinic):
    run = clinic.run()
    State.objects.filter(pk__in=[run.input_id]).update(body=None)
    assert "erased" in problem(api.get(f"runs/{run.pk}/input"), 404)
    State.objects.filter(pk__in=[run.final_id]).delete()
    assert "erased" in problem(api.get(f"runs/{run.pk}/final-state"), 404)
    assert "erased" in problem(api.post(f"runs/{run.pk}/retry", {"data": 1}), 404)


def test_a_state_that_is_not_there_yet_says_so(api: Caller, clinic: Clinic):
    waiting = clinic.run(RunState.AVAILABLE, input=None, final=None)
    ended = clinic.run(RunState.LOST, final=None)
    assert "turn" in problem(api.get(f"runs/{waiting.pk}/input"), 404)
    assert "not ended yet" in problem(api.get(f"runs/{waiting.pk}/final-state"), 404)
    assert "without a state" in problem(api.get(f"runs/{ended.pk}/final-state"), 404)


# --- retry and cancel -----------------------------------------------------------------------------


def test_a_retry_is_the_next_attempt_of_the_same_run(api: Caller, clinic: Clinic):
    run = clinic.run()
    answer = api.post(f"runs/{run.pk}/retry")
    assert answer.status_code == 201
    told = answer.json()
    assert list(told) == FIELDS
    assert (told["retry_of"], told["attempt"], told["state"]) == (str(run.pk), 2, "available")
    assert api.get(answer["Location"]).json() == told
    assert input_of(Run.objects.get(pk=told["id"])) == input_of(run)


def test_a_retry_takes_a_corrected_input(api: Caller, clinic: Clinic):
    run = clinic.run()
    told = api.post(f"runs/{run.pk}/retry", {"data": {"name": "Ada"}}).json()
    assert input_of(Run.objects.get(pk=told["id"])) == {"data": {"name": "Ada"}, "extra": 1.5}
    other = clinic.run()
    told = api.post(f"runs/{other.pk}/retry", {"input": {"cursor": 3}}).json()
    assert input_of(Run.objects.get(pk=told["id"])) == {"cursor": 3, "data": {}}
    assert input_of(other) == {"data": {"name": CANARY}, "extra": 1.5}  # what was, stays


def test_a_retry_can_keep_the_code_as_it_was(api: Caller, clinic: Clinic):
    job = clinic.job("one = 1")
    old = job.live_version
    run = clinic.run(job=job, job_version=old)
    clinic.version(job, "two = 2")
    told = api.post(f"runs/{run.pk}/retry", {"same_code": True}).json()
    assert Run.objects.get(pk=told["id"]).job_version == old


def test_a_retry_names_the_program_that_asked(api: Caller, clinic: Clinic):
    api.post(f"runs/{clinic.run().pk}/retry")
    entry = AuditEntry.objects.latest("id")
    assert entry.action == "run retried"
    assert entry.actor_name.startswith("API token")


def test_only_an_ended_run_is_retried_and_only_once(api: Caller, clinic: Clinic):
    running = clinic.run(RunState.AVAILABLE)
    assert "ended" in problem(api.post(f"runs/{running.pk}/retry"), 409)
    run = clinic.run()
    assert api.post(f"runs/{run.pk}/retry").status_code == 201
    assert "on its way" in problem(api.post(f"runs/{run.pk}/retry"), 409)


def test_cancelling_ends_a_waiting_run_at_once(api: Caller, clinic: Clinic):
    run = clinic.run(RunState.AVAILABLE)
    answer = api.post(f"runs/{run.pk}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    run.refresh_from_db()
    assert run.note.startswith("Cancelled by API token")
    assert "ended already" in problem(api.post(f"runs/{run.pk}/cancel"), 409)


def test_cancelling_asks_the_worker_of_a_running_one(api: Caller, clinic: Clinic):
    run = clinic.run(RunState.STARTED, token=uuid.uuid4(), lease_until=timezone.now())
    assert api.post(f"runs/{run.pk}/cancel").status_code == 202
    run.refresh_from_db()
    assert run.cancel_requested_at is not None


def test_nothing_is_done_about_an_unknown_run(api: Caller, clinic: Clinic):
    for deed in ("retry", "cancel"):
        problem(api.post(f"runs/{UNKNOWN}/{deed}"), 404)
        problem(api.post(f"runs/no-id/{deed}"), 404)
