"""Tracker objects as the export shows them."""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.dhis2.datavalues import DEFAULT_COMBO
from openfn_platform.demo.standins.dhis2.fields import Fields, cut
from openfn_platform.demo.standins.dhis2.metadata import UNITS, Metadata
from openfn_platform.demo.standins.dhis2.records import (
    ENROLLMENT,
    EVENT,
    RELATIONSHIP,
    TRACKED_ENTITY,
    Book,
    Type,
    ends_of,
)
from openfn_platform.demo.standins.dhis2.schemes import Schemes
from openfn_platform.demo.standins.dhis2.uids import derived_uid
from openfn_platform.demo.standins.store import Record

DEFAULT_OPTION = "xYerKDKCefk"
_OPTIONAL = (
    "occurredAt", "scheduledAt", "enrolledAt", "completedAt", "completedBy", "geometry", "storedBy",
    "createdAtClient", "updatedAtClient",
)  # fmt: skip


class Shapes:
    """How the objects of one answer are shown; what is not wanted is not worked out."""

    def __init__(self, metadata: Metadata, book: Book, schemes: Schemes) -> None:
        self._metadata, self._book, self._schemes = metadata, book, schemes
        self._users: dict[str, Record] = {}
        self._attributes: dict[str, Record] = {}

    def shown(self, type_: Type, record: Record, fields: Fields, program: str | None = None) -> Any:
        """A record of any kind."""
        if type_ is EVENT:
            return self.event(record, fields)
        if type_ is ENROLLMENT:
            return self.enrollment(record, fields)
        if type_ is RELATIONSHIP:
            return self.relationship(record, fields)
        return self.entity(record, fields, program)

    def event(self, record: Record, fields: Fields) -> Any:
        """An event with its data values."""
        name = self._schemes.shown
        shown = {
            "event": record["event"],
            "status": record["status"],
            "program": name("programs", record["program"]),
            "programStage": name("programStages", record["programStage"]),
            "enrollment": record["enrollment"] or derived_enrollment(record["program"]),
            "orgUnit": name(UNITS, record["orgUnit"]),
            **_common(record),
            "followUp": False,
            "followup": False,
            "attributeOptionCombo": record.get("attributeOptionCombo") or DEFAULT_COMBO,
            "attributeCategoryOptions": DEFAULT_OPTION,
            **self._people(record),
            "notes": record["notes"],
        }
        if record["trackedEntity"]:
            shown["trackedEntity"] = record["trackedEntity"]
        if fields.wants("dataValues"):
            shown["dataValues"] = self._values(record)
        if fields.wants("relationships"):
            shown["relationships"] = self._relations(record["event"], fields)
        return cut(shown, fields)

    def enrollment(self, record: Record, fields: Fields) -> Any:
        """An enrollment, with attributes and events when they are wanted."""
        shown = {
            "enrollment": record["enrollment"],
            "trackedEntity": record["trackedEntity"],
            "program": record["program"],
            "status": record["status"],
            "orgUnit": record["orgUnit"],
            **_common(record),
            "followUp": record["followUp"],
            **self._people(record),
            "notes": record["notes"],
        }
        entity = self._book.find(TRACKED_ENTITY, record["trackedEntity"])
        if fields.wants("attributes") and entity is not None:
            shown["attributes"] = self._attributes_of(entity, record["program"])
        if fields.wants("events"):
            inner = fields.within("events")
            shown["events"] = [self.event(e, inner) for e in self._book.events_of(record["enrollment"])]
        if fields.wants("relationships"):
            shown["relationships"] = self._relations(record["enrollment"], fields)
        return cut(shown, fields)

    def entity(self, record: Record, fields: Fields, program: str | None = None) -> Any:
        """A tracked entity; attributes of a program come only with the program."""
        uid = record["trackedEntity"]
        shown = {
            "trackedEntity": uid,
            "trackedEntityType": record["trackedEntityType"],
            "orgUnit": self._schemes.shown(UNITS, record["orgUnit"]),
            **_common(record),
            "inactive": record["inactive"],
            "potentialDuplicate": False,
            **self._people(record),
        }
        if fields.wants("attributes"):
            shown["attributes"] = self._attributes_of(record, program)
        if fields.wants("enrollments"):
            inner = fields.within("enrollments")
            held = [e for e in self._book.enrollments_of(uid) if program in (None, e["program"])]
            shown["enrollments"] = [self.enrollment(e, inner) for e in held]
        if fields.wants("programOwners"):
            shown["programOwners"] = [
                {"trackedEntity": uid, "program": e["program"], "orgUnit": e["orgUnit"]}
                for e in self._book.enrollments_of(uid)
            ]
        if fields.wants("relationships"):
            shown["relationships"] = self._relations(uid, fields)
        return cut(shown, fields)

    def relationship(self, record: Record, fields: Fields) -> Any:
        """A relationship with what it links."""
        type_ = self._metadata.find("relationshipTypes", record["relationshipType"]) or {}
        shown = {
            "relationship": record["relationship"],
            "relationshipType": record["relationshipType"],
            "relationshipName": type_.get("name"),
            "bidirectional": bool(type_.get("bidirectional")),
            **_common(record),
        }
        for side, (other, uid) in zip(("from", "to"), ends_of(record), strict=True):
            shown[side] = {other.key: {other.key: uid}}
        return cut(shown, fields)

    def _relations(self, uid: str, fields: Fields) -> list[Any]:
        inner = fields.within("relationships")
        return [self.relationship(r, inner) for r in self._book.relationships_of(uid)]

    def _values(self, record: Record) -> list[Record]:
        created, updated, name = record["createdAt"], record["updatedAt"], self._schemes.shown
        return [
            {
                "createdAt": created,
                "updatedAt": updated,
                "storedBy": record["by"],
                "providedElsewhere": False,
                "dataElement": name("dataElements", element),
                "value": value,
            }
            for element, value in record["values"].items()
        ]

    def _attributes_of(self, entity: Record, program: str | None) -> list[Record]:
        visible = self._visible(entity["trackedEntityType"], program)
        shown = []
        for uid, value in entity["attributes"].items():
            attribute = self._metadata.find("trackedEntityAttributes", uid)
            if attribute is None or uid not in visible:
                continue
            named = {n: attribute[n] for n in ("code", "valueType") if attribute.get(n)}
            named |= {"attribute": self._schemes.shown("trackedEntityAttributes", uid)}
            times = {"createdAt": entity["createdAt"], "updatedAt": entity["updatedAt"]}
            shown.append({**named, "displayName": attribute["name"], **times, "value": value})
        return shown

    def _visible(self, entity_type: str, program: str | None) -> set[str]:
        found = attributes_of(self._metadata.find("trackedEntityTypes", entity_type))
        if program is not None:
            found |= attributes_of(self._metadata.find("programs", program))
        return set(found)

    def _people(self, record: Record) -> Record:
        by = record["by"]
        if by not in self._users:
            person = {"uid": derived_uid(by), "username": by, "firstName": "Demo", "surname": "User"}
            self._users[by] = {"createdBy": person, "updatedBy": person}
        return self._users[by]


def attributes_of(owner: Record | None) -> dict[str, bool]:
    """The attributes of an entity type or a program, and whether each is mandatory."""
    owner = owner or {}
    held = owner.get("trackedEntityTypeAttributes") or owner.get("programTrackedEntityAttributes") or []
    return {each["trackedEntityAttribute"]["id"]: bool(each.get("mandatory")) for each in held}


def derived_enrollment(program: str) -> str:
    """The one enrollment to which all events of an event program belong."""
    if program not in _SHARED:
        _SHARED[program] = derived_uid(f"enrollment of {program}")
    return _SHARED[program]


_SHARED: dict[str, str] = {}


def _common(record: Record) -> Record:
    """What all kinds have: when, whether deleted, and the optional parts that are there."""
    shown = {name: record[name] for name in _OPTIONAL if record.get(name) is not None}
    times = {"createdAt": record["createdAt"], "updatedAt": record["updatedAt"]}
    return {**shown, **times, "deleted": record["deleted"]}
