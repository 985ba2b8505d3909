"""`openmrs` against a small server with the real one's limits, links and error bodies."""

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AmbiguousError,
    AuthError,
    ConfigurationError,
    NotFound,
    Timeout,
    Unavailable,
    ValidationError,
)
from tests.common.faulty import answer, hang_up
from tests.jobs.adaptors.partners import OpenMrs

PASSWORD = "Admin12345"
PERSON = {"person": {"names": [{"givenName": "Afi"}]}}


@pytest.fixture
def partner():
    with OpenMrs() as server:
        yield server


@pytest.fixture
def told():
    return []


@pytest.fixture
def connect(partner, told):
    opened = []

    def make(password=PASSWORD, **facts):
        configuration = {"instanceUrl": partner.url, "username": "admin", "password": password}
        context = Context(
            allow_private=True, trace=told.append, log=lambda *line: told.append({"log": line}), **facts
        )
        client = registry.connect("openmrs", configuration, context)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def openmrs(connect):
    return connect()


def test_a_path_with_a_uuid_gives_a_list_of_one(openmrs, partner):
    key = partner.add("A1")
    assert openmrs.get(f"/patient/{key}/")[0]["uuid"] == key
    assert openmrs.get(f"patient/{key}", singleton=True)["uuid"] == key


def test_all_pages_are_read_by_the_servers_own_links(openmrs, partner):
    found = openmrs.get("concept")
    assert [each["uuid"] for each in found] == [f"c{number}" for number in range(250)]
    assert "limit" not in partner.calls("GET")[0]
    assert len(partner.calls("GET")) == 5


@pytest.mark.parametrize(
    ("options", "count", "requests"),
    [
        ({"max": 250}, 250, 3),
        ({"max": 120}, 120, 2),
        ({"max": 5}, 5, 1),
        ({"max": 30, "page_size": 10}, 30, 3),
        ({"page_size": 100}, 250, 3),
        ({"page_size": 5000}, 250, 3),
        ({"limit": 7}, 7, 1),
        ({"limit": 7, "max": 90}, 7, 1),
        ({"limit": 150}, 150, 2),
        ({"start_index": 240}, 10, 1),
        ({"start_index": 10, "limit": 3}, 3, 1),
        ({"max": 0}, 0, 0),
    ],
)
def test_no_more_is_asked_for_than_is_wanted_and_never_over_the_servers_limit(
    openmrs, partner, options, count, requests
):
    assert len(openmrs.get("concept", **options)) == count
    assert len(partner.calls("GET")) == requests


def test_a_smaller_limit_of_this_server_is_learned(openmrs, partner):
    partner.absolute = 40
    found = openmrs.get("concept", max=100)
    assert [each["uuid"] for each in found] == [f"c{number}" for number in range(100)]


def test_reaching_the_default_maximum_is_said_aloud(told):
    with OpenMrs(concepts=10_100) as partner:
        configuration = {"instanceUrl": partner.url, "username": "admin", "password": PASSWORD}
        context = Context(allow_private=True, log=lambda *line: told.append(line))
        openmrs = registry.connect("openmrs", configuration, context)
        assert len(openmrs.get("concept", page_size=100)) == 10_000
        assert len(openmrs.get("concept", max=200)) == 200
        openmrs.close()
    assert [level for level, _text in told] == ["warning"]


def test_search_language_and_other_parameters_are_passed_on(openmrs, partner):
    openmrs.get("patient", query="Afi K", v="custom:(uuid)", language="fr")
    seen = partner.server.seen[0]
    assert seen.target.endswith("/ws/rest/v1/patient?v=custom:(uuid)&q=Afi%20K")
    assert seen.headers["accept-language"] == "fr"
    assert seen.body == b""


def test_a_list_that_can_only_be_searched_gives_a_hint(openmrs):
    with pytest.raises(ValidationError, match=r"OpenMRS: patient does not support doGetAll$") as caught:
        openmrs.get("patient")
    assert "query=" in (caught.value.hint or "")


def test_find_one_takes_only_the_very_identifier(openmrs, partner):
    partner.add("100GEJX")
    key = partner.add("100GEJ")
    assert openmrs.find_one("patient", identifier="100gej")["uuid"] == key
    assert openmrs.find_one("patient", identifier="100GE") is None
    assert openmrs.find_one("patient", identifier="100GEJ", v="custom:(uuid,display)")["uuid"] == key


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_one_record_is_not_looked_for_by_nothing(openmrs, partner, nothing):
    partner.add("77")
    for look in (openmrs.find_one, lambda path, **by: openmrs.upsert(path, PERSON, **by)):
        with pytest.raises(ValidationError, match="nothing to look for in identifier") as caught:
            look("patient", q="7", identifier=nothing)
        assert caught.value.sent is False
    assert partner.server.seen == []


def test_find_one_refuses_to_guess_between_several(openmrs, partner):
    partner.add("77")
    partner.add("77")
    with pytest.raises(AmbiguousError, match="2 records that match in patient"):
        openmrs.find_one("patient", identifier="77")


def test_create_answers_what_the_server_made(openmrs, partner):
    made = openmrs.create("patient", PERSON | {"identifiers": [{"identifier": "é'1"}]})
    assert partner.patients[made["uuid"]]["identifiers"] == [{"identifier": "é'1"}]
    assert partner.server.seen[0].headers["content-type"] == "application/json"


def test_a_refused_record_is_told_field_by_field_without_the_servers_stack(openmrs):
    with pytest.raises(ValidationError) as caught:
        openmrs.create("patient", {})
    error = caught.value
    assert error.message == (
        "OpenMRS: Invalid Submission (names[0].givenName: Cannot be empty; A name is needed)"
    )
    assert (error.status, error.sent, error.retryable, error.kind) == (400, False, False, "partner")
    assert "detail" not in error.body["error"]


def test_update_posts_to_the_record(openmrs, partner):
    key = partner.add("1")
    openmrs.update(f"patient/{key}", {"birthdate": "1994-05-02"})
    assert partner.patients[key]["birthdate"] == "1994-05-02"
    with pytest.raises(ValidationError, match="ends with a uuid"):
        openmrs.update("patient", {})


def test_upsert_updates_the_one_that_matches_or_creates(openmrs, partner):
    partner.add("10")
    key = partner.add("1")
    openmrs.upsert("patient", {"birthdate": "2000-01-01"}, identifier="1")
    assert partner.patients[key]["birthdate"] == "2000-01-01"
    openmrs.upsert("patient", PERSON | {"identifiers": [{"identifier": "new"}]}, identifier="new")
    assert len(partner.patients) == 3
    openmrs.upsert(f"patient/{key}", {"birthdate": "2001-01-01"})
    assert partner.patients[key]["birthdate"] == "2001-01-01"


def test_upsert_with_an_unknown_uuid_creates_in_the_collection(openmrs, partner):
    made = openmrs.upsert("patient/00000000-1111-2222-3333-444444444444", PERSON)
    assert made["uuid"] in partner.patients
    assert partner.calls("POST") == ["/openmrs/ws/rest/v1/patient"]


def test_upsert_refuses_to_guess(openmrs, partner):
    partner.add("5")
    partner.add("5")
    with pytest.raises(AmbiguousError, match="cannot tell which"):
        openmrs.upsert("patient", PERSON, identifier="5")
    with pytest.raises(ValidationError, match="needs to know which record"):
        openmrs.upsert("patient", PERSON)
    assert partner.calls("POST") == []


def test_destroy_voids_and_purges(openmrs, partner):
    key = partner.add("1")
    assert openmrs.destroy(f"patient/{key}", reason="entered twice") is None
    assert partner.patients[key]["voided"] == "entered twice"
    openmrs.destroy(f"patient/{key}", purge=True)
    assert partner.patients == {}
    with pytest.raises(NotFound, match=r"OpenMRS: Object with given uuid doesn't exist$"):
        openmrs.destroy(f"patient/{key}")


def test_fhir_pages_become_one_bundle_also_behind_a_proxy(openmrs, partner):
    bundle = openmrs.fhir.get("Patient", count=2, last_updated="gt2026")
    assert [each["resource"]["id"] for each in bundle["entry"]] == list(range(6))
    assert "link" not in bundle
    assert partner.calls("GET")[0].endswith("/ws/fhir2/R4/Patient?_count=2&_lastUpdated=gt2026")
    assert len(openmrs.fhir.get("Patient", max=3)["entry"]) == 3
    before = len(partner.calls("GET"))
    assert len(openmrs.fhir.get("Patient", get_pages_offset=0)["entry"]) == 2
    assert len(partner.calls("GET")) == before + 1


def test_http_reaches_any_path_of_the_server(openmrs, partner):
    key = partner.add("1")
    path = f"/ws/rest/v1/patient/{key}"
    assert openmrs.http.get(path).body["uuid"] == key
    assert openmrs.http.post(path, {"a": 1}).status == 200
    assert openmrs.http.request("POST", path, {"a": 2}, errors=False).body["a"] == 2
    assert openmrs.http.delete(path).status == 204
    assert openmrs.http.put("/ws/none", {}, errors={404: False}).status == 404
    with pytest.raises(ConfigurationError, match="is not part of"):
        openmrs.http.get("https://elsewhere.example/x")


def test_paths_stay_on_the_server(openmrs):
    with pytest.raises(ValidationError, match="relative"):
        openmrs.get("https://elsewhere.example/patient")
    with pytest.raises(ConfigurationError, match=r"'\.\.'"):
        openmrs.get("patient/../../admin")


def test_the_credential_is_tested_by_the_session(openmrs, connect):
    assert openmrs.test() == "OpenMRS accepts the credential; logged in as admin."
    wrong = connect("wrong-password")
    with pytest.raises(AuthError, match="does not accept"):
        wrong.test()
    with pytest.raises(AuthError, match="OpenMRS: User is not logged in") as caught:
        wrong.get("concept")
    assert (caught.value.kind, caught.value.status) == ("auth", 401)


def test_a_create_whose_answer_was_lost_is_not_repeated_and_says_so(openmrs, partner):
    partner.fail_next = [hang_up]
    with pytest.raises(Unavailable) as caught:
        openmrs.create("patient", PERSON)
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert "may have been received" in (caught.value.hint or "")
    assert len(partner.calls("POST")) == 1


def test_an_update_whose_answer_was_lost_is_repeated(openmrs, partner):
    key = partner.add("1")
    partner.fail_next = [hang_up]
    openmrs.update(f"patient/{key}", {"a": 1})
    assert len(partner.calls("POST")) == 2


def test_an_update_that_adds_records_is_not_repeated(openmrs, partner):
    key = partner.add("1")
    partner.fail_next = [hang_up]
    with pytest.raises(Unavailable):
        openmrs.update(f"patient/{key}", {"obs": [{"concept": "c"}]})
    with pytest.raises(ValidationError, match="ends with a uuid"):
        openmrs.update(f"patient/{key}/identifier", {"identifier": "2"})
    assert len(partner.calls("POST")) == 1


def test_a_purge_whose_answer_was_lost_ends_well(openmrs, partner):
    key = partner.add("1")

    def purge_and_hang_up(connection, seen):
        del partner.patients[key]
        connection.close()

    partner.fail_next = [purge_and_hang_up]
    openmrs.destroy(f"patient/{key}", purge=True)
    assert len(partner.calls("DELETE")) == 2


def test_a_servers_own_error_does_not_look_like_a_broken_connection(openmrs, partner):
    partner.fail_next = [answer(500, {"error": {"message": "[null]", "code": "x"}})]
    with pytest.raises(Unavailable, match=r"OpenMRS answered 500 Said\.") as caught:
        openmrs.create("patient", PERSON)
    assert (caught.value.kind, caught.value.retryable) == ("partner", True)


def test_a_page_that_is_none_does_not_take_those_before_it_away(openmrs, partner):
    page = {"results": [{"uuid": "a"}], "links": [{"rel": "next", "uri": f"{partner.url}/x?startIndex=1"}]}
    partner.fail_next = [answer(200, page), answer(200, {"uuid": "b"})]
    with pytest.raises(AdaptorError, match="something else than was asked for"):
        openmrs.get("concept")
    partner.fail_next = [answer(200, page), answer(204)]
    assert openmrs.get("concept") == [{"uuid": "a"}]


def test_a_web_page_instead_of_data_is_named(openmrs, partner):
    partner.fail_next = [answer(200, b"<html><title>Log in</title></html>", kind="text/html")]
    with pytest.raises(AdaptorError, match="a web page instead of data"):
        openmrs.get("concept")


def test_an_error_page_of_a_proxy_gives_its_title(openmrs, partner):
    page = b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>"
    partner.fail_next = [answer(502, page, kind="text/html")] * 4
    with pytest.raises(Unavailable, match="OpenMRS: 502 Bad Gateway") as caught:
        openmrs.create("patient", PERSON)
    assert not caught.value.retryable


def test_broken_json_is_an_error_of_its_own(openmrs, partner):
    partner.fail_next = [answer(200, b'{"results": [')]
    with pytest.raises(AdaptorError, match="not valid JSON"):
        openmrs.get("concept")


def test_a_dry_run_reads_but_never_writes(connect, partner, told):
    openmrs = connect(dry_run=True)
    key = partner.add("1")
    assert openmrs.find_one("patient", identifier="1")["uuid"] == key
    made = openmrs.create("patient", PERSON)
    assert made["uuid"]
    assert made["person"] == PERSON["person"]
    assert openmrs.update(f"patient/{key}", {"a": 1})["uuid"] == key
    assert openmrs.destroy(f"patient/{key}", purge=True) is None
    openmrs.http.put("/ws/x", {})
    assert {each.method for each in partner.server.seen} == {"GET"}
    shown = [each for each in told if each.get("dry")]
    assert [each["method"] for each in shown] == ["POST", "POST", "DELETE", "PUT"]
    assert '"givenName": "Afi"' in shown[0]["request_body"]
    assert sum("was not sent" in str(each.get("log")) for each in told) == 4


def test_the_password_appears_nowhere(connect, partner, told):
    openmrs = connect()
    partner.fail_next = [answer(400, {"error": {"message": f"bad {PASSWORD} YWRtaW46QWRtaW4xMjM0NQ=="}})]
    with pytest.raises(ValidationError, match=r"bad \*\*\* \*\*\*") as caught:
        openmrs.create("patient", {"note": PASSWORD})
    openmrs.close()
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__} {openmrs!r} {openmrs.fhir!r} {told}"
    assert PASSWORD not in shown
    assert "YWRtaW46" not in shown


def test_silence_is_a_timeout(partner):
    import httpx

    def quiet(request):
        raise httpx.ReadTimeout("too slow", request=request)

    context = Context(allow_private=True, transport=httpx.MockTransport(quiet))
    configuration = {"instanceUrl": "https://emr.example.org", "username": "a", "password": "b"}
    with pytest.raises(Timeout, match=r"OpenMRS did not answer: emr\.example\.org took too long"):
        registry.connect("openmrs", configuration, context).create("patient", PERSON)


@pytest.mark.parametrize("typed", ["", "/", "/ws", "/ws/rest/v1/", "/ws/rest"])
def test_the_address_may_be_given_with_or_without_its_tail(partner, typed):
    configuration = {"instanceUrl": partner.url + typed, "username": "admin", "password": PASSWORD}
    client = registry.connect("openmrs", configuration, Context(allow_private=True))
    assert client.test()
    client.close()
