"""Tracked entities, enrollments, events and relationships as they are kept, with the indexes that make reading quick.

A record keeps attributes and data values as `{identifier: value}`; `seq` is DHIS2's internal number, by which the
newest come first. Nothing is ever removed, only marked as deleted. `version` moves with every change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from openfn_platform.demo.standins.store import Record, Store


@dataclass(frozen=True)
class Type:
    """One of the four kinds of tracker objects: how it is called where."""

    name: str  # in reports
    plural: str  # in payloads and paths
    key: str  # of its identifier
    label: str  # in messages


TRACKED_ENTITY = Type("TRACKED_ENTITY", "trackedEntities", "trackedEntity", "TrackedEntity")
ENROLLMENT = Type("ENROLLMENT", "enrollments", "enrollment", "Enrollment")
EVENT = Type("EVENT", "events", "event", "Event")
RELATIONSHIP = Type("RELATIONSHIP", "relationships", "relationship", "Relationship")
TYPES = (TRACKED_ENTITY, ENROLLMENT, EVENT, RELATIONSHIP)  # in the order in which they are imported


class Book:
    """All tracker data."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.version = 0
        self.index()

    def index(self) -> None:
        """Work the indexes out anew, after a start or a reset."""
        self.version += 1
        self._last = 0
        self._order: dict[tuple[str, str], list[str]] = {}
        self._unique: dict[tuple[str, str], str] = {}
        rows = [(type_, row) for type_ in TYPES for row in self._store.table(type_.plural).values()]
        for type_, row in sorted(rows, key=lambda each: int(each[1]["seq"])):
            self._note(type_, row)

    def find(self, type_: Type, uid: object) -> Record | None:
        """One by identifier, also a deleted one."""
        return self._store.get(type_.plural, uid) if isinstance(uid, str) else None

    def living(self, type_: Type, uid: object) -> Record | None:
        """One by identifier, unless it is deleted."""
        found = self.find(type_, uid)
        return None if found is None or found["deleted"] else found

    def put(self, type_: Type, record: Record) -> Record:
        """Keep one, new or changed."""
        self.version += 1
        old = self.find(type_, record[type_.key])
        if old is None:
            record = {**record, "seq": record.get("seq") or self._last + 1}
            self._note(type_, record)
        elif type_ is TRACKED_ENTITY:
            self._forget_values(old)
            self._note_values(record)
        return self._store.put(type_.plural, record[type_.key], record)

    def fill(self, type_: Type, records: Iterable[Record]) -> None:
        """Take in many that can be made again at the next start, so that they need not be written down."""
        self.version += 1
        table = self._store.table(type_.plural)
        for record in records:
            if record[type_.key] not in table:
                table[record[type_.key]] = record
                self._note(type_, record)

    @property
    def last(self) -> int:
        """The greatest internal number so far."""
        return self._last

    def all(self, type_: Type) -> list[Record]:
        """All of a kind, oldest first."""
        return self._listed(type_, "", "")

    def of_program(self, type_: Type, program: str) -> list[Record]:
        """All enrollments or events of a program, oldest first."""
        return self._listed(type_, "program", program)

    def enrollments_of(self, entity: str) -> list[Record]:
        """The living enrollments of a tracked entity."""
        return [e for e in self._listed(ENROLLMENT, "trackedEntity", entity) if not e["deleted"]]

    def events_of(self, enrollment: str) -> list[Record]:
        """The living events of an enrollment."""
        return [e for e in self._listed(EVENT, "enrollment", enrollment) if not e["deleted"]]

    def relationships_of(self, uid: str) -> list[Record]:
        """The living relationships in which an object has a part."""
        return [r for r in self._listed(RELATIONSHIP, "item", uid) if not r["deleted"]]

    def owner_of(self, attribute: str, value: str) -> str | None:
        """Which living tracked entity has this value."""
        found = self._unique.get((attribute, value.lower()))
        return found if self.living(TRACKED_ENTITY, found) else None

    def touch(self, entity: str | None, moment: str) -> None:
        """An enrollment or event of it has changed, so it has, too."""
        found = self.living(TRACKED_ENTITY, entity)
        if found is not None:
            self.put(TRACKED_ENTITY, {**found, "updatedAt": moment})

    def _listed(self, type_: Type, name: str, value: str) -> list[Record]:
        table = self._store.table(type_.plural)
        return [table[uid] for uid in self._order.get((f"{type_.name}.{name}", value), ())]

    def _note(self, type_: Type, record: Record) -> None:
        self._last = max(self._last, int(record["seq"]))
        for name, value in _places(type_, record):
            self._order.setdefault((f"{type_.name}.{name}", value), []).append(record[type_.key])
        if type_ is TRACKED_ENTITY:
            self._note_values(record)

    def _note_values(self, entity: Record) -> None:
        for attribute, value in entity["attributes"].items():
            self._unique[attribute, value.lower()] = entity["trackedEntity"]

    def _forget_values(self, entity: Record) -> None:
        for attribute, value in entity["attributes"].items():
            if self._unique.get((attribute, value.lower())) == entity["trackedEntity"]:
                del self._unique[attribute, value.lower()]


def ends_of(relationship: Record) -> Iterator[tuple[Type, str]]:
    """What a relationship links."""
    for side in ("from", "to"):
        for type_ in TYPES:
            inner: Any = (relationship.get(side) or {}).get(type_.key)
            if inner:
                yield type_, inner[type_.key] if isinstance(inner, dict) else str(inner)


def _places(type_: Type, record: Record) -> Iterator[tuple[str, str]]:
    """The lists in which a record stands."""
    yield "", ""
    for name in ("program", "trackedEntity", "enrollment"):
        if type_ in (ENROLLMENT, EVENT) and name != type_.key and record.get(name):
            yield name, record[name]
    if type_ is RELATIONSHIP:
        for uid in {uid for _, uid in ends_of(record)}:
            yield "item", uid
