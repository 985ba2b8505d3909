"""`fields=id,name,parent[id,name],!code,stages~rename(list)`: reading it and cutting an object to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from openfn_platform.demo.standins.dhis2.reports import ApiError

PRESETS = {
    ":identifiable": ("id", "code", "name", "created", "lastUpdated"),
    ":nameable": ("id", "code", "name", "shortName", "description", "created", "lastUpdated"),
}
EVERYTHING = ("*", ":all", ":owner")
Resolve = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass
class Fields:
    """What is wanted of an object: some names, or all but some."""

    everything: bool = False
    wanted: dict[str, Fields | None] = field(default_factory=dict)
    unwanted: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)

    def wants(self, name: str) -> bool:
        """Whether this property will be shown, so that it need be worked out."""
        return name in self.wanted or (self.everything and name not in self.unwanted)

    def within(self, name: str) -> Fields:
        """What is wanted of an inner object."""
        return self.wanted.get(name) or ALL


ALL = Fields(everything=True)


@lru_cache(maxsize=256)
def fields_from(text: str) -> Fields:
    """Read the parameter; 400 when its brackets do not match."""
    found, end = _read(text, 0)
    if end != len(text):
        raise _malformed(text)
    return found


def cut(value: Any, wanted: Fields, resolve: Resolve | None = None, name: str = "") -> Any:
    """The wanted part of an object or of each of a list of objects; `resolve` finds what a reference refers to."""
    if isinstance(value, list):
        return [cut(each, wanted, resolve, name) for each in value]
    if not isinstance(value, dict) or wanted is ALL:
        return value
    full = resolve(name, value) if resolve else value
    shown = {}
    for key in full if wanted.everything else wanted.wanted:
        if key in wanted.unwanted or key not in full:
            continue
        inner = wanted.wanted.get(key)
        part = full[key] if inner is None else cut(full[key], inner, resolve, key)
        shown[wanted.renamed.get(key, key)] = len(part) if key in wanted.counted else part
    return shown


def _read(text: str, at: int) -> tuple[Fields, int]:
    found = Fields()
    while at < len(text) and text[at] != "]":
        end = at
        while end < len(text) and text[end] not in ",[]":
            end += 1
        word = text[at:end].strip()
        inner: Fields | None = None
        if text[end : end + 1] == "[":
            inner, end = _read(text, end + 1)
            if text[end : end + 1] != "]":
                raise _malformed(text)
            end += 1
        _add(found, word, inner)
        at = end + 1 if text[end : end + 1] == "," else end
    return found, at


def _add(found: Fields, word: str, inner: Fields | None) -> None:
    name, *changes = word.split("~")
    if name in EVERYTHING:
        found.everything = True
    elif name in PRESETS:
        found.wanted.update(dict.fromkeys(PRESETS[name]))
    elif name.startswith("!"):
        found.unwanted.add(name[1:])
    elif name:
        found.wanted[name] = inner
    for change in changes:
        if change.startswith("rename(") and change.endswith(")"):
            found.renamed[name] = change[len("rename(") : -1]
        elif change == "size":
            found.counted.add(name)


def _malformed(text: str) -> ApiError:
    return ApiError(400, f"Fields expression is malformed: {text}")
