"""The Africa's Talking stand-in answers as Africa's Talking does."""

import re

import httpx
import pytest

from openfn_platform.demo.standins.africastalking import AfricasTalking
from openfn_platform.demo.standins.process import Standin, StandinFailed
from tests.demo.receiver import Receiver

USER, KEY = AfricasTalking.settings["username"], AfricasTalking.settings["api_key"]
MESSAGING, ACCOUNT = "/version1/messaging", f"/version1/user?username={USER}"
FORM = {"username": USER, "to": "+254711000001", "message": "Clinic tomorrow"}


@pytest.fixture(scope="module")
def running():
    with Standin.start("africastalking") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    headers = {"apiKey": KEY, "Accept": "application/json"}
    with httpx.Client(base_url=standin.url, headers=headers, timeout=5) as client:
        yield client


def entries(answer):
    return answer.json()["SMSMessageData"]["Recipients"]


def test_a_sent_message_is_answered_with_its_recipient(standin, client):
    answer = client.post(MESSAGING, data=FORM)
    (entry,) = entries(answer)
    assert answer.status_code == 201
    assert answer.json()["SMSMessageData"]["Message"] == "Sent to 1/1 Total Cost: KES 0.8000"
    assert re.fullmatch("ATXid_[0-9a-f]{32}", entry["messageId"])
    assert entry == {
        "statusCode": 101,
        "number": FORM["to"],
        "status": "Success",
        "cost": "KES 0.8000",
        "messageId": entry["messageId"],
    }
    (kept,) = standin.state()["message"]
    assert (kept["to"], kept["message"]) == (FORM["to"], FORM["message"])


def test_mixed_recipients_are_201_with_a_status_each(standin, client):
    numbers = [
        "+254711000001",
        "0711000002",
        "+254711000406",
        "+254711000401",
        "+254711000500",
        "+254711000501",
    ]
    answer = client.post(MESSAGING, data={**FORM, "to": ",".join(numbers)})
    found = [(entry["number"], entry["statusCode"], entry["status"]) for entry in entries(answer)]
    assert answer.status_code == 201
    assert found == [
        ("+254711000001", 101, "Success"),
        ("0711000002", 403, "InvalidPhoneNumber"),
        ("+254711000406", 406, "UserInBlacklist"),
        ("+254711000401", 401, "RiskHold"),
        ("+254711000500", 500, "InternalServerError"),
        ("+254711000501", 501, "GatewayError"),
    ]
    assert answer.json()["SMSMessageData"]["Message"].startswith("Sent to 1/6 ")
    assert [entry["messageId"] for entry in entries(answer)][1:] == ["None"] * 5
    assert [message["to"] for message in standin.state()["message"]] == ["+254711000001"]


def test_a_number_can_be_given_any_fate(standin, client):
    standin.configure(refused={"+254711000007": 407})
    assert (
        entries(client.post(MESSAGING, data={**FORM, "to": "+254711000007"}))[0]["status"] == "CouldNotRoute"
    )


def test_money_runs_out_between_recipients(standin, client):
    standin.configure(balance=1.0)
    answer = client.post(MESSAGING, data={**FORM, "to": "+254711000001,+254711000002"})
    assert [entry["statusCode"] for entry in entries(answer)] == [101, 405]
    assert client.get(ACCOUNT).json() == {"UserData": {"balance": "KES 0.2000"}}


def test_a_long_text_costs_by_part(client):
    answer = client.post(MESSAGING, data={**FORM, "message": "x" * 161})
    assert entries(answer)[0]["cost"] == "KES 1.6000"


def test_a_queued_message_is_102(client):
    assert entries(client.post(MESSAGING, data={**FORM, "enqueue": "1"}))[0]["statusCode"] == 102


def test_an_unknown_sender_gives_no_recipients_but_a_201(standin, client):
    answer = client.post(MESSAGING, data={**FORM, "from": "NOBODY"})
    assert answer.status_code == 201
    assert answer.json() == {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}
    assert "message" not in standin.state()
    assert entries(client.post(MESSAGING, data={**FORM, "from": "CLINIC"}))[0]["statusCode"] == 101


@pytest.mark.parametrize(
    ("headers", "form"),
    [({"apiKey": "wrong"}, FORM), ({}, FORM), ({"apiKey": KEY}, {**FORM, "username": "other"})],
)
def test_wrong_credentials_are_401_in_plain_text(standin, headers, form):
    answer = httpx.post(standin.url + MESSAGING, data=form, headers=headers)
    assert (answer.status_code, answer.text) == (401, "The supplied authentication is invalid")
    assert answer.headers["content-type"].startswith("text/plain")


def test_the_balance_needs_the_key(standin):
    assert httpx.get(standin.url + ACCOUNT).status_code == 401


@pytest.mark.parametrize("name", ["username", "to", "message"])
def test_a_missing_field_is_400_and_named(client, name):
    answer = client.post(MESSAGING, data={k: v for k, v in FORM.items() if k != name})
    assert answer.status_code == 400
    assert name in answer.text


def test_json_is_not_taken(client):
    assert client.post(MESSAGING, json=FORM).status_code == 415


def test_without_asking_for_json_it_is_xml(standin):
    answer = httpx.post(standin.url + MESSAGING, data={**FORM, "to": "<Asha>"}, headers={"apiKey": KEY})
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/xml")
    assert "<statusCode>403</statusCode>" in answer.text
    assert "<number>&lt;Asha&gt;</number>" in answer.text
    assert (
        "<balance>KES 1000.0000</balance>" in httpx.get(standin.url + ACCOUNT, headers={"apiKey": KEY}).text
    )


def test_delivery_is_reported_once_as_a_form(standin, client):
    with Receiver() as receiver:
        standin.configure(delivery_url=receiver.url, delivered_after=0.05)
        (entry,) = entries(client.post(MESSAGING, data=FORM))
        (report,) = receiver.wait(1)
        assert report.form == {
            "id": entry["messageId"],
            "status": "Success",
            "phoneNumber": FORM["to"],
            "networkCode": "63902",
            "retryCount": "0",
        }
        assert report.headers["content-type"] == "application/x-www-form-urlencoded"
        assert receiver.stays_at(1)


def test_what_does_not_arrive_is_reported_with_its_reason(standin, client):
    with Receiver() as receiver:
        reasons = {FORM["to"]: "AbsentSubscriber"}
        standin.configure(delivery_url=receiver.url, delivered_after=0.0, undelivered=reasons)
        client.post(MESSAGING, data=FORM)
        report = receiver.wait(1)[0].form
    assert (report["status"], report["failureReason"]) == ("Failed", "AbsentSubscriber")


def test_a_test_reports_about_a_message(standin, client):
    (entry,) = entries(client.post(MESSAGING, data=FORM))
    with Receiver() as receiver:
        standin.configure(delivery_url=receiver.url)
        standin.call("POST", "status", {"id": entry["messageId"], "status": "Buffered"})
        assert receiver.wait(1)[0].form["status"] == "Buffered"
    with pytest.raises(StandinFailed, match="no message"):
        standin.call("POST", "status", {"id": "ATXid_none", "status": "Success"})


def test_a_person_writes_and_is_heard_by_callback_and_by_asking(standin, client):
    said = {"from": "+254711000009", "to": "22384", "text": "STOP é"}
    with Receiver() as receiver:
        standin.configure(inbound_url=receiver.url)
        heard = standin.call("POST", "inbound", said)
        form = receiver.wait(1)[0].form
    assert {name: form[name] for name in said} == said
    assert form["linkId"] == heard["linkId"]
    asked = {"username": USER, "lastReceivedId": 0}
    (message,) = client.get(MESSAGING, params=asked).json()["SMSMessageData"]["Messages"]
    assert (message["id"], message["text"]) == (1, said["text"])
    asked["lastReceivedId"] = 1
    assert client.get(MESSAGING, params=asked).json() == {"SMSMessageData": {"Messages": []}}


def test_a_request_whose_answer_is_lost_has_been_sent(standin, client):
    standin.faults({"match": {"method": "POST"}, "times": 1, "action": {"drop_after_processing": True}})
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(MESSAGING, data=FORM)
    assert len(standin.state()["message"]) == 1
    assert len(standin.log(method="POST", path=MESSAGING)) == 1
