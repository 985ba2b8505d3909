"""Asking the API what an inbox would do with a message."""

from __future__ import annotations

import json

import pytest

from openfn_platform.projects.models import Scope
from tests.api.cast import CANARY, UNKNOWN, Caller, Clinic, problem
from triggers.models import Inbox, Message

BODY = {"form": {"kind": "registration", "id": "F-7", "name": CANARY}}


@pytest.fixture
def registering(clinic: Clinic) -> None:
    clinic.on_message(clinic.job(key="register"), inclusion={"form": {"kind": "registration"}})
    clinic.on_message(clinic.job(key="refer"), inclusion={"form": {"kind": "referral"}})


def test_it_tells_what_would_start_and_why_the_rest_would_not(api: Caller, clinic: Clinic, registering: None):
    told = api.post("would-match", {"body": BODY}).json()
    assert (told["taken"], told["refusal"], told["read_as"]) == (True, None, "JSON")
    first, second = told["triggers"]
    assert (first["matched"], first["reasons"]) == (True, [])
    assert [(job["key"], job["outcome"]) for job in first["jobs"]] == [("register", "run")]
    assert (second["matched"], second["enabled"]) == (False, True)
    assert "referral" in second["reasons"][0]
    assert told["work_orders"] == [{"workflow": "main", "jobs": [first["jobs"][0]["id"]]}]
    assert Message.objects.count() == 0


def test_xml_can_be_asked_about_as_it_is_sent(api: Caller, clinic: Clinic, registering: None):
    told = api.post("would-match", {"text": "<form><kind>referral</kind></form>"}).json()
    assert (told["read_as"], told["triggers"][0]["matched"]) == ("XML", True)


def test_a_refusal_is_told_with_its_places(api: Caller, clinic: Clinic):
    Inbox.objects.filter(pk=clinic.inbox.pk).update(schema={"properties": {"form": {"required": ["age"]}}})
    told = api.post("would-match", {"body": BODY, "inbox": str(clinic.inbox.pk)}).json()
    assert not told["taken"]
    assert (told["refusal"]["status"], told["refusal"]["code"]) == (422, "schema_mismatch")
    assert told["refusal"]["errors"] == [{"path": "form", "detail": "Has no `age`, which it must have."}]


def test_a_duplicate_is_told_to_those_who_may_see_data(clinic: Clinic, registering: None):
    Inbox.objects.filter(pk=clinic.inbox.pk).update(duplicate_path="form.id")
    known = clinic.message(BODY)
    told = clinic.caller(Scope.READ_DATA).post("would-match", {"body": BODY}).json()
    assert (told["duplicate_of"], told["taken"], told["work_orders"]) == (str(known.pk), False, [])
    assert clinic.caller(Scope.READ).post("would-match", {"body": BODY}).json()["duplicate_of"] is None


def test_another_clinics_inbox_is_not_found(api: Caller, clinic: Clinic, stranger: Clinic):
    sentence = problem(api.post("would-match", {"body": {}, "inbox": UNKNOWN}), 404)
    assert problem(api.post("would-match", {"body": {}, "inbox": str(stranger.inbox.pk)}), 404) == sentence


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 422),
        (b"[]", 400),
        (b"{}", 422),
        (b'{"body": {}, "text": "{}"}', 422),
        (b'{"body": {}, "inbox": 7}', 400),
        (b'{"text": 7}', 400),
        (b'{"body": {}, "boddy": 1}', 400),
        (b'{"body": {"a": "\\ud800"}}', 422),
        (b'{"body": ' + b"[" * 200 + b"]" * 200 + b"}", 400),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(api: Caller, clinic: Clinic, raw: bytes, status: int):
    problem(api.post("would-match", raw=raw), status)


@pytest.mark.parametrize("body", [None, 7, "text", True])
def test_a_single_value_would_be_refused_by_the_inbox(api: Caller, clinic: Clinic, body: object):
    told = api.post("would-match", raw=json.dumps({"body": body}).encode()).json()
    assert told.get("refusal", {}).get("code", told.get("code")) in ("not_a_document", "invalid")


def test_it_is_a_question_and_no_list(api: Caller, clinic: Clinic):
    problem(api.get("would-match"), 405)
