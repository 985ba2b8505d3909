"""Searches as bundles: pages behind opaque links, includes, counts."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from openfn_platform.demo.standins.fhir.catalogue import REQUIRED
from openfn_platform.demo.standins.fhir.criteria import ABOUT_ANSWER, Criteria, Pairs
from openfn_platform.demo.standins.fhir.moments import now_text
from openfn_platform.demo.standins.fhir.outcomes import Refused, Resource
from openfn_platform.demo.standins.fhir.repository import Repository
from openfn_platform.demo.standins.store import Record

KEPT = 1000
PAGE = "_page"


@dataclass(frozen=True)
class Search:
    """A search that was done: further pages show what matched at that time, as it is now."""

    kind: str
    pairs: Pairs
    matches: list[str]
    count: int


class Searches:
    """Does searches and remembers them for their further pages."""

    def __init__(
        self, repository: Repository, criteria: Criteria, config: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._repository = repository
        self._criteria = criteria
        self._config = config
        self._further: OrderedDict[str, tuple[Search, int]] = OrderedDict()

    def search(self, kind: str, pairs: Pairs, *, base: str, strict: bool) -> Resource:
        """The first page."""
        found = self._criteria.find(kind, pairs, strict=strict)
        about = dict(pairs)
        found = self._criteria.in_order(kind, found, about.get("_sort", ""))
        done = Search(kind, pairs, [record["id"] for record in found], self._count(about))
        known = self._criteria.understood(kind, pairs, strict=False)
        told = [*known, *((n, v) for n, v in pairs if n in ABOUT_ANSWER)]
        address = f"{base}/{kind}" + (f"?{urlencode(told)}" if told else "")
        return self._page(done, 0, base=base, address=address)

    def page(self, token: str, *, base: str) -> Resource:
        """A further page."""
        if token not in self._further:
            raise Refused(410, "expired", f"The page '{token}' does not exist or is no longer kept")
        search, start = self._further[token]
        return self._page(search, start, base=base, address=f"{base}?{PAGE}={token}")

    def _count(self, about: Mapping[str, str]) -> int:
        text = about.get("_count", str(self._config()["page_size"]))
        if not (text.isascii() and text.isdecimal()):
            raise Refused(400, "value", f"Invalid _count '{text}'")
        return min(int(text), int(self._config()["largest_page"]))

    def _page(self, search: Search, start: int, *, base: str, address: str) -> Resource:
        about, end = dict(search.pairs), start + search.count
        bundle: Resource = {
            "resourceType": "Bundle",
            "id": secrets.token_hex(8),
            "meta": {"lastUpdated": now_text()},
            "type": "searchset",
            "total": len(search.matches),
            "link": [{"relation": "self", "url": address}],
        }
        if about.get("_total") == "none":
            del bundle["total"]
        if about.get("_summary") == "count" or not search.count:
            return bundle
        if end < len(search.matches):
            url = f"{base}?{PAGE}={self._kept(search, end)}"
            bundle["link"].append({"relation": "next", "url": url})
        if entries := self._entries(search, search.matches[start:end], base):
            bundle["entry"] = entries
        return bundle

    def _kept(self, search: Search, start: int) -> str:
        token = secrets.token_urlsafe(12)
        self._further[token] = search, start
        if len(self._further) > KEPT:
            self._further.popitem(last=False)
        return token

    def _entries(self, search: Search, ids: list[str], base: str) -> list[Resource]:
        records = [self._repository.get(search.kind, unique) for unique in ids]
        matches = [record for record in records if record is not None and record["resource"] is not None]
        shown = [(record, "match") for record in matches]
        shown += [(record, "include") for record in self._brought(matches, search.pairs)]
        about = dict(search.pairs)
        return [
            {
                "fullUrl": f"{base}/{record['type']}/{record['id']}",
                "resource": _trimmed(record["resource"], about),
                "search": {"mode": mode},
            }
            for record, mode in shown
        ]

    def _brought(self, matches: list[Record], pairs: Pairs) -> list[Record]:
        """What the includes bring along, each once and no match again."""
        brought: dict[tuple[str, str], Record] = {}
        for name, value in pairs:
            if name == "_include":
                brought |= {(r["type"], r["id"]): r for r in self._criteria.included(matches, value)}
            elif name == "_revinclude":
                brought |= {(r["type"], r["id"]): r for r in self._criteria.including(matches, value)}
        for record in matches:
            brought.pop((record["type"], record["id"]), None)
        return list(brought.values())


def _trimmed(resource: Resource, about: Mapping[str, str]) -> Resource:
    """A resource with the elements that were asked for, marked as incomplete."""
    summary, elements = about.get("_summary", "false"), about.get("_elements")
    if not elements and summary == "false":
        return resource
    needed = ("resourceType", "id", "meta", *REQUIRED.get(resource["resourceType"], ()))
    if elements:
        kept = {n: v for n, v in resource.items() if n in (*needed, *elements.split(","))}
    elif summary == "text":
        kept = {n: v for n, v in resource.items() if n in (*needed, "text")}
    elif summary in ("true", "data"):
        kept = {n: v for n, v in resource.items() if n != "text"}
    else:
        raise Refused(400, "value", f"Invalid _summary '{summary}'")
    subsetted = {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "code": "SUBSETTED",
    }
    return {**kept, "meta": {**resource["meta"], "tag": [*resource["meta"].get("tag", ()), subsetted]}}
