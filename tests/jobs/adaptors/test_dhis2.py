"""`dhis2`: log-in, address, reading. Metadata, imports, data values and reports have files of their own."""

import tracemalloc
from contextlib import ExitStack

import pytest

from jobs.adaptors.errors import (
    AdaptorError,
    AmbiguousError,
    AuthError,
    ConfigurationError,
    NotFound,
    ValidationError,
)
from tests.common.faulty import answer
from tests.jobs.adaptors.dhis2_partner import Dhis2, connected

UID = "fbfJHSPpUQD"
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
    connect(pat="x", apiVersion=None)
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
    assert dhis2.get("events", page_size=50) == UNITS[:count]
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
    assert [level for level, text in told if "more than 10,000 records in dataElements" in text] == [
        "warning"
    ]
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
    partner["GET", "dataElements"] = answer(
        200, {"pager": {"page": 1, "pageCount": 9}, "dataElements": UNITS[:2]}
    )
    with pytest.raises(AdaptorError, match="in circles"):
        dhis2.get("dataElements")


def test_a_page_that_is_none_does_not_take_those_before_it_away(dhis2, partner):
    page = {"pager": {"page": 1, "pageCount": 2}, "dataElements": [{"id": "a"}]}
    partner["GET", "dataElements"] = [answer(200, page), answer(200, {"status": "OK"})]
    with pytest.raises(AdaptorError, match="something else than was asked for"):
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
    assert len(list(dhis2.each("events", max=7))) == 7
    assert peak < 2_000_000  # all of them are more than three million characters


def test_a_record_that_is_not_there_is_not_found(dhis2):
    with pytest.raises(NotFound, match=r"^DHIS2: No dataElements/x$"):
        dhis2.get("dataElements/x")


# Finding one.


def test_one_of_the_tracker_is_not_looked_for_by_nothing(dhis2, partner):
    with pytest.raises(ValidationError, match="nothing to look for in trackedEntities"):
        dhis2.find_one("trackedEntities", program="p", trackedEntities=None)
    assert partner.seen == []


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
    found = dhis2.find_one(
        "trackedEntities", program="p", orgUnit="o", filter=["w75KJ2mc4zz:eq:Afi", "x:like:y"]
    )
    assert found == {"trackedEntity": UID}
    assert partner.query()["filter"] == ["w75KJ2mc4zz:eq:Afi", "x:like:y"]
    assert partner.query()["program"] == "p"
