"""Lists by cursor, newest first: pages go on from a record, so that what changes meanwhile repeats nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

from openfn_platform.demo.standins.rapidpro.values import detail
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request


def page(request: Request, rows: list[Record], size: int, show: Callable[[Record], dict[str, Any]]) -> Answer:
    """The page that the request asks for."""
    rows = sorted(rows, key=lambda row: row["serial"], reverse=True)
    position, back = _position(request)
    if position is None:
        shown = rows[:size]
    elif back:
        shown = [row for row in rows if row["serial"] > position][-size:]
    else:
        shown = [row for row in rows if row["serial"] < position][:size]
    further = bool(shown) and shown[-1]["serial"] > rows[-1]["serial"]
    earlier = bool(shown) and shown[0]["serial"] < rows[0]["serial"]
    answer = {
        "next": _url(request, f"p={shown[-1]['serial']}") if further else None,
        "previous": _url(request, f"r=1&p={shown[0]['serial']}") if earlier else None,
        "results": [show(row) for row in shown],
    }
    return Answer.json(200, answer, Content_Type="application/json")


def _position(request: Request) -> tuple[int | None, bool]:
    """The serial number to go on from, and whether backwards."""
    cursor = request.query.get("cursor")
    if not cursor:
        return None, False
    try:
        fields = parse_qs(base64.b64decode(cursor, validate=True).decode())
        return int(fields["p"][0]), "r" in fields
    except (binascii.Error, UnicodeDecodeError, KeyError, ValueError):
        raise detail(404, "Invalid cursor") from None


def _url(request: Request, position: str) -> str:
    query = {**request.query, "cursor": base64.b64encode(position.encode()).decode()}
    return f"{request.origin}{request.path}?{urlencode(query)}"
