"""The list APIs (`/api/v0.5/form/`, `/api/form/v1/` and their kin): pages, single objects, users and groups to make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from openfn_platform.demo.standins.commcare.answers import Refused, bad, json, page
from openfn_platform.demo.standins.commcare.cases import shown_v1
from openfn_platform.demo.standins.commcare.filters import matching
from openfn_platform.demo.standins.commcare.forms import form_shown
from openfn_platform.demo.standins.commcare.people import People
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

DEFAULT_PAGE = 20


@dataclass(frozen=True)
class Kind:
    """One list."""

    table: str
    largest: int = 1000
    default: int = DEFAULT_PAGE
    paged: bool = True  # some lists are always given whole


KINDS: Mapping[str, Kind] = {
    "form": Kind("form"),
    "case": Kind("case", largest=5000),
    "user": Kind("user"),
    "web-user": Kind("web_user"),
    "group": Kind("group"),
    "location": Kind("location"),
    "application": Kind("application", paged=False),
    "fixture": Kind("fixture", default=0),
    "lookup_table": Kind("lookup_table"),
    "simplereportconfiguration": Kind("report", paged=False),
}


class Lists:
    """Answers for every list; `people` are those in which something can be made."""

    def __init__(self, store: Store, config: Callable[[], Mapping[str, Any]]) -> None:
        self._store = store
        self._config = config
        self._people = People(store, config)

    def many(self, request: Request, domain: str, name: str) -> Answer:
        """GET a page."""
        kind = _kind(name)
        found = self._found(name, kind, request.query)
        if not kind.paged:
            return self._whole(name, found)
        limit, offset = _limit(request.query, kind), _natural(request.query, "offset", 0)
        shown = [self._shown(name, record) for record in found[offset : offset + limit]]
        meta = {
            "limit": limit,
            "next": self._link(request, limit, offset + limit) if offset + limit < len(found) else None,
            "offset": offset,
            "previous": self._link(request, limit, max(offset - limit, 0)) if offset else None,
            "total_count": len(found),
        }
        return json(200, {"meta": meta, "objects": shown})

    def one(self, request: Request, domain: str, name: str, key: str) -> Answer:
        """GET one; what does not exist is an empty 404."""
        record = self._store.get(_kind(name).table, key)
        if record is None:
            raise Refused(page(404))
        return json(200, self._shown(name, record))

    def make(self, request: Request, domain: str, name: str) -> Answer:
        """POST a user or a group; the other lists are only read."""
        _kind(name)
        return self._people.make(request, name)

    def change(self, request: Request, domain: str, name: str, key: str) -> Answer:
        """PUT a user."""
        _kind(name)
        return self._people.change(request, name, key)

    def remove(self, request: Request, domain: str, name: str, key: str) -> Answer:
        """DELETE a user."""
        _kind(name)
        return self._people.remove(name, key)

    def _whole(self, name: str, found: list[Record]) -> Answer:
        meta = {"limit": None, "next": None, "offset": 0, "previous": None, "total_count": len(found)}
        return json(200, {"meta": meta, "objects": [self._shown(name, record) for record in found]})

    def _found(self, name: str, kind: Kind, query: Mapping[str, str]) -> list[Record]:
        records = list(self._store.table(kind.table).values())
        if name in ("form", "case"):
            return matching(name, records, query)
        if name == "user" and "group" in query:
            return [user for user in records if query["group"] in user["groups"]]
        if name == "web-user" and "web_username" in query:
            return [user for user in records if user["username"] == query["web_username"]]
        if name == "fixture" and "fixture_type" in query:
            return [row for row in records if row["fixture_type"] == query["fixture_type"]]
        return records

    def _shown(self, name: str, record: Record) -> dict[str, Any]:
        domain = self._config()["domain"]
        if name == "form":
            return form_shown(record, domain)
        if name == "case":
            return shown_v1(record, domain)
        return record

    def _link(self, request: Request, limit: int, offset: int) -> str:
        others = {n: v for n, v in request.query.items() if n not in ("limit", "offset")}
        query = urlencode({"limit": limit, "offset": offset, **others})
        return f"{request.path}?{query}" if self._config()["next_style"] == "path" else f"?{query}"


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise Refused(page(404))
    return KINDS[name]


def _limit(query: Mapping[str, str], kind: Kind) -> int:
    asked = _natural(query, "limit", kind.default)
    return min(asked, kind.largest) or kind.largest


def _natural(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not (text.isascii() and text.isdecimal()):
        raise bad(f"Invalid {name} '{text}' provided. Please provide a positive integer.")
    return int(text)
