"""`dhis2`: records of everything but the tracker, plain requests, helpers."""

import re
from contextlib import ExitStack

import pytest

from jobs.adaptors.dhis2.refusals import ImportRefused
from jobs.adaptors.errors import (
    AdaptorError,
    AmbiguousError,
    Conflict,
    NotFound,
    ValidationError,
)
from tests.common.faulty import answer, hang_up
from tests.jobs.adaptors.dhis2_partner import Dhis2, connected, message

UID = "fbfJHSPpUQD"
CREATED = answer(
    201, message(201, "Created", "made", "OK", responseType="ObjectReport", uid=UID, errorReports=[])
)
DONE = answer(200, message(200, "OK", "done", "OK", responseType="ObjectReport", uid=UID, errorReports=[]))
UNITS = [{"id": f"u{number}", "displayName": f"Unit {number}"} for number in range(120)]


@pytest.fixture
def partner():
    with Dhis2() as server:
        yield server


@pytest.fixture
def told():
    return []


@pytest.fixture
def connect(partner, told):
    with ExitStack() as stack:
        yield lambda **facts: stack.enter_context(connected(partner, told, **facts))


@pytest.fixture
def dhis2(connect):
    return connect()


# Metadata.


def test_create_posts_and_answers_what_the_server_says(dhis2, partner):
    partner["POST", "dataElements"] = CREATED
    assert dhis2.create("dataElements", {"name": "ANC"}, mergeMode="REPLACE")["response"]["uid"] == UID
    assert partner.last.json == {"name": "ANC"}
    assert partner.query() == {"mergeMode": "REPLACE"}


def test_create_points_to_the_import_for_a_tracker_payload(dhis2):
    with pytest.raises(ValidationError, match=r"tracker\.import_"):
        dhis2.create("tracker", {"events": []})


def test_a_refused_object_is_told_with_its_property(dhis2, partner):
    report = {"message": "Missing required property `shortName`.", "errorCode": "E4000"}
    report |= {"mainKlass": "org.hisp.dhis.DataElement", "errorProperty": "shortName"}
    partner["POST", "dataElements"] = answer(
        409,
        message(409, "Conflict", "One or more errors", responseType="ErrorReports", errorReports=[report]),
    )
    with pytest.raises(ImportRefused, match=r"Missing required property `shortName`\. \(E4000\)") as caught:
        dhis2.create("dataElements", {"name": "ANC"})
    (told,) = caught.value.report.conflicts
    assert (told.code, told.property, told.type) == ("E4000", "shortName", "DataElement")
    assert (caught.value.status, caught.value.sent) == (409, False)


def test_a_conflict_without_details_stays_a_conflict(dhis2, partner):
    partner["POST", "dataElements"] = answer(409, message(409, "Conflict", "Name must be unique"))
    with pytest.raises(Conflict, match=r"^DHIS2: Name must be unique$"):
        dhis2.create("dataElements", {"name": "ANC"})


def test_a_new_record_without_an_identifier_is_never_sent_twice(dhis2, partner):
    partner["POST", "dataElements"] = [hang_up, CREATED]
    with pytest.raises(AdaptorError) as caught:
        dhis2.create("dataElements", {"name": "ANC"})
    assert (caught.value.sent, len(partner.seen)) == (True, 1)


def test_a_new_record_with_an_identifier_is_sent_again_and_made_once(dhis2, partner):
    partner["POST", "dataElements"] = [hang_up, answer(409, message(409, "Conflict", "exists already"))]
    partner["GET", f"dataElements/{UID}"] = answer(200, {"id": UID})
    assert dhis2.create("dataElements", {"id": UID, "name": "ANC"})["response"]["uid"] == UID
    assert partner.calls() == ["POST /api/dataElements"] * 2 + [f"GET /api/dataElements/{UID}"]


def test_update_puts_the_whole_record(dhis2, partner):
    partner["PUT", f"dataElements/{UID}"] = DONE
    dhis2.update("dataElements", UID, {"name": "ANC 1"})
    assert partner.calls() == [f"PUT /api/dataElements/{UID}"]
    assert partner.last.json == {"name": "ANC 1"}


def test_patch_makes_a_json_patch_of_named_values(dhis2, connect, partner):
    partner["PATCH", f"dataElements/{UID}"] = DONE
    dhis2.patch("dataElements", UID, {"shortName": "ANC", "a/b": None})
    assert partner.last.headers["content-type"] == "application/json-patch+json"
    assert partner.last.json == [
        {"op": "add", "path": "/shortName", "value": "ANC"},
        {"op": "add", "path": "/a~1b", "value": None},
    ]
    dhis2.patch("dataElements", UID, [{"op": "remove", "path": "/code"}])
    assert partner.last.json == [{"op": "remove", "path": "/code"}]


def test_an_old_server_is_patched_with_the_values_themselves(connect, partner):
    partner["PATCH", f"37/dataElements/{UID}"] = DONE
    connect(pat="d2pat_abc", apiVersion="37").patch("dataElements", UID, {"shortName": "ANC"})
    assert partner.last.headers["content-type"] == "application/json"
    assert partner.last.json == {"shortName": "ANC"}


@pytest.mark.parametrize(
    ("change", "tries"),
    [
        ({"shortName": "ANC"}, 2),
        ([{"op": "replace", "path": "/name", "value": "x"}], 2),
        ([{"op": "add", "path": "/users/-", "value": {}}], 1),
    ],
)
def test_only_a_patch_that_may_be_done_twice_is_repeated(dhis2, partner, change, tries):
    partner["PATCH", f"dataElements/{UID}"] = [hang_up, DONE]
    if tries == 2:
        dhis2.patch("dataElements", UID, change)
    else:
        with pytest.raises(AdaptorError):
            dhis2.patch("dataElements", UID, change)
    assert len(partner.seen) == tries


def test_upsert_updates_what_it_finds(dhis2, partner):
    partner.pages("organisationUnits", [{"id": UID}])
    partner["PUT", f"organisationUnits/{UID}"] = DONE
    dhis2.upsert("organisationUnits", {"code": "OU_1"}, {"name": "Clinic"})
    assert partner.calls() == ["GET /api/organisationUnits", f"PUT /api/organisationUnits/{UID}"]
    assert partner.query(0)["filter"] == "code:eq:OU_1"


def test_upsert_finds_the_identifier_whatever_fields_says(dhis2, partner):
    partner["GET", "organisationUnits"] = answer(
        200, {"pager": {}, "organisationUnits": [{"id": "OuA00000001"}]}
    )
    partner["PUT", "organisationUnits/OuA00000001"] = answer(200, {"status": "OK"})
    dhis2.upsert("organisationUnits", {"code": "OU_1", "fields": "name"}, {"name": "Clinic"})
    assert (partner.query(0)["fields"], partner.last.method) == ("id", "PUT")


def test_a_creation_whose_answer_is_empty_is_no_success(dhis2, partner):
    partner["POST", "organisationUnits"] = answer(200, b"")
    with pytest.raises(AdaptorError, match="something else than was asked for") as caught:
        dhis2.create("organisationUnits", {"name": "Clinic"})
    assert caught.value.sent is True


def test_upsert_creates_what_it_does_not_find(dhis2, partner):
    partner.pages("organisationUnits", [])
    partner["POST", "organisationUnits"] = CREATED
    dhis2.upsert("organisationUnits", {"filter": "code:eq:OU_1"}, {"name": "Clinic"})
    assert partner.calls() == ["GET /api/organisationUnits", "POST /api/organisationUnits"]


def test_upsert_refuses_to_guess_and_never_overwrites_the_first_of_all(dhis2, partner):
    partner.pages("organisationUnits", UNITS[:2])
    with pytest.raises(AmbiguousError, match="cannot tell which one to update"):
        dhis2.upsert("organisationUnits", {"code": "OU_1"}, {"name": "Clinic"})
    with pytest.raises(ValidationError, match="which record is meant"):
        dhis2.upsert("organisationUnits", {"code": None}, {"name": "Clinic"})
    with pytest.raises(ValidationError, match="which record is meant"):
        dhis2.upsert("organisationUnits", {"fields": "id", "filter": []}, {"name": "Clinic"})
    assert partner.calls() == ["GET /api/organisationUnits"]


def test_upsert_knows_the_identifier_of_the_old_trackers_entities(dhis2, partner):
    partner.pages("trackedEntityInstances", [{"trackedEntityInstance": UID}])
    partner["PUT", f"trackedEntityInstances/{UID}"] = DONE
    dhis2.upsert("trackedEntityInstances", {"ou": "o", "filter": ["a:eq:b"]}, {"orgUnit": "o"})
    assert partner.query(0)["ou"] == "o"
    assert partner.calls()[-1] == f"PUT /api/trackedEntityInstances/{UID}"


def test_destroy_deletes_and_a_lost_answer_does_no_harm(dhis2, partner):
    partner["DELETE", f"dataElements/{UID}"] = [hang_up, answer(404, message(404, "Not Found", "gone"))]
    dhis2.destroy("dataElements", UID)
    assert partner.calls() == [f"DELETE /api/dataElements/{UID}"] * 2
    with pytest.raises(NotFound):
        dhis2.destroy("dataElements", UID)
    with pytest.raises(ValidationError, match="identifier"):
        dhis2.destroy("dataElements", "")


def test_metadata_gives_names_to_pick_from(dhis2, partner):
    partner.pages("organisationUnits", UNITS)
    partner.pages("trackedEntityTypes", [{"id": "t", "displayName": "Person", "code": "P"}])
    partner.pages("trackedEntityAttributes", [{"id": "a", "displayName": "First name"}])
    found = dhis2.metadata()
    assert [len(each) for each in found.values()] == [120, 1, 1]
    assert found["organisationUnits"][0] == {"id": "u0", "name": "Unit 0", "code": None}
    assert dhis2.metadata("attributes")["attributes"][0]["name"] == "First name"


# Plain requests.


def test_plain_requests_reach_any_path(dhis2, partner):
    partner["GET", "system/info"] = partner["PUT", "dataStore/a/b"] = answer(200, {"ok": True})
    partner["POST", "sms/inbound"] = partner["DELETE", "dataStore/a/b"] = answer(200, {"ok": True})
    partner["PATCH", "users/u"] = answer(200, {"ok": True})
    response = dhis2.http.get("/api/system/info", params={"fields": ["a", "b"]})
    assert (response.status, response.body) == (200, {"ok": True})
    assert partner.query() == {"fields": ["a", "b"]}
    dhis2.http.post("sms/inbound", {"text": "x"})
    dhis2.http.put("dataStore/a/b", {"at": 1})
    dhis2.http.patch("users/u", [{"op": "remove", "path": "/x"}])
    assert partner.last.headers["content-type"] == "application/json-patch+json"
    dhis2.http.delete("dataStore/a/b")
    assert dhis2.http.request("get", "system/info").ok


def test_images_come_as_base64(dhis2, partner):
    partner["GET", "organisationUnits/u/image"] = answer(200, b"\x89PNG", kind="image/png")
    assert dhis2.http.get("organisationUnits/u/image", parse_as="base64").body == "iVBORw=="


def test_a_plain_request_raises_when_a_success_is_none(dhis2, partner):
    partner["POST", "metadata"] = answer(
        200, {"status": "ERROR", "stats": {"created": 0, "ignored": 2, "total": 2}, "typeReports": []}
    )
    with pytest.raises(ValidationError, match="2 of 2 objects refused"):
        dhis2.http.post("metadata", {"dataElements": [{}, {}]})


def test_a_dry_run_goes_on_with_plausible_answers(connect, partner):
    dhis2 = connect(dry_run=True, pat="d2pat_abc")
    assert re.fullmatch(r"[A-Za-z]\w{10}", dhis2.create("dataElements", {"name": "x"})["response"]["uid"])
    assert dhis2.update("dataElements", UID, {})["response"]["uid"] == UID
    assert dhis2.create("events", [{}, {}])["stats"]["created"] == 2
    assert dhis2.send_values([{}, {}, {}]).accepted == 3
    job = dhis2.tracker.import_({"events": [{}]}, asynchronous=True)
    assert dhis2.wait(job).status == "OK"
    assert partner.seen == []


def test_a_dry_run_counts_what_it_would_delete_or_change_as_such(connect, partner):
    dhis2 = connect(dry_run=True, pat="d2pat_abc")
    events = {"events": [{"event": UID}, {"event": "x"}]}
    for strategy, counts in (("DELETE", (0, 0, 2)), ("UPDATE", (0, 2, 0)), ("CREATE", (2, 0, 0))):
        report = dhis2.tracker.import_(events, strategy=strategy)
        assert (report.created, report.updated, report.deleted) == counts
        assert (report.accepted, report.total) == (2, 2)
    assert dhis2.destroy("events", UID)["stats"]["deleted"] == 1
    values = dhis2.send_values([{}, {}, {}], import_strategy="DELETE")
    assert (values.created, values.deleted, values.accepted) == (0, 3, 3)
    assert partner.seen == []


# Helpers.


def test_helpers_build_and_read_attributes(dhis2):
    entity = {"attributes": [dhis2.util.attr("w75KJ2mc4zz", "Afi") | {"displayName": "First name"}]}
    assert dhis2.util.find_attribute_value(entity, "First name") == "Afi"
    assert dhis2.util.find_attribute_value_by_id(entity, "w75KJ2mc4zz") == "Afi"
    assert dhis2.util.find_attribute_value(entity, "Last name") is None
    assert dhis2.util.find_attribute_value_by_id({}, "x") is None
    assert dhis2.util.dv("qrur9Dvnyt5", 0) == {"dataElement": "qrur9Dvnyt5", "value": 0}


def test_a_uid_is_always_the_same_for_the_same_text_and_well_formed(dhis2):
    assert dhis2.uid("patient 7") == "Me5yG8bEeR4"
    assert dhis2.uid("a", "bc") != dhis2.uid("ab", "c")
    made = {dhis2.uid(f"visit {number}") for number in range(2_000)}
    assert len(made) == 2_000
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{10}", each) for each in made)
    with pytest.raises(ValidationError, match="something to make"):
        dhis2.uid("")
