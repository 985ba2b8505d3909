"""The DHIS2 stand-in's tracker importer: checks, reports, partial successes, jobs."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from openfn_platform.demo.standins.dhis2 import seeds
from openfn_platform.demo.standins.dhis2.uids import is_uid
from openfn_platform.demo.standins.process import Standin
from tests.demo.dhis2_payloads import (
    AUTH,
    NOBODY,
    case,
    codes,
    enrollment,
    events,
    pairs,
    person,
    post,
    stats,
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


def test_a_synchronous_import_is_answered_with_the_bare_report(client):
    answer = post(client, {"trackedEntities": [person()]})
    body = answer.json()
    assert (answer.status_code, set(body)) == (
        200,
        {"status", "validationReport", "stats", "bundleReport"},
    )
    assert body["status"] == "OK"
    assert body["stats"] == {"created": 1, "updated": 0, "deleted": 0, "ignored": 0, "total": 1}
    assert body["validationReport"] == {"errorReports": [], "warningReports": []}
    assert set(body["bundleReport"]["typeReportMap"]) == {
        "TRACKED_ENTITY",
        "ENROLLMENT",
        "EVENT",
        "RELATIONSHIP",
    }
    assert all(is_uid(uid) for uid in uids(answer, "TRACKED_ENTITY"))


def test_a_nested_payload_needs_no_identifiers(client):
    family = person(enrollments=[enrollment(events=[visit(), visit(occurredAt="2026-02-06")])])
    answer = post(client, {"trackedEntities": [family]})
    assert stats(answer) == {"created": 4, "total": 4}
    entity = uids(answer, "TRACKED_ENTITY")[0]
    fields = (
        "trackedEntity,attributes[displayName,value],enrollments[program,events[occurredAt,trackedEntity]]"
    )
    shown = client.get(f"/tracker/trackedEntities/{entity}", params={"fields": fields}).json()
    assert {"displayName": "Date of birth", "value": "2025-06-01"} in shown["attributes"]
    held = shown["enrollments"][0]["events"]
    assert [event["occurredAt"] for event in held] == ["2026-01-06T00:00:00.000", "2026-02-06T00:00:00.000"]
    assert {event["trackedEntity"] for event in held} == {entity}


def test_a_flat_payload_refers_by_its_own_identifiers(client):
    payload = {
        "events": [visit(enrollment="EnrolAbc001")],
        "enrollments": [enrollment(enrollment="EnrolAbc001", trackedEntity="EntityAbc01")],
        "trackedEntities": [person(trackedEntity="EntityAbc01")],
    }
    assert stats(post(client, payload)) == {"created": 3, "total": 3}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"trackedEntities": [person(trackedEntityType=NOBODY)]}, "E1005"),
        ({"trackedEntities": [person(trackedEntityType=None)]}, "E1121"),
        ({"trackedEntities": [person(orgUnit=NOBODY)]}, "E1049"),
        ({"trackedEntities": [person(trackedEntity="wrong")]}, "E1048"),
        ({"trackedEntities": [person(values={NOBODY: "x"})]}, "E1006"),
        ({"trackedEntities": [person(values={seeds.BIRTH_DATE: "last year"})]}, "E1007"),
        ({"trackedEntities": [person(values={seeds.ATTRIBUTE_SEX: "X"})]}, "E1125"),
        ({"trackedEntities": [person(values={seeds.LAST_NAME: None})]}, "E1076"),
        ({"trackedEntities": [person(attributes=[])]}, "E1090"),
        ({"trackedEntities": [person(), person()]}, "E1064"),
        ({"enrollments": [enrollment(trackedEntity=NOBODY)]}, "E1068"),
        ({"events": [case(orgUnit=NOBODY)]}, "E1011"),
        ({"events": [case(orgUnit=seeds.LUMARA)]}, "E1029"),
        ({"events": [case(program=NOBODY)]}, "E1010"),
        ({"events": [case(programStage=NOBODY)]}, "E1013"),
        ({"events": [case(programStage=None)]}, "E1123"),
        ({"events": [case(programStage=seeds.CHILD_VISIT)]}, "E1089"),
        ({"events": [case(occurredAt="yesterday")]}, "E1031"),
        ({"events": [case(occurredAt=None)]}, "E1031"),
        ({"events": [case(geometry={"type": "Polygon", "coordinates": []})]}, "E1012"),
        ({"events": [case(disease="GOUT")]}, "E1125"),
        ({"events": [case(values={seeds.CASE_AGE: "old"})]}, "E1302"),
        ({"events": [case(values={NOBODY: "1"})]}, "E1087"),
        ({"events": [case(values={seeds.VISIT_WEIGHT: "7"})]}, "E1305"),
        ({"events": [case(dataValues=[])]}, "E1303"),
        ({"events": [case(completedAt="2026-01-06")]}, "E1051"),
        ({"events": [case(attributeOptionCombo=NOBODY)]}, "E1115"),
        ({"events": [visit()]}, "E1033"),
        ({"events": [visit(enrollment=NOBODY)]}, "E1081"),
        ({"relationships": [{"relationshipType": NOBODY}]}, "E4006"),
    ],
)
def test_what_is_wrong_is_told_with_its_code_and_keeps_everything_out(client, payload, code):
    answer = post(client, {**payload, "events": [*payload.get("events", []), case(event="GoodEvent01")]})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (409, "ERROR")
    assert code in codes(answer)
    error = next(e for e in body["validationReport"]["errorReports"] if e["errorCode"] == code)
    assert error["message"]
    assert error["uid"]
    assert error["trackerType"] in body["bundleReport"]["typeReportMap"]
    assert body["stats"]["ignored"] == body["stats"]["total"] > 1
    assert client.get("/tracker/events/GoodEvent01").status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"enrolledAt": None}, "E1025"),
        ({"enrolledAt": "soon"}, "E1025"),
        ({"enrolledAt": TOMORROW}, "E1020"),
        ({"program": NOBODY}, "E1069"),
        ({"program": seeds.CASE_NOTIFICATION}, "E1014"),
        ({"orgUnit": NOBODY}, "E1070"),
        ({"orgUnit": seeds.LUMARA}, "E1041"),
        ({"attributes": []}, "E1018"),
        ({"orgUnit": None}, "E1122"),
    ],
)
def test_a_wrong_enrollment_is_told_with_its_code(client, change, code):
    answer = post(client, {"trackedEntities": [person(enrollments=[enrollment(**change)])]})
    assert (answer.status_code, codes(answer)) == (409, [code])


def test_a_child_of_what_is_refused_is_refused_with_it(client):
    wrong = person(trackedEntityType=NOBODY, enrollments=[enrollment(events=[visit()])])
    answer = post(client, {"trackedEntities": [wrong]}, atomicMode="OBJECT")
    assert codes(answer)[0] == "E1005"
    assert codes(answer)[-1] == "E5000"
    assert stats(answer) == {"ignored": 3, "total": 3}


def test_nobody_is_enrolled_twice(client):
    entity = uids(post(client, {"trackedEntities": [person(enrollments=[enrollment()])]}), "TRACKED_ENTITY")[
        0
    ]
    again = post(client, {"enrollments": [enrollment(trackedEntity=entity)]})
    assert codes(again) == ["E1015"]
    over = enrollment(trackedEntity=entity, status="COMPLETED")
    assert post(client, {"enrollments": [over]}).status_code == 200


def test_a_unique_value_belongs_to_one_entity_until_that_is_deleted(client):
    first = uids(post(client, {"trackedEntities": [person()]}), "TRACKED_ENTITY")[0]
    assert codes(post(client, {"trackedEntities": [person()]})) == ["E1064"]
    same = {"trackedEntities": [person(trackedEntity=first)]}
    assert post(client, same, importStrategy="UPDATE").status_code == 200
    gone = post(client, {"trackedEntities": [{"trackedEntity": first}]}, importStrategy="DELETE")
    assert stats(gone) == {"deleted": 1, "total": 1}
    assert post(client, {"trackedEntities": [person()]}).status_code == 200


def test_in_object_mode_what_is_right_goes_in_and_the_answer_is_still_an_error(client):
    payload = {"events": [case(event="GoodEvent01"), case(orgUnit=NOBODY), case(event="GoodEvent02")]}
    answer = post(client, payload, atomicMode="OBJECT")
    assert (answer.status_code, answer.json()["status"]) == (409, "ERROR")
    assert stats(answer) == {"created": 2, "ignored": 1, "total": 3}
    assert uids(answer) == ["GoodEvent01", "GoodEvent02"]
    assert client.get("/tracker/events/GoodEvent01").status_code == 200


def test_validating_keeps_nothing(client):
    answer = post(client, {"events": [case(event="GoodEvent01")]}, importMode="VALIDATE")
    assert (answer.status_code, answer.json()["status"]) == (200, "OK")
    assert client.get("/tracker/events/GoodEvent01").status_code == 404


@pytest.mark.parametrize(
    ("key", "kind", "object_", "existing", "missing"),
    [
        ("trackedEntity", "trackedEntities", person(), "E1002", "E1063"),
        ("event", "events", case(), "E1030", "E1032"),
    ],
)
def test_the_default_creates_and_each_strategy_takes_only_its_own(
    client, key, kind, object_, existing, missing
):
    one = {kind: [{**object_, key: "ObjectAbc01"}]}
    for strategy in ("UPDATE", "DELETE"):
        assert codes(post(client, one, importStrategy=strategy)) == [missing]
    assert stats(post(client, one)) == {"created": 1, "total": 1}
    assert codes(post(client, one)) == [existing]
    assert stats(post(client, one, importStrategy="CREATE_AND_UPDATE")) == {"updated": 1, "total": 1}
    assert stats(post(client, one, importStrategy="delete")) == {"deleted": 1, "total": 1}
    assert client.get(f"/tracker/{kind}/ObjectAbc01").status_code == 404
    assert codes(post(client, one, importStrategy="UPDATE"))[0] in ("E1114", "E1082")


def test_an_enrollment_that_is_not_there_cannot_be_updated(client):
    one = {"enrollments": [enrollment(enrollment="ObjectAbc01", trackedEntity=NOBODY)]}
    assert codes(post(client, one, importStrategy="UPDATE")) == ["E1081"]


def test_newer_servers_update_by_default(standin, client):
    standin.configure(default_strategy="CREATE_AND_UPDATE")
    assert stats(post(client, {"events": [case(event="ObjectAbc01")]})) == {"created": 1, "total": 1}
    assert stats(post(client, {"events": [case(event="ObjectAbc01")]})) == {"updated": 1, "total": 1}


def test_values_that_are_not_sent_stay_and_null_takes_one_away(client):
    full = case(event="ObjectAbc01", values={seeds.CASE_AGE: "7", seeds.PATIENT_NAME: "A’isha Ö."})
    post(client, {"events": [full]})
    change = case(
        event="ObjectAbc01", dataValues=pairs("dataElement", {seeds.CASE_AGE: None}), status="VISITED"
    )
    assert post(client, {"events": [change]}, importStrategy="UPDATE").status_code == 200
    shown = client.get("/tracker/events/ObjectAbc01").json()
    held = {one["dataElement"]: one["value"] for one in shown["dataValues"]}
    assert held == {seeds.CASE_DISEASE: "MALARIA", seeds.PATIENT_NAME: "A’isha Ö."}
    assert shown["status"] == "VISITED"


def test_deleting_an_entity_takes_its_enrollments_and_events_along(client):
    family = person(
        trackedEntity="EntityAbc01", enrollments=[enrollment(events=[visit(event="EventAbc001")])]
    )
    post(client, {"trackedEntities": [family]})
    answer = post(client, {"trackedEntities": [{"trackedEntity": "EntityAbc01"}]}, importStrategy="DELETE")
    assert stats(answer) == {"deleted": 1, "total": 1}
    assert client.get("/tracker/events/EventAbc001").status_code == 404


def test_relationships_link_what_is_there_once(client):
    people = [person(f"AA{n}", trackedEntity=f"EntityAbc0{n}") for n in (1, 2)]
    post(client, {"trackedEntities": people})
    ends = [{"trackedEntity": {"trackedEntity": one["trackedEntity"]}} for one in people]
    link = {"relationshipType": seeds.SIBLING, "from": ends[0], "to": ends[1]}
    assert stats(post(client, {"relationships": [link]})) == {"created": 1, "total": 1}
    assert codes(post(client, {"relationships": [{**link, "from": ends[1], "to": ends[0]}]})) == ["E4018"]
    assert codes(post(client, {"relationships": [{**link, "to": ends[0]}]})) == ["E4000"]
    gone = {"trackedEntity": {"trackedEntity": NOBODY}}
    assert codes(post(client, {"relationships": [{**link, "to": gone}]})) == ["E4012"]
    found = client.get("/tracker/relationships", params={"trackedEntity": "EntityAbc02"}).json()
    assert [each["from"] for each in found["relationships"]] == [ends[0]]


def test_a_note_that_is_there_already_is_a_warning(client):
    noted = case(event="ObjectAbc01", notes=[{"note": "NoteAbc0001", "value": "called"}])
    post(client, {"events": [noted]})
    params = {"importStrategy": "UPDATE", "reportMode": "WARNINGS"}
    answer = post(client, {"events": [noted]}, **params)
    warnings = answer.json()["validationReport"]["warningReports"]
    assert (answer.status_code, answer.json()["status"]) == (200, "WARNING")
    assert [warning["errorCode"] for warning in warnings] == ["E1119"]
    quiet = post(client, {"events": [noted]}, importStrategy="UPDATE").json()
    assert (quiet["status"], quiet["validationReport"]["warningReports"]) == ("WARNING", [])


def test_metadata_may_be_named_by_code(client):
    by_code = {**case(program="CASES", orgUnit="LM-N-01", programStage=seeds.CASE_REPORT)}
    by_code["dataValues"] = pairs("dataElement", {"CASE_DISEASE": "CHOLERA"})
    assert post(client, {"events": [by_code]}, idScheme="CODE").status_code == 200
    shown = events(client, idScheme="CODE")[0]
    assert (shown["program"], shown["orgUnit"]) == ("CASES", "LM-N-01")
    assert shown["dataValues"][0]["dataElement"] == "CASE_DISEASE"


@pytest.mark.parametrize(
    ("params", "body", "status"),
    [
        ({"importStrategy": "REPLACE"}, {"events": []}, 400),
        ({"async": "perhaps"}, {"events": []}, 400),
        ({}, {"events": [case(status="DONE")]}, 400),
        ({}, {"events": case()}, 400),
        ({}, [], 400),
    ],
)
def test_what_cannot_be_understood_is_a_400(client, params, body, status):
    answer = post(client, body, **params)
    assert (answer.status_code, answer.json()["httpStatus"]) == (status, "Bad Request")


# Jobs


def test_an_import_is_asynchronous_unless_told_otherwise(standin, client):
    standin.configure(job_seconds=3600)
    answer = client.post("/tracker", json={"events": [case(event="GoodEvent01")]})
    body = answer.json()
    assert (answer.status_code, body["message"], body["status"]) == (200, "Tracker job added", "OK")
    job = f"/tracker/jobs/{body['response']['id']}"
    assert body["response"]["location"] == f"{standin.url}/api{job}"
    assert [line["completed"] for line in client.get(job).json()] == [False]
    early = client.get(f"{job}/report")
    assert (early.status_code, early.json()["httpStatus"]) == (404, "Not Found")
    assert client.get("/tracker/events/GoodEvent01").status_code == 404


@pytest.mark.parametrize(("unit", "status", "found"), [(seeds.GULL_POINT, "OK", 200), (NOBODY, "ERROR", 404)])
def test_a_job_tells_later_whether_it_went_well(standin, client, unit, status, found):
    standin.configure(job_seconds=0.05)
    started = client.post("/tracker", json={"events": [case(event="GoodEvent01", orgUnit=unit)]}).json()
    job = f"/tracker/jobs/{started['response']['id']}"
    until = time.monotonic() + 5
    while (report := client.get(f"{job}/report")).status_code == 404 and time.monotonic() < until:
        time.sleep(0.01)
    assert (started["status"], report.status_code, report.json()["status"]) == ("OK", 200, status)
    log = client.get(job).json()
    assert [line["completed"] for line in log] == [True, False]
    assert {"level", "category", "time", "message"} <= set(log[0])
    assert client.get("/tracker/events/GoodEvent01").status_code == found


def test_the_location_of_a_job_keeps_the_version_of_the_path(standin):
    answer = httpx.post(f"{standin.url}/api/41/tracker", json={"events": []}, auth=AUTH)
    assert answer.json()["response"]["location"].startswith(f"{standin.url}/api/41/tracker/jobs/")
