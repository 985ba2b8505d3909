"""The FHIR stand-in reads, writes, refuses, searches and bundles as an R4 server does."""

import base64
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest

from openfn_platform.demo.standins.fhir.catalogue import CODES, DATE_TIMES, DATES, LISTS, REQUIRED, TYPES
from openfn_platform.demo.standins.fhir.moments import span_of
from openfn_platform.demo.standins.process import Standin
from tests.demo.listener import listening

JSON = {"Content-Type": "application/fhir+json"}
PATCH = {"Content-Type": "application/json-patch+json"}
NATIONAL = "http://registry.example/national-id"
LOINC = "http://loinc.org"
WEIGHT = {"coding": [{"system": LOINC, "code": "29463-7"}], "text": "Body weight"}


@pytest.fixture(scope="module")
def running():
    with Standin.start("fhir") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url + "/fhir", timeout=5) as client:
        yield client


def patient(number="AB123456", **changes):
    return {
        "resourceType": "Patient",
        "identifier": [{"system": NATIONAL, "value": number}],
        "name": [{"family": "Saïd", "given": ["Asha", "Neema"]}],
        "telecom": [{"system": "phone", "value": "+255712345678"}],
        "gender": "female",
        "birthDate": "1990-02-03",
        **changes,
    }


def observation(subject="Patient/1", **changes):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": WEIGHT,
        "subject": {"reference": subject},
        "effectiveDateTime": "2026-11-23T08:00:00+03:00",
        **changes,
    }


def created(client, resource, **headers):
    answer = client.post(f"/{resource['resourceType']}", json=resource, headers={**JSON, **headers})
    assert answer.status_code == 201, answer.text
    return answer.json()


def put(client, resource, unique):
    answer = client.put(
        f"/{resource['resourceType']}/{unique}", json={**resource, "id": unique}, headers=JSON
    )
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def refusal(answer, status, code=None):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    (issue,) = body["issue"]
    assert issue["severity"] == "error"
    assert issue["diagnostics"] == issue["details"]["text"]
    assert code is None or issue["code"] == code
    return issue


def ids(client, query):
    bundle = client.get(query).json()
    assert bundle["resourceType"] == "Bundle", bundle
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def entry(method, url, resource=None, full=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    made |= {"resource": resource} if resource is not None else {}
    return made | ({"fullUrl": full} if full else {})


def post_bundle(client, kind, *entries, **headers):
    bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return client.post("", json=bundle, headers={**JSON, **headers})


# Reading and writing one resource


def test_a_created_resource_says_where_it_is_and_which_version(client):
    answer = client.post("/Patient", json={**patient(), "id": "mine"}, headers=JSON)
    body = answer.json()
    assert answer.status_code == 201
    assert body["id"] != "mine"
    assert body["meta"]["versionId"] == "1"
    assert datetime.fromisoformat(body["meta"]["lastUpdated"]).tzinfo is not None
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"] == f"{client.base_url}Patient/{body['id']}/_history/1"
    assert answer.headers["last-modified"].endswith(" GMT")
    assert client.get(f"/Patient/{body['id']}").json() == body


def test_versions_are_kept(client):
    unique = created(client, patient())["id"]
    changed = put(client, patient(gender="unknown"), unique)
    assert changed["meta"]["versionId"] == "2"
    assert client.get(f"/Patient/{unique}").headers["etag"] == 'W/"2"'
    assert client.get(f"/Patient/{unique}/_history/1").json()["gender"] == "female"
    assert client.get(f"/Patient/{unique}/_history/2").json() == changed
    refusal(client.get(f"/Patient/{unique}/_history/3"), 404, "not-found")
    refusal(client.delete(f"/Patient/{unique}/_history/1"), 405)
    answer = client.get(f"/Patient/{unique}/_history")
    history = answer.json()
    assert (answer.status_code, history["total"]) == (200, 2)
    assert [e["request"]["method"] for e in history["entry"]] == ["PUT", "POST"]


def test_a_put_creates_under_the_id_of_the_client(client):
    body = {**patient(), "id": "asha-1"}
    made = client.put("/Patient/asha-1", json=body, headers=JSON)
    assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
    assert client.put("/Patient/asha-1", json=body, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("path", "change"), [("asha-1", {}), ("asha-1", {"id": "asha-2"}), ("asha_1", {"id": "asha_1"})]
)
def test_a_put_whose_id_is_missing_other_or_impossible_is_refused(client, path, change):
    refusal(client.put(f"/Patient/{path}", json={**patient(), **change}, headers=JSON), 400)


def test_a_put_of_another_version_than_meant_is_412(client):
    body = put(client, patient(), "a")
    for tag, status in (('W/"2"', 412), ('W/"1"', 200), ('W/"1"', 412)):
        answer = client.put("/Patient/a", json=body, headers={**JSON, "If-Match": tag})
        assert answer.status_code == status
    new = client.put("/Patient/b", json={**body, "id": "b"}, headers={**JSON, "If-Match": 'W/"1"'})
    refusal(new, 412, "conflict")


def test_a_resource_that_has_not_changed_is_not_sent_again(client):
    put(client, patient(), "a")
    assert client.get("/Patient/a", headers={"If-None-Match": 'W/"1"'}).status_code == 304
    assert client.get("/Patient/a", headers={"If-None-Match": 'W/"2"'}).status_code == 200


def test_what_is_deleted_is_gone_and_can_come_back(client):
    put(client, patient(), "a")
    assert client.delete("/Patient/a").status_code == 204
    assert client.delete("/Patient/a").status_code == 204
    assert client.delete("/Patient/never").status_code == 204
    refusal(client.get("/Patient/a"), 410, "deleted")
    refusal(client.get("/Patient/a/_history/2"), 410, "deleted")
    assert ids(client, "/Patient") == []
    assert put(client, patient(), "a")["meta"]["versionId"] == "3"


def test_what_was_never_there_is_404(client):
    refusal(client.get("/Patient/none"), 404, "not-found")
    assert "Unknown resource type 'Hat'" in refusal(client.get("/Hat/1"), 404, "not-found")["diagnostics"]
    refusal(client.get("/Hat"), 404)
    refusal(httpx.get(f"{client.base_url}".replace("/fhir/", "/other/")), 404)
    refusal(client.post("/Patient/$everything", json={}, headers=JSON), 501, "not-supported")
    refusal(client.post("/Patient/1", json=patient(), headers=JSON), 405)


def test_a_patch_changes_what_it_names(client):
    put(client, patient(), "a")
    operations = [
        {"op": "test", "path": "/gender", "value": "female"},
        {"op": "replace", "path": "/name/0/family", "value": "Juma"},
        {"op": "add", "path": "/name/0/given/-", "value": "Zawadi"},
        {"op": "add", "path": "/name/0/given/0", "value": "Dr."},
        {"op": "remove", "path": "/telecom"},
        {"op": "copy", "from": "/birthDate", "path": "/deceasedDateTime"},
    ]
    answer = client.patch("/Patient/a", json=operations, headers=PATCH)
    body = answer.json()
    assert (answer.status_code, body["meta"]["versionId"]) == (200, "2")
    assert body["name"] == [{"family": "Juma", "given": ["Dr.", "Asha", "Neema", "Zawadi"]}]
    assert "telecom" not in body
    assert body["deceasedDateTime"] == "1990-02-03"


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ([{"op": "test", "path": "/gender", "value": "male"}], 422),
        ([{"op": "remove", "path": "/photo"}], 400),
        ([{"op": "replace", "path": "/name/3", "value": {}}], 400),
        ([{"op": "add", "path": "name", "value": {}}], 400),
        ([{"op": "paint", "path": "/name"}], 400),
        ([{"op": "add", "path": "/name/-"}], 400),
        ([{"op": "replace", "path": "/gender", "value": "girl"}], 422),
        ([{"op": "replace", "path": "/id", "value": "b"}], 400),
        ({"gender": "male"}, 400),
        ([{"op": "remove", "path": "/telecom"}, {"op": "remove", "path": "/telecom"}], 400),
    ],
)
def test_a_patch_that_cannot_be_done_changes_nothing(client, operations, status):
    before = put(client, patient(), "a")
    refusal(client.patch("/Patient/a", json=operations, headers=PATCH), status)
    assert client.get("/Patient/a").json() == before


def test_a_patch_of_what_is_not_there_is_refused(client):
    operations = [{"op": "remove", "path": "/telecom"}]
    refusal(client.patch("/Patient/a", json=operations, headers=PATCH), 404)
    refusal(client.patch("/Patient/a", json=operations, headers={**PATCH, "If-Match": 'W/"9"'}), 404)
    put(client, patient(), "a")
    refusal(client.patch("/Patient/a", json=operations, headers={**PATCH, "If-Match": 'W/"9"'}), 412)
    client.delete("/Patient/a")
    refusal(client.patch("/Patient/a", json=operations, headers=PATCH), 410)


# Conditions


def test_a_conditional_create_makes_a_resource_once(client):
    condition = {"If-None-Exist": f"identifier={NATIONAL}|AB123456"}
    first = created(client, patient(), **condition)
    again = client.post("/Patient", json=patient(), headers={**JSON, **condition})
    assert (again.status_code, again.json()) == (200, first)
    created(client, patient())
    many = client.post("/Patient", json=patient(), headers={**JSON, **condition})
    assert "match 2 resources" in refusal(many, 412, "multiple-matches")["diagnostics"]


@pytest.mark.parametrize("condition", ["colour=red", "_count=5", "identifier="])
def test_a_condition_that_is_none_is_refused(client, condition):
    put(client, patient(), "a")
    refusal(client.post("/Patient", json=patient(), headers={**JSON, "If-None-Exist": condition}), 400)
    refusal(client.put(f"/Patient?{condition}", json=patient(), headers=JSON), 400)
    refusal(client.delete(f"/Patient?{condition}"), 400)
    assert ids(client, "/Patient") == ["a"]


def test_a_conditional_update_makes_or_changes(client):
    url = f"/Patient?identifier={NATIONAL}|AB123456"
    made = client.put(url, json=patient(), headers=JSON)
    changed = client.put(url, json=patient(gender="other"), headers=JSON)
    assert (made.status_code, changed.status_code) == (201, 200)
    assert made.json()["id"] == changed.json()["id"]
    assert changed.json()["meta"]["versionId"] == "2"
    refusal(client.put(url, json={**patient(), "id": "other"}, headers=JSON), 400)
    created(client, patient())
    refusal(client.put(url, json=patient(), headers=JSON), 412, "multiple-matches")


def test_a_conditional_patch_and_delete_mean_one_resource(client):
    url = f"/Patient?identifier={NATIONAL}|AB123456"
    operations = [{"op": "replace", "path": "/gender", "value": "male"}]
    refusal(client.patch(url, json=operations, headers=PATCH), 404)
    assert client.delete(url).status_code == 204
    put(client, patient(), "a")
    assert client.patch(url, json=operations, headers=PATCH).json()["gender"] == "male"
    put(client, patient(), "b")
    refusal(client.delete(url), 412)
    client.delete("/Patient/b")
    assert client.delete(url).status_code == 204
    refusal(client.get("/Patient/a"), 410)


# What is let in


@pytest.mark.parametrize(
    ("resource", "status", "code"),
    [
        ({"name": []}, 400, "structure"),
        ({"resourceType": "Observation"}, 400, "invalid"),
        ([], 400, "structure"),
        (patient(birthDate="03/02/1990"), 400, "structure"),
        (patient(birthDate="1990-02-30"), 400, "structure"),
        (patient(birthDate="1990-02-03T10:00:00Z"), 400, "structure"),
        (patient(name={"family": "Said"}), 400, "structure"),
        (patient(managingOrganization="Organization/1"), 400, "structure"),
        (patient(name=["Asha Said"]), 400, "structure"),
        (patient(meta="1"), 400, "structure"),
        (patient(maritalStatus={"coding": {"code": "M"}}), 400, "structure"),
        (patient(gender="F"), 422, "code-invalid"),
    ],
)
def test_an_invalid_patient_is_refused(client, resource, status, code):
    refusal(client.post("/Patient", json=resource, headers=JSON), status, code)
    assert ids(client, "/Patient") == []


@pytest.mark.parametrize("name", ["status", "code"])
def test_an_observation_without_what_it_needs_is_422(client, name):
    resource = {n: v for n, v in observation().items() if n != name}
    issue = refusal(client.post("/Observation", json=resource, headers=JSON), 422, "required")
    assert issue["expression"] == [f"Observation.{name}"]
    wrong = observation(effectiveDateTime="2026-11-23T08:00:00")
    refusal(client.post("/Observation", json=wrong, headers=JSON), 400, "structure")


def test_an_element_of_several_types_is_there_under_any_of_its_names(client):
    vaccine = {"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "BCG"}}
    vaccine |= {"patient": {"reference": "Patient/1"}}
    refusal(client.post("/Immunization", json=vaccine, headers=JSON), 422, "required")
    created(client, {**vaccine, "occurrenceString": "last week"})


def test_every_rule_is_about_a_type_that_is_known():
    assert {*CODES, *DATE_TIMES, *DATES, *LISTS, *REQUIRED} <= set(TYPES)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/fhir+xml", "application/x-www-form-urlencoded"]
)
def test_another_content_type_is_415(client, kind):
    refusal(client.post("/Patient", content=json.dumps(patient()), headers={"Content-Type": kind}), 415)
    refusal(client.patch("/Patient/a", content="[]", headers=JSON), 415)


def test_a_body_that_is_no_json_is_400(client):
    refusal(client.post("/Patient", content="{", headers=JSON), 400, "structure")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json;q=0.9, text/html", 200),
        ("application/fhir+json; fhirVersion=4.0", 200),
        ("*/*", 200),
        ("application/fhir+xml", 406),
        ("text/html", 406),
    ],
)
def test_only_json_is_produced(client, accept, status):
    assert client.get("/Patient", headers={"Accept": accept}).status_code == status


def test_the_format_parameter_counts_more_than_the_header(client):
    assert client.get("/Patient?_format=json", headers={"Accept": "text/html"}).status_code == 200
    refusal(client.get("/Patient?_format=xml"), 406)
    url = f"/Patient?identifier={NATIONAL}|AB123456&_format=json"
    assert client.put(url, json=patient(), headers=JSON).status_code == 201


def test_the_caller_says_what_it_wants_back(client):
    quiet = client.post("/Patient", json=patient(), headers={**JSON, "Prefer": "return=minimal"})
    assert (quiet.status_code, quiet.content) == (201, b"")
    assert quiet.headers["location"]
    told = client.post("/Patient", json=patient(), headers={**JSON, "Prefer": "return=OperationOutcome"})
    assert told.json()["issue"][0]["severity"] == "information"


# Who may


def test_a_server_with_a_token_wants_it(standin, client):
    standin.configure(token="s3cret")
    unknown = client.get("/Patient")
    refusal(unknown, 401, "login")
    assert unknown.headers["www-authenticate"].startswith("Bearer")
    refusal(client.get("/Patient", headers={"Authorization": "Bearer wrong"}), 401)
    assert client.get("/Patient", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    assert client.get("/metadata").json()["rest"][0]["security"]["service"] == [{"text": "Bearer"}]


def test_a_server_with_a_password_wants_it(standin, client):
    standin.configure(username="desk", password="s3cret")
    refusal(client.get("/Patient", auth=("desk", "wrong")), 401, "login")
    assert client.get("/Patient", auth=("desk", "s3cret")).status_code == 200


def test_a_type_may_be_closed(standin, client):
    standin.configure(forbidden=["Observation"])
    refusal(client.get("/Observation"), 403, "forbidden")
    answer = post_bundle(client, "batch", entry("GET", "Observation"), entry("GET", "Patient"))
    assert [e["response"]["status"] for e in answer.json()["entry"]] == ["403 Forbidden", "200 OK"]


def test_the_server_says_what_it_can(client):
    body = client.get("/metadata").json()
    assert (body["resourceType"], body["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    (rest,) = body["rest"]
    (patients,) = [r for r in rest["resource"] if r["type"] == "Patient"]
    assert {"name": "birthdate", "type": "date"} in patients["searchParam"]
    assert patients["conditionalCreate"] is True
    assert {"code": "transaction"} in rest["interaction"]


# Search


@pytest.fixture
def people(client):
    put(client, patient("AB000001"), "asha")
    put(
        client,
        patient(
            "AB000002",
            name=[{"family": "Juma", "given": ["Baraka"]}],
            telecom=[{"system": "email", "value": "baraka@clinic.example"}],
            gender="male",
            birthDate="1987-11",
            identifier=[{"value": "AB000002"}],
            managingOrganization={"reference": "Organization/clinic"},
        ),
        "baraka",
    )
    put(client, {"resourceType": "Organization", "name": "Kigoma Clinic"}, "clinic")
    put(client, observation("Patient/asha"), "weight")
    put(
        client,
        observation(
            "Patient/baraka",
            status="preliminary",
            code={"coding": [{"system": LOINC, "code": "8302-2"}]},
            effectiveDateTime="2026-11-20",
        ),
        "height",
    )
    return client


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("_id=asha", ["asha"]),
        ("_id=asha,baraka,none", ["asha", "baraka"]),
        (f"identifier={NATIONAL}|AB000001", ["asha"]),
        ("identifier=AB000001,AB000002", ["asha", "baraka"]),
        (f"identifier={NATIONAL}|", ["asha"]),
        ("identifier=|AB000002", ["baraka"]),
        ("identifier=http://other.example|AB000001", []),
        ("identifier=ab000001", []),
        ("name=said", ["asha"]),
        ("name=neem", ["asha"]),
        ("name=aid", []),
        ("name:contains=aid", ["asha"]),
        ("family=SA%C3%8F", ["asha"]),
        ("family:exact=said", []),
        ("family:exact=Sa%C3%AFd", ["asha"]),
        ("given=baraka&family=juma", ["baraka"]),
        ("given=baraka&family=said", []),
        ("gender=male", ["baraka"]),
        ("gender=male,female", ["asha", "baraka"]),
        ("gender:not=male", ["asha"]),
        ("telecom=%2B255712345678", ["asha"]),
        ("phone=%2B255712345678", ["asha"]),
        ("email=baraka@clinic.example", ["baraka"]),
        ("email=%2B255712345678", []),
        ("telecom=email|baraka@clinic.example", ["baraka"]),
        ("birthdate=1990-02-03", ["asha"]),
        ("birthdate=1990", ["asha"]),
        ("birthdate=1987-11-05", []),
        ("birthdate=ap1987-11-05", ["baraka"]),
        ("birthdate=lt1990", ["baraka"]),
        ("birthdate=ge1990-02-03", ["asha"]),
        ("birthdate=gt1990-02-03", []),
        ("birthdate=ge1987&birthdate=le1989", ["baraka"]),
        ("birthdate=ne1990-02-03", ["baraka"]),
        ("birthdate=sa1988", ["asha"]),
        ("birthdate=eb1988", ["baraka"]),
        ("organization=Organization/clinic", ["baraka"]),
        ("organization=clinic", ["baraka"]),
        ("organization.name=kigoma", ["baraka"]),
        ("organization:missing=true", ["asha"]),
        ("organization:missing=false", ["baraka"]),
        ("birthdate=ap1987-12", []),
        ("_lastUpdated=ge2020-01-01", ["asha", "baraka"]),
        ("_lastUpdated=lt2020-01-01", []),
        ("gender=&_id=asha", ["asha"]),
        ("colour=red&gender=male", ["baraka"]),
        ("_sort=birthdate", ["baraka", "asha"]),
        ("_sort=-birthdate", ["asha", "baraka"]),
        ("_sort=-gender,family", ["baraka", "asha"]),
        ("_sort=organization", ["baraka", "asha"]),
    ],
)
def test_patients_are_found_by(people, query, found):
    assert ids(people, f"/Patient?{query}") == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("subject=Patient/asha", ["weight"]),
        ("patient=asha", ["weight"]),
        ("subject=asha", ["weight"]),
        ("subject:Patient=asha", ["weight"]),
        ("subject=http://elsewhere.example/fhir/Patient/asha", ["weight"]),
        ("subject=Group/asha", []),
        ("patient.identifier=AB000002", ["height"]),
        ("subject:Patient.name=asha", ["weight"]),
        (f"code={LOINC}|29463-7", ["weight"]),
        ("code=29463-7,8302-2", ["weight", "height"]),
        ("status=final", ["weight"]),
        ("date=2026-11-23", ["weight"]),
        ("date=ge2026-11-21", ["weight"]),
        ("date=2026-11-23T05:00:00Z", ["weight"]),
        ("date=lt2026-11-23T05:00:00Z", ["height"]),
        ("date=ge2026-11&_sort=date", ["height", "weight"]),
        ("patient=asha&status=preliminary", []),
    ],
)
def test_observations_are_found_by(people, query, found):
    assert ids(people, f"/Observation?{query}") == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("date=2026", ["whole"]),
        ("date=ge2026-06", ["open", "whole"]),
        ("date=lt2026-01-01", ["ended"]),
        ("date=ap2030", ["open"]),
        ("date=sa2026-02", ["open"]),
        ("date=eb2026-03", ["ended"]),
        ("date=ap2026-02", ["ended", "whole"]),
    ],
)
def test_a_period_may_be_open_at_either_end(client, query, found):
    periods = {
        "ended": {"end": "2026-02-10"},
        "whole": {"start": "2026-01-01", "end": "2026-12-31"},
        "open": {"start": "2026-03-01"},
        "neither": {},
    }
    for unique, period in periods.items():
        put(client, observation(effectiveDateTime=None, effectivePeriod=period), unique)
    assert sorted(ids(client, f"/Observation?{query}")) == sorted(found)


def test_a_search_may_be_posted(people):
    form = {"identifier": f"{NATIONAL}|AB000001"}
    assert people.post("/Patient/_search", data=form).json()["total"] == 1
    both = people.post("/Patient/_search?gender=male", data=form).json()
    assert both["total"] == 0
    refusal(people.post("/Patient/_search", json=form), 415)


@pytest.mark.parametrize(
    "query",
    [
        "birthdate=yesterday", "birthdate=1990-13", "name:colour=x", "_sort=colour", "_count=few", "_count=-1",
        "_include=Patient:colour", "gender.name=x", "organization.colour=x", "_has:Observation:patient:code=1",
        "_summary=some",
    ],
)  # fmt: skip
def test_a_search_that_makes_no_sense_is_refused(people, query):
    refusal(people.get(f"/Patient?{query}"), 400)


def test_an_unknown_parameter_is_refused_only_when_asked_to(people):
    assert people.get("/Patient?colour=red").json()["total"] == 2
    strict = people.get("/Patient?colour=red", headers={"Prefer": "handling=strict"})
    assert "colour" in refusal(strict, 400, "not-supported")["diagnostics"]
    (own,) = people.get("/Patient?colour=red&gender=male").json()["link"]
    assert (own["relation"], urlsplit(own["url"]).query) == ("self", "gender=male")


def test_counts_and_summaries(people):
    assert "entry" not in people.get("/Patient?_summary=count").json()
    assert people.get("/Patient?_summary=count&gender=male").json()["total"] == 1
    assert "entry" not in people.get("/Patient?_count=0").json()
    assert "total" not in people.get("/Patient?_total=none").json()
    (only,) = people.get("/Patient?_id=asha&_elements=gender").json()["entry"]
    assert set(only["resource"]) == {"resourceType", "id", "meta", "gender"}
    assert only["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "tag" not in people.get("/Patient/asha").json()["meta"]
    put(people, patient(text={"status": "generated", "div": "<div/>"}), "told")
    for summary, there in (("text", {"text"}), ("data", {"gender"}), ("false", {"text", "gender"})):
        (only,) = people.get(f"/Patient?_id=told&_summary={summary}").json()["entry"]
        assert {"text", "gender"} & set(only["resource"]) == there


def test_includes_bring_others_along(people):
    bundle = people.get("/Observation?_include=Observation:patient").json()
    modes = [(e["resource"]["id"], e["search"]["mode"]) for e in bundle["entry"]]
    assert modes == [("weight", "match"), ("height", "match"), ("asha", "include"), ("baraka", "include")]
    assert bundle["total"] == 2
    assert ids(people, "/Observation?_include=Observation:subject:Group") == ["weight", "height"]
    assert ids(people, "/Patient?_id=asha&_revinclude=Observation:subject") == ["asha", "weight"]


def test_next_links_lead_through_all_pages_once(standin, client):
    standin.configure(page_size=7)
    made = [put(client, patient(f"AB{n:06}"), f"p{n}")["id"] for n in range(20)]
    seen: list[str] = []
    url: str | None = "/Patient?_total=accurate"
    while url:
        bundle = client.get(url).json()
        assert bundle["total"] == 20
        seen += [e["resource"]["id"] for e in bundle["entry"]]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        if len(seen) == 7:
            client.delete("/Patient/p19")
            put(client, patient(), "later")
        url = links.get("next")
    assert seen == made[:19]


def test_a_page_that_nobody_knows_is_gone(client):
    refusal(client.get("?_page=none"), 410)


def test_no_page_is_larger_than_the_largest(standin, client):
    standin.configure(largest_page=3)
    for n in range(5):
        put(client, patient(), f"p{n}")
    assert len(client.get("/Patient?_count=1000").json()["entry"]) == 3


def test_links_begin_where_the_server_believes_to_be(standin, client):
    standin.configure(public_base="http://inner.example:8080/r4")
    answer = client.post("/Patient", json=patient(), headers=JSON)
    assert answer.headers["location"].startswith("http://inner.example:8080/r4/Patient/")
    put(client, patient(), "b")
    bundle = client.get("/Patient?_count=1").json()
    urls = [bundle["entry"][0]["fullUrl"], *(link["url"] for link in bundle["link"])]
    assert all(url.startswith("http://inner.example:8080/r4") for url in urls)
    (following,) = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
    assert len(ids(client, f"?{urlsplit(following).query}")) == 1


def test_another_base_path_is_a_setting():
    with Standin.start("fhir", config={"base_path": "/r4/open"}) as standin:
        assert httpx.get(f"{standin.url}/r4/open/metadata").status_code == 200
        assert httpx.get(f"{standin.url}/fhir/metadata").status_code == 404


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", datetime(2026, 1, 1), datetime(2027, 1, 1)),
        ("2026-12", datetime(2026, 12, 1), datetime(2027, 1, 1)),
        ("2024-02-29", datetime(2024, 2, 29), datetime(2024, 3, 1)),
        ("9999-12-31", datetime(9999, 12, 31), datetime.max),
        ("2026-11-23T08:00+03:00", datetime(2026, 11, 23, 5), datetime(2026, 11, 23, 5, 1)),
        ("2026-11-23T08:00:07Z", datetime(2026, 11, 23, 8, 0, 7), datetime(2026, 11, 23, 8, 0, 8)),
    ],
)
def test_a_date_stands_for_a_span(text, start, end):
    assert span_of(text) == (start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


# Bundles


URN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def test_a_transaction_stores_everything_and_resolves_references(standin, client):
    answer = post_bundle(
        client,
        "transaction",
        entry("POST", "Observation", observation(URN)),
        entry("POST", "Patient", patient(), URN, ifNoneExist=f"identifier={NATIONAL}|AB123456"),
        entry("GET", "Patient?gender=female"),
    )
    body = answer.json()
    assert (answer.status_code, body["type"]) == (200, "transaction-response")
    statuses = [e["response"]["status"] for e in body["entry"]]
    assert statuses == ["201 Created", "201 Created", "200 OK"]
    assert [e["response"].get("etag") for e in body["entry"]] == ['W/"1"', 'W/"1"', None]
    kind, unique, *_ = body["entry"][1]["response"]["location"].split("/")
    (stored,) = standin.state()["Observation"]
    assert stored["subject"]["reference"] == f"{kind}/{unique}" == f"Patient/{unique}"
    assert body["entry"][2]["resource"]["total"] == 1
    assert "resource" not in body["entry"][0]


def test_a_transaction_sent_again_finds_what_its_conditions_name(standin, client):
    entries = (
        entry("POST", "Patient", patient(), URN, ifNoneExist=f"identifier={NATIONAL}|AB123456"),
        entry("PUT", f"Observation?identifier={NATIONAL}|o1", observation(URN, identifier=[{"system": NATIONAL, "value": "o1"}])),
    )  # fmt: skip
    statuses = [
        [e["response"]["status"] for e in post_bundle(client, "transaction", *entries).json()["entry"]]
        for _ in range(2)
    ]
    assert statuses == [["201 Created", "201 Created"], ["200 OK", "200 OK"]]
    state = standin.state()
    assert (len(state["Patient"]), len(state["Observation"])) == (1, 1)
    assert state["Observation"][0]["subject"]["reference"] == f"Patient/{state['Patient'][0]['id']}"


def test_a_reference_to_an_entry_with_an_id_of_its_own_is_resolved(standin, client):
    answer = post_bundle(
        client,
        "transaction",
        entry("POST", "Observation", observation(URN)),
        entry("PUT", "Patient/asha", {**patient(), "id": "asha"}, URN),
        entry("GET", "Patient/asha", full="urn:uuid:of-a-read"),
    )
    assert answer.status_code == 200
    assert standin.state()["Observation"][0]["subject"]["reference"] == "Patient/asha"


def test_equal_conditions_in_a_transaction_mean_one_resource(standin, client):
    condition = {"ifNoneExist": f"identifier={NATIONAL}|AB123456"}
    answer = post_bundle(
        client,
        "transaction",
        entry("POST", "Patient", patient(), URN, **condition),
        entry("POST", "Patient", patient(), URN[:-1] + "b", **condition),
        entry("POST", "Observation", observation(URN[:-1] + "b")),
    )
    assert answer.status_code == 200
    (only,) = standin.state()["Patient"]
    assert standin.state()["Observation"][0]["subject"]["reference"] == f"Patient/{only['id']}"


def test_a_reference_may_be_a_condition(standin, client):
    put(client, patient(), "asha")
    by = f"Patient?identifier={NATIONAL}|AB123456"
    assert (
        post_bundle(client, "transaction", entry("POST", "Observation", observation(by))).status_code == 200
    )
    assert standin.state()["Observation"][0]["subject"]["reference"] == "Patient/asha"
    refusal(post_bundle(client, "transaction", entry("POST", "Observation", observation(by + "7"))), 412)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (entry("POST", "Patient", patient(gender="girl")), 422),
        (entry("POST", "Observation", observation(URN)), 400),
        (entry("GET", "Patient/none"), 404),
        (entry("PUT", "Patient/a", {**patient(), "id": "a"}, ifMatch='W/"7"'), 412),
        (entry("POST", "Hat", {"resourceType": "Hat"}), 404),
        (entry("PUT", "Patient?identifier=many", patient()), 412),
        (entry("TRACE", "Patient"), 400),
        ({"resource": patient()}, 400),
    ],
)
def test_a_transaction_with_one_bad_entry_stores_nothing(standin, client, wrong, status):
    for unique in ("m1", "m2", "m3"):
        put(client, patient("many"), unique)
    before = standin.state()
    good = entry("POST", "Patient", patient())
    gone = entry("DELETE", "Patient/m1")
    issue = refusal(post_bundle(client, "transaction", gone, good, wrong), status)
    assert "Bundle.entry[2]" in issue["diagnostics"]
    assert standin.state() == before


def test_a_resource_may_be_written_once_in_a_transaction(client):
    twice = entry("PUT", "Patient/a", {**patient(), "id": "a"})
    refusal(post_bundle(client, "transaction", twice, twice), 400, "duplicate")
    same = entry("POST", "Patient", patient(), URN)
    refusal(post_bundle(client, "transaction", same, same), 400, "duplicate")


def test_a_transaction_deletes_before_it_creates(client):
    put(client, patient(), "old")
    answer = post_bundle(
        client,
        "transaction",
        entry("POST", "Patient", patient(), ifNoneExist=f"identifier={NATIONAL}|AB123456"),
        entry("DELETE", "Patient/old"),
    )
    assert [e["response"]["status"] for e in answer.json()["entry"]] == ["201 Created", "204 No Content"]
    assert len(ids(client, "/Patient")) == 1


def test_a_batch_does_what_it_can(standin, client):
    put(client, patient(), "a")
    answer = post_bundle(
        client,
        "batch",
        entry("POST", "Patient", patient("AB000009")),
        entry("POST", "Patient", patient(gender="girl")),
        entry("GET", "Patient/none"),
        entry("GET", f"{client.base_url}Patient/a"),
        entry("DELETE", "Patient/a"),
        {"resource": patient()},
    )
    entries = answer.json()["entry"]
    assert (answer.status_code, answer.json()["type"]) == (200, "batch-response")
    assert [e["response"]["status"] for e in entries] == [
        "201 Created", "422 Unprocessable Entity", "404 Not Found", "200 OK", "204 No Content", "400 Bad Request",
    ]  # fmt: skip
    assert entries[1]["response"]["outcome"]["issue"][0]["code"] == "code-invalid"
    assert entries[3]["resource"]["id"] == "a"
    assert [p["identifier"][0]["value"] for p in standin.state()["Patient"]] == ["AB000009"]


def test_written_resources_come_back_when_asked_for(client):
    made = entry("POST", "Patient", patient())
    answer = post_bundle(client, "transaction", made, Prefer="return=representation")
    assert answer.json()["entry"][0]["resource"]["gender"] == "female"


def test_a_patch_travels_in_a_bundle_as_binary(client):
    put(client, patient(), "a")
    data = base64.b64encode(json.dumps([{"op": "remove", "path": "/telecom"}]).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    answer = post_bundle(client, "transaction", entry("PATCH", "Patient/a", binary))
    assert answer.json()["entry"][0]["response"]["status"] == "200 OK"
    assert "telecom" not in client.get("/Patient/a").json()
    refusal(post_bundle(client, "transaction", entry("PATCH", "Patient/a", [])), 400)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (patient(), 400),
        ({"resourceType": "Bundle", "type": "collection"}, 422),
        ({"resourceType": "Bundle", "type": "batch", "entry": {}}, 400),
    ],
)
def test_what_is_no_batch_is_refused(client, body, status):
    refusal(client.post("", json=body, headers=JSON), status)
    refusal(client.post("/", json=body, headers=JSON), status)


def test_an_empty_transaction_is_a_success(client):
    assert post_bundle(client, "transaction").json()["entry"] == []


# Telling others, memory


def test_changed_resources_are_posted_until_taken(standin, client):
    with listening(503) as heard:
        standin.configure(
            notify_url=heard.url,
            notify_types=["Patient"],
            notify_retry_seconds=0.05,
            notify_headers={"X-Key": "k"},
        )
        created(client, observation())
        made = put(client, patient(), "a")
        client.delete("/Patient/a")
        first, second = heard.wait_for(2)
        refusal(post_bundle(client, "transaction", entry("POST", "Patient", patient()), {}), 400)
        post_bundle(client, "transaction", entry("POST", "Patient", patient("AB000009")))
        third = heard.wait_for(3)[2]
    assert json.loads(first.body) == json.loads(second.body) == made
    assert (first.headers["content-type"], first.headers["x-key"]) == ("application/fhir+json", "k")
    assert json.loads(third.body)["identifier"][0]["value"] == "AB000009"


def test_resources_and_their_versions_survive_a_restart(tmp_path):
    data = tmp_path / "fhir.json"
    with Standin.start("fhir", data=data) as first:
        with httpx.Client(base_url=first.url + "/fhir") as client:
            put(client, patient(), "a")
            put(client, patient(gender="other"), "a")
            put(client, patient(), "b")
            client.delete("/Patient/b")
        first.kill()
    with Standin.start("fhir", data=data) as second, httpx.Client(base_url=second.url + "/fhir") as client:
        assert client.get("/Patient/a/_history/1").json()["gender"] == "female"
        assert client.get("/Patient/a").json()["gender"] == "other"
        refusal(client.get("/Patient/b"), 410)
        assert [p["id"] for p in second.state()["Patient"]] == ["a"]
