"""What the validation of metadata finds: missing, taken, badly named, referring to nothing, still in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openfn_platform.demo.standins.dhis2.catalogue import DERIVED, KINDS, REFERENCES, Kind
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.reports import Report, error_report
from openfn_platform.demo.standins.dhis2.uids import is_uid
from openfn_platform.demo.standins.store import Record


def problems(
    metadata: Metadata, kind: Kind, values: Mapping[str, Any], *, incoming: Mapping[str, set[str]]
) -> list[Report]:
    """All that is wrong with an object; `incoming` are the identifiers that arrive together with it."""
    return [
        *_identifier(kind, values),
        *_required(kind, values),
        *_taken(metadata, kind, values),
        *_dangling(metadata, kind, values, incoming),
    ]


def exists_already(kind: Kind, found: Record) -> Report:
    """An object is to be created under an identifier that is taken."""
    told = "Found matching object for reference, but import mode is CREATE."
    return error_report(
        "E5000", f"{told} Identifier was UID, and object was {_named(kind, found)}.", kind.klass, "id"
    )


def exists_not(kind: Kind, values: Mapping[str, Any]) -> Report:
    """An object is to be changed or deleted that is not there."""
    told = f"No matching object for reference. Identifier was UID, and object was {_named(kind, values)}."
    return error_report("E5001", told, kind.klass, "id")


def users_of(metadata: Metadata, uid: str) -> Iterator[Kind]:
    """The kinds of which something refers to an object."""
    for plural, kind in KINDS.items():
        rows = metadata.rows(plural).values()
        if any(uid == other for row in rows for _, other in references_in(row) if row["id"] != uid):
            yield kind


def references_in(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every reference inside an object, as the name that it stands under and its identifier."""
    if isinstance(value, list):
        for each in value:
            yield from references_in(each, name)
    elif isinstance(value, dict):
        if name in REFERENCES and isinstance(value.get("id"), str):
            yield name, value["id"]
        for key, inner in value.items():
            yield from references_in(inner, key)


def _identifier(kind: Kind, values: Mapping[str, Any]) -> Iterator[Report]:
    uid = values.get("id")
    if uid is not None and not is_uid(uid):
        yield error_report("E4014", f"Invalid UID `{uid}` for property `{kind.label}`", kind.klass, "uid")


def _required(kind: Kind, values: Mapping[str, Any]) -> Iterator[Report]:
    for name in kind.required:
        if values.get(name) in (None, "", {}):
            yield error_report("E4000", f"Missing required property `{name}`.", kind.klass, name)


def _taken(metadata: Metadata, kind: Kind, values: Mapping[str, Any]) -> Iterator[Report]:
    for name in kind.unique:
        value = values.get(name)
        if value is None:
            continue
        for uid, other in metadata.rows(kind.plural).items():
            if other.get(name) == value and uid != values.get("id"):
                told = (
                    f"Property `{name}` with value `{value}` on object {_named(kind, values)} already exists"
                )
                yield error_report("E5003", f"{told} on object {uid}.", kind.klass, name)


def _dangling(
    metadata: Metadata, kind: Kind, values: Mapping[str, Any], incoming: Mapping[str, set[str]]
) -> Iterator[Report]:
    own = {n: v for n, v in values.items() if n not in DERIVED.get(kind.plural, ())}
    for name, uid in references_in(own):
        plural = REFERENCES[name]
        if metadata.find(plural, uid) is None and uid not in incoming.get(plural, ()):
            told = f"Invalid reference [{uid}] ({KINDS[plural].label}) on object {_named(kind, values)}"
            yield error_report("E5002", f"{told} for association `{name}`.", kind.klass, name)


def _named(kind: Kind, values: Mapping[str, Any]) -> str:
    return f"{values.get('name')} [{values.get('id')}] ({kind.label})"
