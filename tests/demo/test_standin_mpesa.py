"""The M-Pesa stand-in answers as Daraja does."""

import time

import httpx
import pytest

from openfn_platform.demo.standins.mpesa.partner import Mpesa
from openfn_platform.demo.standins.mpesa.stk import password
from openfn_platform.demo.standins.process import Standin, StandinFailed
from tests.demo.receiver import Receiver

CODE, PASSKEY = Mpesa.settings["shortcode"], Mpesa.settings["passkey"]
LOGIN = (Mpesa.settings["consumer_key"], Mpesa.settings["consumer_secret"])
TOKEN = "/oauth/v1/generate?grant_type=client_credentials"
PUSH, QUERY = "/mpesa/stkpush/v1/processrequest", "/mpesa/stkpushquery/v1/query"
STATUS, REGISTER = "/mpesa/transactionstatus/v1/query", "/mpesa/c2b/v1/registerurl"
TAX, GOODS = "/mpesa/b2b/v1/remittax", "/mpesa/b2b/v1/paymentrequest"
MOMENT = "20260105080000"
NOWHERE = "http://127.0.0.1:9/in"
SIGNED = {"BusinessShortCode": CODE, "Password": password(CODE, PASSKEY, MOMENT), "Timestamp": MOMENT}
STK = {
    **SIGNED,
    "TransactionType": "CustomerPayBillOnline",
    "Amount": 150,
    "PartyA": "254708374149",
    "PartyB": CODE,
    "PhoneNumber": "254708374149",
    "CallBackURL": NOWHERE,
    "AccountReference": "VISIT-7",
    "TransactionDesc": "Clinic visit",
}
TRANSFER = {
    "Initiator": "testapi",
    "SecurityCredential": "c2VjcmV0",
    "CommandID": "BusinessBuyGoods",
    "SenderIdentifierType": "4",
    "RecieverIdentifierType": "2",
    "Amount": "200",
    "PartyA": CODE,
    "PartyB": "600000",
    "AccountReference": "INV-1",
    "Remarks": "Gloves",
    "QueueTimeOutURL": NOWHERE,
    "ResultURL": NOWHERE,
}
ASK = {
    "Initiator": "testapi",
    "SecurityCredential": "c2VjcmV0",
    "CommandID": "TransactionStatusQuery",
    "PartyA": CODE,
    "IdentifierType": "4",
    "Remarks": "Where is it",
    "QueueTimeOutURL": NOWHERE,
    "ResultURL": NOWHERE,
}


@pytest.fixture(scope="module")
def running():
    with Standin.start("mpesa") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    running.configure(answered_after=0.0)
    return running


@pytest.fixture
def client(standin):
    token = httpx.get(standin.url + TOKEN, auth=LOGIN).json()["access_token"]
    with httpx.Client(
        base_url=standin.url, headers={"Authorization": f"Bearer {token}"}, timeout=5
    ) as client:
        yield client


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def refusal(answer):
    body = answer.json()
    assert set(body) == {"requestId", "errorCode", "errorMessage"}
    return answer.status_code, body["errorCode"], body["errorMessage"]


def test_a_token_is_given_for_key_and_secret(standin):
    answer = httpx.get(standin.url + TOKEN, auth=LOGIN)
    assert answer.status_code == 200
    assert answer.json() == {"access_token": answer.json()["access_token"], "expires_in": "3599"}


def test_no_token_for_others_or_for_another_grant(standin):
    answer = httpx.get(standin.url + TOKEN, auth=("key", "wrong"))
    assert refusal(answer)[:2] == (400, "400.008.01")
    answer = httpx.get(standin.url + "/oauth/v1/generate?grant_type=password", auth=LOGIN)
    assert refusal(answer)[:2] == (400, "400.008.02")


def test_without_a_valid_token_nothing_goes(standin, client):
    answer = httpx.post(standin.url + PUSH, json=STK, headers={"Authorization": "Bearer wrong"})
    assert refusal(answer) == (404, "404.001.03", "Invalid Access Token")
    standin.call("POST", "expire")
    assert refusal(client.post(PUSH, json=STK)) == (404, "404.001.03", "Invalid Access Token")
    standin.configure(token_refusal="401.002.01")
    assert refusal(client.post(PUSH, json=STK))[:2] == (401, "401.002.01")
    assert standin.state()["push"] == []


def test_a_token_ends_by_itself(standin):
    standin.configure(token_seconds=0)
    token = httpx.get(standin.url + TOKEN, auth=LOGIN).json()["access_token"]
    answer = httpx.post(standin.url + PUSH, json=STK, headers={"Authorization": f"Bearer {token}"})
    assert refusal(answer)[1] == "404.001.03"


def test_a_prompt_is_accepted_and_the_payment_called_back(standin, client, receiver):
    answer = client.post(PUSH, json={**STK, "CallBackURL": receiver.url})
    body = answer.json()
    assert answer.status_code == 200
    assert body["CheckoutRequestID"].startswith("ws_CO_")
    assert body["ResponseCode"] == "0"
    assert (
        body["ResponseDescription"] == body["CustomerMessage"] == "Success. Request accepted for processing"
    )
    told = receiver.wait(1)[0].json["Body"]["stkCallback"]
    assert receiver.stays_at(1, 0.1)
    items = {item["Name"]: item.get("Value") for item in told.pop("CallbackMetadata")["Item"]}
    assert told == {
        "MerchantRequestID": body["MerchantRequestID"],
        "CheckoutRequestID": body["CheckoutRequestID"],
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
    }
    (push,) = standin.state()["push"]
    assert items["MpesaReceiptNumber"] == push["receipt"]
    assert (items["Amount"], items["PhoneNumber"]) == (150.0, 254708374149)


def test_a_cancelled_prompt_is_called_back_without_metadata(client, receiver):
    payer = {"PhoneNumber": "254708001032", "PartyA": "254708001032"}
    unique = client.post(PUSH, json={**STK, **payer, "CallBackURL": receiver.url}).json()["CheckoutRequestID"]
    told = receiver.wait(1)[0].json["Body"]["stkCallback"]
    assert (told["ResultCode"], told["ResultDesc"]) == (1032, "Request cancelled by user.")
    assert "CallbackMetadata" not in told
    asked = client.post(QUERY, json={**SIGNED, "CheckoutRequestID": unique}).json()
    assert (asked["ResponseCode"], asked["ResultCode"]) == ("0", "1032")


def test_an_open_prompt_is_an_error_of_the_query(standin, client):
    standin.configure(answered_after=60)
    unique = client.post(PUSH, json=STK).json()["CheckoutRequestID"]
    answer = client.post(QUERY, json={**SIGNED, "CheckoutRequestID": unique})
    assert refusal(answer) == (500, "500.001.1001", "The transaction is being processed")
    standin.configure(answered_after=0)
    assert client.post(QUERY, json={**SIGNED, "CheckoutRequestID": unique}).json()["ResultCode"] == "0"
    unknown = client.post(QUERY, json={**SIGNED, "CheckoutRequestID": "ws_CO_none"})
    assert refusal(unknown)[:2] == (400, "400.002.02")


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"Password": "d3Jvbmc="}, (500, "500.001.1001", "Wrong credentials")),
        ({"Timestamp": "20260105080001"}, (500, "500.001.1001", "Wrong credentials")),
        ({"BusinessShortCode": "999999"}, (500, "500.001.1001", "Merchant does not exist")),
        ({"Timestamp": "2026-01-05"}, (400, "400.002.02", "Bad Request - Invalid Timestamp")),
        ({"PhoneNumber": "0708374149"}, (400, "400.002.02", "Bad Request - Invalid PhoneNumber")),
        ({"PartyA": "+254708374149"}, (400, "400.002.02", "Bad Request - Invalid PartyA")),
        ({"Amount": 0}, (400, "400.002.02", "Bad Request - Invalid Amount")),
        ({"Amount": 1.5}, (400, "400.002.02", "Bad Request - Invalid Amount")),
        ({"CallBackURL": "here"}, (400, "400.002.02", "Bad Request - Invalid CallBackURL")),
        ({"TransactionType": "Gift"}, (400, "400.002.02", "Bad Request - Invalid TransactionType")),
        ({"AccountReference": "x" * 13}, (400, "400.002.02", "Bad Request - Invalid AccountReference")),
        ({"TransactionDesc": ""}, (400, "400.002.02", "Bad Request - Invalid TransactionDesc")),
    ],
)
def test_a_prompt_that_daraja_would_refuse_is_refused(standin, client, change, refused):
    assert refusal(client.post(PUSH, json={**STK, **change})) == refused
    assert standin.state()["push"] == []


def test_a_body_that_is_no_json_object_is_refused(client):
    assert refusal(client.post(PUSH, data={"Amount": "1"}))[1] == "400.002.05"
    assert refusal(client.post(PUSH, json=[]))[1] == "400.002.05"


def test_paths_and_verbs_that_do_not_exist(client):
    assert refusal(client.post("/mpesa/none", json={}))[:2] == (404, "404.001.01")
    assert refusal(client.get(PUSH))[0] == 405


def test_a_second_prompt_waits_for_the_first_when_so_set(standin, client):
    standin.configure(lock_subscribers=True, answered_after=60)
    assert client.post(PUSH, json=STK).status_code == 200
    assert "Unable to lock subscriber" in refusal(client.post(PUSH, json=STK))[2]
    standin.configure(lock_subscribers=False)
    assert client.post(PUSH, json=STK).status_code == 200
    assert len(standin.state()["push"]) == 2


def test_too_many_calls_in_a_second_are_a_spike(standin, client):
    standin.configure(per_second=1)
    assert client.post(PUSH, json=STK).status_code == 200
    assert refusal(client.post(PUSH, json=STK))[:2] == (500, "500.003.02")


def test_a_prompt_whose_answer_is_lost_has_been_sent(standin, client):
    standin.faults(
        {"match": {"path_regex": "stkpush"}, "times": 1, "action": {"drop_after_processing": True}}
    )
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(PUSH, json=STK)
    assert len(standin.state()["push"]) == 1


def registered(client, url, **change):
    urls = {"ConfirmationURL": url, "ValidationURL": url}
    return client.post(REGISTER, json={"ShortCode": CODE, "ResponseType": "Completed", **urls, **change})


def test_a_customer_pays_and_the_registered_url_hears_of_it(standin, client, receiver):
    answer = registered(client, receiver.url)
    assert (answer.json()["ResponseCode"], answer.json()["ResponseDescription"]) == ("0", "Success")
    paid = {"msisdn": "254708374149", "amount": 150, "reference": "VISIT-7", "first_name": "Asha"}
    payment = standin.call("POST", "c2b", paid)
    told = receiver.wait(1)[0].json
    assert receiver.stays_at(1, 0.1)
    expected = {
        "TransactionType": "Pay Bill",
        "TransID": payment["id"],
        "TransAmount": "150.00",
        "BusinessShortCode": CODE,
        "BillRefNumber": "VISIT-7",
        "OrgAccountBalance": "100150.00",
        "MSISDN": "254708374149",
        "FirstName": "Asha",
    }
    assert {name: told[name] for name in expected} == expected
    assert time.strptime(told["TransTime"], "%Y%m%d%H%M%S")


def test_the_sandbox_simulates_a_customer(standin, client, receiver):
    registered(client, receiver.url)
    body = {
        "ShortCode": CODE,
        "CommandID": "CustomerBuyGoodsOnline",
        "Amount": "10",
        "Msisdn": "254708374149",
    }
    assert client.post("/mpesa/c2b/v1/simulate", json=body).json()["ResponseCode"] == "0"
    assert receiver.wait(1)[0].json["TransactionType"] == "Buy Goods"
    wrong = client.post("/mpesa/c2b/v1/simulate", json={**body, "CommandID": "Gift"})
    assert refusal(wrong)[2] == "Bad Request - Invalid CommandID"


def test_without_a_registered_url_nobody_hears_but_the_money_is_there(standin):
    standin.call("POST", "c2b", {"msisdn": "254708374149", "amount": 5})
    assert [payment["amount"] for payment in standin.state()["payment"]] == [5]
    with pytest.raises(StandinFailed, match="Amount"):
        standin.call("POST", "c2b", {"msisdn": "254708374149", "amount": "five"})


def test_registering_is_checked_and_may_be_final(standin, client):
    assert refusal(registered(client, "here"))[2] == "Bad Request - Invalid ConfirmationURL"
    assert (
        refusal(registered(client, NOWHERE, ResponseType="Maybe"))[2] == "Bad Request - Invalid ResponseType"
    )
    assert refusal(registered(client, NOWHERE, ShortCode="1"))[2] == "Bad Request - Invalid ShortCode"
    standin.configure(register_again=False)
    assert registered(client, NOWHERE).status_code == 200
    assert refusal(registered(client, NOWHERE)) == (500, "500.003.1001", "Urls are already registered")


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (GOODS, {}),
        (GOODS, {"CommandID": "BusinessPayBill", "RecieverIdentifierType": "4"}),
        (TAX, {"CommandID": "PayTaxToKRA", "PartyB": "572572", "RecieverIdentifierType": "4"}),
    ],
)
def test_a_transfer_is_acknowledged_and_its_result_called_back(standin, client, receiver, path, change):
    accepted = client.post(path, json={**TRANSFER, **change, "ResultURL": receiver.url})
    body = accepted.json()
    assert (accepted.status_code, body["ResponseCode"]) == (200, "0")
    result = receiver.wait(1)[0].json["Result"]
    assert receiver.stays_at(1, 0.1)
    assert (result["ResultType"], result["ResultCode"]) == (0, 0)
    for name in ("ConversationID", "OriginatorConversationID"):
        assert result[name] == body[name]
    details = {item["Key"]: item["Value"] for item in result["ResultParameters"]["ResultParameter"]}
    assert details["Amount"] == "200.00"
    (transfer,) = standin.state()["transfer"]
    assert (transfer["id"], transfer["amount"], transfer["code"]) == (result["TransactionID"], 200, 0)


@pytest.mark.parametrize(
    ("change", "settings", "code"),
    [
        ({"Initiator": "stranger"}, {}, 2001),
        ({}, {"security_credential": "b3RoZXI="}, 2001),
        ({}, {"balance": 199}, 1),
        ({}, {"outcomes": {"600000": 1037}}, 1037),
    ],
)
def test_a_transfer_that_fails_says_so_in_its_result(standin, client, receiver, change, settings, code):
    standin.configure(**settings)
    assert client.post(GOODS, json={**TRANSFER, **change, "ResultURL": receiver.url}).status_code == 200
    result = receiver.wait(1)[0].json["Result"]
    assert result["ResultCode"] == code
    assert "ResultParameters" not in result
    assert [transfer["code"] for transfer in standin.state()["transfer"]] == [code]


@pytest.mark.parametrize(
    ("path", "change", "name"),
    [
        (GOODS, {"SecurityCredential": ""}, "SecurityCredential"),
        (GOODS, {"CommandID": "PayTaxToKRA"}, "CommandID"),
        (GOODS, {"Amount": "-5"}, "Amount"),
        (GOODS, {"PartyA": "1"}, "PartyA"),
        (GOODS, {"ResultURL": "here"}, "ResultURL"),
        (TAX, {"CommandID": "PayTaxToKRA"}, "PartyB"),
    ],
)
def test_a_transfer_that_daraja_would_refuse_is_refused(standin, client, path, change, name):
    answer = client.post(path, json={**TRANSFER, **change})
    assert refusal(answer) == (400, "400.002.02", f"Bad Request - Invalid {name}")
    assert standin.state()["transfer"] == []


def test_a_payment_can_be_asked_for_by_its_receipt(standin, client, receiver):
    payment = standin.call("POST", "c2b", {"msisdn": "254708374149", "amount": 150})
    ask = {**ASK, "TransactionID": payment["id"], "ResultURL": receiver.url}
    assert client.post(STATUS, json=ask).json()["ResponseCode"] == "0"
    result = receiver.wait(1)[0].json["Result"]
    details = {item["Key"]: item["Value"] for item in result["ResultParameters"]["ResultParameter"]}
    assert (details["ReceiptNo"], details["TransactionStatus"]) == (payment["id"], "Completed")
    assert (details["Amount"], details["DebitPartyName"]) == (150.0, "254708374149")


def test_what_was_prompted_and_paid_can_be_asked_for_too(standin, client, receiver):
    client.post(PUSH, json=STK)
    client.post(GOODS, json=TRANSFER)
    for unique in (standin.state()["push"][0]["receipt"], standin.state()["transfer"][0]["id"]):
        client.post(STATUS, json={**ASK, "TransactionID": unique, "ResultURL": receiver.url})
    assert [received.json["Result"]["ResultCode"] for received in receiver.wait(2)] == [0, 0]


def test_an_unknown_receipt_is_told_in_the_result(client, receiver):
    client.post(STATUS, json={**ASK, "TransactionID": "NONE000000", "ResultURL": receiver.url})
    result = receiver.wait(1)[0].json["Result"]
    assert result["ResultCode"] != 0
    assert "ResultParameters" not in result
    assert (
        refusal(client.post(STATUS, json={**ASK, "TransactionID": ""}))[2]
        == "Bad Request - Invalid TransactionID"
    )
