"""The CommCare HQ stand-in answers, refuses, pages, forwards as CommCare HQ does."""

import io
import json
import uuid
from datetime import date, datetime
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import httpx
import openpyxl
import pytest

from openfn_platform.demo.standins.commcare.partner import CommCareHQ
from openfn_platform.demo.standins.commcare.registrations import national_id
from openfn_platform.demo.standins.commcare.seeds import APP, GROUP, NEEMA, REPORT, UJIJI, VISIT_XMLNS
from openfn_platform.demo.standins.process import Standin, StandinFailed
from tests.demo.listener import listening

USER, KEY, PASSWORD = (CommCareHQ.settings[name] for name in ("username", "api_key", "password"))
FORMS, CASES, V2 = "/api/v0.5/form/", "/api/v0.5/case/", "/api/case/v2/"
RECEIVER = f"/receiver/{APP}/"
ROSA = "{http://openrosa.org/http/response}message"
CASE_XMLNS = "http://commcarehq.org/case/transaction/v2"
NOBODY = "00000000-0000-0000-0000-000000000000"
SLOW = 10


@pytest.fixture(scope="module")
def running():
    with Standin.start("commcare") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url + "/a/clinic", auth=(USER, PASSWORD), timeout=SLOW) as client:
        yield client


def xform(*blocks, instance=None, question="yes", xmlns="http://example.org/visit"):
    """A form as a client writes it."""
    return f"""<?xml version="1.0"?>
        <data xmlns="{xmlns}" name="Visit" version="3" uiVersion="1">
          <consent>{question}</consent>
          <child><name>Asha</name></child><child><name>Juma</name></child>
          {"".join(blocks)}
          <n1:meta xmlns:n1="http://openrosa.org/jr/xforms">
            <n1:deviceID>desk</n1:deviceID>
            <n1:timeStart>2026-11-23T08:00:00.000Z</n1:timeStart>
            <n1:timeEnd>2026-11-23T08:05:00.000Z</n1:timeEnd>
            <n1:username>neema</n1:username><n1:userID>{NEEMA}</n1:userID>
            <n1:instanceID>{instance or uuid.uuid4()}</n1:instanceID>
          </n1:meta>
        </data>"""


def block(case_id, *, name=None, update="", index=None, close=False, when="2026-11-23T08:05:00.000Z"):
    """A case block."""
    create = ""
    if name is not None:
        create = f"<create><case_name>{name}</case_name><owner_id>{NEEMA}</owner_id><case_type>patient</case_type></create>"
    indices = f'<index><parent case_type="patient">{index}</parent></index>' if index else ""
    return (
        f'<case xmlns="{CASE_XMLNS}" case_id="{case_id}" date_modified="{when}" user_id="{NEEMA}">'
        f"{create}<update>{update}</update>{indices}{'<close/>' if close else ''}</case>"
    )


def submit(client, body, path=RECEIVER, **headers):
    return client.post(path, content=body, headers={"Content-Type": "text/xml", **headers})


def nature(answer):
    message = ElementTree.fromstring(answer.text).find(ROSA)
    assert message is not None
    return message.get("nature"), message.text


def case_of(client, case_id):
    return client.get(f"{CASES}{case_id}/").json()


def pages(client, path, **query):
    """All objects, by offset as a careful client computes it."""
    offset, found = 0, []
    while True:
        body = client.get(path, params={**query, "offset": offset}).json()
        found += body["objects"]
        if body["meta"]["next"] is None:
            assert len(found) == body["meta"]["total_count"]
            return found
        offset = body["meta"]["offset"] + body["meta"]["limit"]


def sheet_file(sheets):
    """An Excel file of `{sheet: rows}`."""
    book, content = openpyxl.Workbook(write_only=True), io.BytesIO()
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(content)
    return content.getvalue()


# Who may


@pytest.mark.parametrize("path", [FORMS, V2])
def test_an_api_key_and_a_password_open_the_door(standin, path):
    url = f"{standin.url}/a/clinic{path}"
    assert httpx.get(url, headers={"Authorization": f"ApiKey {USER}:{KEY}"}).status_code == 200
    assert httpx.get(url, auth=(USER, PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    "authorization", [None, f"ApiKey {USER}:wrong", f"ApiKey {USER}:", "Basic !", f"Bearer {KEY}"]
)
def test_without_valid_credentials_everything_is_401(standin, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    url = f"{standin.url}/a/clinic"
    listed = httpx.get(url + FORMS, headers=headers)
    assert (listed.status_code, listed.json()) == (401, {"error": "not authorized"})
    for plain in (httpx.post(url + RECEIVER, headers=headers), httpx.get(url + V2, headers=headers)):
        assert (plain.status_code, plain.content) == (401, b"")
        assert plain.headers["www-authenticate"].startswith("Basic")


def test_a_missing_permission_is_403_without_json(standin, client):
    standin.configure(forbidden=["form", "receiver"])
    assert (client.get(FORMS).status_code, client.get(FORMS).content) == (403, b"")
    refused = submit(client, xform())
    assert (refused.status_code, refused.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert client.get(CASES).status_code == 200


def test_another_project_space_is_not_there(standin):
    for path in (FORMS, V2, RECEIVER):
        assert httpx.get(f"{standin.url}/a/elsewhere{path}", auth=(USER, PASSWORD)).status_code == 404


def test_too_many_in_a_second_are_429(standin, client):
    standin.configure(rate_limit=2)
    answers = [client.get(FORMS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"].startswith("Rate limits are applied per user and project space.")
    assert "retry-after" not in answers[2].headers
    assert client.get(V2).headers["retry-after"] == "1"
    standin.configure(rate_limit_text="")
    assert (client.get(FORMS).status_code, client.get(FORMS).content) == (429, b"")


# Lists


@pytest.mark.parametrize("path", [FORMS, "/api/v0.5/form", "/api/form/v1/"])
def test_forms_are_listed_with_where_they_are(client, path):
    body = client.get(path).json()
    assert body["meta"] == {"limit": 20, "next": None, "offset": 0, "previous": None, "total_count": 4}
    form = body["objects"][0]
    assert (form["domain"], form["app_id"], form["archived"]) == ("clinic", APP, False)
    assert form["form"]["@xmlns"] == VISIT_XMLNS
    assert form["metadata"]["username"] == "neema"
    assert {"received_on", "server_modified_on", "indexed_on", "attachments", "build_id"} < set(form)


def test_pages_lead_through_all_forms_once(standin, client):
    ids = standin.call("POST", "registrations", {"count": 50})["form_ids"]
    found = pages(client, FORMS, limit=20, order_by="indexed_on")
    assert [form["id"] for form in found[4:]] == ids


def test_next_is_a_bare_query_or_a_path(standin, client):
    standin.call("POST", "registrations", {"count": 30})
    first = client.get(FORMS, params={"limit": 10, "order_by": "indexed_on"}).json()["meta"]
    assert first["next"] == "?limit=10&offset=10&order_by=indexed_on"
    standin.configure(next_style="path")
    middle = client.get("/api/form/v1/", params={"limit": 10, "offset": 10}).json()["meta"]
    assert middle["next"] == "/a/clinic/api/form/v1/?limit=10&offset=20"
    assert middle["previous"] == "/a/clinic/api/form/v1/?limit=10&offset=0"


@pytest.mark.parametrize(("path", "most"), [(FORMS, 1000), (CASES, 5000)])
def test_no_page_is_larger_than_the_largest(client, path, most):
    for limit in (0, most + 1):
        assert client.get(path, params={"limit": limit}).json()["meta"]["limit"] == most


def test_a_limit_that_is_no_number_is_refused(client):
    for query in ({"limit": "many"}, {"limit": "-1"}, {"offset": "x"}):
        refused = client.get(FORMS, params=query)
        assert (refused.status_code, list(refused.json())) == (400, ["error"])


def test_forms_are_filtered_by_what_they_say(client):
    def ids(**query):
        return [form["id"] for form in client.get(FORMS, params=query).json()["objects"]]

    (visit,) = ids(xmlns=VISIT_XMLNS)
    case_id = client.get(f"{FORMS}{visit}/").json()["form"]["case"][0]["@case_id"]
    assert len(ids(app_id=APP)) == 4
    assert ids(app_id="another") == []
    assert set(ids(case_id=case_id)) > {visit}
    assert ids(xmlnss=VISIT_XMLNS) == []  # a misspelt filter finds nothing instead of everything


def test_forms_since_a_moment_are_those_not_yet_seen(standin, client):
    newest = client.get(FORMS, params={"order_by": "-indexed_on", "limit": 1}).json()["objects"][0]
    ids = standin.call("POST", "registrations", {"count": 3})["form_ids"]
    since = newest["indexed_on"].removesuffix("Z")
    found = client.get(FORMS, params={"indexed_on_start": since, "order_by": "indexed_on"}).json()["objects"]
    assert [form["id"] for form in found] == [newest["id"], *ids]
    until = client.get(FORMS, params={"received_on_end": since}).json()["meta"]["total_count"]
    assert until == 4


def test_a_zone_in_a_filter_is_refused(client):
    for moment in ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00+00:00", "yesterday"):
        refused = client.get(FORMS, params={"indexed_on_start": moment})
        assert refused.status_code == 400
        assert moment in refused.json()["error"]
    assert client.get(FORMS, params={"indexed_on_start": "2026-11-23T08:00Z"}).status_code == 200


def test_an_order_that_does_not_exist_is_refused(client):
    assert client.get(FORMS, params={"order_by": "colour"}).status_code == 400
    moments = [
        c["indexed_on"] for c in client.get(CASES, params={"order_by": "-indexed_on"}).json()["objects"]
    ]
    assert moments == sorted(moments, reverse=True)


def test_an_archived_form_is_out_of_the_list_and_its_case_is_as_if_it_had_not_been(standin, client):
    (visit,) = client.get(FORMS, params={"xmlns": VISIT_XMLNS}).json()["objects"]
    mother, child = (each["@case_id"] for each in visit["form"]["case"])
    standin.call("POST", "archive", {"form_id": visit["id"]})
    assert client.get(FORMS).json()["meta"]["total_count"] == 3
    assert client.get(FORMS, params={"include_archived": "true"}).json()["meta"]["total_count"] == 4
    assert client.get(FORMS, params={"archived": "true"}).json()["meta"]["total_count"] == 1
    assert "weight" not in case_of(client, mother)["properties"]
    assert client.get(f"{CASES}{child}/").status_code == 404


def test_cases_are_filtered_by_type_owner_state_and_property(client):
    def count(**query):
        return client.get(CASES, params=query).json()["meta"]["total_count"]

    assert (count(type="patient"), count(case_type="child"), count(type="house")) == (3, 1, 0)
    assert (count(owner_id=NEEMA), count(owner_id=NOBODY)) == (4, 0)
    assert (count(closed="false"), count(closed="true")) == (4, 0)
    assert count(case_name="Amani Mwakasege") == 1
    assert count(village="Ujiji") == 1
    assert count(**{"properties.village": "Ujiji"}) == 1
    assert count(external_id="none") == 0
    assert count(date_modified_start="2020-01-01") == 4
    assert count(server_date_modified_start="2100-01-01") == 0


def test_a_case_shows_its_properties_and_where_it_hangs(client):
    (child,) = client.get(CASES, params={"type": "child"}).json()["objects"]
    assert child["properties"]["case_name"] == "Amani Mwakasege"
    assert child["properties"]["dob"] == "2026-10-02"
    assert child["indices"]["parent"]["case_type"] == "patient"
    assert child["id"] == child["case_id"]
    assert len(child["xform_ids"]) == 1
    assert client.get(f"{CASES}{child['case_id']}/").json() == child


@pytest.mark.parametrize(
    ("name", "count"),
    [("user", 2), ("group", 1), ("location", 3), ("web-user", 1), ("application", 1), ("fixture", 0)],
)
def test_the_other_lists_are_there_under_both_names(client, name, count):
    for path in (f"/api/v0.5/{name}/", f"/api/{name}/v1/"):
        body = client.get(path).json()
        assert (len(body["objects"]), body["meta"]["total_count"]) == (count, count)


def test_what_does_not_exist_is_an_empty_404(client):
    for path in (
        f"{FORMS}{NOBODY}/",
        f"{CASES}{NOBODY}/",
        "/api/v0.5/location/nowhere/",
        "/api/v0.5/colour/",
    ):
        missing = client.get(path)
        assert (missing.status_code, missing.content) == (404, b"")
    assert client.get(f"/api/v0.5/location/{UJIJI}/").json()["name"] == "Ujiji"


def test_a_list_that_is_only_read_refuses_a_post(client):
    assert client.post("/api/v0.5/location/", json={"name": "x"}).status_code == 405


# Mobile workers


def test_a_mobile_worker_is_made_changed_and_retired(client):
    known = {
        "username": "juma",
        "password": "a-long-one",
        "phone_numbers": ["+255750000001"],
        "groups": [GROUP],
    }
    made = client.post("/api/v0.5/user/", json=known)
    user = made.json()
    assert (made.status_code, user["username"]) == (201, "juma@clinic.commcarehq.org")
    assert user["default_phone_number"] == "+255750000001"
    assert "password" not in user
    path = f"/api/v0.5/user/{user['id']}/"
    changed = client.put(path, json={"first_name": "Juma", "user_data": {"chw": "7"}}).json()
    assert (changed["first_name"], changed["user_data"], changed["groups"]) == ("Juma", {"chw": "7"}, [GROUP])
    assert client.get(path).json() == changed
    assert client.get("/api/v0.5/user/", params={"group": GROUP}).json()["meta"]["total_count"] == 3
    assert client.delete(path).status_code == 202
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"username": "juma"},
        {"username": "", "password": "x"},
        {"username": "neema", "password": "x"},
        {"username": "j", "password": "x", "groups": "g"},
    ],
)
def test_a_mobile_worker_that_cannot_be_made_is_refused_with_a_reason(client, values):
    refused = client.post("/api/v0.5/user/", json=values)
    assert (refused.status_code, list(refused.json())) == (400, ["error"])


# Submissions


def test_a_form_opens_changes_and_closes_a_case(client):
    assert nature(submit(client, xform(block("c1", name="Asha Said", update="<weight>60</weight>")))) == (
        "submit_success",
        "   √   ",
    )
    submit(client, xform(block("c1", update="<weight>61</weight><case_name>Asha S</case_name>")))
    case = case_of(client, "c1")
    assert (case["properties"]["weight"], case["properties"]["case_name"]) == ("61", "Asha S")
    assert (case["properties"]["case_type"], case["user_id"], len(case["xform_ids"])) == ("patient", NEEMA, 2)
    submit(client, xform(block("c1", close=True, when="2026-11-24T10:00:00.000+03")))
    case = case_of(client, "c1")
    assert (case["closed"], case["date_closed"]) == (True, "2026-11-24T07:00:00.000000Z")
    assert case["properties"]["weight"] == "61"


def test_a_form_is_shown_as_json_with_attributes_lists_and_its_meta(client):
    answer = submit(client, xform(block("c1", name="Asha Said"), instance="form-1"))
    assert answer.status_code == 201
    form = client.get(f"{FORMS}form-1/").json()
    content = form["form"]
    assert (content["#type"], content["@name"], content["@xmlns"]) == (
        "data",
        "Visit",
        "http://example.org/visit",
    )
    assert content["child"] == [{"name": "Asha"}, {"name": "Juma"}]
    assert content["case"]["@case_id"] == "c1"
    assert content["case"]["create"]["case_name"] == "Asha Said"
    assert content["meta"]["instanceID"] == form["metadata"]["instanceID"] == "form-1"
    assert (form["app_id"], form["version"], form["is_phone_submission"]) == (APP, "3", False)


def test_a_form_may_come_as_a_file(client):
    files = {"xml_submission_file": ("form.xml", xform(instance="form-2"), "text/xml")}
    assert nature(client.post("/receiver/", files=files))[0] == "submit_success"
    assert client.get(f"{FORMS}form-2/").json()["app_id"] is None
    assert client.post("/receiver/", files={"file": ("form.xml", xform())}).status_code == 400


def test_a_form_sent_again_counts_once(client):
    body = xform(block("c1", name="Asha Said"), instance="form-3")
    for _ in range(3):
        assert nature(submit(client, body))[0] == "submit_success"
    assert client.get(FORMS).json()["meta"]["total_count"] == 5
    assert case_of(client, "c1")["xform_ids"] == ["form-3"]


def test_the_same_instance_with_another_content_replaces_the_form_and_its_cases(client):
    submit(client, xform(block("c1", name="Asha"), block("c2", name="Juma"), instance="form-4"))
    submit(client, xform(block("c1", update="<weight>60</weight>")))
    old = client.get(f"{FORMS}form-4/").json()
    answer = submit(client, xform(block("c1", name="Zawadi"), instance="form-4", question="no"))
    assert nature(answer)[0] == "submit_success"
    new = client.get(f"{FORMS}form-4/").json()
    assert (new["form"]["consent"], new["received_on"]) == ("no", old["received_on"])
    assert new["edited_on"] > new["received_on"]
    case = case_of(client, "c1")
    assert (case["properties"]["case_name"], case["properties"]["weight"]) == ("Zawadi", "60")
    assert client.get(f"{CASES}c2/").status_code == 404
    assert client.get(CASES).json()["meta"]["total_count"] == 5


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            block("c9", name="Child", index=NOBODY),
            f"InvalidCaseIndex: Case 'c9' references non-existent case '{NOBODY}'",
        ),
        (block("", name="Nobody"), "IllegalCaseId"),
        (block("c9", name="x" * 256), "CaseValueError"),
        (block("c9", name="x", when="tomorrow"), "PhoneDateValueError"),
    ],
    ids=["index", "id", "name", "date"],
)
def test_a_form_that_cannot_be_processed_is_refused_in_a_201(client, bad, reason):
    answer = submit(client, xform(block("c8", name="Good"), bad))
    kind, text = nature(answer)
    assert (answer.status_code, kind) == (201, "submit_error")
    assert text.startswith(reason)
    assert client.get(f"{CASES}c8/").status_code == 404
    assert client.get(FORMS).json()["meta"]["total_count"] == 4


def test_openrosa_3_has_a_status_of_its_own_for_it(client):
    answer = submit(client, xform(block("c9", name="C", index=NOBODY)), **{"X-OpenRosa-Version": "3.0"})
    assert (answer.status_code, nature(answer)[0]) == (422, "processing_failure")
    answer = submit(client, xform(block("c9", name="C", index=NOBODY)), **{"X-OpenRosa-Version": "2.0"})
    assert (answer.status_code, nature(answer)[0]) == (201, "submit_error")


def test_an_index_may_point_at_a_case_of_the_same_form(client):
    body = xform(block("kid", name="Kid", index="mum"), block("mum", name="Mum"))
    assert nature(submit(client, body))[0] == "submit_success"
    assert case_of(client, "kid")["indices"]["parent"]["case_id"] == "mum"


@pytest.mark.parametrize(
    "body", ["<data", "", "<data/>", '<!DOCTYPE d [<!ENTITY a "b">]><data xmlns="x">&a;</data>']
)
def test_what_is_no_form_is_refused(client, body):
    answer = submit(client, body)
    if not body:
        assert answer.status_code == 400
    else:
        assert (answer.status_code, nature(answer)[0]) == (500, "submit_error")
    assert client.get(FORMS).json()["meta"]["total_count"] == 4


def test_a_blocked_project_space_is_509(standin, client):
    standin.configure(blocked=True)
    assert submit(client, xform()).status_code == 509


# Case API v2


NEW = {"case_type": "patient", "case_name": "Asha Said", "owner_id": NEEMA, "properties": {"weight": "60"}}


def test_a_post_always_makes_a_case(client):
    first, second = (client.post(V2, json={**NEW, "external_id": "17"}).json() for _ in range(2))
    assert first["case"]["case_id"] != second["case"]["case_id"]
    assert first["case"]["properties"] == {"weight": "60"}
    assert first["case"]["closed"] is False
    form = client.get(f"{FORMS}{first['xform_id']}/").json()
    assert form["form"]["@xmlns"] == "http://commcarehq.org/case_api"
    several = client.get(f"{V2}ext/17/")
    assert several.status_code == 400
    assert "Multiple cases found with external_id '17'" in several.json()["error"]


def test_a_put_changes_what_it_names(client):
    case_id = client.post(V2, json=NEW).json()["case"]["case_id"]
    answer = client.put(f"{V2}{case_id}/", json={"properties": {"height": "160"}, "close": True}).json()
    assert answer["case"]["properties"] == {"weight": "60", "height": "160"}
    assert answer["case"]["closed"] is True
    assert client.get(f"{V2}{case_id}").json()["date_closed"] is not None


def test_a_put_by_external_id_makes_the_case_once(client):
    path = f"{V2}ext/AB 17/"
    made = client.put(path, json=NEW).json()["case"]
    again = client.put(path, json={"properties": {"weight": "61"}}).json()["case"]
    assert made["case_id"] == again["case_id"]
    assert (again["external_id"], again["properties"]["weight"]) == ("AB 17", "61")
    assert client.get(path).json()["case_id"] == made["case_id"]
    assert client.get(CASES, params={"external_id": "AB 17"}).json()["meta"]["total_count"] == 1


def test_a_bulk_makes_and_changes_in_one_form(client):
    case_id = client.post(V2, json=NEW).json()["case"]["case_id"]
    answer = client.post(
        V2,
        json=[
            {"create": True, **NEW, "case_name": "Mother", "temporary_id": "m"},
            {
                "create": True,
                **NEW,
                "case_name": "Child",
                "indices": {"parent": {"temporary_id": "m", "case_type": "patient", "relationship": "child"}},
            },
            {"create": False, "case_id": case_id, "properties": {"weight": "62"}},
            {"create": None, **NEW, "external_id": "18"},
        ],
    ).json()
    mother, child, changed, _ = answer["cases"]
    assert child["indices"]["parent"]["case_id"] == mother["case_id"]
    assert changed["properties"]["weight"] == "62"
    assert case_of(client, mother["case_id"])["xform_ids"] == [answer["xform_id"]]
    children = client.get(V2, params={"indices.parent": mother["case_id"]}).json()
    assert [case["case_name"] for case in children["cases"]] == ["Child"]


def test_an_index_may_name_its_case_by_external_id(client):
    mother = client.post(V2, json={**NEW, "external_id": "m-1"}).json()["case"]["case_id"]
    index = {"external_id": "m-1", "case_type": "patient", "relationship": "child"}
    child = client.post(V2, json={**NEW, "indices": {"parent": index}}).json()["case"]
    assert child["indices"]["parent"]["case_id"] == mother
    unlinked = client.put(f"{V2}{child['case_id']}/", json={"indices": {"parent": {}}}).json()["case"]
    assert unlinked["indices"] == {}
    twice = [
        {"create": True, **NEW, "external_id": "m-2"},
        {"create": True, **NEW, "indices": {"parent": {**index, "external_id": "m-2"}}},
    ]
    made, pointing = client.post(V2, json=twice).json()["cases"]
    assert pointing["indices"]["parent"]["case_id"] == made["case_id"]
    for wrong in ({**index, "external_id": "m-9"}, {**index, "case_id": mother}):
        assert client.post(V2, json={**NEW, "indices": {"parent": wrong}}).status_code == 400


def test_a_bulk_of_more_than_a_hundred_is_too_large(client):
    refused = client.post(V2, json=[{"create": True, **NEW}] * 101)
    assert (refused.status_code, refused.json()) == (400, {"error": "Payload too large"})
    assert client.post(V2, json=[{"create": True, **NEW}] * 100).status_code == 200


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "case_type is required"),
        ({**NEW, "owner_id": ""}, "owner_id is required"),
        ({**NEW, "colour": "red"}, "'colour' is not a valid field."),
        ({**NEW, "create": True}, "'create' is not a valid field."),
        ({**NEW, "case_name": 5}, "case_name must be a string"),
        ({**NEW, "case_name": "x" * 256}, "longer than 255"),
        ({**NEW, "properties": {"weight": 60}}, "Values must be strings"),
        ({**NEW, "properties": {"2nd": "x"}}, "2nd"),
        ({**NEW, "properties": {"case_name": "x"}}, "case_name"),
        ({**NEW, "properties": {"weight": "\x00"}}, "XML"),
        ({**NEW, "indices": {"parent": {"case_id": "x"}}}, "relationship"),
        ("text", "single JSON object"),
        ([{**NEW}], "Error in row 1: A 'create' flag is required for each update."),
        ([{"create": True, **NEW}, {"create": False, "case_id": NOBODY}], f"Error in row 2: No case found with ID '{NOBODY}'"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "payload",
)  # fmt: skip
def test_a_change_that_makes_no_sense_is_refused_and_nothing_stored(client, payload, reason):
    refused = client.post(V2, json=payload)
    assert (refused.status_code, list(refused.json())) == (400, ["error"])
    assert reason in refused.json()["error"]
    assert client.get(CASES).json()["meta"]["total_count"] == 4


def test_what_goes_wrong_while_the_form_is_processed_names_the_form(client):
    index = {"parent": {"case_id": NOBODY, "case_type": "patient", "relationship": "child"}}
    refused = client.post(V2, json={**NEW, "indices": index})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("InvalidCaseIndex")
    assert refused.json()["form_id"]


def test_a_case_that_does_not_exist_is_404_to_read_and_400_to_change(client):
    missing = client.get(f"{V2}{NOBODY}/")
    assert (missing.status_code, missing.json()) == (404, {"error": f"Case '{NOBODY}' not found"})
    assert client.get(f"{V2}ext/none/").status_code == 404
    assert client.put(f"{V2}{NOBODY}/", json={"close": True}).status_code == 400
    assert client.put(V2, json={"external_id": "none", "close": True}).status_code == 400


def test_a_body_that_is_no_json_is_refused(client):
    assert client.post(V2, content=b"{").json() == {"error": "Payload must be valid JSON"}


def test_the_cursor_leads_through_all_cases_once(standin, client):
    standin.call("POST", "registrations", {"count": 45})
    seen, url = [], f"{V2}?case_type=patient&limit=20&fields=case_id"
    while url:
        body = client.get(url).json()
        seen += [case["case_id"] for case in body["cases"]]
        assert body["matching_records"] == 48
        assert all(list(case) == ["case_id"] for case in body["cases"])
        url = body.get("next")
    assert len(seen) == len(set(seen)) == 48


def test_next_is_where_the_server_believes_to_be(standin, client):
    standin.configure(public_base="https://hq.example")
    following = client.get(V2, params={"limit": 1}).json()["next"]
    assert following.startswith("https://hq.example/a/clinic/api/case/v2/?cursor=")


def test_cases_of_v2_are_filtered_strictly(client):
    def count(query):
        return client.get(f"{V2}?{query}").json()["matching_records"]

    assert (count("case_type=patient"), count("case_type=patient&case_type=child")) == (3, 4)
    assert (count("properties.village=Ujiji"), count("properties.village=")) == (1, 1)
    assert (count("closed=no"), count("closed=maybe")) == (4, 0)
    assert (count("indexed_on.gte=2020-01-01"), count("last_modified.lt=2020-01-01T00:00:00Z")) == (4, 0)
    assert count("date_closed.gt=2020-01-01") == 0
    assert count("limit=5000") == 4
    for query in (
        "colour=red",
        "type=patient",
        "limit=5001",
        "indexed_on.gt=soon",
        "fields=a&exclude=b",
        "cursor=x",
    ):
        refused = client.get(f"{V2}?{query}")
        assert (refused.status_code, list(refused.json())) == (400, ["error"])


def test_a_bulk_fetch_keeps_the_order_and_the_gaps(client):
    case_id = client.post(V2, json={**NEW, "external_id": "19"}).json()["case"]["case_id"]
    asked = {"case_ids": [NOBODY, case_id], "external_ids": ["19", "none"]}
    body = client.post(f"{V2}bulk-fetch/?fields=case_id", json=asked).json()
    assert (body["matching_records"], body["missing_records"]) == (2, 2)
    assert body["cases"] == [
        {"case_id": NOBODY, "error": "not found"},
        {"case_id": case_id},
        {"case_id": case_id},
        {"external_id": "none", "error": "not found"},
    ]
    several = client.get(f"{V2}{case_id},{NOBODY}").json()
    assert (several["matching_records"], several["missing_records"]) == (1, 1)
    assert client.post(f"{V2}bulk-fetch/", json={}).status_code == 400


def test_newer_servers_call_the_form_otherwise(standin, client):
    standin.configure(form_id_key="form_id")
    assert set(client.post(V2, json=NEW).json()) == {"form_id", "case"}


# Uploads


def upload(client, rows, name="cases.xlsx", **fields):
    file = {"file": (name, sheet_file({"cases": rows}))}
    wanted = {"case_type": "patient", "search_field": "external_id", "create_new_cases": "on", **fields}
    return client.post("/importer/excel/bulk_upload_api/", files=file, data=wanted)


def test_an_uploaded_file_makes_and_changes_cases(client):
    client.post(V2, json={**NEW, "external_id": "21"})
    rows = [
        ["external_id", "name", "weight", "owner_name", "seen"],
        ["21", "Asha Said", 61, "neema", date(2026, 11, 23)],
        [22, "Juma", 62.5, "daudi", datetime(2026, 11, 23, 8, 30)],
        ["23", "Nobody's", 63, "stranger", None],
    ]
    answer = upload(client, rows).json()
    assert (answer["code"], answer["message"]) == (200, "success")
    status = client.get(answer["status_url"]).json()
    assert (status["state"], status["progress"]) == (2, {"percent": 100})
    result = status["result"]
    assert (result["match_count"], result["created_count"]) == (1, 1)
    assert [(e["title"], e["column"], e["rows"]) for e in result["errors"]] == [
        ("Invalid Owner Name", "owner_name", [4])
    ]
    juma = client.get(f"{V2}ext/22/").json()
    assert (juma["case_name"], juma["properties"]["weight"]) == ("Juma", "62.5")
    asha = client.get(f"{V2}ext/21/").json()
    assert (asha["properties"]["weight"], asha["properties"]["seen"]) == ("61", "2026-11-23")
    assert juma["properties"]["seen"] == "2026-11-23 08:30:00"


def test_an_import_takes_its_time(standin, client):
    standin.configure(import_seconds=60)
    url = upload(client, [["external_id", "name"], ["22", "Juma"]]).json()["status_url"]
    assert client.get(url).json() == {"state": 1, "progress": {"percent": 0}, "result": None}
    assert client.get(f"{V2}ext/22/").status_code == 404
    standin.configure(import_seconds=0)
    assert client.get(url).json()["state"] == 2
    assert client.get(f"{V2}ext/22/").json()["case_name"] == "Juma"


def test_an_import_that_breaks_ends_in_state_3(client):
    url = upload(client, [["external_id", "name"], ["22", "x" * 256]]).json()["status_url"]
    status = client.get(url).json()
    assert (status["state"], status["result"]) == (3, None)
    assert "CaseValueError" in status["error"]


def test_without_create_new_cases_only_known_ones_change(client):
    url = upload(client, [["external_id", "name"], ["22", "Juma"]], create_new_cases="true").json()[
        "status_url"
    ]
    assert client.get(url).json()["result"]["created_count"] == 0


@pytest.mark.parametrize(
    "change", [{"name": "cases.csv"}, {"case_type": ""}, {"search_field": "name"}, {"search_column": "nid"}]
)
def test_a_file_that_cannot_be_imported_is_code_500_in_a_200(standin, client, change):
    refused = upload(client, [["external_id"], ["1"]], **change)
    assert (refused.status_code, refused.json()["code"]) == (200, 500)
    assert "status_url" not in refused.json()
    standin.configure(upload_error_status=500)
    assert upload(client, [["external_id"], ["1"]], **change).status_code == 500


def test_a_file_that_is_no_excel_is_told_so(client):
    files = {"file": ("cases.xlsx", b"a,b\n1,2\n")}
    body = client.post("/importer/excel/bulk_upload_api/", files=files, data={"case_type": "patient"}).json()
    assert body == {"code": 500, "message": "Error processing your file. Submit a valid (.xlsx) file"}


TABLES: dict[str, list[list[object]]] = {
    "types": [
        ["Delete(Y/N)", "table_id", "is_global?", "field 1", "field 2"],
        ["N", "fruit", "yes", "name", "price"],
    ],
    "fruit": [
        ["UID", "Delete(Y/N)", "field: name", "field:price"],
        [None, "N", "Mango", 5],
        [None, "N", "Papai", 7],
    ],
}


def test_lookup_tables_are_uploaded_and_read(client):
    file = {"file-to-upload": ("tables.xlsx", sheet_file(TABLES))}
    answer = client.post("/fixtures/fixapi/", files=file, data={"replace": "true"})
    assert (answer.status_code, answer.json()["code"], set(answer.json())) == (200, 200, {"message", "code"})
    rows = client.get("/api/v0.5/fixture/", params={"fixture_type": "fruit"}).json()["objects"]
    assert [row["fields"] for row in rows] == [
        {"name": "Mango", "price": "5"},
        {"name": "Papai", "price": "7"},
    ]
    client.post("/fixtures/fixapi/", files=file, data={"replace": "true"})
    assert client.get("/api/v0.5/fixture/").json()["meta"]["total_count"] == 2
    client.post("/fixtures/fixapi/", files=file, data={"replace": "false"})
    assert client.get("/api/v0.5/fixture/").json()["meta"]["total_count"] == 4
    (table,) = client.get("/api/v0.5/lookup_table/").json()["objects"]
    assert (table["tag"], table["is_global"]) == ("fruit", True)


def test_a_row_with_its_uid_is_changed_or_deleted(client):
    file = {"file-to-upload": ("tables.xlsx", sheet_file(TABLES))}
    client.post("/fixtures/fixapi/", files=file, data={"replace": "true"})
    mango, papai = client.get("/api/v0.5/fixture/").json()["objects"]
    head = TABLES["fruit"][0]
    changed = {**TABLES, "fruit": [head, [mango["id"], "N", "Mango", 6], [papai["id"], "Y", "Papai", 7]]}
    file = {"file-to-upload": ("tables.xlsx", sheet_file(changed))}
    client.post("/fixtures/fixapi/", files=file, data={"replace": "false"})
    (left,) = client.get("/api/v0.5/fixture/").json()["objects"]
    assert (left["id"], left["fields"]["price"]) == (mango["id"], "6")


def test_a_queued_upload_tells_its_outcome_at_its_status_page(client):
    unknown = client.get("/fixtures/fixapi/status/dl-none/").json()
    assert unknown == {"message": "Task in progress. 0% complete", "progress": 0}
    for content, done in ((sheet_file(TABLES), "complete"), (b"no excel", "error")):
        file = {"file-to-upload": ("tables.xlsx", content)}
        answer = client.post(
            "/fixtures/fixapi/", files=file, data={"replace": "true", "async": "true"}
        ).json()
        assert answer["code"] == 200
        assert client.get(answer["status_url"]).json()[done] is True


@pytest.mark.parametrize(
    ("sheets", "data", "code"),
    [
        ({"fruit": TABLES["fruit"]}, {"replace": "true"}, 405),
        ({"types": TABLES["types"]}, {"replace": "true"}, 402),
        (TABLES, {}, 405),
    ],
    ids=["no types", "no rows", "no replace"],
)
def test_tables_that_cannot_be_taken_are_a_code_in_a_200(client, sheets, data, code):
    file = {"file-to-upload": ("tables.xlsx", sheet_file(sheets))}
    answer = client.post("/fixtures/fixapi/", files=file, data=data)
    assert (answer.status_code, answer.json()["code"]) == (200, code)


# Reports


def test_a_report_is_read_page_by_page(client):
    path, rows = f"/api/v0.5/configurablereportdata/{REPORT}/", []
    query = {"limit": ["50"]}
    while query:
        body = client.get(path, params=query).json()
        rows += body["data"]
        query = parse_qs(urlsplit(body["next_page"]).query)
    assert len(rows) == body["total_records"] == 120
    assert [column["slug"] for column in body["columns"]] == ["village", "week", "visits"]
    assert body["next_page"] == ""


def test_a_report_is_filtered_and_limited(client):
    path = f"/api/configurablereportdata/v1/{REPORT}/"
    assert client.get(path, params={"village": "Ujiji\x1fGungu"}).json()["total_records"] == 80
    assert client.get(path, params={"limit": 51}).status_code == 400
    assert client.get(path, params={"limit": 50}).status_code == 200
    missing = client.get("/api/v0.5/configurablereportdata/none/")
    assert (missing.status_code, list(missing.json())) == (404, ["error_message"])
    listed = client.get("/api/v0.5/simplereportconfiguration/").json()["objects"]
    assert [report["id"] for report in listed] == [REPORT]


# Forwarding


def test_a_form_is_forwarded_as_the_list_shows_it(standin, client):
    with listening() as heard:
        standin.configure(forward_forms_to=heard.url + "?project=1", forward_headers={"X-Key": "s3cret"})
        submit(client, xform(block("c1", name="Asha Said"), instance="form-5"))
        (posted,) = heard.wait_for(1)
    assert posted.path == f"/inbox?project=1&app_id={APP}"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["x-key"] == "s3cret"
    form = client.get(f"{FORMS}form-5/").json()
    assert posted.headers["received-on"] == form["received_on"]
    assert json.loads(posted.body) == form


def test_a_form_is_forwarded_as_it_came(standin, client):
    body = xform(block("c1", name="Zawadi Ø"))
    with listening() as heard:
        standin.configure(forward_forms_to=heard.url, forward_format="xml")
        submit(client, body)
        (posted,) = heard.wait_for(1)
    assert (posted.headers["content-type"], posted.body.decode()) == ("text/xml", body)


def test_a_stub_names_the_form_and_its_cases(standin, client):
    with listening() as heard:
        standin.configure(forward_forms_to=heard.url, forward_format="stub")
        submit(client, xform(block("c1", name="Asha"), block("c2", name="Juma"), instance="form-6"))
        (posted,) = heard.wait_for(1)
    stub = json.loads(posted.body)
    assert (stub["form_id"], stub["case_ids"], posted.headers["content-type"]) == (
        "form-6",
        ["c1", "c2"],
        "text/xml",
    )


def test_every_changed_case_is_forwarded_as_it_is_now(standin, client):
    submit(client, xform(block("c1", name="Asha Said", update="<weight>60</weight>")))
    with listening() as heard:
        standin.configure(forward_cases_to=heard.url)
        client.put(f"{V2}c1/", json={"properties": {"height": "160"}})
        (posted,) = heard.wait_for(1)
    case = json.loads(posted.body)
    assert case["version"] == "2.0"
    assert case["properties"]["weight"] == "60"
    assert case["properties"]["height"] == "160"
    assert posted.headers["server-modified-on"] == case["server_date_modified"]


def test_a_case_is_forwarded_as_a_block_and_a_closed_one_only_as_closed(standin, client):
    with listening() as heard:
        standin.configure(forward_cases_to=heard.url, forward_format="xml")
        submit(client, xform(block("c1", name="Asha", update="<weight>60</weight>")))
        heard.wait_for(1)
        submit(client, xform(block("c1", close=True)))
        opened, closed = (ElementTree.fromstring(posted.body) for posted in heard.wait_for(2))
    assert opened.tag == closed.tag == f"{{{CASE_XMLNS}}}case"
    assert opened.findtext(f"{{{CASE_XMLNS}}}update/{{{CASE_XMLNS}}}weight") == "60"
    assert [child.tag for child in closed] == [f"{{{CASE_XMLNS}}}close"]


def test_what_was_refused_or_repeated_is_not_forwarded(standin, client):
    body = xform(instance="form-7")
    with listening() as heard:
        standin.configure(forward_forms_to=heard.url)
        submit(client, xform(block("c9", name="C", index=NOBODY)))
        submit(client, body)
        submit(client, body)
        submit(client, xform(instance="form-8"))
        posted = heard.wait_for(2)
    assert sorted(json.loads(each.body)["id"] for each in posted) == ["form-7", "form-8"]


def test_registrations_are_made_up_and_forwarded(standin):
    with listening() as heard:
        standin.configure(forward_forms_to=heard.url)
        ids = standin.call("POST", "registrations", {"count": 20})["form_ids"]
        forms = {form["id"]: form["form"] for form in (json.loads(p.body) for p in heard.wait_for(20))}
    assert set(forms) == set(ids)
    assert len({form["national_id"] for form in forms.values()}) == 20
    assert all(form["case"]["create"]["case_type"] == "patient" for form in forms.values())
    assert {"consent", "first", "last", "sex", "dob", "phone"} < set(forms[ids[0]])


def test_controls_that_make_no_sense_are_refused(standin):
    for name, value in (("registrations", {"count": 0}), ("archive", {"form_id": "x"}), ("archive", [])):
        with pytest.raises(StandinFailed, match=r"Send|form"):
            standin.call("POST", name, value)


def test_every_number_has_a_national_id_of_its_own():
    numbers = [0, 1, 999_999, 1_000_000, 26_000_000, 675_999_999]
    assert [national_id(n) for n in numbers] == [
        "AA000000",
        "AA000001",
        "AA999999",
        "AB000000",
        "BA000000",
        "ZZ999999",
    ]


# Memory


def test_forms_and_cases_survive_a_restart(tmp_path):
    data = tmp_path / "commcare.json"
    with Standin.start("commcare", data=data) as first:
        with httpx.Client(base_url=first.url + "/a/clinic", auth=(USER, PASSWORD)) as client:
            submit(client, xform(block("c1", name="Asha"), instance="form-9"))
        first.kill()
    with (
        Standin.start("commcare", data=data) as second,
        httpx.Client(base_url=second.url + "/a/clinic", auth=(USER, PASSWORD)) as client,
    ):
        submit(client, xform(block("c1", name="Zawadi"), instance="form-9"))
        assert case_of(client, "c1")["properties"]["case_name"] == "Zawadi"
        assert client.get(FORMS).json()["meta"]["total_count"] == 5
