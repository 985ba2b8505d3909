"""Changes that case API v2 takes: checked, and written as the case blocks of a form."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from openfn_platform.demo.standins.commcare.answers import Refused, bad
from openfn_platform.demo.standins.commcare.submissions import LONGEST
from openfn_platform.demo.standins.store import Record, Store

TEXTS = ("case_type", "case_name", "owner_id", "external_id")
REQUIRED = ("case_type", "case_name", "owner_id")
COMMON = (*TEXTS, "properties", "indices", "close", "temporary_id")
MOST = 100
NAME = re.compile(r"(?!xml)[a-z_][\w-]*", re.IGNORECASE | re.ASCII)


class Changes:
    """The changes of one request. They see each other's temporary ids, and nothing is stored here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._temporary: dict[str, str] = {}
        self._made: dict[str, str] = {}  # external id -> case id, within this request

    def bulk(self, values: list[Any]) -> list[Record]:
        """Blocks of a list of changes; what is wrong is told with its row."""
        if len(values) > MOST:
            raise bad("Payload too large")
        blocks, wrong = [], []
        for row, value in enumerate(values, 1):
            try:
                blocks.append(self._bulk_one(value))
            except Refused as refusal:
                wrong.append(f"Error in row {row}: {refusal}")
        if wrong:
            raise bad("; ".join(wrong))
        return blocks

    def create(self, values: Mapping[str, Any]) -> Record:
        """The block of a new case; an external id that is taken does not matter."""
        self._names(values, COMMON)
        for name in REQUIRED:
            if not values.get(name):
                raise bad(f"Property {name} is required.")
        return self._block(uuid.uuid4().hex, values, create=True)

    def update(self, values: Mapping[str, Any], case_id: str | None = None) -> Record:
        """The block of a change; `case_id` in the values wins over the one of the path."""
        self._names(values, (*COMMON, "case_id"))
        found = values.get("case_id") or case_id or self._by_external_id(values)
        if self._store.get("case", str(found)) is None:
            raise bad(f"No case found with ID '{found}'")
        return self._block(str(found), values, create=False)

    def upsert(self, values: Mapping[str, Any], external_id: str) -> Record:
        """A change when there is a case with the external id, else a new case."""
        values = {"external_id": external_id, **values}
        found = with_external_id(self._store, external_id)
        if found is None:
            return self.create(values)
        if values.get("case_id") not in (None, found["case_id"]):
            raise bad("Payload case_id does not match the case of that external_id")
        return self.update({**values, "case_id": found["case_id"]})

    def _bulk_one(self, value: Any) -> Record:
        if not isinstance(value, dict):
            raise bad("A case update is an object.")
        if "create" not in value:
            raise bad("A 'create' flag is required for each update.")
        values = {name: v for name, v in value.items() if name != "create"}
        if value["create"] is None:
            if not values.get("external_id") or "case_id" in values:
                raise bad("An upsert needs an external_id and takes no case_id.")
            return self.upsert(values, str(values["external_id"]))
        if value["create"] is True:
            return self.create(values)
        if value["create"] is False:
            return self.update(values)
        raise bad("A 'create' flag is true, false or null.")

    def _by_external_id(self, values: Mapping[str, Any]) -> str:
        if not values.get("external_id"):
            raise bad("A case_id or external_id is required.")
        found = with_external_id(self._store, str(values["external_id"]))
        if found is None:
            raise bad(f"Could not find a case with external_id '{values['external_id']}'")
        return str(found["case_id"])

    def _names(self, values: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        for name in values:
            if name not in allowed:
                raise bad(f"'{name}' is not a valid field.")

    def _block(self, case_id: str, values: Mapping[str, Any], *, create: bool) -> Record:
        own = {name: _text(name, values[name]) for name in TEXTS if values.get(name) is not None}
        if not isinstance(values.get("close", False), bool):
            raise bad("Property close must be true or false.")
        if values.get("temporary_id") is not None:
            if str(values["temporary_id"]) in self._temporary:
                raise bad("A temporary_id must be unique within a request.")
            self._temporary[str(values["temporary_id"])] = case_id
        if "external_id" in own:
            self._made[own["external_id"]] = case_id
        first = {name: own[name] for name in REQUIRED if name in own} if create else None
        rest = {name: value for name, value in own.items() if not create or name not in REQUIRED}
        return {
            "case_id": case_id,
            "create": first,
            "update": {**rest, **_properties(values.get("properties", {}))},
            "index": self._indices(values.get("indices", {})),
            "close": values.get("close", False),
        }

    def _indices(self, indices: Any) -> dict[str, Record]:
        if not isinstance(indices, dict):
            raise bad("Property indices must be an object.")
        return {name: self._index(name, index) for name, index in indices.items()}

    def _index(self, name: str, index: Any) -> Record:
        if not NAME.fullmatch(name) or not isinstance(index, dict):
            raise bad(f"Index '{name}' is not valid.")
        named = [key for key in ("case_id", "external_id", "temporary_id") if index.get(key)]
        if not named:
            return {"case_id": "", "case_type": "", "relationship": "child"}
        if len(named) > 1:
            raise bad(f"Index '{name}' must have only one of case_id, external_id and temporary_id.")
        if not index.get("case_type") or index.get("relationship") not in ("child", "extension"):
            raise bad(f"Index '{name}' needs a case_type and a relationship, either 'child' or 'extension'.")
        to = {"case_type": str(index["case_type"]), "relationship": index["relationship"]}
        return {"case_id": self._target(named[0], str(index[named[0]])), **to}

    def _target(self, kind: str, value: str) -> str:
        if kind == "case_id":
            return value
        found = (self._temporary if kind == "temporary_id" else self._made).get(value)
        if found is None and kind == "external_id":
            case = with_external_id(self._store, value)
            found = case["case_id"] if case else None
        if found is None:
            raise bad(f"Could not find a case with {kind} '{value}'")
        return found


def with_external_id(store: Store, external_id: str) -> Record | None:
    """The case with an external id; several are refused, because nothing makes the id unique."""
    found = [case for case in store.table("case").values() if case["external_id"] == external_id]
    if len(found) > 1:
        ids = ", ".join(case["case_id"] for case in found)
        raise bad(f"Multiple cases found with external_id '{external_id}': {ids}")
    return found[0] if found else None


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise bad(f"Property {name} must be a string.")
    if len(value) > LONGEST:
        raise bad(f"Property {name} is longer than {LONGEST} characters.")
    return value


def _properties(properties: Any) -> dict[str, str]:
    if not isinstance(properties, dict):
        raise bad("Property properties must be an object.")
    for name, value in properties.items():
        if not NAME.fullmatch(name) or name in (*COMMON, "case_id"):
            raise bad(f"Error with case property '{name}': this name cannot be used.")
        if not isinstance(value, str):
            raise bad(f"Error with case property '{name}'. Values must be strings, received '{value}'")
    return properties
