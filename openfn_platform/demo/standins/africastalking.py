"""Africa's Talking as a stand-in: bulk messages with a fate per recipient, the balance, reports, answers.

Without `application/json` in Accept it answers XML. Control calls: `POST /__standin__/inbound {"from", "to", "text"}`
lets a person write to the account, `POST /__standin__/status {"id", "status", "failureReason"}` sends a report.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from openfn_platform.demo.standins.callbacks import form_callback
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.sms import E164, segments
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

STATUSES = {
    100: "Processed",
    101: "Success",
    102: "Queued",
    401: "RiskHold",
    402: "InvalidSenderId",
    403: "InvalidPhoneNumber",
    404: "UnsupportedNumberType",
    405: "InsufficientBalance",
    406: "UserInBlacklist",
    407: "CouldNotRoute",
    500: "InternalServerError",
    501: "GatewayError",
    502: "RejectedByGateway",
}


class Refused(Exception):
    """The whole request is refused, in plain text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class AfricasTalking(Partner):
    """One account of Africa's Talking."""

    kind = "africastalking"
    settings: ClassVar[Mapping[str, Any]] = {
        "username": "sandbox",
        "api_key": "atsk_0123456789abcdef0123456789abcdef",
        "currency": "KES",
        "balance": 1000.0,
        "price": 0.8,  # of one part
        "sender_ids": ["CLINIC", "22384"],
        "refused": {  # number -> status code of its recipient entry
            "+254711000401": 401,
            "+254711000406": 406,
            "+254711000500": 500,
            "+254711000501": 501,
        },
        "delivery_url": None,  # where reports go
        "delivered_after": 0.5,
        "undelivered": {},  # number -> reason why its messages do not arrive
        "inbound_url": None,  # where what people write goes
        "network_code": "63902",
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        self._routes = Routes()
        self._routes.add("/version1/messaging", POST=self.send, GET=self.fetch)
        self._routes.add("/version1/user", GET=self.user)

    def handle(self, request: Request) -> Answer:
        """Answer a request; what is refused as a whole is said in plain text."""
        handler, named, exists = self._routes.find(request)
        try:
            if not exists:
                raise Refused(404, "The requested resource could not be found.")
            if handler is None:
                raise Refused(405, f"HTTP method not allowed: {request.method}")
            return handler(request, **named)
        except Refused as refusal:
            return Answer(
                refusal.status, str(refusal).encode(), {"Content-Type": "text/plain; charset=UTF-8"}
            )

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST inbound` and `POST status`."""
        if request.method != "POST":
            return None
        if name == "inbound":
            return Answer.json(200, self._hear(request.json()))
        if name == "status":
            wanted = request.json()
            message = self.store.get("message", str(wanted.get("id")))
            if message is None:
                raise ValueError("There is no message with that id.")
            self._report(message, wanted["status"], wanted.get("failureReason"), 0)
            return Answer.json(200, message)
        return None

    def send(self, request: Request) -> Answer:
        """POST messaging: 201 whatever becomes of the recipients."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refused(415, "The request's Content-Type must be application/x-www-form-urlencoded")
        form = request.form
        for name in ("username", "to", "message"):
            if not form.get(name):
                raise Refused(400, f"Request is missing required form field '{name}'")
        self._authenticate(request, form["username"])
        sender = form.get("from")
        if sender and sender not in self.config["sender_ids"]:
            return _messages(request, "InvalidSenderId", [])
        entries = [self._recipient(number.strip(), form) for number in form["to"].split(",")]
        sent = [entry for entry in entries if entry["statusCode"] < 400]
        cost = self._price(form["message"]) * len(sent)
        total = self._money(cost) if cost else "0"
        return _messages(request, f"Sent to {len(sent)}/{len(entries)} Total Cost: {total}", entries)

    def fetch(self, request: Request) -> Answer:
        """GET messaging: what people wrote after `lastReceivedId`."""
        self._authenticate(request, request.query.get("username"))
        last = request.query.get("lastReceivedId", "0")
        after = int(last) if last.isdecimal() else 0
        heard = [message for message in self.store.table("inbound").values() if message["id"] > after]
        return Answer.json(200, {"SMSMessageData": {"Messages": heard}})

    def user(self, request: Request) -> Answer:
        """GET user: the balance, the usual test of credentials."""
        self._authenticate(request, request.query.get("username"))
        balance = self._money(self._balance())
        if not _wants_json(request):
            return _xml(
                200, f"<UserResponse><UserData><balance>{balance}</balance></UserData></UserResponse>"
            )
        return Answer.json(200, {"UserData": {"balance": balance}})

    def _authenticate(self, request: Request, username: str | None) -> None:
        own = (self.config["username"], self.config["api_key"])
        if (username, request.headers.get("apikey")) != own:
            raise Refused(401, "The supplied authentication is invalid")

    def _recipient(self, number: str, form: Mapping[str, str]) -> dict[str, Any]:
        """What becomes of one number; only an accepted one costs and leaves a message."""
        price = self._price(form["message"])
        code = self.config["refused"].get(number)
        if not E164.fullmatch(number):
            code = 403
        elif code is None and price > self._balance():
            code = 405
        if code is not None and code >= 400:
            fate = {"statusCode": code, "status": STATUSES[code], "cost": "0", "messageId": "None"}
            return {**fate, "number": number}
        code = code or (102 if form.get("enqueue") == "1" else 101)
        message: Record = {
            "id": f"ATXid_{secrets.token_hex(16)}",
            "to": number,
            "from": form.get("from"),
            "message": form["message"],
            "cost": price,
        }
        self.store.put("message", message["id"], message)
        self._announce(message)
        fate = {"statusCode": code, "status": STATUSES[code], "cost": self._money(price)}
        return {**fate, "number": number, "messageId": message["id"]}

    def _price(self, text: str) -> float:
        return float(self.config["price"]) * segments(text)

    def _balance(self) -> float:
        spent = sum(message["cost"] for message in self.store.table("message").values())
        return float(self.config["balance"]) - float(spent)

    def _money(self, amount: float) -> str:
        return f"{self.config['currency']} {amount:.4f}"

    def _announce(self, message: Record) -> None:
        reason = self.config["undelivered"].get(message["to"])
        self._report(message, "Failed" if reason else "Success", reason, self.config["delivered_after"])

    def _report(self, message: Record, status: str, reason: str | None, after: float) -> None:
        if not self.config["delivery_url"]:
            return
        fields = {
            "id": message["id"],
            "status": status,
            "phoneNumber": message["to"],
            "networkCode": self.config["network_code"],
            "retryCount": "0",
        }
        if status in ("Failed", "Rejected"):
            fields["failureReason"] = reason or "DeliveryFailure"
        self.call_later(form_callback(after, self.config["delivery_url"], fields))

    def _hear(self, said: Mapping[str, str]) -> Record:
        number = len(self.store.table("inbound")) + 1
        heard = {
            "linkId": said.get("linkId", secrets.token_hex(10)),
            "text": said["text"],
            "to": said["to"],
            "id": number,
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "from": said["from"],
        }
        self.store.put("inbound", str(number), heard)
        if self.config["inbound_url"]:
            fields = {name: str(value) for name, value in heard.items()}
            fields["networkCode"] = self.config["network_code"]
            self.call_later(form_callback(0, self.config["inbound_url"], fields))
        return heard


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "").lower()


def _messages(request: Request, message: str, recipients: list[dict[str, Any]]) -> Answer:
    if _wants_json(request):
        data = {"Message": message, "Recipients": recipients}
        return Answer.json(201, {"SMSMessageData": data})
    entries = "".join(
        "<Recipient>" + "".join(f"<{n}>{escape(str(v))}</{n}>" for n, v in entry.items()) + "</Recipient>"
        for entry in recipients
    )
    inner = f"<Message>{escape(message)}</Message><Recipients>{entries}</Recipients>"
    return _xml(
        201, f"<AfricasTalkingResponse><SMSMessageData>{inner}</SMSMessageData></AfricasTalkingResponse>"
    )


def _xml(status: int, body: str) -> Answer:
    return Answer(status, body.encode(), {"Content-Type": "application/xml; charset=UTF-8"})
