"""Reading long OpenMRS lists: pages of at most 100, the server's next link, a maximum that is not silent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, ValidationError
from jobs.adaptors.openmrs.connection import REST
from jobs.adaptors.paging import LinkNext, next_link

DEFAULT_MAX = 10_000
SERVER_LIMIT = 100  # of a stock server; an administrator may have set another
QUERY_HINT = "Many OpenMRS lists can only be searched: give query=… or another search parameter."
_ABSOLUTE = re.compile(r"absolute limit at (\d+)", re.IGNORECASE)


def listed(
    connection: RestClient,
    path: str,
    *,
    params: Mapping[str, Any],
    max: int | None,
    page_size: int | None,
    limit: int | None,
    start_index: int | None,
    headers: Mapping[str, str],
    warn: Callable[[str], None],
) -> list[Any]:
    """All records that were asked for, as a list also when the path names a single one."""
    wanted = limit if limit is not None else DEFAULT_MAX if max is None else max
    if wanted <= 0:
        return []
    # Without any wish the server's own page size is taken: some resources refuse the parameter.
    asked = page_size or (wanted if limit is not None or max is not None else None)
    size = None if asked is None else min(asked, wanted, SERVER_LIMIT)
    found: list[Any] = []
    index = start_index
    while True:
        page = {**params, "startIndex": index, "limit": size}
        response, size = _page(connection, path, page, headers=headers)
        if not found and isinstance(response.body, dict) and "results" not in response.body:
            return [response.body]
        results = [] if response.status == 204 else connection.part(response.body, "results", list)
        found.extend(results)
        after = _next_index(response.body, (index or 0) + len(results))
        if len(found) >= wanted or after is None or not results:
            break
        if after <= (index or 0):
            raise AdaptorError("OpenMRS hands out its pages in circles.", sent=True)
        index = after
        size = size and min(size, wanted - len(found))
    if max is None and limit is None and (len(found) > wanted or after is not None):
        warn(
            f"OpenMRS has more than {DEFAULT_MAX:,} records here; only these were read. Pass max=… to read more."
        )
    return found[:wanted]


def _page(
    connection: RestClient, path: str, params: dict[str, Any], *, headers: Mapping[str, str]
) -> tuple[Response, int | None]:
    """One page, and the page size that the server accepted."""
    size: int | None = params["limit"]
    try:
        return connection.get(f"{REST}/{path}", params=params, headers=headers), size
    except ValidationError as error:
        if error.status == 400 and "q" not in params:
            error.hint = QUERY_HINT
        raise
    except AdaptorError as error:
        allowed = _ABSOLUTE.search(error.message)
        if allowed is None or size is None or not 0 < int(allowed[1]) < size:
            raise
    smaller = int(allowed[1])
    return connection.get(f"{REST}/{path}", params=params | {"limit": smaller}, headers=headers), smaller


def _next_index(body: dict[str, Any], counted: int) -> int | None:
    """Where the next page begins, by the server's own link, or None at the end."""
    link = next_link(body, LinkNext())
    if link is None:
        return None
    try:
        named = httpx.URL(link).params.get("startIndex", "")
    except httpx.InvalidURL:
        named = ""
    return int(named) if named.isdigit() else counted
