"""The Vonage stand-in answers as Vonage's SMS API does."""

import re
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from openfn_platform.demo.standins.process import Standin
from openfn_platform.demo.standins.vonage import Vonage
from tests.demo.receiver import Receiver

KEY, SECRET = Vonage.settings["api_key"], Vonage.settings["api_secret"]
SEND, BALANCE = "/sms/json", "/account/get-balance"
FORM = {"api_key": KEY, "api_secret": SECRET, "to": "447700900000", "from": "CLINIC", "text": "Tomorrow"}


@pytest.fixture(scope="module")
def running():
    with Standin.start("vonage") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, timeout=5) as client:
        yield client


def sent(client, **change):
    answer = client.post(SEND, data={**FORM, **change})
    assert answer.status_code == 200
    body = answer.json()
    assert body["message-count"] == str(len(body["messages"]))
    return body["messages"]


def test_a_sent_message_is_answered_in_vonages_shape(client):
    (part,) = sent(client)
    assert re.fullmatch("[0-9A-F]{16}", part["message-id"])
    assert part == {
        "to": FORM["to"],
        "message-id": part["message-id"],
        "status": "0",
        "remaining-balance": "15.50260000",
        "message-price": "0.03330000",
        "network": "23410",
    }


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"api_key": ""}, "2"),
        ({"api_secret": ""}, "2"),
        ({"api_secret": "wrong"}, "4"),
        ({"to": ""}, "2"),
        ({"from": ""}, "2"),
        ({"text": ""}, "2"),
        ({"to": "Asha"}, "3"),
        ({"type": "smoke"}, "3"),
        ({"text": "x" * 3201}, "12"),
        ({"to": "447700900006"}, "6"),
        ({"to": "447700900007"}, "7"),
    ],
)
def test_what_vonage_refuses_is_a_status_within_a_200(standin, client, change, status):
    (entry,) = sent(client, **change)
    assert entry["status"] == status
    assert entry["error-text"]
    assert "message-id" not in entry
    assert standin.state() == {}


def test_only_known_senders_and_listed_recipients_when_so_set(standin, client):
    standin.configure(senders=["CLINIC"], allowed=["447700900001"])
    assert sent(client, **{"from": "NOBODY"})[0]["status"] == "15"
    assert sent(client)[0]["status"] == "29"
    assert sent(client, to="+447700900001")[0]["status"] == "0"


def test_an_internal_error_by_number(standin, client):
    standin.configure(refused={FORM["to"]: "5"})
    assert sent(client)[0]["status"] == "5"


def test_too_many_parts_in_a_second_are_throttled(standin, client):
    standin.configure(per_second=2)
    assert [sent(client)[0]["status"] for _ in range(3)] == ["0", "0", "1"]
    assert len(standin.state()["part"]) == 2


@pytest.mark.parametrize(
    ("text", "kind", "count"),
    [
        ("a" * 160, "text", 1),
        ("a" * 161, "text", 2),
        ("ș" * 160, "text", 1),
        ("ș" * 70, "unicode", 1),
        ("ș" * 71, "unicode", 2),
        ("a" * 71, "unicode", 2),
    ],
)
def test_a_long_text_is_several_messages(client, text, kind, count):
    parts = sent(client, text=text, type=kind)
    assert [part["status"] for part in parts] == ["0"] * count
    assert len({part["message-id"] for part in parts}) == count


def test_text_keeps_the_gsm_alphabet_only_and_unicode_all(standin, client):
    sent(client, text="Mâine € ș")
    sent(client, text="Mâine € ș", type="unicode")
    assert [part["text"] for part in standin.state()["part"]] == ["M?ine € ?", "Mâine € ș"]


def test_the_second_part_of_a_message_can_fail_alone(standin, client):
    standin.configure(refused={FORM["to"]: ["0", "5"]})
    assert [part["status"] for part in sent(client, text="a" * 320)] == ["0", "5", "0"]
    standin.configure(refused={}, balance=0.12)
    assert [part["status"] for part in sent(client, text="a" * 161)] == ["0", "9"]


def test_the_balance_is_what_was_not_spent(client):
    sent(client)
    secrets = {"api_key": KEY, "api_secret": SECRET}
    assert client.get(BALANCE, params=secrets).json() == {"value": 15.5026, "autoReload": False}
    assert client.get(BALANCE, auth=(KEY, SECRET)).json()["value"] == 15.5026


def test_the_balance_needs_the_secret(client):
    answer = client.get(BALANCE, params={"api_key": KEY, "api_secret": "wrong"})
    assert (answer.status_code, answer.json()["error-code"]) == (401, "401")


def test_json_is_not_understood_as_a_form(client):
    assert client.post(SEND, json=FORM).json()["messages"][0]["status"] == "2"


def test_a_receipt_comes_for_every_part(standin, client):
    with Receiver() as receiver:
        standin.configure(delivered_after=0.0)
        parts = sent(client, text="a" * 161, callback=receiver.url, **{"client-ref": "visit-7"})
        receipts = [received.form for received in receiver.wait(2)]
        assert receiver.stays_at(2, 0.1)
    assert sorted(receipt["messageId"] for receipt in receipts) == sorted(
        part["message-id"] for part in parts
    )
    first = receipts[0]
    assert (first["msisdn"], first["to"], first["status"], first["err-code"]) == (
        FORM["to"],
        FORM["from"],
        "delivered",
        "0",
    )
    assert re.fullmatch(r"\d{10}", first["scts"])
    assert first["client-ref"] == "visit-7"
    assert first["api-key"] == KEY


@pytest.mark.parametrize("method", ["GET", "POST", "POST-JSON"])
def test_receipts_come_in_the_form_that_is_set(standin, client, method):
    with Receiver() as receiver:
        url = receiver.url + "?project=1"
        standin.configure(
            delivered_after=0.0, delivery_url=url, delivery_method=method, undelivered={FORM["to"]: 6}
        )
        (part,) = sent(client)
        (received,) = receiver.wait(1)
    assert received.method == method.partition("-")[0]
    fields = {
        "GET": lambda: received.query,
        "POST": lambda: received.form,
        "POST-JSON": lambda: received.json,
    }[method]()
    assert (fields["messageId"], fields["status"], fields["err-code"]) == (part["message-id"], "failed", "6")
    assert dict(parse_qsl(urlsplit(received.path).query))["project"] == "1"


def test_a_test_sends_a_receipt(standin, client):
    with Receiver() as receiver:
        standin.configure(delivered_after=0.0)
        (part,) = sent(client, callback=receiver.url)
        receiver.wait(1)
        standin.call(
            "POST", "receipt", {"message-id": part["message-id"], "status": "expired", "err-code": 1}
        )
        assert receiver.wait(2)[1].form["status"] == "expired"
