"""The demo's workflows, their own code on the real worker against the stand-ins."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from django.utils import timezone

from openfn_platform.demo import clinic, country
from openfn_platform.demo.standins.dhis2 import seeds as dhis2_seeds
from openfn_platform.demo.standins.openmrs import seeds as openmrs_seeds
from openfn_platform.demo.standins.process import Standin
from openfn_platform.local.processes import descendants
from runs.models import Run
from runs.retrying import run_retry
from runs.starting import job_start, schedule_run_now
from tests.flows.demo_world import NATIONAL_ID, Demo, ended_well
from tests.flows.world import Engine, World, log_of, outcome
from tests.servers.carto import carto_standin
from tests.waiting import wait_for

EVENTS = 3_000


@pytest.fixture(scope="module")
def standins() -> Iterator[dict[str, Standin]]:
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(Standin.start(name))
            for name in ("openmrs", "twilio", "dhis2", "commcare")
        }
        yield {**started, "carto": stack.enter_context(carto_standin())}


@pytest.fixture
def demo(world: World, standins: dict[str, Standin]) -> Demo:
    return Demo(world, standins)


# --- the public map -------------------------------------------------------------------------------


def test_a_run_killed_half_way_and_retried_leaves_no_duplicate_no_gap_and_nothing_without_consent(
    demo: Demo, engine: Engine
) -> None:
    made = demo.standins["dhis2"].call("POST", "events", {"count": EVENTS, "days": 13})
    carto = demo.standins["carto"]
    carto.slow(0.2)  # so that there is a half-way
    run = job_start(job=demo[country.MAP])
    before = set(descendants(os.getpid()))
    thread = threading.Thread(target=engine.drain)
    thread.start()
    try:
        wait_for(lambda: len(carto.log(method="POST")) > 3, lambda: f"{outcome(run)} {log_of(run)}")
        for pid in set(descendants(os.getpid())) - before:
            os.kill(pid, signal.SIGKILL)
    finally:
        thread.join(timeout=30)
    assert outcome(run).startswith("crashed"), outcome(run)
    carto.slow(0)
    half = len(demo.table())
    assert 0 < half < made["public"]

    again = run_retry(run=run, by=demo.world.owner)
    engine.drain()
    data = ended_well(again)
    assert data == {"read": EVENTS, "shown": made["public"], "withheld": made["withheld"], "removed": 0}
    assert f"{EVENTS:,} events read" in "\n".join(log_of(again))

    rows = demo.table()
    events = _events(demo)
    assert sorted(row["event"] for row in rows) == sorted(
        uid for uid, values in events.items() if values.get(dhis2_seeds.CONSENT_TO_PUBLISH) == "true"
    )
    sent = {name for row in rows for name in row}
    assert sent == {
        "cartodb_id", "the_geom", "the_geom_webmercator",
        "event", "occurred", "facility", "disease", "outcome",
    }  # fmt: skip
    assert {"name": country.MAP_TABLE, "rows": made["public"], "public": True} in carto.call("GET", "tables")


def _events(demo: Demo) -> dict[str, dict[str, str]]:
    """What DHIS2 has: event -> its values."""
    found: dict[str, dict[str, str]] = {}
    page = 1
    while True:
        answer = httpx.get(
            f"{demo.standins['dhis2'].url}/api/tracker/events",
            params={"program": dhis2_seeds.CASE_NOTIFICATION, "page": page, "pageSize": 1_000},
            auth=("demo", "District-1"),
            timeout=20,
        )
        events = answer.raise_for_status().json()["events"]
        for event in events:
            found[event["event"]] = {each["dataElement"]: each["value"] for each in event["dataValues"]}
        if not events:
            return found
        page += 1


def test_consent_that_is_taken_back_takes_the_event_off_the_map(demo: Demo, engine: Engine) -> None:
    demo.standins["dhis2"].call("POST", "events", {"count": 40, "days": 10})
    job_start(job=demo[country.MAP])
    engine.drain()
    gone = demo.table()[20]["event"]
    values = [
        {"dataElement": uid, "value": "false" if uid == dhis2_seeds.CONSENT_TO_PUBLISH else value}
        for uid, value in _events(demo)[gone].items()
    ]
    event = httpx.get(
        f"{demo.standins['dhis2'].url}/api/tracker/events/{gone}", auth=("demo", "District-1")
    ).json()
    demo.dhis2({"events": [{**event, "dataValues": values}]})
    job_start(job=demo[country.MAP])
    engine.drain()
    assert gone not in {row["event"] for row in demo.table()}
    assert ended_well(demo.runs(country.MAP)[-1])["removed"] == 1


# --- the weekly export ----------------------------------------------------------------------------


def test_each_clinic_is_reported_for_the_week_and_a_clinic_nobody_named_is_a_problem(
    demo: Demo, engine: Engine
) -> None:
    patient = demo.patient()
    for location in (openmrs_seeds.CLINIC, openmrs_seeds.CLINIC, openmrs_seeds.UNKNOWN_LOCATION):
        visit = {"patient": patient, "encounterType": openmrs_seeds.REGISTRATION, "location": location}
        demo.openmrs("encounter", visit)
    run = job_start(job=demo[clinic.EXPORT])
    engine.drain()
    data = ended_well(run)
    week = "{}W{}".format(*datetime.now(UTC).astimezone().isocalendar()[:2])
    assert data["registrations"] == 3
    assert {(value["orgUnit"], value["period"], value["value"]) for value in data["values"]} == {
        ("OuNorthFc01", week, 2),
        ("OuNorthFc02", week, 0),
    }
    answer = httpx.get(
        f"{demo.standins['dhis2'].url}/api/dataValueSets",
        params={"dataSet": dhis2_seeds.REGISTRATION_REPORT, "period": week, "orgUnit": "OuNorthFc01"},
        auth=("demo", "District-1"),
    )
    assert [value["value"] for value in answer.json()["dataValues"]] == ["2"]
    run.refresh_from_db()
    assert run.problem_count == 1
    texts = demo.standins["twilio"].state()["messages"]
    assert [text["to"] for text in texts] == [clinic.LEAD]
    assert "3 registrations" in texts[0]["body"]


# --- one person in two systems --------------------------------------------------------------------


class Sync:
    """The job on its schedule, slot by slot."""

    def __init__(self, demo: Demo, engine: Engine) -> None:
        self.demo, self.engine = demo, engine
        self.trigger = demo.world.on_schedule(
            demo[country.SYNC],
            schedule_kind="every",
            every_count=1,
            every_unit="hours",
            starts_at=timezone.now(),
        )

    def slot(self) -> tuple[int, int]:
        """As the next slot; how many persons went to DHIS2 and to OpenMRS."""
        schedule_run_now(trigger=self.trigger, by=self.demo.world.owner)
        self.engine.drain()
        data = ended_well(self.demo.runs(country.SYNC)[-1])
        return data["to_dhis2"], data["to_openmrs"]

    def writes(self) -> int:
        """How many changes both systems were asked for."""
        of_openmrs = self.demo.standins["openmrs"].log(method="POST", path="/ws/rest/v1/")
        return len(of_openmrs) + len(self.demo.standins["dhis2"].log(method="POST", path="/tracker"))


def names(demo: Demo) -> tuple[str, str]:
    """The last name of the person in OpenMRS and in DHIS2."""
    state = demo.standins["openmrs"].state()
    (person,) = state["person"]
    answer = httpx.get(
        f"{demo.standins['dhis2'].url}/api/tracker/trackedEntities",
        params={"trackedEntityType": dhis2_seeds.PERSON, "orgUnitMode": "ACCESSIBLE", "fields": "*"},
        auth=("demo", "District-1"),
    )
    (entity,) = answer.raise_for_status().json()["trackedEntities"]
    said = {each["attribute"]: each["value"] for each in entity["attributes"]}
    return person["names"][0]["familyName"], said[dhis2_seeds.LAST_NAME]


def entity(demo: Demo) -> dict[str, Any]:
    answer = httpx.get(
        f"{demo.standins['dhis2'].url}/api/tracker/trackedEntities",
        params={"trackedEntityType": dhis2_seeds.PERSON, "orgUnitMode": "ACCESSIBLE"},
        auth=("demo", "District-1"),
    )
    (found,) = answer.raise_for_status().json()["trackedEntities"]
    known: dict[str, Any] = found
    return known


def test_a_change_on_either_side_arrives_on_the_other_once_and_does_not_come_back(
    demo: Demo, engine: Engine
) -> None:
    uuid = demo.patient()
    sync = Sync(demo, engine)
    assert sync.slot() == (1, 0)
    assert names(demo) == ("Mwakasege", "Mwakasege")
    before = sync.writes()
    assert sync.slot() == (0, 0), "the own change is no news"

    changed = {"attributes": [{"attribute": dhis2_seeds.LAST_NAME, "value": "Kisanga"}]}
    known = {name: entity(demo)[name] for name in ("trackedEntity", "trackedEntityType", "orgUnit")}
    demo.dhis2({"trackedEntities": [known | changed]})
    assert sync.slot() == (0, 1)
    assert names(demo) == ("Kisanga", "Kisanga")
    assert sync.slot() == (0, 0)

    demo.openmrs(f"patient/{uuid}", {"person": {"names": [{"givenName": "Neema", "familyName": "Lyimo"}]}})
    assert sync.slot() == (1, 0)
    assert names(demo) == ("Lyimo", "Lyimo")
    assert sync.slot() == (0, 0)
    assert sync.writes() - before == 4, "two by people, two by us"


def test_what_was_changed_on_both_sides_is_a_problem_for_a_person(demo: Demo, engine: Engine) -> None:
    uuid = demo.patient()
    sync = Sync(demo, engine)
    sync.slot()
    known = {name: entity(demo)[name] for name in ("trackedEntity", "trackedEntityType", "orgUnit")}
    changed = {"attributes": [{"attribute": dhis2_seeds.LAST_NAME, "value": "Kisanga"}]}
    demo.dhis2({"trackedEntities": [known | changed]})
    demo.openmrs(f"patient/{uuid}", {"person": {"names": [{"givenName": "Neema", "familyName": "Lyimo"}]}})
    assert sync.slot() == (0, 0)
    assert names(demo) == ("Lyimo", "Kisanga")
    assert demo.runs(country.SYNC)[-1].problem_count == 1


# --- a referral in three systems ------------------------------------------------------------------

SAGA = (country.REFER_OPENMRS, country.REFER_DHIS2, country.REFER_SMS, country.TAKE_BACK)
REFERRAL = {
    "event": "referral",
    "referral": "R-1",
    "national_id": NATIONAL_ID,
    "phone": "+255754000111",
    "disease": "MALARIA",
    "facility": "LM-M-01",
}


def refer(demo: Demo, engine: Engine, **changed: str) -> None:
    demo.patient()
    demo.workflow(*SAGA)
    demo.world.post(REFERRAL | {"at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")} | changed)
    engine.drain()


def left(demo: Demo) -> tuple[int, int, int]:
    """Encounters, events and text messages that stand."""
    encounters = [each for each in demo.standins["openmrs"].state()["encounter"] if not each["voided"]]
    return len(encounters), len(_events(demo)), len(demo.standins["twilio"].state()["messages"])


def test_a_referral_reaches_all_three_systems(demo: Demo, engine: Engine) -> None:
    refer(demo, engine)
    for plan in SAGA[:3]:
        ended_well(demo.runs(plan)[0])
    assert demo.runs(country.TAKE_BACK) == []
    assert left(demo) == (1, 1, 1)
    assert "Reedwater Hospital" in demo.standins["twilio"].state()["messages"][0]["body"]


def test_when_the_text_message_fails_event_and_encounter_are_taken_back(demo: Demo, engine: Engine) -> None:
    refer(demo, engine, phone="not a number")
    assert outcome(demo.runs(country.REFER_SMS)[0]).startswith("failed")
    assert len(ended_well(demo.runs(country.TAKE_BACK)[0])["taken_back"]) == 2
    assert left(demo) == (0, 0, 0)
    again = run_retry(run=demo.runs(country.REFER_SMS)[0], by=demo.world.owner)
    engine.drain()
    assert "was taken back" in (Run.objects.get(pk=again.pk).error_message or "")
    assert left(demo) == (0, 0, 0)
    assert ended_well(demo.runs(country.TAKE_BACK)[-1])["taken_back"] == []


def test_an_event_whose_answer_got_lost_is_found_and_taken_back(demo: Demo, engine: Engine) -> None:
    match = {"method": "POST", "body_contains": "dataValues"}
    demo.standins["dhis2"].faults({"match": match, "times": 9, "action": {"drop_after_processing": True}})
    refer(demo, engine)
    assert outcome(demo.runs(country.REFER_DHIS2)[0]).startswith("failed")
    assert demo.runs(country.REFER_SMS) == []
    demo.standins["dhis2"].clear_faults()
    assert left(demo) == (0, 0, 0)


def test_a_facility_that_nobody_knows_leaves_nothing_behind(demo: Demo, engine: Engine) -> None:
    refer(demo, engine, facility="LM-X-99")
    assert "no facility" in demo.runs(country.REFER_DHIS2)[0].error_message
    assert len(ended_well(demo.runs(country.TAKE_BACK)[0])["taken_back"]) == 1
    assert left(demo) == (0, 0, 0)


# --- CommCare -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:No directory at")  # no style sheets were collected for a test
def test_forms_that_commcare_forwards_become_patients(demo: Demo, engine: Engine, live_server: Any) -> None:
    demo.workflow(clinic.REGISTER, clinic.WELCOME)
    key = demo.world.key()
    door = f"{live_server.url}/inbox/{demo.world.inbox.address}"
    demo.standins["commcare"].configure(forward_forms_to=door, forward_headers={"X-API-Key": key})
    demo.standins["commcare"].call("POST", "registrations", {"count": 3})
    wait_for(lambda: len(demo.runs(clinic.REGISTER)) == 3, lambda: str(demo.world.runs()))
    engine.drain()
    for run in demo.world.runs():
        ended_well(run)
    assert len(demo.standins["openmrs"].state()["patient"]) == 3
    assert len(demo.standins["twilio"].state()["messages"]) == 3
