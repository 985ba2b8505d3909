"""A 200 from somebody else, as of a proxy that says OK: no result, no list that is empty, and no Python error."""

from __future__ import annotations

from contextlib import closing

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError
from openfn_platform.common.http import Retries
from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import Stage
from tests.jobs.adaptors.conformance.test_conformance import CASES

CALLS = {
    "africastalking": [
        lambda it: it.get_balance(),
        lambda it: it.get_inbox(),
        lambda it: it.send("+254711000111", "x"),
    ],
    "asana": [
        lambda it: it.get_tasks("7"),
        lambda it: it.create_task({"name": "x"}),
        lambda it: it.upsert_task("7", {"name": "x"}),
    ],
    "carto": [
        lambda it: it.sql("select 1"),
        lambda it: it.sql("delete from a"),
        lambda it: list(it.each("select 1")),
        lambda it: it.add_rows("a", [{"b": 1}]),
        lambda it: it.delete_rows("a", {"b": 1}),
        lambda it: it.copy_rows("a", [{"b": 1}]),
        lambda it: it.job("delete from a", wait=1),
        lambda it: it.wait_for("7"),
    ],
    "commcare": [
        lambda it: it.get("case"),
        lambda it: list(it.each("form")),
        lambda it: it.find_case(case_id="c-1"),
        lambda it: it.get_report("r-1"),
        lambda it: it.create_case({}),
        lambda it: it.update_case("c-1", {}),
        lambda it: it.upsert_case("N-1", {}),
        lambda it: it.bulk_cases([{}]),
        lambda it: it.bulk("case-data", [{"a": 1}]),
    ],
    "dhis2": [
        lambda it: it.get_values(data_set="d"),
        lambda it: it.find_one("organisationUnits", code="x"),
        lambda it: it.send_values([{"value": 1}]),
        lambda it: it.tracker.import_({"events": [{}]}),
    ],
    "fhir": [
        lambda it: it.read("Patient/7"),
        lambda it: it.search("Patient"),
        lambda it: it.find_one("Patient", identifier="7"),
        lambda it: it.batch([it.entry("POST", "Patient", {})]),
    ],
    "flutterwave": [lambda it: it.create_customer({}), lambda it: it.create_payment_method({})],
    "godata": [
        lambda it: it.upsert_case("7", {"visualId": "C-7"}),
        lambda it: it.upsert_location({"name": "North"}),
    ],
    "googlesheets": [
        lambda it: it.get_values("s", "A1"),
        lambda it: it.append_values("s", "A1", [[1]]),
        lambda it: it.batch_update_values("s", [{"range": "A1", "values": [[1]]}]),
    ],
    "kannel": [lambda it: it.send("+254711000111", "x"), lambda it: it.send_sms("+254711000111", "x")],
    "kobotoolbox": [lambda it: it.get_submissions("f"), lambda it: list(it.each("/assets/"))],
    "mpesa": [
        lambda it: it.stk_push(1, "+254708374149", "a", "b", callback_url="https://x.example/"),
        lambda it: it.stk_query("7"),
        lambda it: it.register_url(confirmation="https://x.example/", validation="https://x.example/"),
    ],
    "openmrs": [
        lambda it: it.get("patient", query="a"),
        lambda it: it.find_one("patient", identifier="7"),
        lambda it: it.create("patient", {}),
        lambda it: it.upsert("patient", {}, identifier="7"),
    ],
    "primero": [
        lambda it: it.upsert_case({"case_id": "C-7"}),
        lambda it: it.upsert_case({"id": "7"}, key="id"),
        lambda it: it.update_referral("7", "9", {}),
        lambda it: it.update_referrals("7", [{"id": "9"}]),
        lambda it: it.create_referrals(["7"], {}),
    ],
    "whatsapp": [
        lambda it: it.send("+254711000111", "x"),
        lambda it: it.send_template("+254711000111", "a", "en"),
    ],
    "rapidpro": [
        lambda it: it.send("+254711000111", "x"),
        lambda it: it.add_contact({}),
        lambda it: it.upsert_contact({"urns": ["tel:+1"]}),
    ],
    "salesforce": [
        lambda it: it.query("select Id from A"),
        lambda it: it.retrieve("A", "7"),
        lambda it: it.describe("A"),
        lambda it: it.create("A", [{}]),
        lambda it: it.upsert("A", "b", [{}]),
        lambda it: it.destroy(["7"]),
        lambda it: it.bulk_ingest("insert", "A", [{"a": 1}]),
        lambda it: it.bulk_query("select Id from A"),
    ],
    "telerivet": [lambda it: it.send("+254711000111", "x"), lambda it: it.send_message({"content": "x"})],
    "twilio": [
        lambda it: it.send("+254711000111", "x"),
        lambda it: it.get_messages(),
        lambda it: it.get_message("SM7"),
    ],
    "vonage": [lambda it: it.get_balance(), lambda it: it.send("+254711000111", "x", "CLINIC")],
}
OTHERS = [answer(200, b"OK", kind="text/plain"), answer(200, b""), answer(200, b'"ok"')]


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_of_somebody_else_is_told_in_a_sentence(name):
    case = CASES[name]
    context = Context(allow_private=True, retries=Retries(attempts=1))
    with (
        Stage(case) as stage,
        closing(registry.connect(name, case.configuration(stage.server.url), context)) as client,
    ):
        for other in OTHERS:
            stage.always = lambda seen, other=other: other
            for number, call in enumerate(CALLS[name]):
                before = len(stage.seen)
                with pytest.raises(AdaptorError) as caught:
                    call(client)
                assert caught.value.message.endswith("."), (number, caught.value)
                if name == "kannel" or any(each.method != "GET" for each in stage.seen[before:]):
                    assert caught.value.sent is True, (number, caught.value)
