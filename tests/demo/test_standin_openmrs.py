"""The OpenMRS stand-in refuses, answers and pages as OpenMRS does."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from openfn_platform.demo.standins.openmrs.seeds import (
    CLINIC,
    FACILITY_VISIT,
    NATIONAL_ID,
    OLD_NUMBER,
    PHONE_CONCEPT,
    REGISTRATION,
)
from openfn_platform.demo.standins.process import Standin

AUTH = ("admin", "Admin123")
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def running():
    with Standin.start("openmrs") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url + "/ws/rest/v1", auth=AUTH, timeout=5) as client:
        yield client


@pytest.fixture
def fhir(standin):
    with httpx.Client(base_url=standin.url + "/ws/fhir2/R4", auth=AUTH, timeout=5) as client:
        yield client


def person(**changes):
    names = [{"givenName": "Asha", "familyName": "Said"}]
    return {"gender": "F", "birthdate": "1990-02-03", "names": names, **changes}


def identifier(text="AB123456", **changes):
    return {"identifier": text, "identifierType": NATIONAL_ID, "location": CLINIC, **changes}


def patient(text="AB123456", **changes):
    return {"person": person(**changes), "identifiers": [identifier(text)]}


def created(client, text="AB123456", **changes):
    answer = client.post("/patient", json=patient(text, **changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


def refusal(answer, status=400):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


# Log-in


@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("nobody", "Admin123")])
def test_without_a_valid_log_in_patients_stay_closed(standin, auth):
    answer = httpx.get(f"{standin.url}/ws/rest/v1/patient?q=as", auth=auth)
    error = refusal(answer, 401)
    assert error["message"] == "User is not logged in [Privileges required: Get Patients]"
    assert answer.headers["www-authenticate"].startswith('Basic realm="OpenMRS at http://')


@pytest.mark.parametrize(("password", "known"), [("Admin123", True), ("wrong", False)])
def test_the_session_tells_whether_credentials_are_right(standin, password, known):
    answer = httpx.get(f"{standin.url}/ws/rest/v1/session", auth=("admin", password))
    assert answer.status_code == 200
    assert answer.json()["authenticated"] is known


def test_the_account_locks_after_too_many_failures_even_for_the_right_password(standin):
    url = f"{standin.url}/ws/rest/v1/session"
    for _ in range(8):
        httpx.get(url, auth=("admin", "wrong"))
    assert httpx.get(url, auth=AUTH).json()["authenticated"] is False
    logins = standin.state()["logins"]
    assert (logins["failed"], logins["succeeded"], logins["locked"]) == (9, 0, True)
    standin.configure(lock_seconds=0)
    assert httpx.get(url, auth=AUTH).json()["authenticated"] is True


def test_seven_failures_do_not_lock(standin):
    url = f"{standin.url}/ws/rest/v1/session"
    for _ in range(7):
        httpx.get(url, auth=("admin", "wrong"))
    assert httpx.get(url, auth=AUTH).json()["authenticated"] is True


def test_a_session_cookie_spares_further_log_ins(standin, client):
    assert [client.get("/location").status_code for _ in range(3)] == [200, 200, 200]
    assert standin.state()["logins"]["succeeded"] == 1
    client.delete("/session")
    client.get("/location")
    assert standin.state()["logins"]["succeeded"] == 2


# Creating patients


def test_a_patient_is_created_and_read_back(client):
    made = client.post("/patient", json=patient())
    assert made.status_code == 201
    body = made.json()
    assert made.headers["location"].endswith(f"/ws/rest/v1/patient/{body['uuid']}")
    assert body["display"] == "AB123456 - Asha Said"
    assert body["person"]["birthdate"] == "1990-02-03T00:00:00.000+0000"
    assert body["identifiers"][0]["display"] == "National ID = AB123456"
    assert client.get(f"/patient/{body['uuid']}").json() == body


def test_the_format_of_the_national_id_is_enforced(standin, client):
    error = refusal(client.post("/patient", json=patient("12345")))
    told = 'Identifier "12345" does not match : "^[A-Z]{2}\\d{6}$"'
    assert error["message"] == "Invalid Submission"
    assert error["code"] == "webservices.rest.error.invalid.submission"
    assert error["globalErrors"] == [{"code": told, "message": told}]
    assert error["fieldErrors"] == {}
    assert (standin.state()["patient"], standin.state()["person"]) == ([], [])


def test_an_identifier_belongs_to_one_patient(standin, client):
    created(client)
    error = refusal(client.post("/patient", json=patient()))
    assert error["globalErrors"][0]["message"] == "Identifier AB123456 already in use by another patient"
    assert len(standin.state()["person"]) == 1


def test_a_voided_or_purged_patients_identifier_is_free_again(client):
    client.delete(f"/patient/{created(client)['uuid']}")
    second = created(client)
    client.delete(f"/patient/{second['uuid']}", params={"purge": "true"})
    created(client)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"gender": ""}, "gender", "Please select a gender"),
        ({"gender": None}, "gender", "Please select a gender"),
        ({"names": []}, "names", "Must have at least one name"),
        ({"names": [{"familyName": "Said"}]}, "names[0].givenName", "You must define the Given Name"),
        ({"names": [{"givenName": "Asha"}]}, "names[0].familyName", "You must define the Family Name"),
        ({"birthdate": "1885-01-01"}, "birthdate", "Nonsensical date, please check."),
        (
            {"birthdate": (datetime.now(UTC) + timedelta(days=2)).date().isoformat()},
            "birthdate",
            "Cannot be a date in the future",
        ),
    ],
)
def test_what_the_validators_refuse_is_told_by_field(standin, client, changes, field, message):
    error = refusal(client.post("/patient", json=patient(**changes)))
    assert [found["message"] for found in error["fieldErrors"][field]] == [message]
    assert standin.state()["patient"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"identifiers": []}, "[The person property is missing]"),
        ({"person": person()}, "[Some required properties are missing: identifiers]"),
        ({**patient(), "colour": "red"}, "[Some properties are not allowed to be set: colour]"),
        (patient(colour="red"), "[Some properties are not allowed to be set: colour]"),
        (
            patient(birthdate="15-08-1990"),
            (
                "[birthdate on class org.openmrs.Person => Error converting date - correct format (ISO8601 Long):"
                " yyyy-MM-dd'T'HH:mm:ss.SSSZ => Invalid format: \"15-08-1990\" is malformed]"
            ),
        ),
        (
            {"person": person(), "identifiers": [identifier(identifierType=NOBODY)]},
            (
                "[identifiers on class org.openmrs.Patient => Cannot invoke"
                ' "org.openmrs.PatientIdentifierType.getUuid()" because "identifierType" is null]'
            ),
        ),
        (
            {"person": person(), "identifiers": [identifier(location=NOBODY)]},
            (
                "[identifiers on class org.openmrs.Patient => Cannot invoke"
                ' "org.openmrs.Location.getUuid()" because "location" is null]'
            ),
        ),
        (
            {"person": person(), "identifiers": [identifier(text=7)]},
            (
                "[identifiers on class org.openmrs.Patient => identifier on class org.openmrs.PatientIdentifier"
                " => Don't know how to convert from class java.lang.Integer to class java.lang.String]"
            ),
        ),
    ],
)
def test_what_cannot_be_converted_is_told_with_its_place(standin, client, body, message):
    assert refusal(client.post("/patient", json=body))["message"] == message
    assert standin.state()["patient"] == []


@pytest.mark.parametrize(
    ("identifiers", "message"),
    [
        ([], "At least one nonvoided Patient Identifier is required"),
        ([{"identifier": "AB1", "identifierType": OLD_NUMBER}], "Identifier Location cannot be null for AB1"),
    ],
)
def test_identifiers_that_are_incomplete_are_refused(client, identifiers, message):
    error = refusal(client.post("/patient", json={"person": person(), "identifiers": identifiers}))
    assert error["globalErrors"][0]["message"] == message


def test_several_identifiers_need_a_preferred_one(client):
    two = [identifier(), identifier("77", identifierType=OLD_NUMBER)]
    error = refusal(client.post("/patient", json={"person": person(), "identifiers": two}))
    assert error["fieldErrors"]["identifiers"][0]["code"] == "error.preferredIdentifier"
    two[1]["preferred"] = True
    body = client.post("/patient", json={"person": person(), "identifiers": two}).json()
    assert body["display"].startswith("77 - ")


def test_an_existing_person_becomes_a_patient_with_the_same_uuid(client):
    known = client.post("/person", json=person()).json()
    body = {"person": known["uuid"], "identifiers": [identifier()]}
    assert client.post("/patient", json=body).json()["uuid"] == known["uuid"]


def test_a_uuid_of_the_clients_own_is_taken_once(client):
    own = "5946f880-b197-400b-9caa-a3c661d23041"
    assert created(client, uuid=own)["uuid"] == own
    assert client.post("/patient", json=patient("AB123457", uuid=own)).status_code == 500


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ("", "application/json", 400),
        ("{}", "text/plain", 415),
        ("a=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(client, content, kind, status):
    answer = client.post("/patient", content=content, headers={"Content-Type": kind})
    assert set(refusal(answer, status)) >= {"message", "code", "detail"}


# Reading, changing, deleting


def test_unknown_things_are_404_in_openmrs_words(client):
    unknown = refusal(client.get(f"/patient/{NOBODY}"), 404)
    assert unknown["message"] == "Object with given uuid doesn't exist [null]"
    for path in ("/patients", "/", "//"):
        assert "Unknown resource" in refusal(client.get(path), 404)["message"]
    assert "Unknown resource" in refusal(client.post("/", json={}), 404)["message"]
    assert "not supported" in refusal(client.put("/patient"), 405)["message"]


def test_an_update_changes_what_was_sent_and_nothing_else(client):
    uuid = created(client)["uuid"]
    changed = client.post(f"/patient/{uuid}", json={"person": {"gender": "M"}})
    assert changed.status_code == 200
    assert changed.json()["person"]["gender"] == "M"
    assert changed.json()["display"] == "AB123456 - Asha Said"
    error = refusal(client.post(f"/patient/{uuid}", json={"identifiers": [identifier("AB000000")]}))
    assert error["message"] == "[Some properties are not allowed to be set: identifiers]"


def test_an_update_that_is_invalid_changes_nothing(client):
    before = created(client)
    refusal(client.post(f"/patient/{before['uuid']}", json={"person": {"birthdate": "2990-01-01"}}))
    assert client.get(f"/patient/{before['uuid']}").json() == before


def test_identifiers_have_an_address_of_their_own(client):
    uuid = created(client)["uuid"]
    path = f"/patient/{uuid}/identifier"
    new = client.post(path, json=identifier("77", identifierType=OLD_NUMBER))
    assert new.status_code == 201
    assert "does not match" in client.post(path, json=identifier("nonsense")).text
    client.post(f"{path}/{new.json()['uuid']}", json={"identifier": "78"})
    assert [i["identifier"] for i in client.get(path).json()["results"]] == ["AB123456", "78"]
    assert client.delete(f"{path}/{new.json()['uuid']}").status_code == 204
    assert [i["identifier"] for i in client.get(path).json()["results"]] == ["AB123456"]


def test_delete_voids_and_purge_removes(client):
    path = f"/patient/{created(client)['uuid']}"
    assert client.delete(path, params={"reason": "twice"}).status_code == 204
    assert client.get(path).json()["voided"] is True
    assert client.get("/patient", params={"q": "Asha"}).json() == {"results": []}
    assert len(client.get("/patient", params={"q": "Asha", "includeAll": "true"}).json()["results"]) == 1
    assert [client.delete(path, params={"purge": "true"}).status_code for _ in range(2)] == [204, 204]
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


@pytest.mark.parametrize(
    ("v", "keys"),
    [
        ("ref", {"uuid", "display", "links"}),
        ("custom:(uuid)", {"uuid"}),
        (
            "custom:(uuid,person:(gender,names:(givenName)),identifiers:ref)",
            {"uuid", "person", "identifiers"},
        ),
    ],
)
def test_representations_show_what_was_asked(client, v, keys):
    shown = client.get(f"/patient/{created(client)['uuid']}", params={"v": v}).json()
    assert set(shown) == keys
    if "person" in keys:
        assert shown["person"] == {"gender": "F", "names": [{"givenName": "Asha"}]}


def test_the_full_representation_has_names_and_locations(client):
    full = client.get(f"/patient/{created(client)['uuid']}", params={"v": "full"}).json()
    assert full["person"]["names"][0]["familyName"] == "Said"
    assert full["identifiers"][0]["location"]["display"] == "Kigoma Clinic"
    assert "auditInfo" in full


@pytest.mark.parametrize("v", ["nonsense", "custom:(uuid", "custom:(colour)"])
def test_a_representation_that_does_not_exist_is_400(client, v):
    refusal(client.get(f"/patient/{created(client)['uuid']}", params={"v": v}))


# Searching and paging


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ash"}, 1),
        ({"q": "said asha"}, 1),
        ({"q": "sha"}, 0),
        ({"q": "B1234"}, 1),
        ({"q": "a"}, 0),
        ({"identifier": "ab123456"}, 1),
        ({"identifier": "1234"}, 1),
        ({"identifier": "99"}, 0),
    ],
)
def test_patients_are_found_by_beginnings_of_names_and_parts_of_identifiers(client, query, found):
    created(client)
    assert len(client.get("/patient", params=query).json()["results"]) == found


def test_identifiers_can_be_compared_exactly_instead(standin, client):
    created(client)
    standin.configure(identifier_search="exact")
    assert client.get("/patient", params={"identifier": "AB12345"}).json()["results"] == []
    assert len(client.get("/patient", params={"identifier": "AB123456"}).json()["results"]) == 1


@pytest.mark.parametrize("name", ["patient", "person", "encounter", "obs"])
def test_everybody_at_once_is_not_given(client, name):
    refusal(client.get(f"/{name}"))


def test_a_page_has_fifty_and_never_more_than_a_hundred(client):
    for number in range(120):
        created(client, f"AB{number:06d}")
    assert len(client.get("/patient", params={"q": "Asha"}).json()["results"]) == 50
    assert len(client.get("/patient", params={"q": "Asha", "limit": 100}).json()["results"]) == 100
    error = refusal(client.get("/patient", params={"q": "Asha", "limit": 101}), 500)
    assert error["message"] == "[Administrator has set absolute limit at 100]"


def test_next_links_lead_through_all_patients_once(client):
    uuids = [created(client, f"AB{number:06d}")["uuid"] for number in range(7)]
    uris, seen = ["/patient?q=Asha&limit=3&totalCount=true"], []
    while uris:
        page = client.get(uris.pop()).json()
        seen += [result["uuid"] for result in page["results"]]
        uris = [link["uri"] for link in page.get("links", []) if link["rel"] == "next"]
    assert seen == uuids
    assert page["totalCount"] == 7
    assert [link["rel"] for link in page["links"]] == ["prev"]
    assert "startIndex=3" in page["links"][0]["uri"]


# Other resources


def test_metadata_is_listed_and_found_by_name(client):
    names = [row["display"] for row in client.get("/location").json()["results"]]
    assert "Kigoma Clinic" in names
    assert client.get("/patientidentifiertype/National ID").json()["format"] == "^[A-Z]{2}\\d{6}$"
    assert len(client.get("/location", params={"q": "kigoma"}).json()["results"]) == 1


def test_an_encounter_files_its_observations(client):
    uuid = created(client)["uuid"]
    visit = {"patient": uuid, "visitType": FACILITY_VISIT, "location": CLINIC}
    sent = {
        "patient": uuid,
        "encounterType": REGISTRATION,
        "visit": client.post("/visit", json=visit).json()["uuid"],
        "obs": [{"concept": PHONE_CONCEPT, "value": "+255712345678"}],
    }
    made = client.post("/encounter", json=sent)
    assert made.status_code == 201
    assert made.json()["obs"][0]["display"] == "Telephone number: +255712345678"
    found = client.get("/encounter", params={"patient": uuid}).json()["results"]
    assert [row["uuid"] for row in found] == [made.json()["uuid"]]
    obs = client.get("/obs", params={"patient": uuid, "v": "default"}).json()["results"]
    assert obs[0]["concept"]["uuid"] == PHONE_CONCEPT


def test_an_encounter_with_a_bad_observation_leaves_nothing(standin, client):
    good, bad = {"concept": PHONE_CONCEPT, "value": "1"}, {"concept": NOBODY, "value": "2"}
    sent = {"patient": created(client)["uuid"], "encounterType": REGISTRATION, "obs": [good, bad]}
    refusal(client.post("/encounter", json=sent))
    assert (standin.state()["encounter"], standin.state()["obs"]) == ([], [])


def test_an_encounter_needs_a_patient_that_exists(client):
    missing = refusal(client.post("/encounter", json={"encounterType": REGISTRATION}))
    assert missing["message"] == "[Some required properties are missing: patient]"
    sent = {"patient": NOBODY, "encounterType": REGISTRATION}
    assert "doesn't exist" in refusal(client.post("/encounter", json=sent))["message"]


def test_the_usual_context_path_works_too(standin, client):
    uuid = created(client)["uuid"]
    answer = httpx.get(f"{standin.url}/openmrs/ws/rest/v1/patient/{uuid}", auth=AUTH)
    assert answer.json()["links"][0]["uri"] == str(answer.url)


# FHIR


def test_fhir_reads_a_patient(client, fhir):
    uuid = created(client)["uuid"]
    shown = fhir.get(f"/Patient/{uuid}")
    assert shown.headers["content-type"].startswith("application/fhir+json")
    body = shown.json()
    assert (body["resourceType"], body["id"], body["gender"]) == ("Patient", uuid, "female")
    assert body["birthDate"] == "1990-02-03"
    assert (body["name"][0]["family"], body["name"][0]["given"]) == ("Said", ["Asha"])
    assert body["identifier"][0]["value"] == "AB123456"


def test_fhir_refuses_with_an_operation_outcome(standin, fhir):
    unknown, other = fhir.get(f"/Patient/{NOBODY}"), fhir.get("/Basket")
    anonymous = httpx.get(f"{standin.url}/ws/fhir2/R4/Patient")
    assert [a.status_code for a in (unknown, other, anonymous)] == [404, 404, 401]
    for answer in (unknown, other, anonymous):
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert answer.json()["issue"][0]["severity"] == "error"


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({}, 2),
        ({"identifier": "AB000001"}, 1),
        ({"identifier": "urn:x|AB000001"}, 1),
        ({"identifier": "AB00000"}, 0),
        ({"name": "ju"}, 1),
        ({"family": "said", "given": "asha"}, 1),
        ({"gender": "female"}, 2),
        ({"birthdate": "1990-02-03"}, 2),
    ],
)
def test_fhir_searches(client, fhir, query, total):
    created(client, "AB000001")
    created(client, "AB000002", names=[{"givenName": "Juma", "familyName": "Ali"}])
    bundle = fhir.get("/Patient", params=query).json()
    assert (bundle["type"], bundle["total"], len(bundle.get("entry", []))) == ("searchset", total, total)


def test_fhir_pages_lead_through_all_patients_once(client, fhir):
    uuids = [created(client, f"AB{number:06d}")["uuid"] for number in range(5)]
    urls, seen = ["/Patient?_count=2"], []
    while urls:
        bundle = fhir.get(urls.pop()).json()
        assert bundle["total"] == 5
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        urls = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
    assert seen == uuids
