"""Pages of a list, newest first: `{"results": […], "next": address or null}`.

Ids sort by time (UUIDv7), so a page begins behind the last id of the one before: rows that arrive meanwhile
move nothing, and page 1,000 costs as much as page 1.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from typing import Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from openfn_platform.common.parameters import BadParameter, whole_number

PAGE = 50
LARGEST = 200
CURSOR = "cursor"
PAGE_SIZE = "page_size"

_CURSOR = re.compile(r"[A-Za-z0-9_-]{22}")


class NewestFirst(BasePagination):
    """By id, descending."""

    names = (CURSOR, PAGE_SIZE)

    def __init__(self) -> None:
        self._next: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        size = page_size(request)
        cursor = request.query_params.get(CURSOR)
        if cursor is not None:
            queryset = queryset.filter(pk__lt=cursor_opened(cursor))
        rows = list(queryset.order_by("-pk")[: size + 1])  # one more tells whether there is a next page
        if len(rows) > size:
            self._next = next_address(request, **{CURSOR: cursor_made(rows[size - 1].pk)})
        return rows[:size]

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        return page_response(data, self._next)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {
                    "type": "string",
                    "format": "uri",
                    "nullable": True,
                    "description": "Address of the next page; null on the last one.",
                },
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": CURSOR,
                "in": "query",
                "required": False,
                "description": "Where the page begins. Do not make one up: follow `next`.",
                "schema": {"type": "string"},
            },
            {
                "name": PAGE_SIZE,
                "in": "query",
                "required": False,
                "description": "How many results at once.",
                "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST, "default": PAGE},
            },
        ]


def page_size(request: Request, *, usual: int = PAGE, largest: int = LARGEST) -> int:
    given = request.query_params.get(PAGE_SIZE)
    return usual if given is None else whole_number(PAGE_SIZE, given, least=1, most=largest)


def page_response(results: Sequence[Any], following: str | None) -> Response:
    return Response({"results": results, "next": following})


def next_address(request: Request, **changed: str) -> str:
    """The address that was asked for, with other parameters."""
    address = request.build_absolute_uri()
    for name, value in changed.items():
        address = replace_query_param(address, name, value)
    return address


def cursor_made(key: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(key.bytes).rstrip(b"=").decode()


def cursor_opened(text: str) -> uuid.UUID:
    try:
        if not _CURSOR.fullmatch(text):
            raise binascii.Error
        return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))
    except binascii.Error:
        raise BadParameter(
            "This cursor is none of ours; follow the address in `next`, or begin without one.", field=CURSOR
        ) from None
