"""STK push: a prompt on the payer's phone, its outcome called back and asked for."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openfn_platform.demo.standins.callbacks import json_callback
from openfn_platform.demo.standins.mpesa.errors import (
    Refused,
    amount_from,
    invalid,
    needed,
    receipt,
    request_id,
    result_words,
    stamp,
    url_from,
)
from openfn_platform.demo.standins.store import Record

if TYPE_CHECKING:
    from openfn_platform.demo.standins.mpesa.partner import Mpesa

TYPES = ("CustomerPayBillOnline", "CustomerBuyGoodsOnline")
LONGEST = {"AccountReference": 12, "TransactionDesc": 13}


class Pushes:
    """The prompts that were sent."""

    def __init__(self, mpesa: Mpesa) -> None:
        self.mpesa = mpesa

    def push(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """POST processrequest."""
        self._authorise(values)
        _check(values)
        phone = str(values["PhoneNumber"])
        if self.mpesa.config["lock_subscribers"] and self._waiting(phone):
            told = "Unable to lock subscriber, a transaction is already in process for the current subscriber"
            raise Refused("500.001.1001", told)
        unique = f"ws_CO_{stamp()}{secrets.randbelow(10**9):09d}"
        code = self.mpesa.config["outcomes"].get(phone, 0)
        push = {
            "id": unique,
            "merchant_request": request_id(),
            "shortcode": str(values["BusinessShortCode"]),
            "phone": phone,
            "amount": amount_from(values["Amount"]),
            "reference": str(values["AccountReference"]),
            "url": url_from(values, "CallBackURL"),
            "code": code,
            "receipt": receipt() if code == 0 else None,
            "created": time.time(),
        }
        self.mpesa.store.put("push", unique, push)
        url, after = push["url"], self.mpesa.config["answered_after"]
        self.mpesa.call_later(json_callback(after, url, outcome(push)))
        words = "Success. Request accepted for processing"
        return {
            "MerchantRequestID": push["merchant_request"],
            "CheckoutRequestID": unique,
            "ResponseCode": "0",
            "ResponseDescription": words,
            "CustomerMessage": words,
        }

    def query(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """POST stkpushquery: an error as long as the payer has not answered."""
        self._authorise(values)
        push = self.mpesa.store.get("push", str(values.get("CheckoutRequestID")))
        if push is None:
            raise invalid("CheckoutRequestID")
        if self._is_open(push):
            raise Refused("500.001.1001", "The transaction is being processed")
        return {
            "ResponseCode": "0",
            "ResponseDescription": "The service request has been accepted successfully",
            "MerchantRequestID": push["merchant_request"],
            "CheckoutRequestID": push["id"],
            "ResultCode": str(push["code"]),
            "ResultDesc": result_words(push["code"]),
        }

    def paid(self) -> list[Record]:
        """Prompts that ended with a payment."""
        pushes = self.mpesa.store.table("push").values()
        return [push for push in pushes if push["code"] == 0 and not self._is_open(push)]

    def _authorise(self, values: Mapping[str, Any]) -> None:
        """The password is the short code, the pass key and the timestamp, in base 64."""
        needed(values, "BusinessShortCode", "Password", "Timestamp")
        code, moment = str(values["BusinessShortCode"]), str(values["Timestamp"])
        if not (moment.isdecimal() and len(moment) == 14):
            raise invalid("Timestamp")
        if code != self.mpesa.config["shortcode"]:
            raise Refused("500.001.1001", "Merchant does not exist")
        if values["Password"] != password(code, self.mpesa.config["passkey"], moment):
            raise Refused("500.001.1001", "Wrong credentials")

    def _is_open(self, push: Record) -> bool:
        age: float = time.time() - push["created"]
        return age < float(self.mpesa.config["answered_after"])

    def _waiting(self, phone: str) -> bool:
        pushes = self.mpesa.store.table("push").values()
        return any(push["phone"] == phone and self._is_open(push) for push in pushes)


def _check(values: Mapping[str, Any]) -> None:
    needed(values, "TransactionType", "Amount", "PartyA", "PartyB", "PhoneNumber", "CallBackURL", *LONGEST)
    if values["TransactionType"] not in TYPES:
        raise invalid("TransactionType")
    amount_from(values["Amount"])
    url_from(values, "CallBackURL")
    for name in ("PartyA", "PhoneNumber"):
        if not is_msisdn(values[name]):
            raise invalid(name)
    for name, longest in LONGEST.items():
        if len(str(values[name])) > longest:
            raise invalid(name)


def password(shortcode: str, passkey: str, timestamp: str) -> str:
    """What proves that the short code's owner asks."""
    return base64.b64encode(f"{shortcode}{passkey}{timestamp}".encode()).decode()


def is_msisdn(value: object) -> bool:
    """Whether this is a phone number as M-Pesa wants it: 2547 or 2541 and eight more digits."""
    text = str(value)
    return text.isascii() and text.isdecimal() and len(text) == 12 and text.startswith(("2547", "2541"))


def outcome(push: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the callback; only a payment has metadata."""
    told: dict[str, Any] = {
        "MerchantRequestID": push["merchant_request"],
        "CheckoutRequestID": push["id"],
        "ResultCode": push["code"],
        "ResultDesc": result_words(push["code"]),
    }
    if push["code"] == 0:
        items = [
            {"Name": "Amount", "Value": float(push["amount"])},
            {"Name": "MpesaReceiptNumber", "Value": push["receipt"]},
            {"Name": "Balance"},
            {"Name": "TransactionDate", "Value": int(stamp())},
            {"Name": "PhoneNumber", "Value": int(push["phone"])},
        ]
        told["CallbackMetadata"] = {"Item": items}
    return {"Body": {"stkCallback": told}}
