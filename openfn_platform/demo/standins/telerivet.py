"""Telerivet's REST API as a stand-in: one project, its messages and contacts, and calls to `status_url`.

A test decides about a message by `POST /__standin__/status {"id", "status", "error_message"}`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from openfn_platform.demo.standins.callbacks import form_callback
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.sms import E164, reached
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

PROJECT = "/v1/projects/{project}"
DEFAULT_PAGE, LARGEST_PAGE = 50, 200
MESSAGE_TYPES = ("sms", "ussd")


class Refused(Exception):
    """Telerivet says no, in its own code."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def answer(self) -> Answer:
        """The error body."""
        error = {"message": str(self), "code": self.code}
        return Answer.json(self.status, {"error": error | ({"param": self.param} if self.param else {})})


class Telerivet(Partner):
    """One project of one Telerivet account."""

    kind = "telerivet"
    settings: ClassVar[Mapping[str, Any]] = {
        "api_key": "0123456789abcdefghijklmnopqrstuv",
        "project_id": "PJ0123456789abcdef",
        "project_name": "Clinic reminders",
        "phone_id": "PN0123456789abcdef",
        "phone_number": "+255754000000",
        "routes": ["RT0123456789abcdef"],
        "failing": {},  # number -> the error message with which its messages end
        "sent_after": 0.5,
        "delivered_after": 1.5,
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        self._routes = Routes()
        self._routes.add(PROJECT, GET=self.project)
        self._routes.add(f"{PROJECT}/messages/send", POST=self.send)
        self._routes.add(f"{PROJECT}/messages", GET=self.messages)
        self._routes.add(f"{PROJECT}/messages/{{unique}}", GET=self.message)
        self._routes.add(f"{PROJECT}/contacts", GET=self.contacts, POST=self.contact_put)
        self._routes.add(f"{PROJECT}/contacts/{{unique}}", GET=self.contact)

    def handle(self, request: Request) -> Answer:
        """Answer a request: the key is looked at first, then the project."""
        handler, named, exists = self._routes.find(request)
        try:
            if request.basic_auth != (self.config["api_key"], ""):
                raise Refused(401, "unauthorized", "Invalid API key")
            if not exists:
                raise Refused(404, "not_found", "Invalid API method")
            if named.pop("project") != self.config["project_id"]:
                raise Refused(404, "not_found", "Project not found")
            if handler is None:
                raise Refused(405, "invalid_method", f"{request.method} is not allowed here")
            return handler(request, **named)
        except Refused as refusal:
            return refusal.answer()

    def state(self) -> dict[str, Any]:
        """Messages and contacts as the API would show them now, oldest first."""
        messages = [self._shown(message) for message in self.store.table("message").values()]
        return {"messages": messages, "contacts": list(self.store.table("contact").values())}

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST status`: what becomes of a message."""
        if name != "status" or request.method != "POST":
            return None
        wanted = request.json()
        message = self.store.get("message", str(wanted.get("id")))
        if message is None:
            raise ValueError("There is no message with that id.")
        fixed = {"status": wanted["status"], "error_message": wanted.get("error_message")}
        message = self.store.put("message", message["id"], {**message, "fixed": fixed})
        self._call_back(message, fixed["status"], fixed["error_message"], 0)
        return Answer.json(200, self._shown(message))

    def project(self, request: Request) -> Answer:
        """GET the project: the usual test of credentials."""
        project = {
            "id": self.config["project_id"],
            "name": self.config["project_name"],
            "timezone_id": "Africa/Dar_es_Salaam",
            "vars": {},
        }
        return Answer.json(200, project)

    def send(self, request: Request) -> Answer:
        """POST messages/send."""
        values = _values(request)
        kind = values.get("message_type", "sms")
        if kind not in MESSAGE_TYPES:
            raise Refused(400, "invalid_param", "Invalid message_type", "message_type")
        if not values.get("content") and kind == "sms":
            raise Refused(400, "invalid_param", "You must provide the content of the message", "content")
        route = values.get("route_id") or self.config["phone_id"]
        if route not in (self.config["phone_id"], *self.config["routes"]):
            raise Refused(404, "not_found", "Route not found", "route_id")
        contact = self._addressee(values)
        message = {
            "id": "SM" + secrets.token_hex(8),
            "contact_id": contact["id"],
            "to_number": contact["phone_number"],
            "content": values.get("content"),
            "message_type": kind,
            "route_id": route if route in self.config["routes"] else None,
            "label_ids": values.get("label_ids") or [],
            "vars": values.get("vars") or {},
            "status_url": values.get("status_url"),
            "status_secret": values.get("status_secret"),
            "created": time.time(),
            "fixed": None,
        }
        self.store.put("message", message["id"], message)
        self._announce(message)
        return Answer.json(200, self._shown(message))

    def messages(self, request: Request) -> Answer:
        """GET messages: oldest first, by page."""
        shown = [self._shown(message) for message in self.store.table("message").values()]
        return _page(
            request, _filtered(request, shown, ("status", "direction", "contact_id", "message_type"))
        )

    def message(self, request: Request, unique: str) -> Answer:
        """GET one message."""
        message = self.store.get("message", unique)
        if message is None:
            raise Refused(404, "not_found", "Message not found")
        return Answer.json(200, self._shown(message))

    def contacts(self, request: Request) -> Answer:
        """GET contacts."""
        contacts = list(self.store.table("contact").values())
        return _page(request, _filtered(request, contacts, ("name", "phone_number")))

    def contact(self, request: Request, unique: str) -> Answer:
        """GET one contact."""
        contact = self.store.get("contact", unique)
        if contact is None:
            raise Refused(404, "not_found", "Contact not found")
        return Answer.json(200, contact)

    def contact_put(self, request: Request) -> Answer:
        """POST contacts: the one that is meant, made when there is none, then changed as told."""
        values = _values(request)
        number = _number(values["phone_number"], "phone_number") if values.get("phone_number") else None
        if not number and not values.get("name"):
            raise Refused(400, "invalid_param", "You must provide a name or phone_number", "phone_number")
        found = None
        if values.get("lookup_key") != "none":
            name = ("phone_number", number) if number else ("name", values["name"])
            found = self._contact_by(*name)
        contact: Record = found or self._contact_new(number)
        changed: dict[str, Any] = {
            n: values[n] for n in ("name", "send_blocked", "default_route_id") if n in values
        }
        merged = {**contact["vars"], **(values.get("vars") or {})}
        contact = {**contact, **changed, "vars": merged, "time_updated": int(time.time())}
        return Answer.json(200, self.store.put("contact", contact["id"], contact))

    def _addressee(self, values: Mapping[str, Any]) -> Record:
        if unique := values.get("contact_id"):
            contact = self.store.get("contact", str(unique))
            if contact is None:
                raise Refused(404, "not_found", "Contact not found", "contact_id")
        elif given := values.get("to_number"):
            number = _number(given, "to_number")
            contact = self._contact_by("phone_number", number) or self._contact_new(number)
        else:
            raise Refused(400, "invalid_param", "You must provide to_number or contact_id", "to_number")
        if contact["send_blocked"]:
            raise Refused(400, "blocked", "Sending messages to this contact is blocked")
        return contact

    def _contact_by(self, field: str, value: str) -> Record | None:
        contacts = self.store.table("contact").values()
        return next((contact for contact in contacts if contact[field] == value), None)

    def _contact_new(self, number: str | None) -> Record:
        contact = {
            "id": "CT" + secrets.token_hex(8),
            "name": number,
            "phone_number": number,
            "time_created": int(time.time()),
            "time_updated": int(time.time()),
            "send_blocked": False,
            "default_route_id": None,
            "group_ids": [],
            "vars": {},
            "project_id": self.config["project_id"],
        }
        return self.store.put("contact", contact["id"], contact)

    def _status(self, message: Record) -> tuple[str, str | None]:
        if message["fixed"]:
            return message["fixed"]["status"], message["fixed"]["error_message"]
        sent, delivered = self.config["sent_after"], self.config["delivered_after"]
        error = self.config["failing"].get(message["to_number"])
        age = time.time() - message["created"]
        if error:
            return reached(age, queued=0, failed=sent), error if age >= sent else None
        return reached(age, queued=0, sent=sent, delivered=delivered), None

    def _announce(self, message: Record) -> None:
        if error := self.config["failing"].get(message["to_number"]):
            self._call_back(message, "failed", error, self.config["sent_after"])
            return
        self._call_back(message, "sent", None, self.config["sent_after"])
        self._call_back(message, "delivered", None, self.config["delivered_after"])

    def _call_back(self, message: Record, status: str, error: str | None, after: float) -> None:
        if not message["status_url"]:
            return
        shown = {**self._shown(message), "status": status, "error_message": error}
        scalars = {name: value for name, value in shown.items() if isinstance(value, str | int)}
        fields = {"event": "send_status", "secret": message["status_secret"] or "", **scalars}
        texts = {
            name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in fields.items()
        }
        self.call_later(form_callback(after, message["status_url"], texts))

    def _shown(self, message: Record) -> dict[str, Any]:
        status, error = self._status(message)
        kept = ("id", "contact_id", "to_number", "content", "message_type", "route_id", "label_ids", "vars")
        sent = None if status == "queued" else int(message["created"] + self.config["sent_after"])
        shown = {name: message[name] for name in kept} | {
            "direction": "outgoing",
            "status": status,
            "source": "api",
            "time_created": int(message["created"]),
            "time_sent": sent,
            "from_number": self.config["phone_number"],
            "starred": False,
            "simulated": False,
            "phone_id": self.config["phone_id"],
            "project_id": self.config["project_id"],
        }
        return shown | ({"error_message": error} if error else {})


def _values(request: Request) -> dict[str, Any]:
    try:
        values = request.json() if request.content_type == "application/json" else None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise Refused(400, "invalid_param", "The request body must be a JSON object")
    return values


def _number(given: object, param: str) -> str:
    number = re.sub(r"[\s().-]", "", str(given))
    if not E164.fullmatch(number):
        raise Refused(400, "invalid_param", f"Invalid phone number: {given}", param)
    return number


def _filtered(request: Request, rows: list[Record], fields: tuple[str, ...]) -> list[Record]:
    wanted = {field: request.query[field] for field in fields if field in request.query}
    return [row for row in rows if all(row[field] == value for field, value in wanted.items())]


def _page(request: Request, rows: list[Record]) -> Answer:
    """A page after `marker`; pages go on after a record, so that new ones repeat nothing."""
    query = request.query
    if query.get("count") == "1":
        return Answer.json(200, {"count": len(rows)})
    text = query.get("page_size", str(DEFAULT_PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise Refused(400, "invalid_param", f"page_size must be 1 to {LARGEST_PAGE}", "page_size")
    if query.get("sort_dir") == "desc":
        rows = rows[::-1]
    start = 0
    if marker := query.get("marker"):
        start = next((at for at, row in enumerate(rows, 1) if row["id"] == marker), -1)
        if start < 0:
            raise Refused(400, "invalid_param", "Invalid marker", "marker")
    shown = rows[start : start + int(text)]
    more = start + len(shown) < len(rows)
    answer: dict[str, Any] = {"data": shown, "truncated": more}
    return Answer.json(200, answer | ({"next_marker": shown[-1]["id"]} if more else {}))
