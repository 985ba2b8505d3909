"""Configurable reports: their rows by page and filter."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from openfn_platform.demo.standins.commcare.answers import Refused, bad, json
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

LARGEST_PAGE = 50
UNKNOWN = "Sorry, this request could not be processed. Please try again later."
SEPARATOR = "\x1f"  # between several values of one filter


class Reports:
    """Runs reports."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def one(self, request: Request, domain: str, key: str) -> Answer:
        """GET a page of a report; the last one has an empty `next_page`."""
        report = self._store.get("report", key)
        if report is None:
            raise Refused(json(404, {"error_message": UNKNOWN}))
        limit = _natural(request.query, "limit", LARGEST_PAGE)
        if limit > LARGEST_PAGE:
            raise bad(f"Limit may not exceed {LARGEST_PAGE}.")
        offset = _natural(request.query, "offset", 0)
        rows = [
            row for row in self._store.table("report_row").values() if _matches(report, row, request.query)
        ]
        following = {**request.query, "offset": offset + limit, "limit": limit}
        more = f"{request.path}?{urlencode(following)}" if limit and offset + limit < len(rows) else ""
        columns = [{"header": c["display"], "slug": c["column_id"]} for c in report["columns"]]
        return json(
            200,
            {
                "columns": columns,
                "data": [row["values"] for row in rows[offset : offset + limit]],
                "next_page": more,
                "total_records": len(rows),
            },
        )


def _matches(report: Record, row: Record, query: Mapping[str, str]) -> bool:
    slugs = [each["slug"] for each in report["filters"]]
    wanted = {name: value.split(SEPARATOR) for name, value in query.items() if name in slugs}
    return row["report"] == report["id"] and all(row["values"][n] in wants for n, wants in wanted.items())


def _natural(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not (text.isascii() and text.isdecimal()):
        raise bad(f"Invalid {name} '{text}'.")
    return int(text)
