"""`commcare` against the stand-in server: forms, cases and uploads."""

from datetime import UTC, datetime

import pytest

from jobs.adaptors.errors import AdaptorError, Timeout, Unavailable, ValidationError
from openfn_platform.demo.standins.commcare.seeds import APP, NEEMA
from openfn_platform.demo.standins.process import Standin
from tests.jobs.adaptors.commcare_partner import NOBODY, VILLAGES, XMLNS, as_new, connecting, visit

ROWS = [{"external_id": f"N-{n}", "name": f"Ama {n}", "village": "Gungu"} for n in range(3)]


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
def connect(standin, told):
    with connecting(standin, told, []) as make:
        yield make


@pytest.fixture
def commcare(connect):
    return connect()


def forms_of(commcare):
    return commcare.get("form", xmlns=XMLNS)


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


def test_forms_of_one_run_without_keys_do_not_replace_each_other(connect):
    commcare = connect(idempotency_key="cause-1")
    first, second = (commcare.submit(visit() | {"weight": weight}) for weight in (61, 62))
    assert first["instance_id"] != second["instance_id"]
    again = connect(idempotency_key="cause-1").submit(visit() | {"weight": 61})  # the next attempt of the run
    assert again["instance_id"] == first["instance_id"]
    assert sorted(each["form"]["weight"] for each in forms_of(commcare)) == ["61", "62"]


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


@pytest.mark.parametrize("page", ["<html><body>Log in</body></html>", "<html><br>Log in", ""])
def test_a_page_that_is_no_receipt_is_no_success(commcare, standin, page):
    standin.faults(
        {"match": {"path_regex": "/receiver/"}, "times": 1, "action": {"status": 200, "body": page}}
    )
    with pytest.raises(AdaptorError, match="did not answer the form with a receipt") as caught:
        commcare.submit(visit(), key="x")
    assert (caught.value.status, caught.value.sent) == (200, True)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": "a\x0bb"}, "name holds a control character"),
        ({"@name": "Visit\x00"}, "name holds a control character"),
        ({"note": {"#text": "\ud83d"}}, "note holds a control character"),
        ({"my name": "Ama"}, "'my name' cannot be the name of a question"),
        ({"case": {"1st": 1}}, "'1st' cannot be the name of a question"),
    ],
)
def test_what_no_form_can_hold_is_refused_before_it_is_sent(commcare, standin, form, words):
    with pytest.raises(ValidationError, match=words) as caught:
        commcare.submit({"@xmlns": XMLNS, **form}, key="x")
    assert caught.value.sent is False
    assert standin.log() == []


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


@pytest.mark.parametrize("name", ["=1+1", "#N/A", "=", "#5"])
def test_a_text_that_reads_like_a_formula_stays_a_text(commcare, name):
    rows = [{"external_id": "N-1", "name": name}]
    commcare.submit_xls(rows, case_type="patient", search_field="external_id", wait=5)
    assert commcare.find_case(external_id="N-1")["case_name"] == name


def test_what_no_spreadsheet_can_hold_is_refused_before_it_is_sent(commcare, standin):
    with pytest.raises(ValidationError, match="'name' holds a control character") as caught:
        commcare.submit_xls([{"external_id": "N-1", "name": "a\x0bb"}], case_type="patient")
    assert caught.value.sent is False
    assert standin.log() == []


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
