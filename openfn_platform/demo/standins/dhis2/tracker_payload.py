"""The payload of `POST /api/tracker`: nested or flat, it becomes a flat list of objects with identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openfn_platform.demo.standins.dhis2.metadata import UNITS
from openfn_platform.demo.standins.dhis2.params import objects_in
from openfn_platform.demo.standins.dhis2.records import (
    ENROLLMENT,
    EVENT,
    RELATIONSHIP,
    TRACKED_ENTITY,
    TYPES,
    Type,
)
from openfn_platform.demo.standins.dhis2.reports import ApiError
from openfn_platform.demo.standins.dhis2.schemes import Schemes
from openfn_platform.demo.standins.dhis2.uids import fresh_uid
from openfn_platform.demo.standins.store import Record

_REFERENCES = {
    "trackedEntityType": "trackedEntityTypes",
    "orgUnit": UNITS,
    "program": "programs",
    "programStage": "programStages",
    "relationshipType": "relationshipTypes",
    "attributeOptionCombo": "categoryOptionCombos",
}


_TEXTS = (
    *(type_.key for type_ in TYPES), *_REFERENCES, "status", "occurredAt", "scheduledAt", "enrolledAt",
    "completedAt",
)  # fmt: skip
STATUSES = {
    ENROLLMENT: ("ACTIVE", "COMPLETED", "CANCELLED"),
    EVENT: ("ACTIVE", "COMPLETED", "VISITED", "SCHEDULE", "OVERDUE", "SKIPPED"),
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an object, or worth a warning."""

    code: str
    message: str


@dataclass
class Item:
    """One object of a payload and what was found out about it."""

    type: Type
    uid: str
    values: Record
    strategy: str = ""
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def flattened(payload: Mapping[str, Any], schemes: Schemes) -> list[Item]:
    """Every object of the payload, parents before their children."""
    found: list[Item] = []
    for type_ in TYPES:
        for values in objects_in(payload, type_.plural):
            _add(found, type_, values, {}, schemes)
    order = {type_: number for number, type_ in enumerate(TYPES)}
    return sorted(found, key=lambda item: order[item.type])


def _add(found: list[Item], type_: Type, given: Record, above: Record, schemes: Schemes) -> None:
    values = {**given, **{name: given.get(name) or value for name, value in above.items()}}
    _texts(type_, values)
    uid = values.get(type_.key) or fresh_uid()
    values[type_.key] = uid
    if values.get("status") and values["status"] not in STATUSES.get(type_, (values["status"],)):
        raise ApiError(400, f"Unexpected input: `{values['status']}` is no {type_.label} status")
    for name, plural in _REFERENCES.items():
        if name in values:
            values[name] = schemes.uid(plural, values[name])
    for name, inner, plural in (
        ("attributes", "attribute", "trackedEntityAttributes"),
        ("dataValues", "dataElement", "dataElements"),
    ):
        if name in values:
            values[name] = [
                {**one, inner: schemes.uid(plural, one.get(inner))} for one in objects_in(values, name)
            ]
    found.append(Item(type_, uid, values))
    if type_ is TRACKED_ENTITY:
        for one in objects_in(given, "enrollments"):
            _add(found, ENROLLMENT, one, {"trackedEntity": uid}, schemes)
    elif type_ is ENROLLMENT:
        own = {"enrollment": uid, "program": given.get("program")}
        for one in objects_in(given, "events"):
            _add(found, EVENT, one, {**own, "trackedEntity": values.get("trackedEntity")}, schemes)
    if type_ is not RELATIONSHIP:
        for one in objects_in(given, "relationships"):
            _add(found, RELATIONSHIP, one, {}, schemes)


def _texts(type_: Type, values: Record) -> None:
    """Identifiers and moments are texts, and ends of relationships name one; anything else cannot be read."""
    for name in _TEXTS:
        if values.get(name) is not None and not isinstance(values[name], str):
            raise ApiError(400, f"Unexpected input: `{name}` should be a text")
    for name in ("attribute", "dataElement"):
        for one in objects_in(values, "attributes" if name == "attribute" else "dataValues"):
            if one.get(name) is not None and not isinstance(one[name], str):
                raise ApiError(400, f"Unexpected input: `{name}` should be a text")
    for side in ("from", "to") if type_ is RELATIONSHIP else ():
        end = values.get(side)
        if end is not None and not (isinstance(end, dict) and all(_is_end(n, e) for n, e in end.items())):
            raise ApiError(400, f"Unexpected input: `{side}` should be an object with an object")
    objects_in(values, "notes")


def _is_end(name: str, end: object) -> bool:
    return isinstance(end, dict) and isinstance(end.get(name), str)
