"""Vonage's (Nexmo's) SMS API as a stand-in: always HTTP 200, a status per part, receipts, the balance.

A test sends a receipt of its own by `POST /__standin__/receipt {"message-id", "status", "err-code"}`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from openfn_platform.demo.standins.callbacks import form_callback, json_callback, query_callback
from openfn_platform.demo.standins.pace import Pace
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.sms import gsm_only, segments
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

LONGEST_BODY = 3200
TYPES = ("text", "unicode")
WORDS = {
    "1": "Throughput Rate Exceeded - please wait [ 250 ] and retry",
    "5": "Internal Error",
    "6": "Unroutable message - rejected",
    "7": "Number barred",
    "8": "Partner account barred",
    "9": "Quota Exceeded - rejected",
    "15": "Illegal Sender Address - rejected",
    "22": "Invalid network code",
    "29": "Non White-listed Destination - rejected",
    "33": "Number De-activated",
}


class Refused(Exception):
    """A message (or a part of it) that is not taken, with its status."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status

    def entry(self) -> dict[str, str]:
        """The refusal in `messages`."""
        return {"status": self.status, "error-text": str(self)}


class Vonage(Partner):
    """One Vonage account."""

    kind = "vonage"
    settings: ClassVar[Mapping[str, Any]] = {
        "api_key": "0123abcd",
        "api_secret": "Sekret0123456789",
        "balance": 15.5359,
        "price": 0.0333,
        "network": "23410",
        "senders": None,  # a list: only these may be `from`
        "allowed": None,  # a list: the account is on trial and sends only to these
        "refused": {"447700900006": "6", "447700900007": "7"},  # number -> status, or a list by part
        "per_second": None,  # more parts than these in a second are throttled
        "delivery_url": None,  # where receipts go when the message names no `callback`
        "delivery_method": "POST",  # or "GET" or "POST-JSON"
        "delivered_after": 0.5,
        "undelivered": {},  # number -> err-code of its receipts
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        self._pace = Pace()
        self._routes = Routes()
        self._routes.add("/sms/json", POST=self.send)
        self._routes.add("/account/get-balance", GET=self.balance)

    def handle(self, request: Request) -> Answer:
        """Answer a request."""
        handler, named, exists = self._routes.find(request)
        if handler is None:
            return Answer(405 if exists else 404)
        return handler(request, **named)

    def reset(self) -> None:
        """As new, and nothing sent within the last second."""
        super().reset()
        self._pace.clear()

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST receipt`: what becomes of a part."""
        if name != "receipt" or request.method != "POST":
            return None
        wanted = request.json()
        part = self.store.get("part", str(wanted.get("message-id")))
        if part is None:
            raise ValueError("There is no part with that message-id.")
        self._receipt(part, wanted["status"], str(wanted.get("err-code", "0")), 0)
        return Answer.json(200, part)

    def send(self, request: Request) -> Answer:
        """POST sms/json: 200 in any case; what is refused is so in `messages`."""
        form = request.form
        try:
            self._authenticate(form)
            to, text = self._checked(form)
        except Refused as refusal:
            return _messages([refusal.entry()])
        unicode = form.get("type") == "unicode"
        # Sent as text, a character outside the GSM alphabet arrives as a question mark.
        shown = text if unicode else gsm_only(text)
        count = segments(text, unicode=True) if unicode else segments(shown)
        return _messages([self._part(form, to, shown, number, count) for number in range(1, count + 1)])

    def balance(self, request: Request) -> Answer:
        """GET account/get-balance: the usual test of credentials, by query or Basic."""
        query = request.query
        given = request.basic_auth or (query.get("api_key"), query.get("api_secret"))
        if given != (self.config["api_key"], self.config["api_secret"]):
            body = {"error-code": "401", "error-code-label": "authentication failed"}
            return Answer.json(401, body)
        return Answer.json(200, {"value": round(self._left(), 8), "autoReload": False})

    def _authenticate(self, form: Mapping[str, str]) -> None:
        for name in ("api_key", "api_secret"):
            if not form.get(name):
                raise Refused("2", f"Missing {name}")
        if (form["api_key"], form["api_secret"]) != (self.config["api_key"], self.config["api_secret"]):
            raise Refused("4", "Bad Credentials")

    def _checked(self, form: Mapping[str, str]) -> tuple[str, str]:
        for name in ("to", "from", "text"):
            if not form.get(name):
                raise Refused("2", f"Missing {name} param")
        to = form["to"].removeprefix("+").removeprefix("00")
        if not (to.isascii() and to.isdecimal() and 7 <= len(to) <= 15):
            raise Refused("3", "Invalid to param")
        if form.get("type", "text") not in TYPES:
            raise Refused("3", "Invalid type param")
        if len(form["text"]) > LONGEST_BODY:
            raise Refused("12", "Message too long")
        senders, allowed = self.config["senders"], self.config["allowed"]
        if senders is not None and form["from"] not in senders:
            raise Refused("15", WORDS["15"])
        if allowed is not None and to not in allowed:
            raise Refused("29", WORDS["29"])
        return to, form["text"]

    def _part(self, form: Mapping[str, str], to: str, text: str, number: int, count: int) -> dict[str, str]:
        try:
            self._admit(to, number)
        except Refused as refusal:
            return {"to": to, **refusal.entry()}
        part = {
            "id": secrets.token_hex(8).upper(),
            "to": to,
            "from": form["from"],
            "text": text,
            "part": number,
            "parts": count,
            "price": self.config["price"],
            "callback": form.get("callback") or self.config["delivery_url"],
            "client_ref": form.get("client-ref"),
        }
        self.store.put("part", part["id"], part)
        self._announce(part)
        shown = {
            "to": to,
            "message-id": part["id"],
            "status": "0",
            "remaining-balance": f"{self._left():.8f}",
            "message-price": f"{part['price']:.8f}",
            "network": self.config["network"],
        }
        return shown | ({"client-ref": part["client_ref"]} if part["client_ref"] else {})

    def _admit(self, to: str, number: int) -> None:
        """Whether this part of a message goes out; each is judged for itself."""
        refused = self.config["refused"].get(to, "0")
        status = refused if isinstance(refused, str) else ([*refused, *["0"] * number])[number - 1]
        if status != "0":
            raise Refused(status, WORDS.get(status, "Rejected"))
        if self.config["price"] > self._left():
            raise Refused("9", WORDS["9"])
        if self._pace.wait(self.config["per_second"]):
            raise Refused("1", WORDS["1"])

    def _left(self) -> float:
        spent = sum(part["price"] for part in self.store.table("part").values())
        return float(self.config["balance"]) - float(spent)

    def _announce(self, part: Record) -> None:
        code = self.config["undelivered"].get(part["to"])
        self._receipt(part, "failed" if code else "delivered", str(code or 0), self.config["delivered_after"])

    def _receipt(self, part: Record, status: str, code: str, after: float) -> None:
        url = part["callback"]
        if not url:
            return
        now = datetime.fromtimestamp(time.time() + after, UTC)
        fields = {
            "msisdn": part["to"],
            "to": part["from"],
            "network-code": self.config["network"],
            "messageId": part["id"],
            "price": f"{part['price']:.8f}",
            "status": status,
            "scts": now.strftime("%y%m%d%H%M"),
            "err-code": code,
            "api-key": self.config["api_key"],
            "message-timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
        }
        if part["client_ref"]:
            fields["client-ref"] = part["client_ref"]
        method = self.config["delivery_method"]
        if method == "GET":
            callback = query_callback(after, url, fields)
        else:
            callback = (json_callback if method == "POST-JSON" else form_callback)(after, url, fields)
        self.call_later(callback)


def _messages(entries: list[dict[str, str]]) -> Answer:
    return Answer.json(200, {"message-count": str(len(entries)), "messages": entries})
