"""C2B: customers pay to the short code, which is told at the URL it registered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openfn_platform.demo.standins.callbacks import json_callback
from openfn_platform.demo.standins.mpesa.errors import (
    Refused,
    amount_from,
    conversation_id,
    invalid,
    needed,
    receipt,
    request_id,
    stamp,
    url_from,
)
from openfn_platform.demo.standins.mpesa.stk import is_msisdn
from openfn_platform.demo.standins.store import Record

if TYPE_CHECKING:
    from openfn_platform.demo.standins.mpesa.partner import Mpesa

RESPONSE_TYPES = ("Completed", "Cancelled")
COMMANDS = {"CustomerPayBillOnline": "Pay Bill", "CustomerBuyGoodsOnline": "Buy Goods"}


class Customers:
    """What customers paid."""

    def __init__(self, mpesa: Mpesa) -> None:
        self.mpesa = mpesa

    def register(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """POST registerurl; a second time only where the setting allows it."""
        needed(values, "ShortCode", "ResponseType", "ConfirmationURL", "ValidationURL")
        if str(values["ShortCode"]) != self.mpesa.config["shortcode"]:
            raise invalid("ShortCode")
        if values["ResponseType"] not in RESPONSE_TYPES:
            raise invalid("ResponseType")
        urls = {name: url_from(values, name) for name in ("ConfirmationURL", "ValidationURL")}
        if self.mpesa.store.get("registration", "urls") and not self.mpesa.config["register_again"]:
            raise Refused("500.003.1001", "Urls are already registered")
        self.mpesa.store.put("registration", "urls", {**urls, "ResponseType": values["ResponseType"]})
        # The first name is misspelt by Daraja itself.
        return {
            "OriginatorCoversationID": request_id(),
            "ResponseCode": "0",
            "ResponseDescription": "Success",
        }

    def simulate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """POST simulate, which the sandbox has."""
        needed(values, "ShortCode", "CommandID", "Amount", "Msisdn")
        if str(values["ShortCode"]) != self.mpesa.config["shortcode"]:
            raise invalid("ShortCode")
        if values["CommandID"] not in COMMANDS:
            raise invalid("CommandID")
        if not is_msisdn(values["Msisdn"]):
            raise invalid("Msisdn")
        person = {
            "msisdn": values["Msisdn"],
            "amount": values["Amount"],
            "kind": COMMANDS[values["CommandID"]],
        }
        self.pay({**person, "reference": values.get("BillRefNumber") or ""})
        words = "Accept the service request successfully."
        ids = {"OriginatorCoversationID": request_id(), "ConversationID": conversation_id()}
        return {**ids, "ResponseCode": "0", "ResponseDescription": words}

    def pay(self, said: Mapping[str, Any]) -> Record:
        """A customer pays; the confirmation goes to the registered URL, if there is one."""
        payment = {
            "id": receipt(),
            "kind": said.get("kind", "Pay Bill"),
            "amount": amount_from(said["amount"]),
            "msisdn": str(said["msisdn"]),
            "reference": str(said.get("reference", "")),
            "first_name": said.get("first_name", ""),
            "created": time.time(),
        }
        self.mpesa.store.put("payment", payment["id"], payment)
        registered = self.mpesa.store.get("registration", "urls")
        if registered:
            url, after = registered["ConfirmationURL"], self.mpesa.config["confirmed_after"]
            self.mpesa.call_later(json_callback(after, url, self._confirmation(payment)))
        return payment

    def _confirmation(self, payment: Record) -> dict[str, str]:
        return {
            "TransactionType": payment["kind"],
            "TransID": payment["id"],
            "TransTime": stamp(),
            "TransAmount": f"{payment['amount']}.00",
            "BusinessShortCode": self.mpesa.config["shortcode"],
            "BillRefNumber": payment["reference"],
            "InvoiceNumber": "",
            "OrgAccountBalance": f"{self.mpesa.balance()}.00",
            "ThirdPartyTransID": "",
            "MSISDN": payment["msisdn"],
            "FirstName": payment["first_name"],
            "MiddleName": "",
            "LastName": "",
        }
