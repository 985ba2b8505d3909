"""Flows, their starts, and the webhook that a flow calls on its way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openfn_platform.demo.standins.callbacks import json_callback
from openfn_platform.demo.standins.rapidpro.paging import page
from openfn_platform.demo.standins.rapidpro.values import (
    Bad,
    body_from,
    cleaned,
    flag_of,
    now,
    object_of,
    overall,
    urn_of,
    when,
)
from openfn_platform.demo.standins.sms import reached
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request

if TYPE_CHECKING:
    from openfn_platform.demo.standins.rapidpro.partner import RapidPro


class Flows:
    """The flows of the workspace, as the settings name them."""

    def __init__(self, pro: RapidPro) -> None:
        self.pro = pro

    def search(self, request: Request) -> Answer:
        """GET flows."""
        rows = [{**flow, "serial": -at} for at, flow in enumerate(self.pro.config["flows"])]
        if "uuid" in request.query:
            rows = [row for row in rows if row["uuid"] == request.query["uuid"]]
        return page(request, rows, self.pro.config["page_size"], self._shown)

    def starts(self, request: Request) -> Answer:
        """GET flow starts: newest first."""
        rows = list(self.pro.store.table("start").values())
        for name in ("uuid", "id"):
            if name in request.query:
                rows = [row for row in rows if str(row[name]) == request.query[name]]
        return page(request, rows, self.pro.config["page_size"], self.start_shown)

    def start(self, request: Request) -> Answer:
        """POST flow starts."""
        checks = {
            "flow": self.find,
            **self.pro.addressees(),
            "restart_participants": flag_of,
            "exclude_active": flag_of,
            "params": object_of,
            "extra": object_of,
        }
        good = cleaned(body_from(request), checks, "flow")
        if not any(good.get(name) for name in ("urns", "contacts", "groups")):
            raise overall("Must specify at least one group, contact or URN")
        self.pro.reached(good)  # makes contacts of new URNs
        serial = self.pro.serial()
        params = good.get("params") or good.get("extra")
        start = {
            "id": serial,
            "uuid": self.pro.unique(),
            "flow": {"uuid": good["flow"]["uuid"], "name": good["flow"]["name"]},
            "groups": good.get("groups", []),
            "contacts": [self.pro.summary(contact) for contact in good.get("contacts", [])],
            "urns": good.get("urns", []),
            "restart_participants": good.get("restart_participants", True),
            "exclude_active": good.get("exclude_active", False),
            "params": params,
            "created": time.time(),
            "serial": serial,
        }
        self.pro.store.put("start", start["uuid"], start)
        return Answer.json(201, self.start_shown(start), Content_Type="application/json")

    def start_shown(self, start: Record) -> dict[str, Any]:
        """A start as the API shows it now; the URNs are not told again."""
        hidden = ("created", "serial", "urns")
        shown = {name: value for name, value in start.items() if name not in hidden}
        age = time.time() - start["created"]
        status = reached(age, pending=0, complete=self.pro.config["started_after"])
        moment = when(start["created"])
        return {
            **shown,
            "status": status,
            "extra": start["params"],
            "created_on": moment,
            "modified_on": moment,
        }

    def find(self, value: object) -> dict[str, Any]:
        """A flow by its UUID."""
        for flow in self.pro.config["flows"]:
            if flow["uuid"] == value:
                return dict(flow)
        raise Bad(f"No such object: {value}")

    def call(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """A contact comes to the webhook of a flow: what RapidPro then posts."""
        flow = self.find(said["flow"]) if said.get("flow") else self.pro.config["flows"][0]
        contact = self.pro.contacts.ensure(urn_of(said["urn"]))
        node, moment, channel = self.pro.unique(), now(), dict(self.pro.config["channel"])
        body = {
            "contact": {**self.pro.summary(contact), "urn": contact["urns"][0]},
            "flow": {"uuid": flow["uuid"], "name": flow["name"]},
            "path": [{"node_uuid": node, "arrived_on": moment, "exit_uuid": self.pro.unique()}],
            "results": _results(said.get("results", {}), node, moment),
            "run": {"uuid": self.pro.unique(), "created_on": moment},
            "input": {
                "uuid": self.pro.unique(),
                "text": said.get("text", ""),
                "attachments": [],
                "channel": channel,
                "created_on": moment,
                "urn": contact["urns"][0],
            },
            "channel": channel,
        }
        if self.pro.config["webhook_url"]:
            agent = {"User-Agent": "RapidProMailroom/9.0"}
            self.pro.call_later(json_callback(0, self.pro.config["webhook_url"], body, agent))
        return body

    def _shown(self, flow: Record) -> dict[str, Any]:
        starts = self.pro.store.table("start").values()
        runs = sum(1 for start in starts if start["flow"]["uuid"] == flow["uuid"])
        moment = self.pro.config["created_on"]
        return {
            "uuid": flow["uuid"],
            "name": flow["name"],
            "type": "message",
            "archived": False,
            "labels": [],
            "expires": 10080,
            "runs": {"active": runs, "completed": 0, "interrupted": 0, "expired": 0},
            "results": [],
            "parent_refs": [],
            "created_on": moment,
            "modified_on": moment,
        }


def _results(given: Mapping[str, Any], node: str, moment: str) -> dict[str, Any]:
    return {
        _key(name): {
            "name": name,
            "value": str(value),
            "category": "All Responses",
            "input": str(value),
            "node_uuid": node,
            "created_on": moment,
        }
        for name, value in given.items()
    }


def _key(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
