"""`commcare` against the stand-in server, which has the real one's limits, links and error bodies."""

import threading
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AuthError,
    ConfigurationError,
    Forbidden,
    NotFound,
    RateLimited,
    Timeout,
    Unavailable,
    ValidationError,
)
from openfn_platform.common.http import Retries
from openfn_platform.demo.standins.commcare.partner import CommCareHQ
from openfn_platform.demo.standins.commcare.seeds import APP, NEEMA, REPORT, REPORT_ROWS
from openfn_platform.demo.standins.process import Standin

USER, KEY, PASSWORD = (CommCareHQ.settings[name] for name in ("username", "api_key", "password"))
XMLNS = "http://example.org/visit"
NOBODY = "00000000-0000-0000-0000-000000000000"
ROWS = [{"external_id": f"N-{n}", "name": f"Ama {n}", "village": "Gungu"} for n in range(3)]
VILLAGES = {
    "types": [{"Delete(Y/N)": "N", "table_id": "village", "is_global?": "yes", "field 1": "name"}],
    "village": [{"UID": "", "Delete(Y/N)": "N", "field: name": name} for name in ("Gungu", "Ujiji")],
}


@pytest.fixture(scope="module")
def running():
    with Standin.start("commcare") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    running.clear_faults()
    running.configure(**CommCareHQ.settings)
    running.clear_log()
    return running


@pytest.fixture
def told():
    return []


@pytest.fixture
def traced():
    return []


@pytest.fixture
def connect(standin, told, traced):
    opened = []

    def make(configuration=None, **facts):
        known = {"hostUrl": standin.url, "domain": "clinic", "appId": APP, "username": USER}
        facts = {"retries": Retries(attempts=3, first_wait=0.01, longest_wait=0.1)} | facts
        context = Context(
            allow_private=True, trace=traced.append, log=lambda *line: told.append(line), **facts
        )
        client = registry.connect("commcare", known | (configuration or {"apiKey": KEY}), context)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def commcare(connect):
    return connect()


def registered(standin, count):
    return standin.call("POST", "registrations", {"count": count})["form_ids"]


def visit(case_id="c-1", **fields):
    block = {"@xmlns": "http://commcarehq.org/case/transaction/v2", "@case_id": case_id}
    return {"@xmlns": XMLNS, "weight": 61, "case": block | fields}


def forms_of(commcare):
    return commcare.get("form", xmlns=XMLNS)


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


# Forms


def test_a_form_is_submitted_and_says_what_became_of_it(commcare, standin):
    block = commcare.case_block(
        "c-1", case_type="patient", case_name="N'Dri Éa", owner_id=NEEMA, update={"age": 7, "note": None}
    )
    said = commcare.submit({"@xmlns": XMLNS, "@name": "Visit", "case": block}, key="run-1")
    assert (said["nature"], said["message"]) == ("submit_success", "√")
    (form,) = forms_of(commcare)
    assert (form["id"], form["app_id"]) == (said["instance_id"], APP)
    case = commcare.find_case(case_id="c-1")
    assert (case["case_name"], case["properties"]["age"], case["properties"]["note"]) == ("N'Dri Éa", "7", "")


def test_a_form_with_a_stable_key_is_replaced_and_not_doubled(commcare):
    first = commcare.submit(visit(), key="N-7")
    second = commcare.submit(visit() | {"weight": 62}, key="N-7")
    assert first["instance_id"] == second["instance_id"]
    assert [each["form"]["weight"] for each in forms_of(commcare)] == ["62"]
    assert commcare.submit(visit(), key="N-8")["instance_id"] != first["instance_id"]
    assert len(forms_of(commcare)) == 2


@pytest.mark.parametrize("facts", [{"key": "N-7"}, {}])
def test_a_form_whose_answer_got_lost_is_sent_again_and_is_there_once(connect, standin, facts):
    commcare = connect(idempotency_key="cause-1")
    standin.faults(
        {"match": {"path_regex": "/receiver/"}, "times": 1, "action": {"drop_after_processing": True}}
    )
    assert commcare.submit(visit(), **facts)["nature"] == "submit_success"
    assert len(standin.log(path="/receiver/")) == 2
    assert len(forms_of(commcare)) == 1


def test_a_form_in_xml_goes_as_it_is_and_is_repeated_only_if_it_names_itself(commcare, standin):
    standin.faults(
        {"match": {"path_regex": "/receiver/"}, "times": 2, "action": {"drop_after_processing": True}}
    )
    with pytest.raises(Unavailable) as caught:
        commcare.submit(f'<data xmlns="{XMLNS}"><weight>1</weight></data>')
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert len(standin.log(path="/receiver/")) == 1
    named = f'<data xmlns="{XMLNS}"><meta xmlns="http://openrosa.org/jr/xforms"><instanceID>f-9</instanceID></meta></data>'
    assert commcare.submit(named)["instance_id"] == "f-9"
    assert sorted(each["id"] == "f-9" for each in forms_of(commcare)) == [False, True]


def test_a_form_refused_within_a_201_raises_in_commcares_words(commcare):
    lost = {"parent": {"@case_type": "patient", "#text": NOBODY}}
    block = commcare.case_block("c-2", case_type="child", case_name="Kofi", index=lost)
    with pytest.raises(ValidationError, match=f"references non-existent case '{NOBODY}'") as caught:
        commcare.submit({"@xmlns": XMLNS, "case": block}, key="x")
    assert caught.value.status == 201
    assert forms_of(commcare) == []


def test_a_form_refused_as_openrosa_3_does_raises_in_the_same_words(commcare, standin):
    with pytest.raises(ValidationError, match="IllegalCaseId") as caught:
        commcare.submit(visit(case_id=""), key="x", openrosa="3.0")
    assert (caught.value.status, caught.value.retryable) == (422, False)
    assert len(standin.log(path="/receiver/")) == 1


def test_a_form_that_is_no_xml_raises_and_is_not_sent_again(commcare, standin):
    with pytest.raises(ValidationError) as caught:
        commcare.submit("<data><meta><instanceID>a</instanceID></meta>")
    assert caught.value.status == 500
    assert len(standin.log(path="/receiver/")) == 1


def test_a_project_space_that_takes_no_more_forms_says_so(commcare, standin):
    standin.configure(blocked=True)
    with pytest.raises(Unavailable, match="takes no more forms") as caught:
        commcare.submit(visit(), key="x")
    assert caught.value.status == 509


# The case API v2


def test_a_case_is_made_changed_and_found(commcare):
    made = commcare.create_case(
        {"case_type": "patient", "case_name": "Ama", "owner_id": NEEMA, "external_id": "N 7/é"}
    )["case"]
    commcare.update_case(made["case_id"], {"properties": {"age": "8"}})
    found = commcare.find_case(case_id=made["case_id"])
    assert (found["case_name"], found["properties"]["age"]) == ("Ama", "8")


@pytest.mark.parametrize("external", ["NID-7", "N'7 é#?%", "a b"])
def test_a_case_is_upserted_by_its_external_id_whatever_is_in_it(commcare, external):
    for name in ("Ama", "Abena"):
        case = {"case_type": "patient", "case_name": name, "owner_id": NEEMA}
        commcare.upsert_case(external, case)
    assert commcare.find_case(external_id=external)["case_name"] == "Abena"
    assert len(list(commcare.each_case(external_id=external))) == 1


def test_a_case_that_is_not_there_is_none(commcare):
    assert commcare.find_case(external_id="nobody") is None
    assert commcare.find_case(case_id=NOBODY) is None


def test_to_find_a_case_one_must_say_which(commcare, standin):
    with pytest.raises(ValidationError, match="external_id or by case_id"):
        commcare.find_case()
    assert standin.log() == []


def test_making_a_case_is_not_repeated_when_the_answer_got_lost(commcare, standin):
    standin.faults({"match": {"method": "POST"}, "times": 1, "action": {"drop_after_processing": True}})
    with pytest.raises(Unavailable) as caught:
        commcare.create_case({"case_type": "patient", "case_name": "Ama", "owner_id": NEEMA})
    assert (caught.value.retryable, caught.value.sent) == (False, True)
    assert len(standin.log(method="POST")) == 1


def test_an_upsert_is_repeated_when_the_answer_got_lost(commcare, standin):
    standin.faults({"match": {"method": "PUT"}, "times": 1, "action": {"drop_after_processing": True}})
    commcare.upsert_case("N-1", {"case_type": "patient", "case_name": "Ama", "owner_id": NEEMA})
    assert len(list(commcare.each_case(external_id="N-1"))) == 1


def many(count):
    return [
        {"create": True, "case_type": "visit", "case_name": f"V{n}", "owner_id": NEEMA} for n in range(count)
    ]


@pytest.mark.parametrize("base", [None, "https://hq.internal.example"])
def test_cases_in_bulk_are_read_back_over_the_pages_of_a_cursor(commcare, standin, base):
    standin.configure(public_base=base)
    assert len(commcare.bulk_cases(many(7))["cases"]) == 7
    found = [each["case_name"] for each in commcare.each_case(case_type="visit", limit=2)]
    assert sorted(found) == [f"V{n}" for n in range(7)]
    assert len(standin.log(method="GET", path="/case/v2")) == 4
    assert len(list(commcare.each_case(case_type="visit", limit=2, max=3))) == 3


def test_case_filters_take_a_moment_with_its_zone(commcare):
    since = {"indexed_on.gte": datetime(2026, 1, 1, tzinfo=UTC)}
    assert list(commcare.each_case(**since))
    assert not list(commcare.each_case(**{"indexed_on.lt": datetime(2026, 1, 1, tzinfo=UTC)}))


def test_more_than_100_cases_are_refused_before_they_are_sent(commcare, standin):
    with pytest.raises(ValidationError, match="at most 100") as caught:
        commcare.bulk_cases(many(101))
    assert caught.value.sent is False
    assert standin.log() == []


def test_a_refused_case_raises_in_commcares_words(commcare):
    with pytest.raises(ValidationError, match="CommCare: ") as caught:
        commcare.create_case({"case_name": "Ama"})
    assert caught.value.status == 400
    assert caught.value.body["error"]


# Uploads


def test_rows_are_uploaded_as_a_spreadsheet_and_the_result_is_awaited(commcare, standin):
    standin.configure(import_seconds=0.1, public_base="https://hq.internal.example")
    said = commcare.submit_xls(ROWS, case_type="patient", search_field="external_id", wait=5)
    assert said == {"match_count": 0, "created_count": 3, "num_chunks": 1, "errors": []}
    assert commcare.find_case(external_id="N-2")["case_name"] == "Ama 2"
    again = commcare.submit_xls(ROWS, case_type="patient", search_field="external_id", wait=5)
    assert (again["match_count"], again["created_count"]) == (3, 0)


def test_without_waiting_the_status_page_is_handed_out(commcare):
    said = commcare.bulk(
        "case-data", ROWS, case_type="patient", search_field="external_id", create_new_cases="on"
    )
    assert (said["code"], said["message"]) == (200, "success")
    assert commcare.wait(said["status_url"])["created_count"] == 3


def test_an_import_that_failed_raises_with_its_reason(commcare):
    rows = [{"external_id": "N-1", "name": "A" * 300}]
    with pytest.raises(ValidationError, match="could not import the file: CaseValueError"):
        commcare.submit_xls(rows, case_type="patient", search_field="external_id", wait=5)


def test_an_import_that_takes_too_long_raises(commcare, standin, told):
    standin.configure(import_seconds=60)
    with pytest.raises(Timeout, match=r"had not imported the file after 0\.1 seconds"):
        commcare.submit_xls(ROWS, case_type="patient", search_field="external_id", wait=0.1)
    assert told == [("info", "CommCare has imported 0 %.")]


@pytest.mark.parametrize("status", [200, 500])
def test_an_upload_refused_by_its_code_raises_in_commcares_words(commcare, standin, status):
    standin.configure(upload_error_status=status)
    with pytest.raises(ValidationError, match="Missing required field: case_type"):
        commcare.bulk("case-data", ROWS)
    assert len(standin.log(method="POST")) == 1


def test_a_kind_of_upload_that_commcare_has_not_is_refused(commcare, standin):
    with pytest.raises(ValidationError, match="“case-data” or “lookup-table”, not “users”"):
        commcare.bulk("users", ROWS)
    assert standin.log() == []


def test_an_upload_without_rows_is_refused(commcare):
    with pytest.raises(ValidationError, match="nothing to upload"):
        commcare.submit_xls([], case_type="patient")


@pytest.mark.parametrize("wait", [0, 5])
def test_lookup_tables_are_uploaded_and_replaced_only_when_asked(commcare, wait):
    def names():
        return sorted(each["fields"]["name"] for each in commcare.get("fixture", fixture_type="village"))

    said = commcare.bulk("lookup-table", VILLAGES, wait=wait)
    assert said["message"] == ("Upload complete." if wait else "Successfully uploaded 2 rows in 1 tables.")
    assert names() == ["Gungu", "Ujiji"]
    commcare.bulk("lookup-table", VILLAGES, wait=wait, replace=True)
    assert names() == ["Gungu", "Ujiji"]
    commcare.bulk("lookup-table", VILLAGES, wait=wait)
    assert names() == ["Gungu", "Gungu", "Ujiji", "Ujiji"]


@pytest.mark.parametrize("wait", [0, 5])
def test_lookup_tables_without_their_types_are_refused(commcare, wait):
    with pytest.raises(ValidationError, match="no sheet named 'types'"):
        commcare.bulk("lookup-table", {"village": VILLAGES["village"]}, wait=wait)


def test_lookup_tables_stored_with_a_warning_warn(commcare, told):
    said = commcare.bulk("lookup-table", {"types": VILLAGES["types"]})
    assert said["code"] == 402
    assert told == [("warning", f"CommCare: {said['message']}")]


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
        assert "credential" in caught.value.hint
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
