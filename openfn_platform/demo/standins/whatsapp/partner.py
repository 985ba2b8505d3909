"""WhatsApp Cloud as a stand-in: messages of all types, the errors that matter, status reports to the webhook.

A person writes to the business by `POST /__standin__/inbound {"from", "text", "name"}`, which opens the 24 hours of
free text; a test decides about a message by `POST /__standin__/status {"id", "status", "code"}`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from openfn_platform.demo.standins.callbacks import json_body, json_callback
from openfn_platform.demo.standins.pace import Pace
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.whatsapp.bodies import body_check
from openfn_platform.demo.standins.whatsapp.errors import Refused, invalid, reported, titled
from openfn_platform.demo.standins.wire import Answer, Request


class WhatsApp(Partner):
    """One phone number of one business account."""

    kind = "whatsapp"
    settings: ClassVar[Mapping[str, Any]] = {
        "token": "EAAG0123456789abcdef",
        "token_expired": False,
        "app_secret": "0123456789abcdef0123456789abcdef",
        "phone_number_id": "100000000000001",
        "business_account_id": "200000000000002",
        "display_phone_number": "255 754 000 000",
        "verified_name": "Clinic reminders",
        "allowed": None,  # a list: the number is on trial and writes only to these
        "silent": ["255711131047"],  # who has not written for 24 hours, so gets templates only
        "silence_told_later": False,  # refuse these by a report instead of in the answer
        "templates": {
            "hello_world": {"languages": ["en_US"], "parameters": 0},
            "appointment_reminder": {"languages": ["en", "sw"], "parameters": 2},
        },
        "per_second": None,
        "undeliverable": {},  # number -> error code of the report
        "webhook_url": None,
        "sent_after": 0.2,
        "delivered_after": 0.5,
        "read_after": 1.0,  # None: nobody reads it
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        self._pace = Pace()
        self._routes = Routes()
        self._routes.add("/{version}/{phone}/messages", POST=self.send)
        self._routes.add("/{version}/{phone}", GET=self.phone)

    def handle(self, request: Request) -> Answer:
        """Answer a request: the token is looked at first, then the number."""
        handler, named, exists = self._routes.find(request)
        version = named.pop("version", "")
        try:
            self._authenticate(request)
            if not exists or handler is None or named.pop("phone") != self.config["phone_number_id"]:
                raise self._unsupported(request)
            return handler(request)
        except Refused as refusal:
            return refusal.answer(version)

    def reset(self) -> None:
        """As new, and nothing sent within the last second."""
        super().reset()
        self._pace.clear()

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
            self._report(message, wanted["status"], 0, wanted.get("code"))
            return Answer.json(200, message)
        return None

    def send(self, request: Request) -> Answer:
        """POST messages: a message, or the mark that one was read."""
        values = _values(request)
        if values.get("messaging_product") != "whatsapp":
            raise invalid("The parameter messaging_product is required.")
        if values.get("status") == "read":
            return self._mark(values)
        to = self._recipient(values)
        kind = body_check(values, self.config["templates"])
        silent = kind != "template" and to in self.config["silent"] and not self.store.get("heard", to)
        if silent and not self.config["silence_told_later"]:
            raise titled(131047)
        if self._pace.wait(self.config["per_second"]):
            raise titled(130429)
        unique = "wamid." + base64.b64encode(b"\x1d\x00\x1f" + secrets.token_bytes(36)).decode()
        message = {
            "id": unique,
            "to": to,
            "type": kind,
            kind: values.get(kind),
            "context": values.get("context"),
        }
        self.store.put("message", unique, message)
        self._announce(message, 131047 if silent else self.config["undeliverable"].get(to))
        accepted = {"message_status": "accepted"} if kind == "template" else {}
        answer = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": str(values["to"]), "wa_id": to}],
            "messages": [{"id": unique, **accepted}],
        }
        return Answer.json(200, answer)

    def phone(self, request: Request) -> Answer:
        """GET the number: the usual test of credentials."""
        shown = {
            "verified_name": self.config["verified_name"],
            "code_verification_status": "VERIFIED",
            "display_phone_number": self.config["display_phone_number"],
            "quality_rating": "GREEN",
            "platform_type": "CLOUD_API",
            "throughput": {"level": "STANDARD"},
        }
        wanted = [name for name in request.query.get("fields", "").split(",") if name]
        shown = {name: value for name, value in shown.items() if not wanted or name in wanted}
        return Answer.json(200, {**shown, "id": self.config["phone_number_id"]})

    def _authenticate(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        given = token if kind.lower() == "bearer" else request.query.get("access_token", "")
        if given != self.config["token"]:
            raise Refused(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if self.config["token_expired"]:
            raise Refused(401, 190, "Error validating access token: Session has expired.", subcode=463)

    def _unsupported(self, request: Request) -> Refused:
        unique = request.path.split("/")[2] if request.path.count("/") > 1 else request.path
        told = f"Unsupported {request.method.lower()} request. Object with ID '{unique}' does not exist"
        return Refused(400, 100, f"{told} or cannot be loaded.", kind="GraphMethodException", subcode=33)

    def _recipient(self, values: Mapping[str, Any]) -> str:
        if not values.get("to"):
            raise invalid("The parameter to is required.")
        to = "".join(c for c in str(values["to"]) if c not in "+ ()-")
        if not (to.isascii() and to.isdecimal() and 7 <= len(to) <= 15):
            raise invalid("Param to must be a phone number.")
        if self.config["allowed"] is not None and to not in self.config["allowed"]:
            raise titled(131030)
        return to

    def _mark(self, values: Mapping[str, Any]) -> Answer:
        heard = self.store.get("inbound", str(values.get("message_id")))
        if heard is None:
            raise invalid("Invalid parameter: message_id")
        self.store.put("inbound", heard["id"], {**heard, "read": True})
        return Answer.json(200, {"success": True})

    def _announce(self, message: Record, failing: int | None) -> None:
        sent = self.config["sent_after"]
        if failing:
            self._report(message, "failed", sent, failing)
            return
        self._report(message, "sent", sent)
        self._report(message, "delivered", self.config["delivered_after"])
        if self.config["read_after"] is not None:
            self._report(message, "read", self.config["read_after"])

    def _report(self, message: Record, status: str, after: float, code: int | None = None) -> None:
        report: dict[str, Any] = {
            "id": message["id"],
            "status": status,
            "timestamp": str(int(time.time() + after)),
            "recipient_id": message["to"],
        }
        if status == "failed":
            report["errors"] = [reported(code or 131026)]
        elif status != "read":
            category = "utility" if message["type"] == "template" else "service"
            report["conversation"] = {"id": message["id"][-32:], "origin": {"type": category}}
            report["pricing"] = {"billable": True, "pricing_model": "CBP", "category": category}
        self._notify({"statuses": [report]}, after)

    def _hear(self, said: Mapping[str, str]) -> Record:
        unique = "wamid." + base64.b64encode(secrets.token_bytes(36)).decode()
        heard = {
            "from": said["from"],
            "id": unique,
            "timestamp": str(int(time.time())),
            "text": {"body": said["text"]},
            "type": "text",
        }
        self.store.put("inbound", unique, heard)
        self.store.put("heard", said["from"], {"at": time.time()})
        person = {"profile": {"name": said.get("name", "")}, "wa_id": said["from"]}
        self._notify({"contacts": [person], "messages": [heard]}, 0)
        return heard

    def _notify(self, news: Mapping[str, Any], after: float) -> None:
        """Call the webhook, signed with the app's secret."""
        if not self.config["webhook_url"]:
            return
        metadata = {
            "display_phone_number": "".join(c for c in self.config["display_phone_number"] if c.isdecimal()),
            "phone_number_id": self.config["phone_number_id"],
        }
        value = {"messaging_product": "whatsapp", "metadata": metadata, **news}
        entry = {"id": self.config["business_account_id"], "changes": [{"value": value, "field": "messages"}]}
        envelope = {"object": "whatsapp_business_account", "entry": [entry]}
        headers = {"X-Hub-Signature-256": signature(self.config["app_secret"], json_body(envelope))}
        self.call_later(json_callback(after, self.config["webhook_url"], envelope, headers))


def signature(secret: str, body: bytes) -> str:
    """X-Hub-Signature-256: HMAC-SHA256 over the body."""
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def _values(request: Request) -> dict[str, Any]:
    try:
        values = request.json() if request.content_type == "application/json" else {}
    except ValueError:
        values = {}
    return values if isinstance(values, dict) else {}
