"""Contacts: read, made, changed by UUID or URN, removed. A URN belongs to one contact only."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openfn_platform.demo.standins.rapidpro.paging import page
from openfn_platform.demo.standins.rapidpro.values import (
    Bad,
    Refused,
    body_from,
    cleaned,
    detail,
    items_of,
    list_of,
    now,
    text_of,
    urn_of,
    urn_problems,
)
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request

if TYPE_CHECKING:
    from openfn_platform.demo.standins.rapidpro.partner import RapidPro

LONGEST_NAME, LONGEST_FIELD = 128, 640
TAKEN = "URN is in use by another contact."


class Contacts:
    """The contacts of the workspace."""

    def __init__(self, pro: RapidPro) -> None:
        self.pro = pro

    def search(self, request: Request) -> Answer:
        """GET contacts: last changed first, by `uuid`, `urn` or `group`."""
        query = request.query
        given = [name for name in ("uuid", "urn", "group") if name in query]
        if len(given) > 1:
            raise detail(400, "You may only specify one of the uuid, urn, group parameters")
        rows = list(self.pro.store.table("contact").values())
        if "uuid" in query:
            rows = [row for row in rows if row["uuid"] == query["uuid"]]
        elif "urn" in query:
            rows = [row for row in rows if _urn_asked(query["urn"]) in row["urns"]]
        elif "group" in query:
            rows = [
                row for row in rows if any(query["group"] in (g["uuid"], g["name"]) for g in row["groups"])
            ]
        return page(request, rows, self.pro.config["page_size"], self.shown)

    def write(self, request: Request) -> Answer:
        """POST contacts: 201 for a new one, 200 for one that is changed."""
        found, urn = self._meant(request)
        values = body_from(request)
        good = cleaned(values, self._checks(found, by_urn=urn is not None))
        if urn is not None and found is None:
            good["urns"] = [urn]
        contact = self._changed(found or self._blank(), good)
        return Answer.json(200 if found else 201, self.shown(contact), Content_Type="application/json")

    def remove(self, request: Request) -> Answer:
        """DELETE a contact."""
        found, _ = self._meant(request)
        if found is None:
            raise detail(404, "Not found.")
        self.pro.store.remove("contact", found["uuid"])
        return Answer(204)

    def find(self, value: object) -> Record:
        """A contact by UUID or URN, as other endpoints name it."""
        if not isinstance(value, str):
            raise Bad("Must be a string or integer")
        found = self.pro.store.get("contact", value) or self.by_urn(value)
        if found is None:
            raise Bad(f"No such object: {value}")
        return found

    def ensure(self, urn: str) -> Record:
        """Whoever has this URN; a new contact when nobody does."""
        return self.by_urn(urn) or self._changed(self._blank(), {"urns": [urn]})

    def by_urn(self, urn: str) -> Record | None:
        """Whoever has this URN."""
        contacts = self.pro.store.table("contact").values()
        return next((contact for contact in contacts if _urn_asked(urn) in contact["urns"]), None)

    def shown(self, contact: Record) -> dict[str, Any]:
        """A contact as the API shows it, with every field of the workspace."""
        fields = {key: contact["fields"].get(key) for key in self.pro.config["fields"]}
        shown = {name: value for name, value in contact.items() if name != "serial"}
        return {**shown, "fields": fields}

    def _meant(self, request: Request) -> tuple[Record | None, str | None]:
        """The contact that the URL names, and the URN by which it does."""
        query = request.query
        if "uuid" in query and "urn" in query:
            raise detail(400, "URL can only contain one of the following parameters: urn, uuid")
        if "uuid" in query:
            found = self.pro.store.get("contact", query["uuid"])
            if found is None:
                raise detail(404, "Not found.")
            return found, None
        if "urn" not in query:
            return None, None
        try:
            urn = urn_of(query["urn"])
        except Bad as bad:
            raise Refused(400, bad.detail) from None
        return self.by_urn(urn), urn

    def _checks(self, found: Record | None, *, by_urn: bool) -> dict[str, Any]:
        def urns(value: Any) -> list[str]:
            if by_urn:
                raise Bad("Field not allowed when using URN in URL")
            return self._urns(value, found)

        return {
            "name": text_of(LONGEST_NAME, null=True),
            "language": _language,
            "urns": urns,
            "groups": items_of(self.pro.group),
            "fields": self._fields,
        }

    def _urns(self, value: Any, found: Record | None) -> list[str]:
        problems: dict[int, str] = {}
        urns = []
        for at, given in enumerate(list_of(value)):
            try:
                urn = urn_of(given)
                owner = self.by_urn(urn)
                if owner is not None and owner is not found:
                    raise Bad(TAKEN)
                urns.append(urn)
            except Bad as bad:
                problems[at] = str(bad)
        if problems:
            raise urn_problems(problems, len(value), self.pro.config["urn_errors"])
        return list(dict.fromkeys(urns))

    def _fields(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Bad(f'Expected a dictionary of items but got type "{type(value).__name__}".')
        for key, given in value.items():
            if key not in self.pro.config["fields"]:
                raise Bad(f"Invalid contact field key: {key}")
            if isinstance(given, dict | list):
                raise Bad({key: ["Not a valid string."]})
        return {
            key: None if given in (None, "") else str(given)[:LONGEST_FIELD] for key, given in value.items()
        }

    def _blank(self) -> Record:
        moment = now()
        return {
            "uuid": str(uuid.uuid4()),
            "name": None,
            "status": "active",
            "language": None,
            "urns": [],
            "groups": [],
            "fields": {},
            "flow": None,
            "created_on": moment,
            "modified_on": moment,
            "last_seen_on": None,
            "blocked": False,
            "stopped": False,
        }

    def _changed(self, contact: Record, good: Mapping[str, Any]) -> Record:
        fields = {**contact["fields"], **good.get("fields", {})}
        fresh = {**contact, **good, "fields": fields, "modified_on": now(), "serial": self.pro.serial()}
        return self.pro.store.put("contact", fresh["uuid"], fresh)


def _language(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != 3:
        raise Bad("Ensure this field has exactly 3 characters.")
    if not (value.isascii() and value.isalpha() and value.islower()):
        raise Bad("Not a valid ISO639-3 language code.")
    return value


def _urn_asked(text: str) -> str:
    """A URN to look for; one that is none is found nowhere."""
    try:
        return urn_of(text)
    except Bad:
        return text
