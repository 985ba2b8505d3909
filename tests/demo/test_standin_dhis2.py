"""The DHIS2 stand-in refuses, answers and pages as DHIS2 does: log-in and metadata."""

import re

import httpx
import pytest

from openfn_platform.demo.standins.dhis2 import seeds
from openfn_platform.demo.standins.dhis2.partner import DHIS2
from openfn_platform.demo.standins.dhis2.uids import is_uid
from openfn_platform.demo.standins.process import Standin
from tests.demo.dhis2_payloads import AUTH, NOBODY, element, patch


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


# Log-in and versions


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        (None, {}),
        (("demo", "wrong"), {}),
        (("admin", "District-1"), {}),
        (None, {"Authorization": "ApiToken d2pat_wrong"}),
    ],
)
def test_without_valid_credentials_everything_stays_closed(standin, auth, headers):
    answer = httpx.get(f"{standin.url}/api/me", auth=auth, headers=headers)
    body = answer.json()
    assert answer.status_code == 401
    assert (body["httpStatus"], body["httpStatusCode"], body["status"]) == ("Unauthorized", 401, "ERROR")
    assert body["message"]


def test_a_personal_access_token_opens(standin):
    headers = {"Authorization": f"ApiToken {DHIS2.settings['pat']}"}
    answer = httpx.get(f"{standin.url}/api/me?fields=id,username", headers=headers)
    assert (answer.status_code, set(answer.json())) == (200, {"id", "username"})


@pytest.mark.parametrize("path", ["/api/system/info", "/api/41/system/info", "/api/36/system/info"])
def test_paths_have_a_version_or_none(standin, path):
    assert httpx.get(standin.url + path, auth=AUTH).json()["version"].startswith("2.41")


@pytest.mark.parametrize("path", ["/api/nothing", "/api/dataElements/x/y/z", "/elsewhere"])
def test_what_is_not_there_is_a_404_with_a_web_message(standin, path):
    answer = httpx.get(standin.url + path, auth=AUTH)
    assert (answer.status_code, answer.json()["httpStatus"]) == (404, "Not Found")


# Reading metadata


def test_every_seeded_object_has_a_valid_identifier(standin):
    state = standin.state()
    assert all(is_uid(row["id"]) for rows in state.values() for row in rows)
    assert len(state["organisationUnits"]) == 12


def test_lists_show_identifier_and_name_and_page(client):
    body = client.get("/organisationUnits", params={"pageSize": 5}).json()
    assert set(body["organisationUnits"][0]) == {"id", "displayName"}
    pager = body["pager"]
    assert (pager["page"], pager["pageCount"], pager["total"], pager["pageSize"]) == (1, 3, 12, 5)
    assert "prevPage" not in pager


def test_the_next_page_leads_through_all_of_a_list_once(client):
    seen, url = [], "/organisationUnits?pageSize=5&fields=id&filter=name:ilike:i"
    while url:
        body = client.get(url).json()
        seen += [unit["id"] for unit in body["organisationUnits"]]
        url = body["pager"].get("nextPage")
    assert len(seen) == len(set(seen)) == body["pager"]["total"] > 5


def test_a_page_behind_the_last_is_the_last(client):
    body = client.get("/organisationUnits", params={"pageSize": 5, "page": 9}).json()
    assert (body["pager"]["page"], len(body["organisationUnits"])) == (3, 2)


def test_without_paging_everything_comes_at_once(client):
    body = client.get("/organisationUnits", params={"paging": "false"}).json()
    assert ("pager" in body, len(body["organisationUnits"])) == (False, 12)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["code:eq:LM-N"], {"Northshore"}),
        (["level:eq:2", "code:ne:LM-N"], {"Midlands", "Southbay"}),
        (["name:like:Clinic", "parent.id:eq:OuNorthsh01"], {"Gull Point Clinic", "Saltmarsh Clinic"}),
        (["name:like:clinic"], set()),
        (["name:ilike:CLINIC", "parent.code:in:[LM-M]"], {"Orchard Clinic"}),
        (["code:in:[LM-N,LM-S]"], {"Northshore", "Southbay"}),
        (["name:token:tide post"], {"Tidewater Health Post"}),
        (["level:lt:2"], {"Lumara"}),
        (["parent:null"], {"Lumara"}),
        (["level:eq:2", "name:!like:o"], {"Midlands"}),
        (["name:$ilike:old"], {"Old Mill Health Post"}),
    ],
)
def test_conditions_must_all_hold(client, filters, found):
    body = client.get("/organisationUnits", params={"filter": filters, "fields": "name"}).json()
    assert {unit["name"] for unit in body["organisationUnits"]} == found


def test_one_of_several_conditions_is_enough_on_request(client):
    params = {"filter": ["code:eq:LM-N", "code:eq:LM-S"], "rootJunction": "OR", "order": "name:desc"}
    body = client.get("/organisationUnits", params=params).json()
    assert [unit["displayName"] for unit in body["organisationUnits"]] == ["Southbay", "Northshore"]


@pytest.mark.parametrize("text", ["name:resembles:x", "colour:eq:red", "name", "code:in:LM-N"])
def test_a_condition_that_cannot_be_read_is_a_conflict(client, text):
    answer = client.get("/organisationUnits", params={"filter": text})
    assert (answer.status_code, answer.json()["status"]) == (409, "ERROR")


def test_fields_reach_into_what_is_referred_to(client):
    fields = "id,parent[name,parent[code]],children~size,!code"
    unit = client.get(f"/organisationUnits/{seeds.GULL_POINT}", params={"fields": fields}).json()
    assert unit == {
        "id": seeds.GULL_POINT,
        "parent": {"name": "Northshore", "parent": {"code": "LM"}},
        "children": 0,
    }


def test_a_single_object_comes_in_full(client):
    unit = client.get(f"/organisationUnits/{seeds.NORTHSHORE}").json()
    assert (unit["level"], unit["path"]) == (2, f"/{seeds.LUMARA}/{seeds.NORTHSHORE}")
    assert unit["geometry"]["type"] == "Point"
    assert len(unit["children"]) == 3
    assert unit["leaf"] is False


def test_an_unknown_object_is_a_404_that_names_it(client):
    answer = client.get(f"/dataElements/{NOBODY}")
    assert answer.status_code == 404
    assert answer.json()["message"] == f"DataElement with id {NOBODY} could not be found."


def test_resources_list_the_kinds_of_metadata(client):
    plurals = {each["plural"] for each in client.get("/resources").json()["resources"]}
    assert {"organisationUnits", "programs", "optionSets", "categoryOptionCombos"} <= plurals


# Writing metadata


def test_a_created_object_is_reported_and_can_be_read(client):
    answer = client.post("/dataElements", json=element("DENGUE"))
    body = answer.json()
    assert (answer.status_code, body["httpStatus"], body["status"]) == (201, "Created", "OK")
    uid = body["response"]["uid"]
    assert body["response"] == {
        "responseType": "ObjectReport",
        "klass": "org.hisp.dhis.dataelement.DataElement",
        "uid": uid,
        "errorReports": [],
    }
    assert answer.headers["location"].endswith(f"/api/dataElements/{uid}")
    read = client.get(f"/dataElements/{uid}").json()
    assert read["displayName"] == "Element DENGUE"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", read["created"])


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        ({"valueType": None}, "E4000", "valueType"),
        ({"code": "MAL_CASES"}, "E5003", "code"),
        ({"name": "Malaria cases"}, "E5003", "name"),
        ({"id": seeds.MALARIA_CASES}, "E5000", "id"),
        ({"id": "short"}, "E4014", "uid"),
        ({"categoryCombo": {"id": NOBODY}}, "E5002", "categoryCombo"),
    ],
)
def test_an_object_that_breaks_a_rule_is_a_conflict_with_its_code(client, change, code, name):
    answer = client.post("/dataElements", json={**element("NEW"), **change})
    errors = answer.json()["response"]["errorReports"]
    assert answer.status_code == 409
    assert [(error["errorCode"], error["errorProperty"]) for error in errors] == [(code, name)]
    assert errors[0]["mainKlass"] == "org.hisp.dhis.dataelement.DataElement"
    assert client.get("/dataElements", params={"filter": "code:eq:NEW"}).json()["pager"]["total"] == 0


def test_putting_replaces_and_needs_everything(client):
    uid = client.post("/dataElements", json=element("A", description="old")).json()["response"]["uid"]
    assert client.put(f"/dataElements/{uid}", json={"name": "only"}).status_code == 409
    assert client.put(f"/dataElements/{uid}", json=element("B")).status_code == 200
    read = client.get(f"/dataElements/{uid}").json()
    assert (read["code"], "description" in read) == ("B", False)
    assert client.put(f"/dataElements/{NOBODY}", json=element("C")).status_code == 404


def test_a_patch_changes_what_it_names(client):
    path = f"/dataElements/{seeds.BIRTHS}"
    answer = patch(client, path, {"op": "replace", "path": "/name", "value": "Live births"})
    assert answer.status_code == 200
    assert client.get(path).json()["name"] == "Live births"
    assert client.get(path).json()["code"] == "BIRTHS"


def test_a_patch_must_be_declared_as_one(client):
    change = {"op": "replace", "path": "/name", "value": "x"}
    path = f"/dataElements/{seeds.BIRTHS}"
    assert patch(client, path, change, kind="application/json").status_code == 415


def test_a_patch_that_breaks_a_rule_is_refused(client):
    path = f"/dataElements/{seeds.BIRTHS}"
    taken = patch(client, path, {"op": "add", "path": "/code", "value": "MAL_CASES"})
    assert (taken.status_code, taken.json()["response"]["responseType"]) == (409, "ErrorReports")
    lost = patch(client, path, {"op": "replace", "path": "/nothing/here", "value": 1})
    assert lost.json()["response"]["errorReports"][0]["errorCode"] == "E4032"
    assert (
        client.patch(path, content=b"{}", headers={"Content-Type": "application/json-patch+json"}).status_code
        == 400
    )


def test_what_is_in_use_cannot_be_deleted(client):
    refused = client.delete(f"/dataElements/{seeds.MALARIA_CASES}")
    assert (refused.status_code, refused.json()["errorCode"]) == (409, "E4030")
    uid = client.post("/dataElements", json=element("FREE")).json()["response"]["uid"]
    assert client.delete(f"/dataElements/{uid}").status_code == 200
    assert client.get(f"/dataElements/{uid}").status_code == 404
    assert client.delete(f"/dataElements/{uid}").status_code == 404


def test_a_moved_unit_takes_those_below_it_along(client):
    path = f"/organisationUnits/{seeds.SOUTHBAY}"
    move = {"op": "replace", "path": "/parent", "value": {"id": seeds.NORTHSHORE}}
    assert patch(client, path, move).status_code == 200
    clinic = client.get(f"/organisationUnits/{seeds.CAPE_LANTERN}").json()
    assert clinic["path"] == f"/{seeds.LUMARA}/{seeds.NORTHSHORE}/{seeds.SOUTHBAY}/{seeds.CAPE_LANTERN}"
    assert clinic["level"] == 4


def test_many_objects_that_need_each_other_come_in_together(client):
    group = {"id": "DgGroup0001", "name": "Group", "dataElements": [{"id": "DeNew000001"}]}
    payload = {"dataElementGroups": [group], "dataElements": [element("N1", id="DeNew000001")]}
    answer = client.post("/metadata", json=payload)
    report = answer.json()["response"]
    assert (answer.status_code, report["status"], report["stats"]["created"]) == (200, "OK", 2)
    again = client.post("/metadata", json=payload).json()["response"]["stats"]
    assert again == {"created": 0, "updated": 2, "deleted": 0, "ignored": 0, "total": 2}


@pytest.mark.parametrize(("mode", "status", "created"), [("ALL", "ERROR", 0), ("NONE", "WARNING", 1)])
def test_one_wrong_object_keeps_all_out_or_only_itself(client, mode, status, created):
    payload = {"dataElements": [element("GOOD"), element("BAD", valueType=None)]}
    answer = client.post("/metadata", json=payload, params={"atomicMode": mode})
    report = answer.json()["response"]
    assert (answer.status_code, report["status"], report["stats"]["created"]) == (409, status, created)
    wrong = report["typeReports"][0]["objectReports"][0]
    assert (wrong["index"], wrong["errorReports"][0]["errorCode"]) == (1, "E4000")


def test_what_must_be_unique_must_be_so_within_a_payload(client):
    payload = {"dataElements": [element("SAME"), element("SAME", name="Other", shortName="Other")]}
    report = client.post("/metadata", json=payload).json()["response"]
    assert report["typeReports"][0]["objectReports"][0]["errorReports"][0]["errorCode"] == "E5005"


@pytest.mark.parametrize(
    "change",
    [
        {"name": 7},
        {"categoryCombo": "bjDvmb4bfuf"},
        {"optionSet": {"code": "SEX"}},
        {"dataSetElements": [{"dataElement": "DeBirths001"}]},
        {"geometry": []},
    ],
)
def test_an_object_that_cannot_be_parsed_is_a_400_before_any_rule(client, change):
    answer = client.post("/dataElements", json={**element("NEW"), **change})
    assert (answer.status_code, next(iter(change)) in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 400), (b"a=1", "text/plain", 415)],
)
def test_a_body_that_cannot_be_read_is_refused(client, content, kind, status):
    answer = client.post("/dataElements", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["status"]) == (status, "ERROR")
