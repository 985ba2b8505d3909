"""Incidents, mails, memories and holds in the browser."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from runs.admin.bulk import MANY
from runs.models import (
    BulkOperation,
    ConnectionHold,
    Incident,
    Memory,
    MemoryValue,
    Notification,
    Run,
    RunState,
)
from runs.models.engine import HoldStage
from runs.starting import Input, job_start, schedule_run_now
from runs.states import state_read
from tests.flows.world import World, final_of
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import CANARY, SCRIPT, ended_run, text_of


def page(row, what: str = "change", query: str = "") -> str:
    return f"/admin/runs/{row._meta.model_name}/{row.pk}/{what}/{query}"


def failures(world: World, engine, count: int = 3) -> Incident:
    job = world.job("fail('OpenMRS refused')", key="register")
    for number in range(count):
        job_start(job=job, given=Input(data={"n": number}), by=world.owner)
    engine.drain()
    world.version(job, "pass")
    return Incident.objects.get()


# --- incidents ------------------------------------------------------------------------------------


def test_an_incident_is_taken_and_tried_with_one_then_with_all(world, engine):
    incident = failures(world, engine)
    operator = people_of(world).operator
    client = logged_in(operator)
    text = text_of(client.get(page(incident)))
    assert "OpenMRS refused" in text
    assert "3 times" in text
    client.post(page(incident, "take"))
    incident.refresh_from_db()
    assert incident.taken_by == operator
    assert "looks after it" in text_of(client.get(page(incident)))

    assert "3 failed runs can be retried" in text_of(client.get(page(incident, "retry")))
    client.post(page(incident, "retry"), {"one": "1"})
    oldest = world.runs()[0]
    assert list(Run.objects.filter(retry_of__isnull=False).values_list("retry_of", flat=True)) == [oldest.pk]
    assert "every 2s" in text_of(client.get(page(incident))), "the table follows the retries"
    assert "3 times" not in text_of(client.get(page(incident, "runs"))), "only the table is asked for again"
    client.post(page(incident, "retry"), {"all": "1"})
    engine.drain()
    assert Run.objects.filter(retry_of__isnull=False, state=RunState.SUCCESS).count() == 3
    incident.refresh_from_db()
    assert incident.closed_at is not None
    closed = text_of(client.get(page(incident)))
    assert "It works again." in closed
    assert closed.count("attempt 2") == 3
    assert "every 2s" not in closed
    assert page(incident, "take") not in closed
    assert "Nothing is left to retry." in text_of(client.get(page(incident, "retry"), follow=True))


def test_many_failures_of_an_incident_are_left_to_a_bulk_operation(place):
    job, people = place.job(), people_of(place)
    incident = Incident.objects.create(
        project=place.project, kind="run", job=job, fingerprint="m", title="It failed"
    )
    runs = [ended_run(place, job, incident=incident) for _ in range(MANY + 1)]
    client = logged_in(people.operator)
    asked = text_of(client.get(page(incident, "retry")))
    assert f"{MANY + 1} failed runs can be retried" in asked
    assert "the others follow when it has succeeded" in asked
    answer = client.post(page(incident, "retry"), {"one": "1"})
    operation = BulkOperation.objects.get()
    assert str(operation.pk) in answer["Location"]
    assert (operation.total, operation.one_first, operation.project) == (MANY + 1, True, place.project)
    assert set(operation.items.values_list("target", flat=True)) == {run.pk for run in runs}
    client.post(page(incident, "retry"), {"all": "1"})
    assert BulkOperation.objects.order_by("-id")[0].one_first is False


def test_an_incident_is_dismissed_with_a_reason_that_stays_readable(world, engine):
    incident = failures(world, engine, 1)
    people = people_of(world)
    assert logged_in(people.viewer).post(page(incident, "dismiss"), {"reason": "x"}).status_code == 403
    assert logged_in(people.viewer).post(page(incident, "retry"), {"all": "1"}).status_code == 404
    client = logged_in(people.operator)
    client.post(page(incident, "dismiss"), {"reason": "test data"})
    assert "test data" in text_of(client.get(page(incident)))
    assert Run.objects.get().dismissed_reason == "test data"


def test_open_incidents_come_first_and_outsiders_find_none(place):
    common = {"project": place.project, "kind": "run", "job": place.job()}
    closed = Incident.objects.create(
        fingerprint="a", title=f"closed {SCRIPT}", closed_at=timezone.now(), **common
    )
    opened = Incident.objects.create(fingerprint="b", title="open one", **common)
    people = people_of(place)
    text = text_of(logged_in(people.viewer).get("/admin/runs/incident/"))
    assert 0 < text.index(page(opened)) < text.index(page(closed))
    assert "<script>alert" not in text
    assert page(closed) not in text_of(logged_in(people.viewer).get("/admin/runs/incident/?open=1"))
    stranger = logged_in(people.outsider)
    for what in ("change", "take", "dismiss", "retry", "runs"):
        assert stranger.get(page(opened, what)).status_code == 404
    assert page(opened) not in text_of(stranger.get("/admin/runs/incident/"))


def test_an_alarm_of_the_installation_is_for_those_who_run_it(place):
    alarm = Incident.objects.create(kind="alarm", fingerprint="c", title="No worker is running")
    assert logged_in(people_of(place).operator).get(page(alarm)).status_code == 404
    place.owner.is_superuser = True
    place.owner.save()
    client = logged_in(place.owner)
    assert "No worker is running" in text_of(client.get(page(alarm)))
    client.post(page(alarm, "take"))
    alarm.refresh_from_db()
    assert alarm.taken_by == place.owner


# --- mails ----------------------------------------------------------------------------------------


def test_mails_can_be_read_with_what_became_of_them(world, engine):
    failures(world, engine, 1)
    mail = Notification.objects.get(recipient=world.owner.email)
    Notification.objects.filter(pk=mail.pk).update(
        text=f"See https://example.org/x {SCRIPT}", error="refused by SMTP"
    )
    people = people_of(world)
    client = logged_in(people.operator)
    assert mail.subject in text_of(client.get("/admin/runs/notification/"))
    text = text_of(client.get(page(mail)))
    assert world.owner.email in text
    assert "refused by SMTP" in text
    assert 'href="https://example.org/x"' in text
    assert "<script>alert" not in text
    assert logged_in(people.outsider).get(page(mail)).status_code == 404
    assert client.post(page(mail), {"text": "x"}).status_code == 403


# --- memories -------------------------------------------------------------------------------------


COUNTING = 'state.count = (state.count if "count" in state else 0) + 1\nstate.secret_of = "' + CANARY + '"'


@pytest.fixture
def memory(world, engine):
    job = world.job(COUNTING, key="export")
    trigger = world.on_schedule(
        job, schedule_kind="every", every_count=1, every_unit="days", starts_at=timezone.now()
    )
    for _ in range(2):
        schedule_run_now(trigger=trigger, by=world.owner)
        engine.drain()
    return Memory.objects.get()


def test_a_memory_is_read_with_its_earlier_values(world, memory):
    people = people_of(world)
    client = logged_in(people.editor)
    assert CANARY in text_of(client.get(page(memory)))
    assert page(memory) in text_of(client.get(page(Run.objects.order_by("-id")[0])))
    earlier = text_of(client.get(page(memory, query="?show=earlier")))
    assert earlier.count("a run</a>") == 2
    oldest = MemoryValue.objects.order_by("id")[0]
    text = text_of(client.get(page(memory, query=f"?show=earlier&value={oldest.pk}")))
    assert "&quot;count&quot;: 1" in text
    for query in ("", "?show=earlier", f"?show=earlier&value={oldest.pk}"):
        assert CANARY not in text_of(logged_in(people.viewer).get(page(memory, query=query)))
    assert logged_in(people.outsider).get(page(memory)).status_code == 404


def test_an_edited_memory_is_what_the_next_slot_starts_with(world, engine, memory):
    people = people_of(world)
    client = logged_in(people.editor)
    assert CANARY in text_of(client.get(page(memory, "edit")))
    assert "This is not JSON" in text_of(client.post(page(memory, "edit"), {"value": "{"}))
    client.post(page(memory, "edit"), {"value": '{"count": 40}'})
    schedule_run_now(trigger=memory.trigger, by=world.owner)
    engine.drain()
    assert final_of(Run.objects.order_by("-id")[0])["count"] == 41
    assert AuditEntry.objects.filter(action="memory edited", actor=people.editor).exists()


def test_a_memory_is_reset_after_a_question_by_editors_only(world, memory):
    people = people_of(world)
    for person in (people.operator, people.viewer):
        assert logged_in(person).post(page(memory, "reset")).status_code == 403
        assert logged_in(person).post(page(memory, "edit"), {"value": "{}"}).status_code == 404
    client = logged_in(people.editor)
    client.get(page(memory, "reset"))
    assert json.loads(state_read(state_id=Memory.objects.get().state_id))["count"] == 2
    client.post(page(memory, "reset"))
    assert state_read(state_id=Memory.objects.get().state_id) == b"{}"


# --- holds ----------------------------------------------------------------------------------------


def test_a_connection_on_hold_is_released_by_an_operator(place):
    link = place.credential("openmrs", instanceUrl="http://127.0.0.1:9", username="u", password="p")
    job = place.job(connections={"openmrs": ("openmrs", link)})
    hold = ConnectionHold.objects.create(
        project=place.project,
        credential=link,
        stage=HoldStage.HELD,
        reason="It cannot be reached.",
        held_at=timezone.now(),
    )
    run = job_start(job=job, by=place.owner)
    Run.objects.filter(pk=run.pk).update(probe=False, waits_for=hold.reason)
    people = people_of(place)
    waiting = text_of(logged_in(people.viewer).get(page(run)))
    assert "It cannot be reached." in waiting
    assert page(hold) in waiting
    assert logged_in(people.viewer).post(page(hold, "release")).status_code == 403
    assert logged_in(people.outsider).get(page(hold)).status_code == 404
    client = logged_in(people.operator)
    assert "1</dd>" in text_of(client.get(page(hold)))
    client.get(page(hold, "release"))
    assert ConnectionHold.objects.get().stage == HoldStage.HELD
    client.post(page(hold, "release"))
    run.refresh_from_db()
    assert (ConnectionHold.objects.get().stage, run.waits_for) == (HoldStage.OPEN, "")
    assert AuditEntry.objects.filter(action="connection released").exists()
