"""Bulk operations by the API: counted, begun once, followed, stopped."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Job, JobState
from openfn_platform.projects.models import AuditEntry
from runs.bulk import MOST_ITEMS, bulk_work
from runs.models import BulkOperation, Run, RunState
from tests.api.cast import UNKNOWN, Caller, Clinic, problem

FIELDS = [
    "id", "deed", "state", "total", "done", "failed", "waiting", "requested_by", "note", "inserted_at", "started_at",
    "finished_at", "one_first", "runs", "stopped_by",
]  # fmt: skip


def test_it_says_how_many_it_would_touch_and_touches_none(api: Caller, clinic: Clinic):
    failed, good = clinic.run(), clinic.run(RunState.SUCCESS)
    counted = api.post("bulk", {"deed": "retry", "filter": {"workflow": "main"}, "dry_run": True})
    assert (counted.status_code, counted.json()) == (
        200,
        {"deed": "retry", "total": 1, "left_out": 0, "too_many": False},
    )
    ids = [str(failed.pk), str(good.pk), UNKNOWN]
    assert api.post("bulk", {"deed": "retry", "ids": ids, "dry_run": True}).json()["left_out"] == 2
    assert not BulkOperation.objects.exists()


def test_what_is_counted_is_what_a_retry_will_begin(api: Caller, clinic: Clinic):
    good, off, never = clinic.run(), clinic.run(), clinic.run()
    Job.objects.filter(pk=off.job_id).update(state=JobState.OFF)
    draft = never.job.live_version
    Job.objects.filter(pk=never.job_id).update(live_version=None)
    Run.objects.filter(pk=never.pk).update(job_version=draft)
    by_filter = {"deed": "retry", "filter": {"workflow": "main"}}
    by_id = {"deed": "retry", "ids": [str(run.pk) for run in (good, off, never)] + [UNKNOWN]}
    for order, same_code, counts in (
        (by_filter, False, (1, 2)),
        (by_filter, True, (2, 1)),
        (by_id, False, (1, 3)),
        (by_id, True, (2, 2)),
    ):
        told = api.post("bulk", {**order, "same_code": same_code, "dry_run": True}).json()
        assert (told["total"], told["left_out"]) == counts
    begun = api.post("bulk", by_filter).json()
    bulk_work(seconds=5)
    assert api.get(f"bulk/{begun['id']}").json()["done"] == 1
    assert Run.objects.exclude(retry_of=None).get().retry_of_id == good.pk


def test_it_is_begun_worked_off_and_followed(api: Caller, clinic: Clinic):
    first, second, good = clinic.run(), clinic.run(), clinic.run(RunState.SUCCESS)
    answer = api.post("bulk", {"deed": "retry", "ids": [str(run.pk) for run in (first, second, good)]})
    assert answer.status_code == 202
    told = answer.json()
    assert list(told) == [*FIELDS, "reasons", "waits_for"]
    assert (told["state"], told["total"], told["waiting"]) == ("waiting", 3, 3)
    assert told["requested_by"].startswith("API token")
    bulk_work(seconds=5)
    told = api.get(answer["Location"]).json()
    assert (told["state"], told["done"], told["failed"], told["waiting"]) == ("running", 2, 1, 0)
    assert told["runs"] == {"under_way": 2, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert told["waits_for"] == "All are begun; 2 runs have not ended yet. Waits for a free worker."
    _end(first, RunState.SUCCESS)
    _end(second, RunState.FAILED)
    bulk_work(seconds=5)
    told = api.get(answer["Location"]).json()
    assert (told["state"], told["done"], told["failed"], told["waiting"]) == ("done", 2, 1, 0)
    assert told["runs"] == {"under_way": 0, "succeeded": 1, "failed": 1, "cancelled": 0}
    assert told["waits_for"] is None
    assert told["reasons"] == [
        {"reason": "It did not fail; retry it on its own page if it must be run again.", "count": 1}
    ]
    items = api.results(f"bulk/{told['id']}/items")
    assert [item["target"] for item in items] == [str(run.pk) for run in (first, second, good)]
    assert items[0]["result"] == str(Run.objects.get(retry_of=first).pk)
    assert [item["position"] for item in api.results(f"bulk/{told['id']}/items", state="failed")] == [3]
    assert [item["came"] for item in items] == ["succeeded", "failed", "left_out"]
    assert [item["runs"] for item in items] == [[items[0]["result"]], [items[1]["result"]], []]
    for place, came in enumerate(("succeeded", "failed", "left_out"), 1):
        found = api.results(f"bulk/{told['id']}/items", came=came)
        assert [item["position"] for item in found] == [place]
    assert "came" in problem(api.get(f"bulk/{told['id']}/items", came="broken"), 400)
    page = api.get(f"bulk/{told['id']}/items", page_size=2).json()
    assert [item["position"] for item in api.get(page["next"]).json()["results"]] == [3]
    assert [list(row) for row in api.results("bulk", deed="retry", state="done")] == [FIELDS]
    assert api.results("bulk", deed="cancel") == []


def _end(retried: Run, state: RunState) -> None:
    """As if a worker had executed its next attempt."""
    error = (
        {} if state == RunState.SUCCESS else {"error_type": "JobError", "error_message": "No such patient."}
    )
    Run.objects.filter(retry_of=retried).update(state=state, finished_at=timezone.now(), **error)


def test_one_is_tried_first_and_stops_it_when_it_fails(api: Caller, clinic: Clinic):
    first, second = clinic.run(), clinic.run()
    order = {"deed": "retry", "ids": [str(first.pk), str(second.pk)], "one_first": True}
    told = api.post("bulk", order).json()
    bulk_work(seconds=5)
    told = api.get(f"bulk/{told['id']}").json()
    assert (told["one_first"], told["state"], told["done"], told["waiting"]) == (True, "running", 1, 1)
    assert told["waits_for"].startswith("One is tried first; the others follow when it has succeeded.")
    _end(first, RunState.FAILED)
    bulk_work(seconds=5)
    told = api.get(f"bulk/{told['id']}").json()
    assert (told["state"], told["waiting"], told["waits_for"]) == ("stopped", 1, None)
    assert told["stopped_by"] == str(Run.objects.get(retry_of=first).pk)
    assert told["note"] == (
        "Stopped: the run that was tried first failed: No such patient. Mend that, then retry them all."
    )
    [listed] = api.results("bulk", state="stopped")
    assert listed["note"] == "Stopped: the run that was tried first failed. Mend that, then retry them all."
    assert [item["came"] for item in api.results(f"bulk/{told['id']}/items")] == ["failed", "waiting"]
    assert not second.retries.exists()
    assert "ended already" in problem(api.post(f"bulk/{told['id']}/cancel"), 409)


def test_each_retry_names_the_program_that_asked(api: Caller, clinic: Clinic):
    run = clinic.run()
    api.post("bulk", {"deed": "retry", "ids": [str(run.pk)]})
    bulk_work(seconds=5)
    entry = AuditEntry.objects.get(action="run retried", object_id=str(run.pk))
    assert entry.token is not None
    assert AuditEntry.objects.filter(action="bulk retry begun", token=entry.token).exists()


def test_a_filter_means_what_the_list_shows(api: Caller, clinic: Clinic):
    wanted = clinic.run(job=clinic.job(key="export"))
    clinic.run()
    listed = api.ids("runs", job="export", state="failed")
    assert listed == [str(wanted.pk)]
    order = {"deed": "dismiss", "reason": "A test.", "filter": {"job": "export", "state": "failed"}}
    told = api.post("bulk", order).json()
    bulk_work(seconds=5)
    assert [item["target"] for item in api.results(f"bulk/{told['id']}/items")] == listed
    assert api.ids("runs", dismissed="true") == listed


def test_messages_are_chosen_by_the_filter_of_their_list(api: Caller, clinic: Clinic):
    clinic.on_message(clinic.job(), inclusion={"n": 1})
    clinic.message({"n": 1})
    unmatched = clinic.message({"n": 2})
    job = clinic.job()
    told = api.post("bulk", {"deed": "reprocess", "filter": {"matched": False}, "jobs": [str(job.pk)]}).json()
    bulk_work(seconds=5)
    assert [item["target"] for item in api.results(f"bulk/{told['id']}/items")] == [str(unmatched.pk)]
    assert clinic.runs(job)[0].work_order.message_id == unmatched.pk


def test_a_repeat_with_the_same_key_begins_nothing_new(api: Caller, clinic: Clinic):
    order = {"deed": "retry", "ids": [str(clinic.run().pk)]}
    first = api.send("POST", "bulk", order, idempotency_key="monday-1")
    again = api.send("POST", "bulk", order, idempotency_key="monday-1")
    assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first
    other = {"deed": "cancel", "filter": {"workflow": "main"}}
    assert "another call" in problem(api.send("POST", "bulk", other, idempotency_key="monday-1"), 422)
    assert BulkOperation.objects.count() == 1
    for wrong in ("", "x" * 256, "a b", "a,b"):
        problem(api.send("POST", "bulk", order, idempotency_key=wrong), 400)


def test_a_call_that_was_refused_leaves_its_key_free(api: Caller, clinic: Clinic):
    run = clinic.run(RunState.SUCCESS)
    order = {"deed": "dismiss", "filter": {"workflow": "main"}, "reason": "x"}
    problem(api.send("POST", "bulk", order, idempotency_key="k"), 409)
    Run.objects.filter(pk=clinic.run(job=run.job).pk).update(dismissed_at=None)
    assert api.send("POST", "bulk", order, idempotency_key="k").status_code == 202


def test_an_operation_is_stopped_once(api: Caller, clinic: Clinic):
    told = api.post("bulk", {"deed": "retry", "ids": [str(clinic.run().pk)]}).json()
    stopped = api.post(f"bulk/{told['id']}/cancel").json()
    assert (stopped["state"], stopped["waiting"]) == ("cancelled", 1)
    assert stopped["note"].startswith("Cancelled by API token")
    assert "ended already" in problem(api.post(f"bulk/{told['id']}/cancel"), 409)
    bulk_work(seconds=1)
    assert Run.objects.count() == 1


WRONG: list[tuple[Any, int]] = [
    ({}, 400),
    ({"deed": "retry"}, 400),
    ({"deed": "retry", "ids": []}, 400),
    ({"deed": "retry", "ids": ["x"]}, 400),
    ({"deed": "retry", "ids": [7]}, 400),
    ({"deed": "retry", "ids": {"0": UNKNOWN}}, 400),
    ({"deed": "retry", "ids": [UNKNOWN], "filter": {"state": "failed"}}, 400),
    ({"deed": "retry", "ids": [UNKNOWN], "reason": "x"}, 400),
    ({"deed": "cancel", "ids": [UNKNOWN], "same_code": True}, 400),
    ({"deed": "cancel", "ids": [UNKNOWN], "one_first": True}, 400),
    ({"deed": "retry", "ids": [UNKNOWN], "one_first": "yes"}, 400),
    ({"deed": "dismiss", "ids": [UNKNOWN]}, 422),
    ({"deed": "dismiss", "ids": [UNKNOWN], "reason": "   "}, 422),
    ({"deed": "reprocess", "ids": [UNKNOWN]}, 422),
    ({"deed": "reprocess", "ids": [UNKNOWN], "jobs": [UNKNOWN]}, 404),
    ({"deed": "delete", "ids": [UNKNOWN]}, 400),
    ({"deed": ["retry"], "ids": [UNKNOWN]}, 400),
    ({"deed": "retry", "filter": {}}, 422),
    ({"deed": "retry", "filter": {"page": "2"}}, 400),
    ({"deed": "retry", "filter": {"state": "broken"}}, 400),
    ({"deed": "retry", "filter": {"state": ["failed"]}}, 400),
    ({"deed": "retry", "filter": {"project__name": "x"}}, 400),
    ({"deed": "retry", "filter": {"job": "x" * 501}}, 400),
    ({"deed": "retry", "filter": "failed"}, 400),
    ({"deed": "retry", "ids": [UNKNOWN], "dry_run": "yes"}, 400),
    ({"deed": "retry", "ids": [UNKNOWN], "dryrun": True}, 400),
    ({"deed": "retry", "ids": [str(uuid.UUID(int=n)) for n in range(MOST_ITEMS + 1)]}, 400),
]


@pytest.mark.parametrize(("body", "status"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_meant_is_refused_with_a_sentence(api: Caller, clinic: Clinic, body: Any, status: int):
    clinic.run()
    problem(api.post("bulk", body), status)
    assert not BulkOperation.objects.exists()


def test_nothing_to_do_is_said(api: Caller, clinic: Clinic):
    clinic.run(RunState.SUCCESS)
    assert "nothing" in problem(api.post("bulk", {"deed": "retry", "filter": {"state": "failed"}}), 409)


def test_ids_of_a_neighbour_are_as_good_as_none(clinic: Clinic, stranger: Clinic):
    theirs = clinic.run()
    caller = stranger.caller()
    answers = []
    for target in (str(theirs.pk), UNKNOWN):
        made = caller.post("bulk", {"deed": "retry", "ids": [target]}).json()
        bulk_work(seconds=5)
        told = caller.get(f"bulk/{made['id']}").json()
        answers.append({name: told[name] for name in ("state", "done", "failed", "reasons")})
    assert answers[0] == answers[1]
    assert not theirs.retries.exists()
    assert caller.post("bulk", {"deed": "retry", "filter": {"incident": UNKNOWN}}).status_code == 409


def test_all_that_failed_in_an_incident_is_retried(api: Caller, clinic: Clinic):
    incident = clinic.incident()
    mine = clinic.run(incident=incident)
    clinic.run()
    answer = api.send("POST", f"incidents/{incident.pk}/retry", idempotency_key="i")
    assert (answer.status_code, answer.json()["total"]) == (202, 1)
    assert (
        api.send("POST", f"incidents/{incident.pk}/retry", idempotency_key="i").json()["id"]
        == answer.json()["id"]
    )
    bulk_work(seconds=5)
    assert [run.retry_of_id for run in Run.objects.filter(retry_of__isnull=False)] == [mine.pk]
    assert api.ids("runs", incident=str(incident.pk)) == [str(mine.pk)]
