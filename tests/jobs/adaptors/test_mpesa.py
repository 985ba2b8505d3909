"""`mpesa` against the stand-in of Daraja."""

import json
from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, ConfigurationError, Unavailable, ValidationError
from openfn_platform.demo.standins.kinds import kind_load
from openfn_platform.demo.standins.process import Standin

SETTINGS = kind_load("mpesa").settings


@pytest.fixture(scope="module")
def daraja():
    with Standin.start("mpesa") as standin:
        yield standin


@pytest.fixture
def connect(daraja):
    daraja.reset()
    daraja.clear_log()
    daraja.clear_faults()
    opened = []

    def make(**more):
        configuration = {
            "consumer_key": SETTINGS["consumer_key"], "consumer_secret": SETTINGS["consumer_secret"],
            "shortcode": SETTINGS["shortcode"], "pass_key": SETTINGS["passkey"], "baseUrl": daraja.url, **more,
        }  # fmt: skip
        client = registry.connect("mpesa", configuration, Context(allow_private=True))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def push(client, amount=250, phone="+254 708 374149"):
    return client.stk_push(amount, phone, "INV-7", "Clinic fee", callback_url="http://127.0.0.1:9/none")


def test_a_payment_is_asked_for_once_and_its_state_can_be_read(connect):
    client = connect()
    pushed = push(client)
    assert pushed["ResponseCode"] == "0"
    assert client.stk_query(pushed["CheckoutRequestID"])["pending"] in (True, False)
    with pytest.raises(AdaptorError):
        client.stk_query("ws_CO_unknown")


def test_a_payment_whose_answer_was_lost_is_not_asked_for_again(connect, daraja):
    daraja.faults(
        {"match": {"path_regex": "processrequest"}, "action": {"drop_after_processing": True}, "times": 1}
    )
    with pytest.raises(Unavailable) as caught:
        push(connect())
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert len(daraja.log(path="processrequest")) == 1


def test_wrong_keys_and_a_missing_pass_key_are_about_the_credential(connect):
    with pytest.raises(AuthError):
        connect(consumer_secret="wrong-wrong").test()
    with pytest.raises(ConfigurationError, match="pass key"):
        push(connect(pass_key=""))
    assert connect().test().startswith("M-Pesa accepts")


@pytest.mark.parametrize(
    ("amount", "phone"),
    [
        *((amount, "+254708374149") for amount in (0, 2.5, None, "250", True, float("nan"))),
        *((5, phone) for phone in ("+22890112233", None, 708374149)),
    ],
)
def test_what_cannot_be_paid_is_refused_before_it_is_sent(connect, daraja, amount, phone):
    with pytest.raises(ValidationError):
        push(connect(), amount, phone)
    assert daraja.log(path="processrequest") == []


def test_whole_shillings_may_come_from_a_table(connect, daraja):
    assert push(connect(), amount=250.0, phone=254708374149)["ResponseCode"] == "0"
    sent = json.loads(daraja.log(path="processrequest")[-1]["body"])
    assert (repr(sent["Amount"]), sent["PartyA"]) == ("250", "254708374149")


def test_a_reference_is_never_cut_off(connect, daraja):
    with pytest.raises(ValidationError, match="a reference of at most 12 characters"):
        connect().stk_push(1, "+254708374149", "INVOICE-2026-7", "x", callback_url="https://x.example/")
    assert daraja.log(path="processrequest") == []


def test_addresses_are_registered_and_taxes_and_goods_paid(connect):
    client = connect()
    assert client.register_url(confirmation="https://x.example/c", validation="https://x.example/v")
    with pytest.raises(AdaptorError):
        client.remit_tax({})


def test_the_password_made_from_the_pass_key_is_masked(connect, daraja):
    told: list[dict[str, Any]] = []
    configuration = {
        "consumer_key": SETTINGS["consumer_key"], "consumer_secret": SETTINGS["consumer_secret"],
        "shortcode": SETTINGS["shortcode"], "pass_key": SETTINGS["passkey"], "baseUrl": daraja.url,
    }  # fmt: skip
    client = registry.connect("mpesa", configuration, Context(allow_private=True, trace=told.append))
    push(client)
    assert '"Password": "***"' in told[-1]["request_body"]
    client.close()
