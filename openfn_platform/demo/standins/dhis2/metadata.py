"""The metadata of the server: finding, showing and keeping it, and the tree of organisation units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openfn_platform.demo.standins.dhis2.catalogue import DERIVED, KINDS, REFERENCES, SERVER_OWNED, Kind
from openfn_platform.demo.standins.dhis2.dates import now_text
from openfn_platform.demo.standins.dhis2.reports import ApiError, missing
from openfn_platform.demo.standins.dhis2.uids import fresh_uid
from openfn_platform.demo.standins.store import Record, Store

UNITS = "organisationUnits"


class Metadata:
    """All metadata by kind. `version` moves with every change, so that what was worked out from it can be kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.version = 0

    def kind(self, plural: str) -> Kind:
        """The rules of a kind, or 404."""
        if plural not in KINDS:
            raise ApiError(404, f"HTTP 404 Not Found: /api/{plural}")
        return KINDS[plural]

    def rows(self, plural: str) -> Mapping[str, Record]:
        """All of a kind by identifier."""
        return self._store.table(plural)

    def find(self, plural: str, uid: object) -> Record | None:
        """One by identifier."""
        return self._store.get(plural, uid) if isinstance(uid, str) else None

    def read(self, plural: str, uid: str) -> Record:
        """One by identifier, or 404."""
        found = self.find(plural, uid)
        if found is None:
            raise missing(self.kind(plural).label, uid)
        return found

    def by(self, plural: str, scheme: str) -> dict[str, str]:
        """Identifiers by what the scheme (`UID`, `CODE`, `NAME`) names them."""
        name = {"UID": "id", "CODE": "code", "NAME": "name"}.get(scheme.upper())
        if name is None:
            raise ApiError(400, f"Identifier scheme is not supported: {scheme}")
        return {row[name]: uid for uid, row in self.rows(plural).items() if row.get(name)}

    def save(self, plural: str, values: Mapping[str, Any]) -> Record:
        """Keep an object, new or changed, with what the server itself adds."""
        old = self.find(plural, values.get("id"))
        kept = {n: v for n, v in values.items() if n not in (*SERVER_OWNED, *DERIVED.get(plural, ()))}
        uid = kept.get("id") or fresh_uid()
        moment = now_text()
        created = old["created"] if old else moment
        record = {**self.kind(plural).defaults, **kept, "id": uid, "created": created, "lastUpdated": moment}
        if plural == UNITS:
            record |= self._place(record)
        self._store.put(plural, uid, record)
        if plural == UNITS:
            for child in list(self.children(uid)):
                if child.get("path") != f"{record['path']}/{child['id']}":
                    self.save(UNITS, child)
        self.version += 1
        return record

    def remove(self, plural: str, uid: str) -> None:
        """Forget an object."""
        self._store.remove(plural, uid)
        self.version += 1

    def children(self, uid: str) -> Iterator[Record]:
        """The units right below one."""
        return (u for u in self.rows(UNITS).values() if (u.get("parent") or {}).get("id") == uid)

    def below(self, uid: str) -> set[str]:
        """A unit and all units below it."""
        return {other for other, unit in self.rows(UNITS).items() if uid in unit["path"].split("/")}

    def full(self, plural: str, record: Record) -> dict[str, Any]:
        """An object with what is shown but not kept."""
        shown = {**record, "displayName": record.get("name")}
        for name, (other, back) in DERIVED.get(plural, {}).items():
            owned = (r for r in self.rows(other).values() if (r.get(back) or {}).get("id") == record["id"])
            ordered = sorted(owned, key=lambda r: r.get("sortOrder", 0))
            shown[name] = [{"id": r["id"]} for r in ordered]
        if plural == UNITS:
            shown["leaf"] = not shown["children"]
        return shown

    def resolve(self, name: str, value: dict[str, Any]) -> dict[str, Any]:
        """What a reference under this name refers to; anything else as it is."""
        plural = REFERENCES.get(name)
        found = self.find(plural, value.get("id")) if plural else None
        return value if found is None or plural is None else self.full(plural, found)

    def reach(self, plural: str, record: Record, path: str) -> list[Any]:
        """The values at a dotted path, through references and lists."""
        values: list[Any] = [self.full(plural, record)]
        for name in path.split("."):
            inner = [value.get(name) for value in values if isinstance(value, dict)]
            flat = [e for value in inner for e in (value if isinstance(value, list) else [value])]
            values = [self.resolve(name, value) if isinstance(value, dict) else value for value in flat]
        return [value.get("id") if isinstance(value, dict) else value for value in values]

    def option_codes(self, element: Record) -> list[str] | None:
        """The codes that a data element or attribute takes, None when it takes anything."""
        chosen = (element.get("optionSet") or {}).get("id")
        if chosen is None:
            return None
        options = self.rows("options").values()
        return [o["code"] for o in options if (o.get("optionSet") or {}).get("id") == chosen]

    def _place(self, unit: Record) -> Record:
        above = self.find(UNITS, (unit.get("parent") or {}).get("id"))
        path = f"{above['path'] if above else ''}/{unit['id']}"
        return {"path": path, "level": path.count("/")}
