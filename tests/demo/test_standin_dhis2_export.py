"""The DHIS2 stand-in's tracker export: queries, pages; the events that it makes up; its listener."""

import http.server
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from openfn_platform.demo.standins.dhis2 import seeds
from openfn_platform.demo.standins.dhis2.uids import is_uid
from openfn_platform.demo.standins.process import Standin, StandinFailed
from tests.demo.dhis2_payloads import (
    AUTH,
    CASES,
    NOBODY,
    case,
    enrollment,
    events,
    person,
    post,
    uids,
    visit,
)

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


@pytest.fixture(scope="module")
def running():
    with Standin.start("dhis2") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url + "/api", auth=AUTH, timeout=5) as client:
        yield client


# Export


@pytest.fixture
def cases(client):
    """Five cases in four places, from the 1st to the 5th, entered in that order."""
    places = [seeds.GULL_POINT, seeds.GULL_POINT, seeds.REEDWATER, seeds.CAPE_LANTERN, "OuNorthFc02"]
    diseases = ["MALARIA", "CHOLERA", "MALARIA", "DENGUE", "MEASLES"]
    entered = [
        case(disease, event=f"EventAbc00{n}", orgUnit=place, occurredAt=f"2026-01-0{n}T09:00", values=more)
        for n, (place, disease, more) in enumerate(
            zip(places, diseases, [{}, {}, {seeds.CASE_AGE: "30"}, {seeds.CASE_AGE: "4"}, {}], strict=True), 1
        )
    ]
    entered[4]["status"] = "COMPLETED"
    post(client, {"events": entered})


@pytest.mark.usefixtures("cases")
@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"order": "occurredAt"}, [1, 2, 3, 4, 5]),
        ({"order": "status:desc,occurredAt:desc"}, [5, 4, 3, 2, 1]),
        ({"order": f"{seeds.CASE_DISEASE}:asc,occurredAt"}, [2, 4, 1, 3, 5]),
        ({"orgUnit": seeds.GULL_POINT}, [2, 1]),
        ({"orgUnit": seeds.NORTHSHORE}, []),
        ({"orgUnit": seeds.NORTHSHORE, "orgUnitMode": "CHILDREN"}, [5, 2, 1]),
        ({"orgUnit": seeds.LUMARA, "ouMode": "DESCENDANTS"}, [5, 4, 3, 2, 1]),
        ({"orgUnit": seeds.LUMARA, "orgUnitMode": "CHILDREN"}, []),
        ({"orgUnitMode": "ALL"}, [5, 4, 3, 2, 1]),
        ({"occurredAfter": "2026-01-04"}, [5, 4]),
        ({"occurredBefore": "2026-01-04"}, [4, 3, 2, 1]),
        ({"occurredAfter": "2026-01-02T09:00:00.000", "occurredBefore": "2026-01-04T08:59:59"}, [3, 2]),
        ({"occurredAfter": "2026-01-04T11:00:00+02:00"}, [5, 4]),
        ({"updatedAfter": TOMORROW}, []),
        ({"updatedWithin": "PT1H"}, [5, 4, 3, 2, 1]),
        ({"status": "COMPLETED"}, [5]),
        ({"filter": f"{seeds.CASE_DISEASE}:eq:malaria"}, [3, 1]),
        ({"filter": f"{seeds.CASE_DISEASE}:like:LA"}, [3, 1]),
        ({"filter": f"{seeds.CASE_DISEASE}:IN:CHOLERA;DENGUE"}, [4, 2]),
        ({"filter": f"{seeds.CASE_AGE}:gt:3:lt:10"}, [4]),
        ({"filter": f"{seeds.CASE_AGE}:!null"}, [4, 3]),
        ({"filter": f"{seeds.CASE_AGE}:null"}, [5, 2, 1]),
        ({"filter": [f"{seeds.CASE_AGE}:gt:3", f"{seeds.CASE_DISEASE}:eq:MALARIA"]}, [3]),
        ({"filter": f"{seeds.CASE_AGE}:gt:3,{seeds.CASE_DISEASE}:eq:MALARIA"}, [3]),
        ({"events": "EventAbc001,EventAbc003"}, [3, 1]),
        ({"programStage": seeds.CASE_REPORT, "pageSize": "2", "page": "2"}, [3, 2]),
        ({"pageSize": "2", "page": "9"}, []),
    ],
)
def test_events_are_found_by_place_time_state_and_value(client, params, numbers):
    found = [int(event["event"][-1]) for event in events(client, **params)]
    assert found == numbers


@pytest.mark.usefixtures("cases")
def test_pages_hold_fifty_and_count_only_on_request(client):
    answer = client.get("/tracker/events", params=CASES).json()
    assert answer["pager"] == {"page": 1, "pageSize": 50}
    counted = client.get("/tracker/events", params={**CASES, "totalPages": "true", "pageSize": "2"}).json()
    assert counted["pager"] == {"page": 1, "pageSize": 2, "total": 5, "pageCount": 3}
    whole = client.get("/tracker/events", params={**CASES, "paging": "false"}).json()
    assert (set(whole), len(whole["events"])) == ({"events"}, 5)


@pytest.mark.usefixtures("cases")
def test_older_servers_answer_under_instances(standin, client):
    standin.configure(instances_key=True)
    answer = client.get("/tracker/events", params={**CASES, "pageSize": "2"}).json()
    assert (set(answer), answer["page"], len(answer["instances"])) == (
        {"instances", "page", "pageSize"},
        1,
        2,
    )


@pytest.mark.usefixtures("cases")
def test_an_event_shows_what_dhis2_shows(client):
    event = client.get("/tracker/events/EventAbc003").json()
    assert (event["program"], event["programStage"]) == (seeds.CASE_NOTIFICATION, seeds.CASE_REPORT)
    assert event["occurredAt"] == "2026-01-03T09:00:00.000"
    assert (event["attributeOptionCombo"], event["deleted"]) == ("HllvX50cXC0", False)
    assert event["createdBy"]["username"] == "demo"
    assert "relationships" not in event
    assert {"dataElement": seeds.CASE_AGE, "value": "30"}.items() <= event["dataValues"][1].items()


@pytest.mark.usefixtures("cases")
def test_fields_cut_an_event_down(client):
    shown = events(client, fields="event,dataValues[value,!dataElement],geometry", pageSize=1)
    assert shown == [{"event": "EventAbc005", "dataValues": [{"value": "MEASLES"}]}]
    whole = events(client, fields="*", pageSize=1)[0]
    assert whole["relationships"] == []


@pytest.mark.usefixtures("cases")
def test_a_deleted_event_is_told_on_request(client):
    post(client, {"events": [{"event": "EventAbc003"}]}, importStrategy="DELETE")
    assert len(events(client)) == 4
    gone = [event for event in events(client, includeDeleted="true") if event["deleted"]]
    assert [event["event"] for event in gone] == ["EventAbc003"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("events", {}),
        ("events", {"program": NOBODY}),
        ("events", {**CASES, "orgUnit": NOBODY}),
        ("events", {**CASES, "orgUnitMode": "DESCENDANTS"}),
        ("events", {**CASES, "orgUnitMode": "EVERYWHERE"}),
        ("events", {**CASES, "orgUnit": seeds.LUMARA, "orgUnitMode": "ALL"}),
        ("events", {**CASES, "occurredAfter": "last week"}),
        ("events", {**CASES, "pageSize": "0"}),
        ("events", {**CASES, "page": "two"}),
        ("events", {**CASES, "order": "colour"}),
        ("events", {**CASES, "filter": f"{NOBODY}:eq:1"}),
        ("events", {**CASES, "filter": f"{seeds.CASE_AGE}:about:1"}),
        ("events", {**CASES, "fields": "event[id"}),
        ("enrollments", {"program": seeds.CHILD_FOLLOW_UP}),
        ("enrollments", {"orgUnitMode": "ALL", "enrolledAfter": "2026-01-01"}),
        ("trackedEntities", {"orgUnitMode": "ALL"}),
        ("trackedEntities", {"trackedEntityType": seeds.PERSON}),
        ("relationships", {}),
    ],
)
def test_a_question_that_lacks_or_muddles_something_is_a_400(client, path, params):
    answer = client.get(f"/tracker/{path}", params=params)
    assert (answer.status_code, answer.json()["status"]) == (400, "ERROR"), answer.text
    assert answer.json()["message"]


@pytest.mark.parametrize("path", ["events", "enrollments", "trackedEntities"])
def test_an_unknown_object_is_a_404(client, path):
    assert client.get(f"/tracker/{path}/{NOBODY}").status_code == 404


def test_entities_and_enrollments_are_found_by_program_state_and_value(client):
    family = [
        person("AA1", trackedEntity="EntityAbc01", enrollments=[enrollment()]),
        person("AA2", trackedEntity="EntityAbc02", values={seeds.FIRST_NAME: "Bo, the 2nd"}),
        person("AA3", trackedEntity="EntityAbc03", enrollments=[enrollment(status="COMPLETED")]),
    ]
    post(client, {"trackedEntities": family})

    def found(**params):
        asked = {"orgUnits": seeds.LUMARA, "orgUnitMode": "DESCENDANTS", **params}
        answer = client.get("/tracker/trackedEntities", params=asked).json()
        return [int(each["trackedEntity"][-1]) for each in answer["trackedEntities"]]

    assert found(trackedEntityType=seeds.PERSON) == [3, 2, 1]
    assert found(program=seeds.CHILD_FOLLOW_UP) == [3, 1]
    assert found(program=seeds.CHILD_FOLLOW_UP, enrollmentStatus="ACTIVE") == [1]
    assert found(trackedEntityType=seeds.PERSON, filter=f"{seeds.NATIONAL_ID}:eq:AA2") == [2]
    assert found(trackedEntityType=seeds.PERSON, filter=f"{seeds.FIRST_NAME}:like:Bo/, the") == [2]
    assert found(trackedEntityType=seeds.PERSON, order=f"{seeds.NATIONAL_ID}:asc", pageSize=2) == [1, 2]
    everywhere = {"orgUnitMode": "ALL", "program": seeds.CHILD_FOLLOW_UP, "status": "COMPLETED"}
    held = client.get("/tracker/enrollments", params=everywhere).json()["enrollments"]
    assert [each["trackedEntity"] for each in held] == ["EntityAbc03"]
    assert "events" not in held[0]


def test_a_new_visit_makes_its_person_newer(client):
    made = post(client, {"trackedEntities": [person(enrollments=[enrollment()])]})
    entity, enrolled = uids(made, "TRACKED_ENTITY")[0], uids(made, "ENROLLMENT")[0]
    before = client.get(f"/tracker/trackedEntities/{entity}").json()["updatedAt"]
    time.sleep(0.002)
    post(client, {"events": [visit(enrollment=enrolled)]})
    assert client.get(f"/tracker/trackedEntities/{entity}").json()["updatedAt"] > before


# Events that are made up, and the listener


def test_many_events_are_made_and_some_may_not_be_published(standin, client):
    told = standin.call("POST", "events", {"count": 500, "days": 10})
    assert told["count"] == told["public"] + told["withheld"] == 500
    made = events(client, paging="false", order="occurredAt")
    assert len({event["event"] for event in made}) == 500
    assert all(is_uid(event["event"]) for event in made)
    consents = [
        {one["dataElement"]: one["value"] for one in event["dataValues"]}.get(seeds.CONSENT_TO_PUBLISH)
        for event in made
    ]
    assert (consents.count("true"), {*consents}) == (told["public"], {"true", "false", None})
    assert 20 < told["withheld"] < 150
    moments = [datetime.fromisoformat(event["occurredAt"]) for event in made]
    assert timedelta(days=9) < moments[-1] - moments[0] < timedelta(days=10)
    assert {event["geometry"]["type"] for event in made} == {"Point"}
    assert len({event["orgUnit"] for event in made}) == 8


def test_the_same_wish_makes_the_same_events(standin, client):
    wish = {"count": 30, "seed": 7}
    standin.call("POST", "events", wish)
    first = [(e["event"], e["geometry"]) for e in events(client)]
    standin.reset()
    standin.call("POST", "events", wish)
    assert [(e["event"], e["geometry"]) for e in events(client)] == first
    standin.call("POST", "events", wish)
    assert len(events(client, paging="false")) == 60


@pytest.mark.parametrize(
    "wish", [{}, {"count": 0}, {"count": 10, "days": 0}, {"count": 5, "program": seeds.CHILD_FOLLOW_UP}, []]
)
def test_a_wish_that_makes_no_sense_is_refused(standin, wish):
    with pytest.raises(StandinFailed):
        standin.call("POST", "events", wish)


def test_all_pages_of_many_events_lead_through_each_once(standin, client):
    standin.call("POST", "events", {"count": 2300})
    seen, page = [], 1
    while found := events(client, pageSize=500, page=page, fields="event"):
        seen += [event["event"] for event in found]
        page += 1
    assert len(seen) == len(set(seen)) == 2300
    assert page == 6


def test_a_thousand_of_ten_thousand_events_come_quickly(standin, client):
    standin.call("POST", "events", {"count": 10_000})
    took = []
    for page in range(1, 6):
        began = time.perf_counter()
        answer = client.get("/tracker/events", params={**CASES, "pageSize": 1000, "page": page})
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200
    assert min(took) < 0.15


def test_made_up_and_changed_events_survive_a_kill_without_being_written_down(tmp_path):
    file = tmp_path / "dhis2.jsonl"
    with Standin.start("dhis2", data=file) as standin, httpx.Client(auth=AUTH) as client:
        client.base_url = standin.url + "/api"
        before = file.stat().st_size
        standin.call("POST", "events", {"count": 3000, "seed": 3})
        assert file.stat().st_size - before < 5000
        made = events(client, paging="false")
        post(client, {"events": [case("DENGUE", event=made[10]["event"])]}, importStrategy="UPDATE")
        post(client, {"events": [{"event": made[0]["event"]}]}, importStrategy="DELETE")
        post(client, {"events": [case(event="EventAbc001")]})
        wanted = events(client, paging="false")
        standin.kill()
    with Standin.start("dhis2", data=file) as standin, httpx.Client(auth=AUTH) as client:
        client.base_url = standin.url + "/api"
        assert events(client, paging="false") == wanted
    assert len(wanted) == 3000


def test_a_listener_hears_of_every_change_of_an_event(standin, client):
    heard = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers["X-Key"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            """Silence."""

    def handle_three(listener):
        for _ in range(3):
            listener.handle_request()

    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as listener:
        listener.timeout = 5
        thread = threading.Thread(target=handle_three, args=[listener])
        thread.start()
        url = f"http://127.0.0.1:{listener.server_port}/hook"
        standin.configure(event_hook=url, event_hook_headers={"X-Key": "sesame"})
        one = {"events": [case(event="EventAbc001")]}
        for strategy in ("CREATE", "UPDATE", "DELETE"):
            post(client, one, importStrategy=strategy)
        post(client, {"trackedEntities": [person()]})
        thread.join(6)
    told = {body["meta"]["op"]: body for _, body in heard}
    assert set(told) == {"create", "update", "delete"}
    assert {body["path"] for body in told.values()} == {"tracker.event.EventAbc001"}
    assert told["create"]["object"]["orgUnit"] == seeds.GULL_POINT
    assert {key for key, _ in heard} == {"sesame"}
