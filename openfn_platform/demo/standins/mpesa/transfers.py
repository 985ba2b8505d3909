"""Payments between businesses and what can be asked about a payment: acknowledged now, the result called back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openfn_platform.demo.standins.callbacks import json_callback
from openfn_platform.demo.standins.mpesa.errors import (
    amount_from,
    conversation_id,
    invalid,
    needed,
    receipt,
    request_id,
    result_words,
    stamp,
    url_from,
)

if TYPE_CHECKING:
    from openfn_platform.demo.standins.mpesa.partner import Mpesa

TAX_OFFICE = "572572"
COMMANDS = {"remittax": ("PayTaxToKRA",), "paymentrequest": ("BusinessBuyGoods", "BusinessPayBill")}
UNKNOWN_TRANSACTION = "R000002"


class Transfers:
    """What the short code paid to others."""

    def __init__(self, mpesa: Mpesa) -> None:
        self.mpesa = mpesa

    def pay(self, values: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """POST remittax or paymentrequest."""
        needed(values, "Initiator", "SecurityCredential", "CommandID", "Amount", "PartyA", "PartyB")
        needed(values, "SenderIdentifierType", "RecieverIdentifierType", "AccountReference", "Remarks")
        if values["CommandID"] not in COMMANDS[kind]:
            raise invalid("CommandID")
        if str(values["PartyA"]) != self.mpesa.config["shortcode"]:
            raise invalid("PartyA")
        if kind == "remittax" and str(values["PartyB"]) != TAX_OFFICE:
            raise invalid("PartyB")
        amount, code = amount_from(values["Amount"]), self._outcome(values)
        _urls_check(values)
        ids = _ids()
        transfer = {
            "id": receipt(),
            "command": values["CommandID"],
            "amount": amount,
            "to": str(values["PartyB"]),
            "reference": str(values["AccountReference"]),
            "code": code,
            "conversation": ids["ConversationID"],
            "created": time.time(),
        }
        self.mpesa.store.put("transfer", transfer["id"], transfer)
        details = {
            "DebitPartyName": str(values["PartyA"]),
            "ReceiverPartyPublicName": str(values["PartyB"]),
            "Amount": f"{amount}.00",
            "TransCompletedTime": stamp(),
            "Currency": "KES",
        }
        self._tell(values, ids, transfer["id"], code, details)
        return _accepted(ids)

    def status(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """POST transactionstatus: who paid what to whom, by its receipt."""
        needed(values, "Initiator", "SecurityCredential", "CommandID", "TransactionID", "PartyA")
        needed(values, "IdentifierType", "Remarks")
        if values["CommandID"] != "TransactionStatusQuery":
            raise invalid("CommandID")
        _urls_check(values)
        ids, unique = _ids(), str(values["TransactionID"])
        details = self._details(unique)
        code = self._initiator(values)
        if code == 0 and details is None:
            code = UNKNOWN_TRANSACTION
        self._tell(values, ids, unique, code, details or {})
        return _accepted(ids)

    def _outcome(self, values: Mapping[str, Any]) -> int | str:
        initiator = self._initiator(values)
        found: int | str = self.mpesa.config["outcomes"].get(str(values["PartyB"]), 0)
        if initiator or found:
            return initiator or found
        return 1 if amount_from(values["Amount"]) > self.mpesa.balance() else 0

    def _initiator(self, values: Mapping[str, Any]) -> int | str:
        credential = self.mpesa.config["security_credential"]
        known = values["Initiator"] == self.mpesa.config["initiator"]
        return 0 if known and credential in (None, values["SecurityCredential"]) else 2001

    def _details(self, unique: str) -> dict[str, Any] | None:
        own = self.mpesa.config["shortcode"]
        for push in self.mpesa.pushes.paid():
            if push["receipt"] == unique:
                return _seen(push["amount"], push["phone"], own, "Completed", unique)
        if payment := self.mpesa.store.get("payment", unique):
            return _seen(payment["amount"], payment["msisdn"], own, "Completed", unique)
        if transfer := self.mpesa.store.get("transfer", unique):
            status = "Completed" if transfer["code"] == 0 else "Failed"
            return _seen(transfer["amount"], own, transfer["to"], status, unique)
        return None

    def _tell(
        self,
        values: Mapping[str, Any],
        ids: Mapping[str, str],
        unique: str,
        code: int | str,
        details: Mapping[str, Any],
    ) -> None:
        unknown = code == UNKNOWN_TRANSACTION
        words = "The transaction is not known." if unknown else result_words(code)
        result: dict[str, Any] = {
            "ResultType": 0,
            "ResultCode": code,
            "ResultDesc": words,
            **ids,
            "TransactionID": unique,
        }
        if code == 0:
            parameters = [{"Key": key, "Value": value} for key, value in details.items()]
            result["ResultParameters"] = {"ResultParameter": parameters}
        timeout = {"Key": "QueueTimeoutURL", "Value": values["QueueTimeOutURL"]}
        result["ReferenceData"] = {"ReferenceItem": timeout}
        after = self.mpesa.config["answered_after"]
        self.mpesa.call_later(json_callback(after, values["ResultURL"], {"Result": result}))


def _urls_check(values: Mapping[str, Any]) -> None:
    for name in ("QueueTimeOutURL", "ResultURL"):
        url_from(values, name)


def _ids() -> dict[str, str]:
    return {"OriginatorConversationID": request_id(), "ConversationID": conversation_id()}


def _accepted(ids: Mapping[str, str]) -> dict[str, Any]:
    words = "Accept the service request successfully."
    return {**ids, "ResponseCode": "0", "ResponseDescription": words}


def _seen(amount: int, payer: str, payee: str, status: str, unique: str) -> dict[str, Any]:
    return {
        "ReceiptNo": unique,
        "TransactionStatus": status,
        "Amount": float(amount),
        "DebitPartyName": payer,
        "CreditPartyName": payee,
        "FinalisedTime": int(stamp()),
    }
