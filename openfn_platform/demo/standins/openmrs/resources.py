"""What all resources of the REST module have in common: convert, create, search, update, void, purge, represent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from openfn_platform.demo.standins.openmrs import errors
from openfn_platform.demo.standins.openmrs.dates import long_text, moment_from, now_text
from openfn_platform.demo.standins.openmrs.representations import Representation, pick
from openfn_platform.demo.standins.store import Record, Store

REST = "/ws/rest/v1"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The rules of one resource."""

    name: str
    java: str
    label: str  # in privileges: "Get Locations"
    properties: tuple[str, ...]
    required: tuple[str, ...] = ()
    create_only: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    dates: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    listable: bool = False  # whether a list without any condition is given
    version: str = "1.8"


class World(Protocol):
    """What a resource needs of the server around it."""

    store: Store
    base: str
    config: dict[str, Any]

    def resource(self, name: str) -> Resource:
        """Another resource by name."""


class Resource:
    """A resource that follows the general rules."""

    def __init__(self, world: World, kind: Kind) -> None:
        self.world = world
        self.kind = kind

    @property
    def rows(self) -> dict[str, Record]:
        """All records, voided ones too."""
        return self.world.store.table(self.kind.name)

    def lookup(self, unique: str) -> Record | None:
        """A record by uuid; metadata also by its name."""
        found = self.rows.get(unique)
        if found is None and self.kind.listable:
            found = next((r for r in self.rows.values() if r.get("name") == unique), None)
        return found

    def read(self, unique: str) -> Record:
        """A record by uuid, or 404."""
        found = self.lookup(unique)
        if found is None:
            raise errors.not_found()
        return found

    def create(self, values: Mapping[str, Any]) -> Record:
        """A new record from what a client sent."""
        return self.save(self.prepared(values))

    def prepared(self, values: Mapping[str, Any]) -> Record:
        """The same, checked but not yet stored."""
        self.check_names(values, (*self.kind.properties, "uuid"))
        self.check_required(values, self.kind.required)
        record = {"uuid": self.fresh_uuid(values), "voided": False, "created": now_text()}
        record.update(self.converted(values))
        self.validate(record)
        return record

    def update(self, record: Record, values: Mapping[str, Any]) -> Record:
        """Change the properties that were sent and leave the others."""
        fixed = (*self.kind.create_only, "uuid")
        changes = self.converted({n: v for n, v in values.items() if n in self.kind.properties})
        same = [name for name in fixed if record.get(name) == changes.get(name, values.get(name))]
        self.check_names(values, (*(n for n in self.kind.properties if n not in fixed), *same))
        changed = {**record, **changes, "changed": now_text()}
        self.validate(changed)
        return self.save(changed)

    def void(self, record: Record, reason: str) -> None:
        """Delete as OpenMRS does: keep, but out of lists."""
        if not record["voided"]:
            self.save({**record, "voided": True, "voidReason": reason, "changed": now_text()})

    def purge(self, record: Record) -> None:
        """Delete for good."""
        self.world.store.remove(self.kind.name, record["uuid"])

    def search(self, query: Mapping[str, str]) -> list[Record]:
        """Records for a list; 400 where OpenMRS wants a condition and there is none."""
        found = self.visible(query)
        conditions = {name: query[name] for name in self.kind.filters if name in query}
        for name, wanted in conditions.items():
            found = [r for r in found if r.get(self.kind.filters[name]) == wanted]
        if "q" in query and self.kind.listable:
            return [r for r in found if query["q"].lower() in self.display(r).lower()]
        if not conditions and not self.kind.listable:
            raise errors.not_supported(f"doGetAll is not supported by {self.kind.name}: give a condition")
        return found

    def visible(self, query: Mapping[str, str]) -> list[Record]:
        """All but the voided, unless asked for."""
        everything = query.get("includeAll", "").lower() == "true"
        return [r for r in self.rows.values() if everything or not r["voided"]]

    def save(self, record: Record) -> Record:
        """Keep it."""
        return self.world.store.put(self.kind.name, record["uuid"], record)

    def validate(self, record: Record) -> None:
        """Raise `ValidationError` for what the validators would not let pass."""

    # -- reading what clients send

    def check_names(self, values: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        """Refuse properties that the resource does not have."""
        unknown = [name for name in values if name not in allowed]
        if unknown:
            raise errors.conversion(f"Some properties are not allowed to be set: {', '.join(unknown)}")

    def check_required(self, values: Mapping[str, Any], required: tuple[str, ...]) -> None:
        """Refuse when required properties are missing."""
        missing = [name for name in required if name not in values]
        if missing:
            raise errors.conversion(f"Some required properties are missing: {', '.join(missing)}")

    def fresh_uuid(self, values: Mapping[str, Any]) -> str:
        """The client's uuid when it is free, else a new one."""
        wanted = values.get("uuid")
        if wanted is None:
            return str(uuid.uuid4())
        if not isinstance(wanted, str):
            raise errors.cannot_convert(wanted, "java.lang.String", where=self.at("uuid"))
        if wanted in self.rows:
            message = f"could not execute statement => Duplicate entry '{wanted}' for key 'uuid'"
            raise errors.RestError(500, message, thrower="org.hibernate.exception.ConstraintViolation:59")
        return wanted

    def converted(self, values: Mapping[str, Any]) -> Record:
        """Values as they are stored: references as uuids, moments in the long form."""
        record: Record = {}
        for name, value in values.items():
            if name == "uuid":
                continue
            if value is not None and name in self.kind.references:
                record[name] = self.reference(name, value, self.kind.references[name])
            elif value is not None and name in self.kind.dates:
                record[name] = long_text(moment_from(value, where=self.at(name)))
            else:
                record[name] = value
        return record

    def reference(self, name: str, value: object, target: str) -> str:
        """The uuid of another object, given as uuid, name or object."""
        resource = self.world.resource(target)
        unique = value.get("uuid") if isinstance(value, dict) else value
        if not isinstance(unique, str):
            raise errors.cannot_convert(value, resource.kind.java, where=self.at(name))
        found = resource.lookup(unique)
        if found is None:
            raise errors.conversion("Object with given uuid doesn't exist", where=self.at(name))
        return str(found["uuid"])

    def at(self, name: str) -> str:
        """How errors name a property."""
        return f"{name} on class {self.kind.java}"

    # -- showing

    def display(self, record: Record) -> str:
        """The short text of a record."""
        return str(record.get("display") or record.get("name") or record["uuid"])

    def uri(self, record: Record) -> str:
        """Where a record is."""
        return f"{self.world.base}{REST}/{self.kind.name}/{record['uuid']}"

    def ref(self, record: Record) -> dict[str, Any]:
        """uuid, display, link."""
        return {"uuid": record["uuid"], "display": self.display(record), "links": [self.link(record)]}

    def link(self, record: Record) -> dict[str, str]:
        """The link to itself."""
        return {"rel": "self", "uri": self.uri(record), "resourceAlias": self.kind.name}

    def represent(self, record: Record, wanted: Representation) -> dict[str, Any]:
        """A record in one of the representations."""
        if isinstance(wanted, dict):
            return {name: self.asked(record, name, sub) for name, sub in wanted.items()}
        if wanted == "ref":
            return self.ref(record)
        shown = {"uuid": record["uuid"], "display": self.display(record)}
        for name in self.kind.properties:
            shown[name] = self.value(record, name, "default" if wanted == "full" else "ref")
        shown["voided"] = record["voided"]
        shown["links"] = [self.link(record)]
        if wanted == "full":
            shown["auditInfo"] = self.audit(record)
        else:
            shown["links"].append({**self.link(record), "rel": "full", "uri": self.uri(record) + "?v=full"})
        shown["resourceVersion"] = self.kind.version
        return shown

    def asked(self, record: Record, name: str, wanted: Representation) -> Any:
        """One property of a custom representation."""
        if name in self.kind.properties:
            return self.value(record, name, wanted)
        plain = {**self.ref(record), "voided": record["voided"], "auditInfo": self.audit(record)}
        if name not in plain:
            raise errors.conversion(f"Unable to find property {name} on class {self.kind.java}")
        return plain[name]

    def value(self, record: Record, name: str, wanted: Representation) -> Any:
        """One property: references are represented, everything else is as it is stored."""
        value = record.get(name)
        target = self.kind.references.get(name)
        if value is None or target is None:
            return pick(value, wanted) if isinstance(wanted, dict) else value
        other = self.world.resource(target)
        return other.represent(other.read(value), wanted)

    def audit(self, record: Record) -> dict[str, Any]:
        """Who and when; there is one user."""
        user = {"uuid": "1010d442-e134-11de-babe-001e378eb67e", "display": "admin"}
        changed = record.get("changed")
        return {
            "creator": user,
            "dateCreated": record["created"],
            "changedBy": user if changed else None,
            "dateChanged": changed,
        }
