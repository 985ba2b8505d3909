"""Daraja as a stand-in: tokens, STK pushes, C2B, payments between businesses, all kept and all called back.

A customer pays by `POST /__standin__/c2b {"msisdn", "amount", "reference", "first_name"}`; all tokens end by
`POST /__standin__/expire`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from openfn_platform.demo.standins.mpesa.customers import Customers
from openfn_platform.demo.standins.mpesa.errors import Refused
from openfn_platform.demo.standins.mpesa.stk import Pushes
from openfn_platform.demo.standins.mpesa.transfers import Transfers
from openfn_platform.demo.standins.pace import Pace
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.store import Store
from openfn_platform.demo.standins.wire import Answer, Request

GENERATE = "/oauth/v1/generate"


class Mpesa(Partner):
    """One app on Daraja with one short code."""

    kind = "mpesa"
    settings: ClassVar[Mapping[str, Any]] = {
        "consumer_key": "K0123456789abcdef",
        "consumer_secret": "S0123456789abcdef",
        "shortcode": "174379",
        "passkey": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "initiator": "testapi",
        "security_credential": None,  # None takes any
        "token_seconds": 3599,
        "token_refusal": "404.001.03",  # or 400.003.01, 401.002.01: the APIs do not agree
        "balance": 100000,  # of the short code, before what it got and paid
        "outcomes": {  # phone or short code that is to pay or be paid -> result code
            "254708000001": 1,
            "254708001032": 1032,
            "254708001037": 1037,
        },
        "answered_after": 0.5,  # how long a payer, or a transfer, takes
        "confirmed_after": 0.0,
        "lock_subscribers": False,  # refuse a second prompt while the first one is open
        "register_again": True,
        "per_second": None,
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        self._pace = Pace()
        self.pushes, self.transfers, self.customers = Pushes(self), Transfers(self), Customers(self)
        self._calls: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "/mpesa/stkpush/v1/processrequest": self.pushes.push,
            "/mpesa/stkpushquery/v1/query": self.pushes.query,
            "/mpesa/transactionstatus/v1/query": self.transfers.status,
            "/mpesa/b2b/v1/remittax": lambda values: self.transfers.pay(values, "remittax"),
            "/mpesa/b2b/v1/paymentrequest": lambda values: self.transfers.pay(values, "paymentrequest"),
            "/mpesa/c2b/v1/registerurl": self.customers.register,
            "/mpesa/c2b/v2/registerurl": self.customers.register,
            "/mpesa/c2b/v1/simulate": self.customers.simulate,
            "/mpesa/c2b/v2/simulate": self.customers.simulate,
        }

    def handle(self, request: Request) -> Answer:
        """Answer a request: a token, or a call that carries one."""
        try:
            if request.path == GENERATE:
                return self._token(request)
            if request.path not in self._calls:
                raise Refused("404.001.01", "Resource not found")
            self._authenticate(request)
            if request.method != "POST":
                raise Refused("405.001", "Method Not Allowed")
            if self._pace.wait(self.config["per_second"]):
                raise Refused("500.003.02", "Error Occurred: Spike Arrest Violation")
            return Answer.json(200, self._calls[request.path](_values(request)))
        except Refused as refusal:
            return refusal.answer()

    def reset(self) -> None:
        """As new, and nothing called within the last second."""
        super().reset()
        self._pace.clear()

    def state(self) -> dict[str, Any]:
        """Prompts, payments and transfers, oldest first; no tokens."""
        tables = ("push", "payment", "transfer", "registration")
        return {name: list(self.store.table(name).values()) for name in tables}

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST c2b` and `POST expire`."""
        if request.method != "POST":
            return None
        if name == "c2b":
            try:
                return Answer.json(200, self.customers.pay(request.json()))
            except Refused as refusal:
                raise ValueError(str(refusal)) from None
        if name == "expire":
            for token in list(self.store.table("token")):
                self.store.remove("token", token)
            return Answer(204)
        return None

    def balance(self) -> int:
        """What the short code has."""
        came = [*self.pushes.paid(), *self.store.table("payment").values()]
        went = [transfer for transfer in self.store.table("transfer").values() if transfer["code"] == 0]
        total: int = (
            self.config["balance"] + sum(row["amount"] for row in came) - sum(row["amount"] for row in went)
        )
        return total

    def _token(self, request: Request) -> Answer:
        if request.query.get("grant_type") != "client_credentials":
            raise Refused("400.008.02", "Invalid grant type passed")
        if request.basic_auth != (self.config["consumer_key"], self.config["consumer_secret"]):
            raise Refused("400.008.01", "Invalid Authentication passed")
        token, seconds = secrets.token_urlsafe(21), self.config["token_seconds"]
        self.store.put("token", token, {"until": time.time() + seconds})
        return Answer.json(200, {"access_token": token, "expires_in": str(seconds)})

    def _authenticate(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        known = self.store.get("token", token) if kind.lower() == "bearer" else None
        if known is None or known["until"] < time.time():
            raise Refused(self.config["token_refusal"], "Invalid Access Token")


def _values(request: Request) -> dict[str, Any]:
    try:
        values = request.json() if request.content_type == "application/json" else None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise Refused("400.002.05", "Invalid Request Payload")
    return values
