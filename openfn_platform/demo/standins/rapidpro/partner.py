"""RapidPro (TextIt) as a stand-in: one workspace behind a token.

Somebody writes by `POST /__standin__/incoming {"urn", "text"}`; somebody comes to the webhook of a flow by
`POST /__standin__/flow {"urn", "flow", "results", "text"}`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from openfn_platform.demo.standins.pace import Pace
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.rapidpro.contacts import Contacts
from openfn_platform.demo.standins.rapidpro.flows import Flows
from openfn_platform.demo.standins.rapidpro.messages import Messages
from openfn_platform.demo.standins.rapidpro.paging import page
from openfn_platform.demo.standins.rapidpro.values import Bad, Refused, detail, items_of, urn_of
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

API = "/api/v2"


class RapidPro(Partner):
    """One workspace."""

    kind = "rapidpro"
    settings: ClassVar[Mapping[str, Any]] = {
        "token": "0123456789abcdef0123456789abcdef01234567",
        "workspace": {"uuid": "6a44ca78-a4c2-4862-a7d3-2932f9b3a7c3", "name": "Clinic reminders"},
        "created_on": "2026-01-05T08:00:00.000000Z",
        "channel": {
            "uuid": "9a8b001e-a913-486c-80f4-1356e23f582e",
            "name": "Short code",
            "address": "+255754000000",
        },
        "groups": [
            {"uuid": "b775ea51-b847-4a42-b4e4-7d1ee5ad7c4a", "name": "Mothers"},
            {"uuid": "04a4752b-0f49-480e-ae60-3a3f2bea485c", "name": "Health workers"},
        ],
        "flows": [
            {"uuid": "f5901b62-ba76-4003-9c62-72fdacc1b7b7", "name": "Registration"},
            {"uuid": "9ecc8e84-6b83-442b-a04a-8094d5de997b", "name": "Visit reminder"},
        ],
        "fields": ["age", "village", "next_visit"],
        "page_size": 250,
        "urn_errors": "indexed",  # or "nested" or "flat": how a wrong or taken URN is told
        "throttle": None,  # {"requests": so many, "seconds": within so many}
        "failing": [],  # URNs that messages do not reach
        "sent_after": 0.5,
        "delivered_after": 1.5,
        "started_after": 0.5,
        "webhook_url": None,
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        self._pace = Pace()
        self.contacts, self.messages, self.flows = Contacts(self), Messages(self), Flows(self)
        self._routes = Routes()
        self._routes.add(
            f"{API}/contacts.json",
            GET=self.contacts.search,
            POST=self.contacts.write,
            DELETE=self.contacts.remove,
        )
        self._routes.add(f"{API}/messages.json", GET=self.messages.search, POST=self.messages.send)
        self._routes.add(f"{API}/broadcasts.json", GET=self.messages.broadcasts, POST=self.messages.broadcast)
        self._routes.add(f"{API}/flows.json", GET=self.flows.search)
        self._routes.add(f"{API}/flow_starts.json", GET=self.flows.starts, POST=self.flows.start)
        self._routes.add(f"{API}/groups.json", GET=self.groups)
        self._routes.add(f"{API}/workspace.json", GET=self.workspace)

    def handle(self, request: Request) -> Answer:
        """Answer a request: the token is looked at first, then the rate, then the verb."""
        handler, named, exists = self._routes.find(request)
        if not exists:
            page_not_found = (
                b"<html><head><title>Not Found</title></head><body><h1>Not Found</h1></body></html>"
            )
            return Answer(404, page_not_found, {"Content-Type": "text/html; charset=utf-8"})
        try:
            self._authenticate(request)
            self._throttle()
            if handler is None:
                raise detail(405, f'Method "{request.method}" not allowed.')
            return handler(request, **named)
        except Refused as refusal:
            return refusal.answer()

    def reset(self) -> None:
        """As new, and nothing asked yet."""
        super().reset()
        self._pace.clear()

    def state(self) -> dict[str, Any]:
        """Contacts, messages, broadcasts and starts, oldest first."""
        shown: dict[str, Callable[[Record], dict[str, Any]]] = {
            "contact": self.contacts.shown,
            "message": self.messages.shown,
            "broadcast": dict,
            "start": lambda start: {**self.flows.start_shown(start), "urns": start["urns"]},
        }
        return {
            f"{name}s": [show(row) for row in self.store.table(name).values()] for name, show in shown.items()
        }

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST incoming` and `POST flow`."""
        if request.method != "POST" or name not in ("incoming", "flow"):
            return None
        said = request.json()
        try:
            told = self.messages.hear(said) if name == "incoming" else self.flows.call(said)
        except Bad as bad:
            raise ValueError(str(bad)) from None
        return Answer.json(200, told)

    def groups(self, request: Request) -> Answer:
        """GET groups."""
        rows = [{**group, "serial": -at} for at, group in enumerate(self.config["groups"])]
        for name in ("uuid", "name"):
            if name in request.query:
                rows = [row for row in rows if row[name].lower() == request.query[name].lower()]
        return page(request, rows, self.config["page_size"], self._group_shown)

    def workspace(self, request: Request) -> Answer:
        """GET the workspace: the usual test of credentials."""
        shown = {
            **self.config["workspace"],
            "country": "TZ",
            "languages": ["eng", "swa"],
            "primary_language": "eng",
            "timezone": "Africa/Dar_es_Salaam",
            "date_style": "day_first",
            "credits": {"used": len(self.store.table("message")), "remaining": 1000},
            "anon": False,
        }
        return Answer.json(200, shown, Content_Type="application/json")

    def group(self, value: object) -> dict[str, Any]:
        """A group by UUID, or by name in any case."""
        for group in self.config["groups"]:
            if str(value).lower() in (group["uuid"], group["name"].lower()):
                return dict(group)
        raise Bad(f"No such object: {value}")

    def addressees(self) -> dict[str, Callable[[Any], Any]]:
        """The checks of the three ways to say who is meant."""
        people, groups = items_of(self.contacts.find), items_of(self.group)
        return {"urns": items_of(urn_of), "contacts": people, "groups": groups}

    def reached(self, good: Mapping[str, Any]) -> list[Record]:
        """Everybody who is meant, each once."""
        wanted = {group["uuid"] for group in good.get("groups", [])}
        everybody = list(self.store.table("contact").values())
        members = [c for c in everybody if wanted & {group["uuid"] for group in c["groups"]}]
        named = [*good.get("contacts", []), *(self.contacts.ensure(urn) for urn in good.get("urns", []))]
        return list({contact["uuid"]: contact for contact in [*named, *members]}.values())

    def summary(self, contact: Record) -> dict[str, Any]:
        """How other objects name a contact."""
        return {"uuid": contact["uuid"], "name": contact["name"]}

    def serial(self) -> int:
        """The next number, which also says what is newer."""
        last = self.store.get("counter", "serial") or {"value": 1000}
        self.store.put("counter", "serial", {"value": last["value"] + 1})
        return int(last["value"]) + 1

    def unique(self) -> str:
        """A fresh UUID."""
        return str(uuid.uuid4())

    def _authenticate(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "token":
            raise detail(403, "Authentication credentials were not provided.")
        if token.strip() != self.config["token"]:
            raise detail(403, "Invalid token")

    def _throttle(self) -> None:
        throttle = self.config["throttle"] or {"requests": None, "seconds": 1}
        if wait := self._pace.wait(throttle["requests"], throttle["seconds"]):
            told = f"Request was throttled. Expected available in {wait} second{'s' if wait > 1 else ''}."
            raise detail(429, told, Retry_After=str(wait))

    def _group_shown(self, group: Record) -> dict[str, Any]:
        contacts = self.store.table("contact").values()
        count = sum(1 for contact in contacts if any(g["uuid"] == group["uuid"] for g in contact["groups"]))
        shown = {"uuid": group["uuid"], "name": group["name"], "query": None, "status": "ready"}
        return {**shown, "system": False, "count": count}
