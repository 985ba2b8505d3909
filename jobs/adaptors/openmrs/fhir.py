"""`openmrs.fhir`: reading by the FHIR module."""

from __future__ import annotations

from typing import Any

import httpx

from jobs.adaptors.errors import AdaptorError
from jobs.adaptors.openmrs.connection import FHIR, Connection
from jobs.adaptors.paging import LinkNext, next_link
from jobs.adaptors.spec import operation

# FHIR writes these with an underscore in front, which reads badly as a Python argument.
UNDERSCORED = {
    "count": "_count",
    "sort": "_sort",
    "include": "_include",
    "revinclude": "_revinclude",
    "summary": "_summary",
    "total": "_total",
    "elements": "_elements",
    "contained": "_contained",
    "id": "_id",
    "last_updated": "_lastUpdated",
    "tag": "_tag",
    "profile": "_profile",
    "get_pages_offset": "_getpagesoffset",
    "get_pages": "_getpages",
    "bundle_type": "_bundletype",
}
NEXT = LinkNext(path="link", name="relation", url="url")


class Fhir:
    """Operations under `openmrs.fhir`."""

    def __init__(self, connection: Connection, *, version: str) -> None:
        self._connection = connection
        self._root = f"{FHIR}/{version}"

    @operation(example='bundle = openmrs.fhir.get("Patient", identifier="100GEJ", count=50)')
    def get(self, path: str, *, max: int = 10_000, **query: Any) -> Any:
        """A FHIR resource or a search result; the pages of a search are put together into one bundle.

        Names such as `count`, `sort`, `last_updated` become FHIR's `_count`, `_sort`, `_lastUpdated`. With
        `get_pages_offset` only that page is read; otherwise at most `max` entries.
        """
        params = {UNDERSCORED.get(name, name): value for name, value in query.items()}
        bundle = self._read(f"{self._root}/{path}", params)
        if not isinstance(bundle, dict) or not isinstance(bundle.get("link"), list):
            return bundle
        entries = list(bundle.get("entry") or [])
        following = None if "_getpagesoffset" in params else next_link(bundle, NEXT)
        seen: set[str] = set()
        while following is not None and len(entries) < max:
            if following in seen:
                raise AdaptorError("OpenMRS hands out its pages in circles.", sent=True)
            seen.add(following)
            page = self._read(self._within(following), {})
            if not isinstance(page, dict):
                break
            entries.extend(page.get("entry") or [])
            following = next_link(page, NEXT)
        whole = {name: value for name, value in bundle.items() if name != "link"}
        return whole | {"entry": entries[:max]} if entries or "entry" in bundle else whole

    def _read(self, path: str, params: dict[str, Any]) -> Any:
        headers = {"Accept": "application/fhir+json, application/json"}
        return self._connection.get(path, params=params, headers=headers).body

    def _within(self, link: str) -> str:
        """The next page's path on our server: behind a proxy it often names itself wrongly."""
        url = httpx.URL(link)
        path = url.raw_path.decode("ascii")
        start = path.find(FHIR)
        if start < 0:
            raise AdaptorError("OpenMRS names a next page that is not part of its FHIR service.", sent=True)
        return path[start:]
