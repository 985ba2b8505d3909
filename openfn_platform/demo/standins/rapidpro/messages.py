"""Messages to one contact, broadcasts to many, and what people write."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openfn_platform.demo.standins.rapidpro.paging import page
from openfn_platform.demo.standins.rapidpro.values import (
    LONGEST_TEXT,
    body_from,
    cleaned,
    detail,
    items_of,
    list_of,
    overall,
    text_of,
    translations_of,
    urn_of,
    when,
)
from openfn_platform.demo.standins.sms import reached
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request

if TYPE_CHECKING:
    from openfn_platform.demo.standins.rapidpro.partner import RapidPro

FOLDERS = {
    "inbox": ("in", None),
    "incoming": ("in", None),
    "outbox": ("out", ("queued",)),
    "sent": ("out", ("sent", "delivered")),
    "failed": ("out", ("failed",)),
}
FILTERS = ("contact", "folder", "broadcast")


class Messages:
    """All messages of the workspace."""

    def __init__(self, pro: RapidPro) -> None:
        self.pro = pro

    def search(self, request: Request) -> Answer:
        """GET messages: newest first, by `id`, or by one of `contact`, `folder`, `broadcast`."""
        query = request.query
        given = [name for name in FILTERS if name in query]
        if len(given) > 1:
            raise detail(400, f"You may only specify one of the {', '.join(FILTERS)} parameters")
        if query.get("folder", "inbox") not in FOLDERS:
            raise detail(400, f"Invalid folder name: {query['folder']}")
        shown = [
            self.shown(row) | {"serial": row["serial"]} for row in self.pro.store.table("message").values()
        ]
        rows = [row for row in shown if _matches(row, query)]
        return page(request, rows, self.pro.config["page_size"], _without_serial)

    def send(self, request: Request) -> Answer:
        """POST messages: one to one contact."""
        checks = {
            "contact": self.pro.contacts.find,
            "text": text_of(LONGEST_TEXT),
            "attachments": list_of,
            "quick_replies": items_of(text_of(64)),
        }
        good = cleaned(body_from(request), checks, "contact")
        if not good.get("text") and not good.get("attachments"):
            raise overall("Must provide either text or attachments.")
        message = self._put(
            good["contact"], "out", good.get("text", ""), attachments=good.get("attachments", [])
        )
        return Answer.json(201, self.shown(message), Content_Type="application/json")

    def broadcasts(self, request: Request) -> Answer:
        """GET broadcasts: newest first."""
        rows = list(self.pro.store.table("broadcast").values())
        if "id" in request.query:
            rows = [row for row in rows if str(row["id"]) == request.query["id"]]
        return page(request, rows, self.pro.config["page_size"], _without_serial)

    def broadcast(self, request: Request) -> Answer:
        """POST broadcasts: one message to everybody who is named, directly or by group, but once."""
        checks = {"text": translations_of, **self.pro.addressees()}
        good = cleaned(body_from(request), checks, "text")
        if not any(good.get(name) for name in ("urns", "contacts", "groups")):
            raise overall("Must provide either urns, contacts or groups")
        serial = self.pro.serial()
        text = good["text"]
        record = {
            "id": serial,
            "urns": good.get("urns", []),
            "contacts": [self.pro.summary(contact) for contact in good.get("contacts", [])],
            "groups": good.get("groups", []),
            "text": text,
            "status": "queued",
            "created_on": when(time.time()),
            "serial": serial,
        }
        self.pro.store.put("broadcast", str(serial), record)
        base = text if isinstance(text, str) else next(iter(text.values()))
        for contact in self.pro.reached(good):
            spoken = text.get(contact["language"], base) if isinstance(text, dict) else base
            self._put(contact, "out", spoken, broadcast=serial)
        return Answer.json(201, _without_serial(record), Content_Type="application/json")

    def hear(self, said: Mapping[str, str]) -> Record:
        """Somebody writes."""
        contact = self.pro.contacts.ensure(urn_of(said["urn"]))
        return self._put(contact, "in", said["text"])

    def shown(self, message: Record) -> dict[str, Any]:
        """A message as the API shows it now."""
        status, sent = self._status(message)
        channel = self.pro.config["channel"]
        return {
            "id": message["id"],
            "uuid": message["uuid"],
            "broadcast": message["broadcast"],
            "contact": message["contact"],
            "urn": message["urn"],
            "channel": {"uuid": channel["uuid"], "name": channel["name"]},
            "direction": message["direction"],
            "type": "text",
            "status": status,
            "archived": False,
            "visibility": "visible",
            "text": message["text"],
            "labels": [],
            "flow": None,
            "attachments": message["attachments"],
            "created_on": when(message["created"]),
            "sent_on": when(sent) if sent else None,
            "modified_on": when(sent or message["created"]),
            "media": None,
        }

    def _put(
        self,
        contact: Record,
        direction: str,
        text: str,
        *,
        broadcast: int | None = None,
        attachments: list[Any] | None = None,
    ) -> Record:
        serial = self.pro.serial()
        message = {
            "id": serial,
            "uuid": self.pro.unique(),
            "broadcast": broadcast,
            "contact": self.pro.summary(contact),
            "urn": contact["urns"][0] if contact["urns"] else None,
            "direction": direction,
            "text": text,
            "attachments": attachments or [],
            "created": time.time(),
            "serial": serial,
        }
        return self.pro.store.put("message", str(serial), message)

    def _status(self, message: Record) -> tuple[str, float | None]:
        """Status, and when the message went out."""
        if message["direction"] == "in":
            return "handled", None
        if message["urn"] is None:
            return "failed", None
        config, created = self.pro.config, float(message["created"])
        sent, age = config["sent_after"], time.time() - created
        if message["urn"] in config["failing"]:
            return reached(age, queued=0, failed=sent), None
        status = reached(age, queued=0, sent=sent, delivered=config["delivered_after"])
        return status, None if status == "queued" else created + sent


def _matches(row: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    direction, statuses = FOLDERS.get(query.get("folder", ""), (None, None))
    return (
        query.get("id", str(row["id"])) == str(row["id"])
        and query.get("contact", row["contact"]["uuid"]) == row["contact"]["uuid"]
        and ("broadcast" not in query or query["broadcast"] == str(row["broadcast"]))
        and direction in (None, row["direction"])
        and (statuses is None or row["status"] in statuses)
    )


def _without_serial(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "serial"}
