"""Workflows by the API; and with them what all changes promise: no lost update, no unknown field, no foreign row."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from jobs.models import Job, Workflow
from jobs.workflows import workflow_rename
from openfn_platform.projects.models import AuditEntry
from tests.api.cast import UNKNOWN, Caller, Clinic, problem
from triggers.models import Trigger


def test_a_workflow_is_made_where_its_address_says(api: Caller, clinic: Clinic):
    answer = api.post("workflows", {"name": " New  born ", "description": "<b>all</b>"})
    told = answer.json()
    assert answer.status_code == 201
    assert (told["name"], told["key"], told["description"]) == ("New born", "new-born", "<b>all</b>")
    again = api.get(answer["Location"])
    assert (again.json(), again["ETag"]) == (told, answer["ETag"])
    assert Workflow.objects.get(pk=told["id"]).project == clinic.project
    assert AuditEntry.objects.latest("id").action == "workflow made"


def test_a_change_answers_with_what_is_now(api: Caller, clinic: Clinic):
    path = f"workflows/{clinic.workflow.pk}"
    answer = api.patch(path, {"name": "Registrations"})
    assert answer.status_code == 200
    assert (answer.json(), answer["ETag"]) == (api.get(path).json(), api.get(path)["ETag"])
    assert (answer.json()["name"], answer.json()["key"]) == ("Registrations", "main")
    assert api.patch(path, {"description": "x"}, match=answer["ETag"]).json()["name"] == "Registrations"
    assert AuditEntry.objects.latest("id").changes == {"description": ["", "x"]}


def test_putting_away_takes_its_jobs_and_triggers_along(api: Caller, clinic: Clinic):
    job = clinic.job()
    trigger = clinic.on_message(job)
    answer = api.delete(f"workflows/{clinic.workflow.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.results("workflows") == api.results("jobs") == api.results("triggers") == []
    assert api.ids("workflows", archived="true") == [str(clinic.workflow.pk)]
    assert Job.objects.get(pk=job.pk).archived_at is not None
    assert Trigger.objects.get(pk=trigger.pk).archived_at is not None


def test_what_was_put_away_is_shown_and_not_changed(api: Caller, clinic: Clinic):
    path = f"workflows/{clinic.workflow.pk}"
    api.delete(path)
    assert api.get(path).json()["archived_at"]
    assert "archived" in problem(api.patch(path, {"name": "x"}), 409)
    assert "archived" in problem(api.delete(path), 409)


# --- what all changes promise ---------------------------------------------------------------------


def test_a_change_without_a_tag_is_asked_for_one(api: Caller, clinic: Clinic):
    path = f"workflows/{clinic.workflow.pk}"
    for answer in (api.patch(path, {"name": "x"}, match=""), api.delete(path, match="")):
        assert "If-Match" in problem(answer, 428)
    clinic.workflow.refresh_from_db()
    assert (clinic.workflow.name, clinic.workflow.archived_at) == ("Main", None)


def test_who_read_before_another_wrote_loses_nothing_and_overwrites_nothing(api: Caller, clinic: Clinic):
    path = f"workflows/{clinic.workflow.pk}"
    old = api.get(path)["ETag"]
    api.patch(path, {"name": "Theirs"})
    assert "changed this" in problem(api.patch(path, {"name": "Mine"}, match=old), 412)
    problem(api.delete(path, match=old), 412)
    assert api.get(path).json()["name"] == "Theirs"
    assert api.patch(path, {"name": "Mine"}, match="*").json()["name"] == "Mine"
    assert "quotes" in problem(api.patch(path, {"name": "x"}, match="abc"), 400)


def test_a_tag_that_comes_a_hair_too_late_is_refused_all_the_same(transactional_db: None):
    """The other one commits while we wait for the lock: only a comparison under it sees that."""
    clinic = Clinic()
    api = clinic.caller()
    path = f"workflows/{clinic.workflow.pk}"
    tag = api.get(path)["ETag"]
    locked = threading.Event()

    def other() -> None:
        with transaction.atomic():
            workflow_rename(workflow=Workflow.objects.get(), name="Theirs", by=clinic.owner)
            locked.set()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.3)")  # meanwhile the other request comes to our lock
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    assert locked.wait(5)
    answer = api.patch(path, {"name": "Mine"}, match=tag)
    thread.join()
    problem(answer, 412)
    assert Workflow.objects.get().name == "Theirs"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"name": True}, "name"),
        ({"name": ["x"]}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "x", "description": 1.5}, "description"),
        ({"name": "x", "key": "Not a key"}, "key"),
        ({"name": "x", "key": "x" * 61}, "key"),
        ({"name": "x", "project": UNKNOWN}, "project"),
        ({"name": "x", "id": UNKNOWN}, "id"),
        ({"name": "x", "archived_at": None}, "archived_at"),
        ({"name": "x", "created_by": 1}, "created_by"),
    ],
)
def test_a_body_that_cannot_be_used_is_told_where_and_makes_nothing(api: Caller, clinic: Clinic, body, field):
    answer = api.post("workflows", body)
    assert field in problem(answer, 400)
    assert answer.json()["field"] == field
    assert Workflow.objects.count() == 1


@pytest.mark.parametrize("name", ["\u200b", "   ", "\u202e"])
def test_a_name_of_which_nothing_is_left_is_refused(api: Caller, clinic: Clinic, name: str):
    assert api.post("workflows", {"name": name}).status_code in (400, 422)
    assert Workflow.objects.count() == 1


def test_a_key_is_taken_once(api: Caller, clinic: Clinic):
    problem(api.post("workflows", {"name": "x", "key": "main"}), 422)
    assert api.post("workflows", {"name": "Main"}).json()["key"] == "main-2"


def test_a_neighbour_changes_nothing_and_learns_nothing(clinic: Clinic, stranger: Clinic):
    caller = stranger.caller()
    for path in (f"workflows/{clinic.workflow.pk}", f"workflows/{UNKNOWN}", "workflows/no-id"):
        answers = [caller.patch(path, {"name": "x"}, match="*"), caller.delete(path, match='"a-b"')]
        assert {problem(answer, 404) for answer in answers} == {"There is nothing here by that name."}
    assert not AuditEntry.objects.filter(action__startswith="workflow").exists()
