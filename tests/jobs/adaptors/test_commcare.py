"""`commcare` against the stand-in server, which has the real one's limits, links and error bodies: what is read."""

import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs

import pytest

from jobs.adaptors.errors import (
    AuthError,
    ConfigurationError,
    Forbidden,
    NotFound,
    RateLimited,
    ValidationError,
)
from openfn_platform.common.http import Retries
from openfn_platform.demo.standins.commcare.seeds import NEEMA, REPORT, REPORT_ROWS
from openfn_platform.demo.standins.process import Standin
from tests.jobs.adaptors.commcare_partner import KEY, NOBODY, PASSWORD, VILLAGES, as_new, connecting, visit


@pytest.fixture(scope="module")
def running():
    with Standin.start("commcare") as standin:
        yield standin


@pytest.fixture
def standin(running):
    return as_new(running)


@pytest.fixture
def told():
    return []


@pytest.fixture
def traced():
    return []


@pytest.fixture
def connect(standin, told, traced):
    with connecting(standin, told, traced) as make:
        yield make


@pytest.fixture
def commcare(connect):
    return connect()


def registered(standin, count):
    return standin.call("POST", "registrations", {"count": count})["form_ids"]


# Lists


@pytest.mark.parametrize("style", ["query", "path"])
def test_all_pages_are_read_whatever_the_next_link_looks_like(commcare, standin, style):
    standin.configure(next_style=style)
    registered(standin, 6)
    found = commcare.get("form", limit=3, order_by="indexed_on")
    assert len({each["id"] for each in found}) == len(found) == 10
    asked = [each["path"] for each in standin.log(path="/form/")]
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("offset", "limit", "count"), [(0, 1, 1), (3, 3, 1), (5, 1, 0), (0, 6, 4), (5, 12, 0)]
)
def test_an_explicit_offset_gives_that_page_only(commcare, standin, offset, limit, count):
    assert len(commcare.get("form", offset=offset, limit=limit)) == count
    assert len(standin.log(path="/form/")) == 1


def test_an_offset_with_max_gives_no_more_than_max(commcare):
    assert len(commcare.get("form", offset=1, max=2)) == 2


@pytest.mark.parametrize(
    ("most", "size", "requests"), [(2, None, 1), (4, 2, 2), (3, 2, 2), (50, 2, 2), (0, None, 1)]
)
def test_max_stops_the_pages_and_asks_for_none_too_many(commcare, standin, told, most, size, requests):
    found = commcare.get("form", max=most, limit=size)
    assert len(found) == min(most, 4)
    assert len(standin.log(path="/form/")) == requests
    assert told == []


def test_a_list_that_is_cut_without_being_asked_warns(commcare, told, monkeypatch):
    monkeypatch.setattr("jobs.adaptors.commcare.client.DEFAULT_MAX", 3)
    assert len(commcare.get("form", limit=2)) == 3
    assert told == [("warning", "CommCare has more than 3 records here; pass max=… to read more.")]


def test_a_list_that_just_fits_does_not_warn(commcare, told, monkeypatch):
    monkeypatch.setattr("jobs.adaptors.commcare.client.DEFAULT_MAX", 4)
    assert len(commcare.get("form", limit=2)) == 4
    assert told == []


def test_each_reads_a_page_only_when_its_records_are_wanted(commcare, standin):
    records = commcare.each("form", limit=2)
    next(records)
    assert len(standin.log(path="/form/")) == 1
    assert len(list(records)) == 3
    assert len(standin.log(path="/form/")) == 2


def test_the_newer_names_of_the_lists_work_too(commcare):
    assert len(commcare.get("form/v1")) == 4
    assert {each["properties"]["case_type"] for each in commcare.get("case", type="patient")} == {"patient"}


def test_a_list_that_is_always_whole_is_read_once(commcare):
    assert [each["name"] for each in commcare.get("application")] == ["Clinic"]


def test_a_path_with_an_id_gives_that_record(commcare):
    form = commcare.get("form")[0]
    assert commcare.get(f"form/{form['id']}") == form


def test_a_record_that_is_not_there_raises(commcare):
    with pytest.raises(NotFound):
        commcare.get(f"case/{NOBODY}")


@pytest.mark.parametrize("path", ["form", "form/v1"])
@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 1, 1),
        datetime(2026, 1, 1).date(),
        "2026-01-01T00:00:00Z",
        "2026-01-01T02:00:00+02:00",
        "2026-01-01T00:00:00.000000+00:00",
        "2026-01-01T00:00:00",
        "2026-01-01",
    ],
)
def test_moments_in_filters_are_sent_in_utc_without_a_zone(commcare, standin, path, value):
    assert len(commcare.get(path, indexed_on_start=value)) == 4
    assert commcare.get(path, indexed_on_end=value) == []
    sent = parse_qs(standin.log(path="/form/")[0]["query"])["indexed_on_start"]
    assert sent[0] in ("2026-01-01T00:00:00", "2026-01-01")


def test_what_is_no_moment_is_left_to_commcare_to_refuse(commcare):
    with pytest.raises(ValidationError, match="Bad query parameter: 'soon'"):
        commcare.get("case", indexed_on_start="soon")


# Reports and the rest


def test_the_rows_of_a_report_come_from_all_its_pages(commcare, standin):
    rows = commcare.get_report(REPORT)
    assert len({(row["village"], row["week"]) for row in rows}) == len(rows) == REPORT_ROWS
    assert len(standin.log(path=REPORT)) == 3
    assert len(commcare.get_report(REPORT, max=60)) == 60
    assert {row["village"] for row in commcare.get_report(REPORT, village="Gungu")} == {"Gungu"}


def test_an_unknown_report_raises_in_commcares_words(commcare):
    with pytest.raises(NotFound, match="could not be processed"):
        commcare.get_report("none")


def test_a_user_is_made_and_a_second_of_that_name_refused(commcare):
    user = {"username": "asha", "password": "Kigoma-1950!"}
    assert commcare.post("user", user)["id"]
    with pytest.raises(ValidationError, match="CommCare: ") as caught:
        commcare.post("user", user)
    assert "Kigoma-1950!" not in repr(caught.value)


def test_requests_of_ones_own_go_to_relative_and_absolute_paths(commcare):
    relative = commcare.http.get("case/v2/", params={"limit": 1})
    assert (
        relative.body["cases"]
        == commcare.http.get("/a/clinic/api/case/v2/", params={"limit": 1}).body["cases"]
    )
    case = {"case_type": "patient", "case_name": "Ama", "owner_id": NEEMA}
    for path in ("case/v2/", "/a/clinic/api/case/v2/"):
        assert commcare.http.post(path, case).body["case"]["case_name"] == "Ama"
    assert commcare.http.request("GET", "case/v2/").status == 200
    assert commcare.request("GET", "user", params={"limit": 1}).body["meta"]["limit"] == 1


def test_a_dry_run_sends_no_write(connect, standin):
    commcare = connect(dry_run=True)
    assert commcare.submit(visit(), key="x")["message"] == "(dry run)"
    assert commcare.bulk("lookup-table", VILLAGES, wait=5) == {"code": 200, "message": "(dry run)"}
    commcare.upsert_case("N-1", {"case_name": "Ama"})
    assert standin.log() == []


def test_a_dry_run_answers_as_the_case_api_does(connect):
    commcare = connect(dry_run=True)
    case = {"case_type": "patient", "case_name": "Ama"}
    assert commcare.create_case(case)["case"] == {"case_id": "dry-run", **case}
    assert [each["case_name"] for each in commcare.bulk_cases([case, case])["cases"]] == ["Ama", "Ama"]
    assert commcare.update_case("c-1", {"case_name": "Afi"})["case"]["case_name"] == "Afi"


# Who may, and how often


@pytest.mark.parametrize(
    "configuration", [{"apiKey": KEY}, {"password": PASSWORD}, {"apiKey": "", "password": PASSWORD}]
)
def test_a_key_or_a_password_is_accepted(connect, configuration):
    assert "accepts the credential for the project space clinic" in connect(configuration).test()


def test_a_credential_without_key_and_password_is_incomplete(connect):
    with pytest.raises(ConfigurationError, match="needs an API key or a password"):
        connect({"apiKey": "", "password": ""})


def test_a_wrong_key_raises_and_names_the_credential_also_where_commcare_says_nothing(connect, traced):
    commcare = connect({"apiKey": "wrong-secret-key"})
    for call, words in (
        (commcare.test, "not authorized"),
        (lambda: commcare.find_case(case_id="c"), "API key or password of the credential is not accepted"),
        (lambda: commcare.submit(visit(), key="x"), "API key or password of the credential is not accepted"),
    ):
        with pytest.raises(AuthError, match=words) as caught:
            call()
        assert "credential" in (caught.value.hint or "")
        assert "wrong-secret-key" not in str(caught.value) + repr(caught.value.body)
    assert "wrong-secret-key" not in repr(traced)


def test_a_missing_permission_raises(commcare, standin):
    standin.configure(forbidden=["case"])
    with pytest.raises(Forbidden, match="CommCare: 403: Forbidden"):
        commcare.find_case(case_id="c")


@pytest.mark.parametrize(
    ("text", "words"),
    [("Back off and retry", "CommCare: Back off and retry"), ("", "too many requests for this user")],
)
def test_too_many_requests_raise_with_and_without_text(connect, standin, text, words):
    commcare = connect(retries=Retries(attempts=1))
    standin.configure(rate_limit=0, rate_limit_text=text)
    with pytest.raises(RateLimited, match=words) as caught:
        commcare.get("form")
    assert (caught.value.status, caught.value.retry_after) == (429, None)
    with pytest.raises(RateLimited, match=words) as caught:
        commcare.find_case(case_id="c")
    assert caught.value.retry_after == 1


def test_a_write_that_was_refused_for_its_number_is_sent_again(commcare, standin):
    standin.faults({"match": {"method": "POST"}, "times": 2, "action": {"status": 429, "body": ""}})
    commcare.create_case({"case_type": "patient", "case_name": "Ama", "owner_id": NEEMA})
    assert len(standin.log(method="POST")) == 3


def test_several_threads_do_not_mix_up_their_pages(connect, standin):
    found = {}

    def read(name):
        found[name] = [each["id"] for each in connect().get("form", limit=1, order_by="indexed_on")]

    threads = [threading.Thread(target=read, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found["a"] == found["b"]
    assert len(found["a"]) == 4
