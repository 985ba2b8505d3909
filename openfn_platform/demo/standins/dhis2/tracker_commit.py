"""What the tracker importer keeps of an object that is in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openfn_platform.demo.standins.dhis2.dates import now_text
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.records import (
    ENROLLMENT,
    EVENT,
    RELATIONSHIP,
    TRACKED_ENTITY,
    Book,
    Type,
)
from openfn_platform.demo.standins.dhis2.tracker_checks import moment_or_none
from openfn_platform.demo.standins.dhis2.tracker_payload import Item
from openfn_platform.demo.standins.dhis2.uids import fresh_uid
from openfn_platform.demo.standins.dhis2.values import stored
from openfn_platform.demo.standins.store import Record

_KEPT = {
    TRACKED_ENTITY: ("trackedEntityType", "orgUnit", "geometry", "storedBy"),
    ENROLLMENT: ("trackedEntity", "program", "orgUnit", "geometry", "storedBy"),
    EVENT: (
        "program", "programStage", "orgUnit", "geometry", "storedBy", "attributeOptionCombo", "enrollment",
        "trackedEntity",
    ),
    RELATIONSHIP: ("relationshipType", "from", "to"),
}  # fmt: skip
_MOMENTS = ("occurredAt", "scheduledAt", "enrolledAt", "completedAt", "createdAtClient", "updatedAtClient")


class Committing:
    """One import while it is put down, all at the same moment."""

    def __init__(self, metadata: Metadata, book: Book, username: str) -> None:
        self._metadata, self._book, self._username = metadata, book, username
        self._moment = now_text()

    def put(self, item: Item) -> None:
        """Create, update or delete."""
        old = self._book.find(item.type, item.uid)
        if item.strategy == "DELETE":
            if old is not None:
                self._delete(item.type, old)
            return
        record = self._record(item, old or {})
        if item.type in (TRACKED_ENTITY, ENROLLMENT):
            self._attributes(item, record)
        elif item.type is EVENT:
            record["values"] = self._values(item, (old or {}).get("values", {}))
        self._book.put(item.type, record)
        if item.type in (ENROLLMENT, EVENT):
            self._book.touch(record.get("trackedEntity"), self._moment)

    def _record(self, item: Item, old: Record) -> Record:
        """All but collections is replaced by what was sent."""
        values = item.values
        record: Record = {item.type.key: item.uid, **{n: values.get(n) for n in _KEPT[item.type]}}
        record |= {name: moment_or_none(values.get(name)) for name in _MOMENTS if values.get(name)}
        record |= {"createdAt": old.get("createdAt", self._moment), "updatedAt": self._moment}
        record |= {"deleted": False, "by": self._username}
        if "seq" in old:
            record["seq"] = old["seq"]
        if item.type in (ENROLLMENT, EVENT):
            record |= {"status": str(values.get("status") or "ACTIVE"), "notes": self._notes(item, old)}
            record["followUp"] = bool(values.get("followUp", False))
            if record["status"] == "COMPLETED":
                done = record.get("completedAt") or old.get("completedAt") or self._moment
                record |= {"completedAt": done, "completedBy": self._username}
        if item.type is TRACKED_ENTITY:
            record |= {"inactive": bool(values.get("inactive", False))}
        return record

    def _attributes(self, item: Item, record: Record) -> None:
        """The entity owns the values, also those that came with an enrollment."""
        sent = item.values.get("attributes") or []
        if item.type is TRACKED_ENTITY:
            old = self._book.find(TRACKED_ENTITY, item.uid) or {}
            record["attributes"] = _merged(old.get("attributes", {}), _pairs(sent, "attribute"))
            return
        entity = self._book.living(TRACKED_ENTITY, record["trackedEntity"])
        if entity is not None and sent:
            merged = _merged(entity["attributes"], _pairs(sent, "attribute"))
            self._book.put(TRACKED_ENTITY, {**entity, "attributes": merged})

    def _values(self, item: Item, old: Record) -> Record:
        pairs = [
            (uid, value if value is None else stored(self._value_type(uid), value))
            for uid, value in _pairs(item.values.get("dataValues") or [], "dataElement")
        ]
        return _merged(old, pairs)

    def _value_type(self, element: str) -> str:
        return str(self._metadata.read("dataElements", element)["valueType"])

    def _notes(self, item: Item, old: Record) -> list[Record]:
        held = list(old.get("notes", ()))
        known = {note["note"] for note in held}
        for note in item.values.get("notes") or []:
            if note.get("value") and note.get("note") not in known:
                by = {"storedAt": self._moment, "storedBy": self._username}
                held.append({"note": note.get("note") or fresh_uid(), "value": note["value"], **by})
        return held

    def _delete(self, type_: Type, record: Record) -> None:
        """With everything that belongs to it."""
        uid = record[type_.key]
        if type_ is TRACKED_ENTITY:
            for enrollment in self._book.enrollments_of(uid):
                self._delete(ENROLLMENT, enrollment)
        elif type_ is ENROLLMENT:
            for event in self._book.events_of(uid):
                self._delete(EVENT, event)
        for relationship in self._book.relationships_of(uid) if type_ is not RELATIONSHIP else ():
            self._delete(RELATIONSHIP, relationship)
        self._book.put(type_, {**record, "deleted": True, "updatedAt": self._moment})


def _pairs(sent: Iterable[Record], key: str) -> list[tuple[str, str | None]]:
    return [(str(one[key]), None if one.get("value") is None else _text(one["value"])) for one in sent]


def _merged(old: Record, pairs: Iterable[tuple[str, str | None]]) -> Record:
    """What was sent over what there was; null takes a value away, what was not sent stays."""
    merged = {**old, **dict(pairs)}
    return {uid: value for uid, value in merged.items() if value is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
