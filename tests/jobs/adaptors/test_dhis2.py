"""`dhis2`: log-in, reading, metadata, plain requests and helpers. Imports are in `test_dhis2_imports.py`."""

import re
import tracemalloc

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AmbiguousError,
    AuthError,
    ConfigurationError,
    Conflict,
    NotFound,
    ValidationError,
)
from openfn_platform.common.http import Retries
from tests.common.faulty import answer, hang_up
from tests.jobs.adaptors.dhis2_partner import Dhis2, message

HASTY = Retries(attempts=3, first_wait=0.01)
UID = "fbfJHSPpUQD"
CREATED = answer(201, message(201, "Created", "made", "OK", responseType="ObjectReport", uid=UID, errorReports=[]))
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
    opened = []

    def make(dry_run=False, **configuration):
        given = configuration or {"username": "admin", "password": "district"}
        context = Context(
            allow_private=True, dry_run=dry_run, retries=HASTY, log=lambda *line: told.append(line)
        )
        client = registry.connect("dhis2", {"hostUrl": partner.url, **given}, context)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def dhis2(connect):
    return connect()


# The log-in.


def test_a_token_is_preferred_to_user_name_and_password(connect, partner):
    partner["GET", "me"] = answer(200, {"id": "xE7jOejl9FI", "username": "afi"})
    both = connect(pat="d2pat_abc", username="admin", password="district")
    assert both.test() == "DHIS2 accepts the credential; logged in as afi."
    assert partner.last.headers["authorization"] == "ApiToken d2pat_abc"
    assert partner.last.target == "/dhis/api/me?fields=id,username"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "district"}, "has a password but not a user name"),
        ({"username": "admin"}, "has a user name but not a password"),
        ({"username": "", "pat": ""}, "needs a personal access token, or a user name and a password"),
    ],
)
def test_half_a_log_in_is_refused_before_anything_is_asked(connect, partner, fields, words):
    with pytest.raises(ConfigurationError, match=words):
        connect(**fields)
    assert partner.seen == []


def test_a_refused_log_in_names_the_credential_and_not_its_secret(connect):
    with pytest.raises(AuthError, match=r"DHIS2: Unauthorized \(asked with the user name 'admin'") as caught:
        connect(username="admin", password="wrong-one").test()
    assert "wrong-one" not in f"{caught.value}{caught.value!r}"
    with pytest.raises(AuthError, match="the personal access token of the credential"):
        connect(pat="d2pat_old").test()


def test_a_server_that_knows_nobody_does_not_pass_the_test(dhis2, partner):
    partner["GET", "me"] = answer(200, {})
    with pytest.raises(AuthError, match="does not say who"):
        dhis2.test()


# The address.


@pytest.mark.parametrize("tail", ["", "/", "/api", "/api/", "/api/40"])
def test_the_address_may_be_given_with_or_without_api(connect, partner, tail):
    partner["GET", "me"] = answer(200, {"username": "afi"})
    connect(hostUrl=partner.url + tail, pat="d2pat_abc").test()
    assert partner.calls() == ["GET /api/me"]


def test_the_api_version_is_the_credentials_unless_a_call_says_otherwise(connect, partner):
    partner["GET", "40/me"] = partner["GET", "41/me"] = answer(200, {"username": "afi"})
    dhis2 = connect(pat="d2pat_abc", apiVersion="40")
    dhis2.get("me")
    dhis2.get("me", api_version=41)
    dhis2.http.get("me", api_version="41")
    assert partner.calls() == ["GET /api/40/me", "GET /api/41/me", "GET /api/41/me"]
    assert "api_version" not in partner.last.target


def test_an_api_older_than_36_is_warned_of(connect, told):
    connect(pat="x", apiVersion="36")
    assert told == []
    connect(pat="x", apiVersion="35")
    assert [level for level, text in told if "35 is older than 36" in text] == ["warning"]


@pytest.mark.parametrize("path", ["/dataElements/", "api/dataElements", "/api/40/dataElements"])
def test_a_path_may_be_written_in_several_ways(dhis2, partner, path):
    partner["GET", "dataElements"] = answer(200, {"dataElements": []})
    assert dhis2.get(path) == []
    assert partner.calls() == ["GET /api/dataElements"]


def test_an_address_elsewhere_is_refused(dhis2, partner):
    with pytest.raises(ValidationError, match="relative"):
        dhis2.get("https://elsewhere.example/api/me")
    assert partner.seen == []


# Reading.


def test_parameters_are_passed_on_and_lists_repeat_them(dhis2, partner):
    partner["GET", "trackedEntityInstances"] = answer(200, {"trackedEntityInstances": [{"x": 1}]})
    found = dhis2.get("trackedEntityInstances", orgUnit=["a", "b"], filter="x:eq:1", skipPaging=True)
    assert found == [{"x": 1}]
    assert partner.query() == {"orgUnit": ["a", "b"], "filter": "x:eq:1", "skipPaging": "true"}
    assert partner.last.body == b""


def test_no_parameters_make_no_question_mark(dhis2, partner):
    partner["GET", "system/info"] = answer(200, {"version": "2.41.0"})
    assert dhis2.get("system/info") == {"version": "2.41.0"}
    assert partner.last.target == "/dhis/api/system/info"


def test_a_single_object_is_handed_over_as_it_is(dhis2, partner):
    partner["GET", f"dataSets/{UID}"] = answer(200, {"id": UID, "dataSetElements": [{"n": 1}]})
    assert dhis2.get(f"dataSets/{UID}") == {"id": UID, "dataSetElements": [{"n": 1}]}
    assert list(dhis2.each(f"dataSets/{UID}")) == [{"id": UID, "dataSetElements": [{"n": 1}]}]


@pytest.mark.parametrize("style", ["metadata", "linked", "slim", "plain", "instances"])
@pytest.mark.parametrize("count", [0, 1, 50, 100, 120])
def test_every_way_of_paging_is_followed_to_its_end(dhis2, partner, style, count):
    partner.pages("tracker/events", UNITS[:count], style=style)
    assert dhis2.get("events") == UNITS[:count]
    assert len(partner.seen) <= count // 50 + 1


def test_no_more_than_the_maximum_is_read_and_asked_for(dhis2, partner, told):
    partner.pages("organisationUnits", UNITS)
    assert dhis2.get("organisationUnits", max=60) == UNITS[:60]
    assert len(partner.seen) == 2
    assert dhis2.get("organisationUnits", max=7, page_size=500) == UNITS[:7]
    assert partner.query()["pageSize"] == "7"
    assert dhis2.get("organisationUnits", max=0) == []
    assert told == []


def test_reaching_the_default_maximum_is_said_aloud(dhis2, partner, told):
    many = [{"id": number} for number in range(10_001)]
    partner.pages("dataElements", many)
    assert len(dhis2.get("dataElements", page_size=5_000)) == 10_000
    assert [level for level, text in told if "more than 10,000 records in dataElements" in text] == ["warning"]
    told.clear()
    partner.pages("dataElements", many[:10_000])
    assert len(dhis2.get("dataElements", page_size=5_000)) == 10_000
    assert told == []


def test_a_page_that_was_asked_for_is_the_only_one(dhis2, partner):
    partner.pages("organisationUnits", UNITS)
    assert dhis2.get("organisationUnits", page=2) == UNITS[50:100]
    assert dhis2.get("organisationUnits?page=3") == UNITS[100:]
    assert dhis2.get("organisationUnits", paging=False) == UNITS
    assert len(partner.seen) == 3


def test_a_server_that_repeats_its_first_page_is_not_read_for_ever(dhis2, partner):
    partner["GET", "dataElements"] = answer(200, {"pager": {"page": 1, "pageCount": 9}, "dataElements": UNITS[:2]})
    with pytest.raises(AdaptorError, match="in circles"):
        dhis2.get("dataElements")


def test_each_holds_one_page_at_a_time(dhis2, partner):
    events = [{"event": f"e{number}", "note": "x" * 1000} for number in range(3_000)]
    partner.pages("tracker/events", events, style="linked")
    tracemalloc.start()
    try:
        count = sum(1 for _event in dhis2.each("events", page_size=100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (count, len(partner.seen)) == (3_000, 30)
    assert peak < 2_000_000  # all of them are more than three million characters


def test_a_record_that_is_not_there_is_not_found(dhis2):
    with pytest.raises(NotFound, match=r"^DHIS2: No dataElements/x$"):
        dhis2.get("dataElements/x")


# Finding one.


def test_find_one_asks_for_equal_properties(dhis2, partner):
    partner["GET", "organisationUnits"] = answer(200, {"organisationUnits": [UNITS[0]]})
    found = dhis2.find_one("organisationUnits", filter="level:eq:4", code="OU: 1", closed=False, fields="id")
    assert found == UNITS[0]
    assert partner.query()["filter"] == ["level:eq:4", "code:eq:OU: 1", "closed:eq:false"]
    assert partner.query()["fields"] == "id"


def test_find_one_answers_none_and_refuses_to_guess(dhis2, partner):
    partner.pages("organisationUnits", [])
    assert dhis2.find_one("organisationUnits", code="X") is None
    partner.pages("organisationUnits", UNITS[:2])
    with pytest.raises(AmbiguousError, match="2 records that match in organisationUnits"):
        dhis2.find_one("organisationUnits", code="X")


def test_find_one_searches_the_tracker_by_its_own_parameters(dhis2, partner):
    partner.pages("tracker/trackedEntities", [{"trackedEntity": UID}], style="linked")
    found = dhis2.find_one("trackedEntities", program="p", orgUnit="o", filter=["w75KJ2mc4zz:eq:Afi", "x:like:y"])
    assert found == {"trackedEntity": UID}
    assert partner.query()["filter"] == ["w75KJ2mc4zz:eq:Afi", "x:like:y"]
    assert partner.query()["program"] == "p"


# Metadata.


def test_create_posts_and_answers_what_the_server_says(dhis2, partner):
    partner["POST", "dataElements"] = CREATED
    assert dhis2.create("dataElements", {"name": "ANC"}, mergeMode="REPLACE")["response"]["uid"] == UID
    assert partner.last.json == {"name": "ANC"}
    assert partner.query() == {"mergeMode": "REPLACE"}


def test_create_points_to_the_import_for_a_tracker_payload(dhis2):
    with pytest.raises(ValidationError, match="tracker.import_"):
        dhis2.create("tracker", {"events": []})


def test_a_refused_object_is_told_with_its_property(dhis2, partner):
    report = {"message": "Missing required property `shortName`.", "errorCode": "E4000"}
    report |= {"mainKlass": "org.hisp.dhis.DataElement", "errorProperty": "shortName"}
    partner["POST", "dataElements"] = answer(
        409, message(409, "Conflict", "One or more errors", responseType="ErrorReports", errorReports=[report])
    )
    with pytest.raises(ValidationError, match=r"Missing required property `shortName`\. \(E4000\)") as caught:
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
