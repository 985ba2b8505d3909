"""Reading DHIS2's lists page by page, old servers' and new servers' ways of paging alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from jobs.adaptors.dhis2.connection import Connection, clean
from jobs.adaptors.dhis2.tracked import routed
from jobs.adaptors.errors import AdaptorError

DEFAULT_MAX = 10_000
SERVERS_PAGE = 50
BETWEEN_NOTES = 5.0  # seconds between two lines of progress
OFF = ("false", "0", "no")


def everything(
    connection: Connection,
    path: str,
    params: Mapping[str, Any],
    *,
    max: int | None = None,
    page_size: int | None = None,
) -> Any:
    """A list to its end or to the maximum; a single object as it is."""
    wanted = DEFAULT_MAX if max is None else max
    if wanted <= 0:
        return []
    size = page_size if page_size is None or max is None else min(page_size, max)
    pages = Pages(connection, path, params, page_size=size)
    found = list(islice(pages.records(), wanted))
    if not pages.is_list:
        return found[0] if found else None
    if max is None and len(found) == wanted and pages.has_more(found):
        connection.context.log(
            "warning",
            f"DHIS2 has more than {DEFAULT_MAX:,} records in {clean(path)}; only these were read. "
            "Pass max=… to read more, or go through all with each(…).",
        )
    return found


def one_by_one(
    connection: Connection, path: str, params: Mapping[str, Any], *, max: int | None, page_size: int
) -> Iterator[Any]:
    """A list to its end or to the maximum, without ever holding more than a page."""
    size = page_size if max is None else min(page_size, max)
    return islice(Pages(connection, path, params, page_size=size).records(), max)


class Pages:
    """One list on its way; holds one page at a time."""

    def __init__(
        self, connection: Connection, path: str, params: Mapping[str, Any], *, page_size: int | None = None
    ) -> None:
        self.is_list = True
        self._connection = connection
        self._path, own = _apart(path)
        self._params: dict[str, Any] = {**own, **params}
        if page_size is not None and self._is_paged():
            self._params.setdefault("pageSize", page_size)
        self._page = int(self._params.get("page") or 1)
        self._linked = False  # the server has named a next page before, so it would again
        self._count = 0
        self._known_more = False
        self._noted = time.monotonic()

    def records(self) -> Iterator[Any]:
        """Every record; the object itself where the path names one."""
        only = "page" in self._params or not self._is_paged()
        params, first = dict(self._params), None
        while True:
            body = self._connection.call("GET", routed(self._path), params=params).body
            found = self._found(body)
            if found is None and self._count:
                self._connection.part(body, self._path.rpartition("/")[2], list)
            if found is None:
                self.is_list = False
                yield body
                return
            if found and found[0] == first:
                raise AdaptorError("DHIS2 hands out its pages in circles.", sent=True)
            self._known_more = not only and self._goes_on(body, found)
            self._count += len(found)
            self._note()
            yield from found
            if not self._known_more:
                return
            first = found[0] if found else None
            self._page += 1
            params["page"] = self._page
            del body, found  # or a page would stay while the next one is read

    def has_more(self, taken: list[Any]) -> bool:
        """Whether there is more than was taken, as far as the pages read so far tell."""
        return self._count > len(taken) or self._known_more

    def _note(self) -> None:
        if time.monotonic() - self._noted >= BETWEEN_NOTES:
            self._noted = time.monotonic()
            self._connection.context.log("info", f"{self._count:,} records of {self._path} read so far.")

    def _is_paged(self) -> bool:
        unpaged = str(self._params.get("paging", "true")).lower() in OFF
        return not unpaged and str(self._params.get("skipPaging", "false")).lower() in OFF

    def _found(self, body: Any) -> list[Any] | None:
        """The records of a page; None when the answer is no list."""
        if isinstance(body, list):
            return body
        if not isinstance(body, dict):
            return None
        named = body.get(self._path.rpartition("/")[2])
        if isinstance(named, list):
            return named
        if "pager" not in body and not isinstance(body.get("instances"), list):
            return None
        if isinstance(body.get("instances"), list):  # the tracker's lists before version 41
            return list(body["instances"])
        return next((each for each in body.values() if isinstance(each, list)), [])

    def _goes_on(self, body: Any, found: list[Any]) -> bool:
        if not isinstance(body, dict):
            return False
        pager = body["pager"] if isinstance(body.get("pager"), dict) else body
        if pager.get("nextPage"):
            self._linked = True
            return bool(found)
        if isinstance(pager.get("pageCount"), int):
            return bool(found) and self._page < pager["pageCount"]
        if isinstance(pager.get("isLastPage"), bool):
            return bool(found) and not pager["isLastPage"]
        if self._linked or (pager is body and "page" not in body):
            return False
        size = int(pager.get("pageSize") or self._params.get("pageSize") or SERVERS_PAGE)
        return bool(found) and len(found) >= size


def _apart(path: str) -> tuple[str, dict[str, Any]]:
    """A path and the parameters that were written into it."""
    bare, _, query = path.partition("?")
    own: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        own.setdefault(name, []).append(value)
    return clean(bare), {name: values if len(values) > 1 else values[0] for name, values in own.items()}
