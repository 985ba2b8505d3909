"""Resources with all their versions, and changes that are made together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from openfn_platform.demo.standins.fhir.moments import now_text
from openfn_platform.demo.standins.fhir.outcomes import Resource
from openfn_platform.demo.standins.store import Record, Store

HISTORY = "_history"

# A record is {"type", "id", "version", "updated", "method", "resource"}; a deleted one has no resource.
Place = tuple[str, str]  # table and key


class Repository:
    """The only place where resources are stored."""

    def __init__(self, store: Store, announce: Callable[[Record], None]) -> None:
        self._store = store
        self._announce = announce
        self._staged: dict[Place, Record] | None = None

    def get(self, kind: str, unique: str) -> Record | None:
        """The present version, also of a deleted resource."""
        return self._look(kind, unique)

    def version(self, kind: str, unique: str, version: str) -> Record | None:
        """A version of a resource."""
        return self._look(HISTORY, f"{kind}/{unique}/{version}")

    def versions(self, kind: str, unique: str) -> list[Record]:
        """All versions, the newest first."""
        newest = self.get(kind, unique)
        numbers = range(newest["version"], 0, -1) if newest else ()
        found = [self.version(kind, unique, str(number)) for number in numbers]
        return [record for record in found if record is not None]

    def all(self, kind: str) -> Iterator[Record]:
        """All resources of a type that are not deleted, in the order in which they were made."""
        records = self._store.table(kind)
        if self._staged:
            records = {**records, **{key: r for (table, key), r in self._staged.items() if table == kind}}
        return (record for record in records.values() if record["resource"] is not None)

    def save(self, kind: str, unique: str, resource: Resource | None, method: str) -> Record:
        """Store a further version; without a resource it is deleted."""
        older = self.get(kind, unique)
        version = older["version"] + 1 if older else 1
        now = now_text()
        if resource is not None:
            meta = {**(resource.get("meta") or {}), "versionId": str(version), "lastUpdated": now}
            rest = {name: v for name, v in resource.items() if name not in ("resourceType", "id", "meta")}
            resource = {"resourceType": kind, "id": unique, "meta": meta, **rest}
        record = {"type": kind, "id": unique, "version": version, "updated": now}
        record |= {"method": method, "resource": resource}
        self._keep(record)
        return record

    @contextmanager
    def together(self) -> Iterator[None]:
        """Changes made in here are stored at the end, and none of them when it ends with an exception."""
        self._staged = {}
        try:
            yield
            changes, self._staged = self._staged, None
        finally:
            self._staged = None
        for (table, _), record in changes.items():
            if table == HISTORY:  # every version, in the order in which they were made
                self._keep(record)

    def _look(self, table: str, key: str) -> Record | None:
        if self._staged and (table, key) in self._staged:
            return self._staged[table, key]
        return self._store.get(table, key)

    def _keep(self, record: Record) -> None:
        places = ((record["type"], record["id"]), (HISTORY, "{type}/{id}/{version}".format(**record)))
        for table, key in places:
            if self._staged is None:
                self._store.put(table, key, record)
            else:
                self._staged[table, key] = record
        if self._staged is None:
            self._announce(record)
