"""The DHIS2 stand-in takes data values as DHIS2 does, and events and entities at its older endpoints."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from openfn_platform.demo.standins.dhis2 import seeds
from openfn_platform.demo.standins.dhis2.periods import latest_open, period_from
from openfn_platform.demo.standins.dhis2.values import value_problem
from openfn_platform.demo.standins.process import Standin
from tests.demo.dhis2_payloads import (
    AUTH,
    NOBODY,
    counts,
    kept,
    old_event,
    old_person,
    patch,
    sent,
    value,
)

TODAY = datetime.now(UTC).date()
THIS_MONTH = TODAY.strftime("%Y%m")
NEXT_MONTH = (TODAY.replace(day=1) + timedelta(days=32)).strftime("%Y%m")


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


# Data values in


def test_values_are_imported_then_updated(client):
    first = sent(client, value("12"), value("3", dataElement=seeds.BIRTHS))
    body = first.json()
    assert (first.status_code, body["status"], body["message"]) == (200, "OK", "Import was successful.")
    assert body["response"]["status"] == "SUCCESS"
    assert counts(first) == {"imported": 2}
    assert counts(sent(client, value("13"))) == {"updated": 1}
    assert {(v["dataElement"], v["value"]) for v in kept(client)} == {
        (seeds.MALARIA_CASES, "13"),
        (seeds.BIRTHS, "3"),
    }


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        ({"dataElement": NOBODY}, "E7610", "dataElement"),
        ({"orgUnit": NOBODY}, "E7612", "orgUnit"),
        ({"period": "January"}, "E7611", "period"),
        ({"period": "202613"}, "E7611", "period"),
        ({"categoryOptionCombo": NOBODY}, "E7613", "categoryOptionCombo"),
        ({"attributeOptionCombo": NOBODY}, "E7615", "attributeOptionCombo"),
        ({"value": "many"}, "E7619", "value"),
        ({"value": "-1"}, "E7619", "value"),
        ({"value": ""}, "E7618", "value"),
        ({"period": "2026W5"}, "E7632", "period"),
        ({"orgUnit": seeds.LUMARA}, "E7636", "orgUnit"),
        ({"period": NEXT_MONTH}, "E7641", "period"),
    ],
)
def test_a_wrong_value_is_a_conflict_and_the_right_ones_go_in(client, change, code, name):
    answer = sent(client, value("1"), {**value("2"), **change})
    body = answer.json()
    summary = body["response"]
    assert (answer.status_code, body["httpStatus"], body["status"]) == (409, "Conflict", "WARNING")
    assert summary["responseType"] == "ImportSummary"
    assert counts(answer) == {"imported": 1, "ignored": 1}
    conflict = summary["conflicts"][0]
    assert (conflict["errorCode"], conflict["property"], conflict["indexes"]) == (code, name, [1])
    assert summary["rejectedIndexes"] == [1]
    assert [v["value"] for v in kept(client)] == ["1"]


def test_equal_conflicts_are_told_once_with_all_their_places(client):
    wrong = [value(orgUnit=NOBODY, period=p) for p in ("202601", "202602")]
    summary = sent(client, wrong[0], value(), wrong[1]).json()["response"]
    assert [c["indexes"] for c in summary["conflicts"]] == [[0, 2]]
    assert summary["rejectedIndexes"] == [0, 2]


def test_the_running_period_is_open(client):
    assert counts(sent(client, value(period=THIS_MONTH))) == {"imported": 1}


def test_a_set_gives_its_values_period_and_unit(client):
    body = {
        "dataSet": seeds.MONTHLY_REPORT,
        "completeDate": "2026-02-03",
        "period": "202601",
        "orgUnit": seeds.GULL_POINT,
        "dataValues": [{"dataElement": seeds.BIRTHS, "value": 4}],
    }
    answer = client.post("/dataValueSets", json=body)
    assert counts(answer) == {"imported": 1}
    assert answer.json()["response"]["dataSetComplete"] == "2026-02-03"


def test_an_unknown_set_takes_nothing(client):
    body = {"dataSet": NOBODY, "dataValues": [value()]}
    answer = client.post("/dataValueSets", json=body)
    assert (answer.status_code, answer.json()["status"]) == (409, "ERROR")
    assert counts(answer) == {"ignored": 1}
    assert kept(client) == []


@pytest.mark.parametrize(
    "params",
    [{"idScheme": "CODE"}, {"dataElementIdScheme": "code", "orgUnitIdScheme": "code"}],
)
def test_elements_and_units_may_be_named_by_code(client, params):
    by_code = value(dataElement="MAL_CASES", orgUnit="LM-N-01")
    assert counts(sent(client, by_code)) == {"ignored": 1}
    assert counts(sent(client, by_code, **params)) == {"imported": 1}
    shown = kept(client, idScheme="code")
    assert [(v["dataElement"], v["orgUnit"]) for v in shown] == [("MAL_CASES", "LM-N-01")]


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        ("CREATE", {"imported": 1}, {"ignored": 1}),
        ("UPDATE", {"ignored": 1}, {"updated": 1}),
        ("DELETE", {"ignored": 1}, {"deleted": 1}),
    ],
)
def test_the_strategy_decides_and_what_it_leaves_out_is_no_conflict(client, strategy, first, second):
    answer = sent(client, value(), importStrategy=strategy)
    assert (answer.status_code, counts(answer)) == (200, first)
    sent(client, value())
    assert counts(sent(client, value("5"), importStrategy=strategy)) == second


def test_a_zero_that_is_not_significant_is_left_out_in_silence(client):
    path = f"/dataElements/{seeds.BIRTHS}"
    patch(client, path, {"op": "replace", "path": "/zeroIsSignificant", "value": False})
    answer = sent(client, value("0", dataElement=seeds.BIRTHS), value("0"))
    assert (answer.status_code, counts(answer)) == (200, {"imported": 1, "ignored": 1})


def test_a_dry_run_counts_and_keeps_nothing(client):
    assert counts(sent(client, value(), dryRun="true")) == {"imported": 1}
    assert kept(client) == []


def test_older_servers_answer_with_the_bare_summary_and_200(standin, client):
    bare = httpx.post(
        f"{standin.url}/api/37/dataValueSets", json={"dataValues": [value(orgUnit=NOBODY)]}, auth=AUTH
    )
    assert (bare.status_code, bare.json()["status"], "response" in bare.json()) == (200, "WARNING", False)
    standin.configure(legacy_summaries=True)
    assert sent(client, value()).json()["importCount"]["imported"] == 1


def started(standin, client, seconds):
    """Where log and summary of an asynchronous import are that takes so long."""
    standin.configure(job_seconds=seconds)
    answer = sent(client, value(), value(orgUnit=NOBODY), **{"async": "true"})
    response = answer.json()["response"]
    assert (answer.status_code, response["jobType"]) == (200, "DATAVALUE_IMPORT")
    log = response["relativeNotifierEndpoint"].removeprefix("/api")
    return log, f"/system/taskSummaries/DATAVALUE_IMPORT/{response['id']}"


def test_an_asynchronous_import_is_not_there_before_its_time(standin, client):
    log, summary = started(standin, client, 3600)
    assert [line["completed"] for line in client.get(log).json()] == [False]
    assert client.get(summary).json() == {}
    assert kept(client) == []


def test_an_asynchronous_import_is_there_when_its_job_is_done(standin, client):
    log, summary = started(standin, client, 0.05)
    until = time.monotonic() + 5
    while not client.get(log).json()[0]["completed"] and time.monotonic() < until:
        time.sleep(0.01)
    assert [line["completed"] for line in client.get(log).json()] == [True, False]
    assert client.get(summary).json()["importCount"]["imported"] == 1
    assert len(kept(client)) == 1


# Data values out


@pytest.mark.parametrize(
    ("missing", "code"), [("dataSet", "E2001"), ("period", "E2002"), ("orgUnit", "E2006")]
)
def test_a_question_for_values_must_say_what_when_and_where(client, missing, code):
    asked = {"dataSet": seeds.MONTHLY_REPORT, "period": "202601", "orgUnit": seeds.LUMARA}
    answer = client.get("/dataValueSets", params={n: v for n, v in asked.items() if n != missing})
    assert (answer.status_code, answer.json()["errorCode"]) == (409, code)


def test_values_are_found_by_unit_period_span_and_element(client):
    sent(client, value("1"), value("2", period="202602"), value("3", orgUnit=seeds.REEDWATER))
    sent(client, value("4", dataElement=seeds.MEASLES, period="2026W2"))
    assert {v["value"] for v in kept(client)} == {"1", "3"}
    assert kept(client, children="false") == []
    assert {v["value"] for v in kept(client, orgUnit=seeds.NORTHSHORE)} == {"1"}
    span = {"period": "", "startDate": "2026-01-01", "endDate": "2026-02-28"}
    assert {v["value"] for v in kept(client, **span)} == {"1", "2", "3"}
    weekly = {**span, "dataSet": "", "dataElement": seeds.MEASLES}
    assert {v["value"] for v in kept(client, **weekly)} == {"4"}


def test_a_deleted_value_is_told_on_request(client):
    sent(client, value())
    sent(client, value(), importStrategy="DELETE")
    assert kept(client) == []
    assert [v["deleted"] for v in kept(client, includeDeleted="true")] == [True]


def test_single_values_are_saved_read_and_deleted(client):
    one = {"de": seeds.BIRTHS, "pe": "202601", "ou": seeds.GULL_POINT}
    assert client.post("/dataValues", params={**one, "value": "7"}).status_code == 200
    assert client.get("/dataValues", params=one).json() == ["7"]
    assert client.post("/dataValues", data={**one, "value": "8"}).status_code == 200
    as_json = {"dataElement": one["de"], "period": one["pe"], "orgUnit": one["ou"], "value": "9"}
    assert client.post("/dataValues", json=as_json).status_code == 201
    assert client.get("/dataValues", params=one).json() == ["9"]
    assert client.delete("/dataValues", params=one).status_code == 204
    gone = client.get("/dataValues", params=one)
    assert (gone.status_code, gone.json()["errorCode"]) == (409, "E2032")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"de": NOBODY}, "E1100"),
        ({"pe": "x"}, "E1101"),
        ({"ou": NOBODY}, "E1102"),
        ({"value": "x"}, "E2030"),
        ({"pe": NEXT_MONTH}, "E2022"),
    ],
)
def test_a_wrong_single_value_is_a_conflict(client, change, code):
    one = {"de": seeds.BIRTHS, "pe": "202601", "ou": seeds.GULL_POINT, "value": "7"}
    answer = client.post("/dataValues", params={**one, **change})
    assert (answer.status_code, answer.json()["errorCode"]) == (409, code)


# The endpoints before the new tracker


def test_older_events_are_reported_one_by_one_and_the_right_ones_go_in(client):
    answer = client.post("/events", json={"events": [old_event(), old_event(orgUnit=NOBODY)]})
    response = answer.json()["response"]
    assert (answer.status_code, answer.json()["status"]) == (409, "ERROR")
    assert response["responseType"] == "ImportSummaries"
    assert (response["imported"], response["ignored"], response["total"]) == (1, 1, 2)
    good, bad = response["importSummaries"]
    assert (good["status"], good["importCount"]["imported"], good["conflicts"]) == ("SUCCESS", 1, [])
    assert bad["conflicts"][0]["object"] == "OrganisationUnit"
    assert NOBODY in bad["conflicts"][0]["value"]
    read = client.get(f"/events/{good['reference']}").json()
    assert (read["eventDate"], read["orgUnit"]) == ("2026-01-05T00:00:00.000", seeds.GULL_POINT)


def test_a_single_older_event_needs_no_list(client):
    answer = client.post("/events", json=old_event(coordinate={"longitude": 4.5, "latitude": 1.5}))
    assert (answer.status_code, answer.json()["response"]["imported"]) == (200, 1)
    place = {"type": "Point", "coordinates": [4.5, 1.5]}
    found = client.get("/events", params={"program": seeds.CASE_NOTIFICATION, "ou": seeds.GULL_POINT})
    assert [event["geometry"] for event in found.json()["events"]] == [place]


def test_older_entities_are_created_found_updated_and_deleted(client):
    made = client.post("/trackedEntityInstances", json=old_person("AA1")).json()["response"]
    uid = made["importSummaries"][0]["reference"]
    twice = client.post("/trackedEntityInstances", json=old_person("AA1"))
    assert twice.status_code == 409
    assert twice.json()["response"]["importSummaries"][0]["conflicts"][0]["object"] == "Attribute.attribute"
    asked = {"ou": seeds.LUMARA, "ouMode": "DESCENDANTS", "trackedEntityType": seeds.PERSON}
    asked["filter"] = f"{seeds.NATIONAL_ID}:eq:AA1"
    found = client.get("/trackedEntityInstances", params=asked).json()["trackedEntityInstances"]
    assert [each["trackedEntityInstance"] for each in found] == [uid]
    path = f"/trackedEntityInstances/{uid}"
    changed = client.put(path, json=old_person("AA2"))
    assert (changed.status_code, changed.json()["response"]["importCount"]["updated"]) == (200, 1)
    assert client.delete(path).status_code == 200
    assert client.get(path).status_code == 404


# Periods and values, without a server


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("20260401", "2026-04-01", "2026-04-01"),
        ("2026W1", "2025-12-29", "2026-01-04"),
        ("2026W05", "2026-01-26", "2026-02-01"),
        ("202602", "2026-02-01", "2026-02-28"),
        ("202612", "2026-12-01", "2026-12-31"),
        ("2026Q4", "2026-10-01", "2026-12-31"),
        ("2026S2", "2026-07-01", "2026-12-31"),
        ("2026", "2026-01-01", "2026-12-31"),
    ],
)
def test_periods_span_their_days(text, start, end):
    period = period_from(text)
    assert period is not None
    assert (period.start.isoformat(), period.end.isoformat()) == (start, end)


@pytest.mark.parametrize("text", ["202600", "202613", "2026W54", "2026Q5", "2026-01", "", None, "20260230"])
def test_what_is_no_period_is_none(text):
    assert period_from(text) is None


@pytest.mark.parametrize(
    ("kind", "future", "text"),
    [("Monthly", 0, "202512"), ("Monthly", 1, "202601"), ("Monthly", 3, "202603"), ("Weekly", 1, "2026W2")],
)
def test_how_many_future_periods_are_open(kind, future, text):
    assert latest_open(kind, future, datetime(2026, 1, 7, tzinfo=UTC).date()).text == text


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("NUMBER", "-1.5", "1,5"),
        ("INTEGER", "-3", "3.0"),
        ("INTEGER_POSITIVE", "1", "0"),
        ("PERCENTAGE", "99.5", "101"),
        ("BOOLEAN", "TRUE", "yes"),
        ("TRUE_ONLY", "true", "false"),
        ("DATE", "2026-02-28", "2026-02-30"),
        ("DATETIME", "2026-02-28T10:00", "28.2.2026"),
        ("TIME", "23:59", "24:00"),
        ("PHONE_NUMBER", "+255 712 345 678", "call me"),
        ("EMAIL", "a@b.example", "a@b"),
        ("COORDINATE", "[4.5,1.2]", "4.5,1.2"),
        ("TEXT", "’", "x" * 50_001),
    ],
)
def test_values_must_fit_their_type(kind, good, bad):
    assert value_problem(kind, good) is None
    assert value_problem(kind, bad)
