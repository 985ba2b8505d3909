"""Messages, work orders and incidents by the API."""

from __future__ import annotations

import json

from openfn_platform.projects.models import AuditEntry
from tests.api.cast import CANARY, Caller, Clinic, problem
from triggers.models import Message, MessagePayload, Trigger, TriggerRevision


def test_a_message_says_what_it_started(api: Caller, clinic: Clinic):
    clinic.on_message(clinic.job())
    message = clinic.message()
    told = api.results("messages")[0]
    assert list(told) == ["id", "inbox", "received_at", "content_type", "size", "matched", "work_orders"]
    assert (told["id"], told["inbox"], told["matched"]) == (str(message.pk), str(clinic.inbox.pk), True)
    assert told["work_orders"] == api.ids("work-orders")
    Trigger.objects.update(enabled=False)
    Trigger.objects.filter(pk=Trigger.objects.get().pk).update(enabled=False)
    assert api.results("messages", matched="true") == [told]
    assert api.results("messages", matched="false") == []
    assert api.results("messages", inbox=str(clinic.inbox.pk)) == [told]


def test_a_message_explains_each_trigger_by_the_criteria_as_they_were(clinic: Clinic):
    job = clinic.job()
    takes = clinic.on_message(job)
    leaves = clinic.on_message(job, inclusion={"form": "register"})
    message = clinic.message({"form": CANARY})
    TriggerRevision.objects.create(
        project=clinic.project, trigger=leaves, number=2, snapshot={"criteria": [{"inclusion": {"x": 1}}]}
    )
    told = {
        row["trigger"]: row
        for row in clinic.caller("read-data").get(f"messages/{message.pk}").json()["matching"]
    }
    assert told[str(takes.pk)] == {
        "trigger": str(takes.pk),
        "revision": 1,
        "matched": True,
        "jobs": [{"job": str(job.pk), "outcome": "run"}],
        "reasons": [],
    }
    assert told[str(leaves.pk)]["reasons"] == [f'`form` is "{CANARY}", not "register"']


def test_reasons_quote_the_message_and_need_the_right_to_see_data(clinic: Clinic):
    clinic.on_message(clinic.job(), inclusion={"form": "register"})
    message = clinic.message({"form": CANARY})
    answer = clinic.caller("read").get(f"messages/{message.pk}")
    assert CANARY not in answer.content.decode()
    assert [(row["matched"], row["reasons"]) for row in answer.json()["matching"]] == [(False, None)]


def test_without_its_body_a_message_gives_no_reasons(api: Caller, clinic: Clinic):
    clinic.on_message(clinic.job(), inclusion={"form": "register"})
    message = clinic.message()
    MessagePayload.objects.all().delete()
    assert api.get(f"messages/{message.pk}").json()["matching"][0]["reasons"] is None


def test_a_body_comes_as_it_was_sent(api: Caller, clinic: Clinic):
    message = clinic.message()
    answer = api.get(f"messages/{message.pk}/body")
    assert json.loads(answer.getvalue()) == {"name": CANARY}
    assert answer["ETag"] == f'"{bytes(message.digest).hex()}"'
    assert AuditEntry.objects.latest("id").changes == {"part": "body"}
    assert (
        api.get(f"messages/{message.pk}/body", headers={"if-none-match": answer["ETag"]}).status_code == 304
    )


def test_a_body_that_was_no_json_comes_as_what_it_was(api: Caller, clinic: Clinic):
    for raw, kind in ((b"<name>x</name>", "text/xml"), (b"name=x", "application/x-www-form-urlencoded")):
        answer = api.get(f"messages/{clinic.post_raw(raw, content_type=kind).answer['message']}/body")
        assert (answer.getvalue(), answer["Content-Type"]) == (raw, kind)
        assert answer["Content-Disposition"] == "attachment"


def test_an_erased_body_says_so(api: Caller, clinic: Clinic):
    message = clinic.message()
    Message.objects.update(body_wiped_at=message.created_at)
    assert "erased" in problem(api.get(f"messages/{message.pk}/body"), 404)


# --- work orders ----------------------------------------------------------------------------------


def test_a_work_order_is_one_event_with_its_runs(api: Caller, clinic: Clinic):
    clinic.on_message(clinic.job(), clinic.job())
    message = clinic.message()
    told = api.results("work-orders")[0]
    assert list(told) == [
        "id",
        "workflow",
        "cause",
        "message",
        "slot",
        "state",
        "inserted_at",
        "last_activity_at",
    ]
    assert (told["cause"], told["state"], told["message"]) == ("message", "pending", str(message.pk))
    one = api.get(f"work-orders/{told['id']}").json()
    assert {run["id"] for run in one.pop("runs")} == set(api.ids("runs"))
    assert one == told


def test_work_orders_are_found_by_state_cause_and_message(api: Caller, clinic: Clinic):
    clinic.on_message(clinic.job())
    message = clinic.message()
    by_message = [str(order.pk) for order in clinic.orders()]
    manual = str(clinic.run().work_order_id)
    assert api.ids("work-orders", cause="api") == [manual]
    assert api.ids("work-orders", message=str(message.pk)) == by_message
    assert api.ids("work-orders", state="pending", workflow="main") == [manual, *by_message]
    assert api.ids("work-orders", state="failed,cancelled") == []


# --- incidents ------------------------------------------------------------------------------------


def test_an_incident_is_taken_by_the_program_and_put_aside_with_a_reason(api: Caller, clinic: Clinic):
    run = clinic.run()
    incident = clinic.incident(last_run_id=run.pk)
    run.incident = incident
    run.save()
    taken = api.post(f"incidents/{incident.pk}/take").json()
    assert (taken["taken_by"], taken["taken_at"] is not None) == (None, True)
    assert AuditEntry.objects.latest("id").action == "incident taken"
    done = api.post(f"incidents/{incident.pk}/dismiss", {"reason": "We were testing."}).json()
    assert done["closed_reason"].endswith("We were testing.")
    run.refresh_from_db()
    assert run.dismissed_reason == "We were testing."
    assert api.ids("incidents", open="true") == []
    assert api.ids("incidents", open="false", kind="run") == [str(incident.pk)]
    assert "closed already" in problem(api.post(f"incidents/{incident.pk}/take"), 409)


def test_an_incident_is_not_put_aside_without_a_reason(api: Caller, clinic: Clinic):
    incident = clinic.incident()
    for body in (None, {}, {"reason": ""}, {"reason": "x" * 301}, {"reason": 7, "why": 1}, {"reason": None}):
        problem(api.post(f"incidents/{incident.pk}/dismiss", body), 400)
    assert api.ids("incidents", open="true") == [str(incident.pk)]


def test_incidents_of_the_installation_are_not_a_projects_business(api: Caller, clinic: Clinic):
    alarm = clinic.incident(project=None, kind="alarm")
    assert api.ids("incidents") == []
    problem(api.get(f"incidents/{alarm.pk}"), 404)
