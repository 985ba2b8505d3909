"""Payloads for the DHIS2 stand-in, right ones that a test spoils, and what is read from its reports."""

import httpx

from openfn_platform.demo.standins.dhis2 import seeds

AUTH = ("demo", "District-1")
NOBODY = "Nobody00000"
CASES = {"program": seeds.CASE_NOTIFICATION}


def element(code, **changes):
    named = {"name": f"Element {code}", "shortName": code, "code": code}
    return {**named, "valueType": "NUMBER", "aggregationType": "SUM", "domainType": "AGGREGATE", **changes}


def patch(client, path, *operations, kind="application/json-patch+json"):
    body = httpx.Request("PATCH", "http://x", json=list(operations)).content
    return client.patch(path, content=body, headers={"Content-Type": kind})


def value(number="12", **changes):
    return {
        "dataElement": seeds.MALARIA_CASES,
        "period": "202601",
        "orgUnit": seeds.GULL_POINT,
        "value": number,
        **changes,
    }


def sent(client, *values, **params):
    return client.post("/dataValueSets", json={"dataValues": list(values)}, params=params)


def kept(client, **params):
    asked = {"dataSet": seeds.MONTHLY_REPORT, "orgUnit": seeds.LUMARA, "children": "true", **params}
    asked.setdefault("period", "202601")
    return client.get("/dataValueSets", params=asked).json()["dataValues"]


def counts(answer):
    summary = answer.json()["response"]
    return {name: number for name, number in summary["importCount"].items() if number}


def old_event(**changes):
    return {
        "program": seeds.CASE_NOTIFICATION,
        "programStage": seeds.CASE_REPORT,
        "orgUnit": seeds.GULL_POINT,
        "eventDate": "2026-01-05",
        "dataValues": [{"dataElement": seeds.CASE_DISEASE, "value": "MALARIA"}],
        **changes,
    }


def old_person(national_id, **changes):
    held = {seeds.FIRST_NAME: "Asha", seeds.LAST_NAME: "Said", seeds.NATIONAL_ID: national_id}
    return {
        "trackedEntityType": seeds.PERSON,
        "orgUnit": seeds.GULL_POINT,
        "attributes": [{"attribute": uid, "value": text} for uid, text in held.items()],
        **changes,
    }


def pairs(key, values):
    return [{key: uid, "value": text} for uid, text in values.items()]


def person(national_id="AA1", **changes):
    held = {seeds.FIRST_NAME: "Asha", seeds.LAST_NAME: "Said", seeds.NATIONAL_ID: national_id}
    return {
        "trackedEntityType": seeds.PERSON,
        "orgUnit": seeds.GULL_POINT,
        "attributes": pairs("attribute", {**held, **changes.pop("values", {})}),
        **changes,
    }


def enrollment(**changes):
    return {
        "program": seeds.CHILD_FOLLOW_UP,
        "orgUnit": seeds.GULL_POINT,
        "enrolledAt": "2026-01-05",
        "attributes": pairs("attribute", {seeds.BIRTH_DATE: "2025-06-01"}),
        **changes,
    }


def visit(**changes):
    return {
        "programStage": seeds.CHILD_VISIT,
        "orgUnit": seeds.GULL_POINT,
        "occurredAt": "2026-01-06",
        "dataValues": pairs("dataElement", {seeds.VISIT_WEIGHT: "7.5"}),
        **changes,
    }


def case(disease="MALARIA", **changes):
    return {
        **CASES,
        "programStage": seeds.CASE_REPORT,
        "orgUnit": seeds.GULL_POINT,
        "occurredAt": "2026-01-05T10:00:00.000",
        "dataValues": pairs("dataElement", {seeds.CASE_DISEASE: disease, **changes.pop("values", {})}),
        **changes,
    }


def post(client, payload, **params):
    return client.post("/tracker", json=payload, params={"async": "false", **params})


def codes(answer):
    return [error["errorCode"] for error in answer.json()["validationReport"]["errorReports"]]


def uids(answer, kind="EVENT"):
    reports = answer.json()["bundleReport"]["typeReportMap"][kind]["objectReports"]
    return [report["uid"] for report in reports]


def stats(answer):
    return {name: number for name, number in answer.json()["stats"].items() if number}


def events(client, **params):
    answer = client.get("/tracker/events", params={**CASES, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["events"]
