"""Bulk load and dump: PostgreSQL's COPY over HTTP."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import psycopg

from openfn_platform.demo.standins.carto.errors import JSON_TYPE, Refused, told
from openfn_platform.demo.standins.carto.execution import refusal_of
from openfn_platform.demo.standins.wire import Answer, Request

DEFAULT_FILE = "carto-sql-copyto.dmp"


def copy_from(
    connection: psycopg.Connection[Any], sql: str, request: Request, clock: Callable[[], float]
) -> Answer:
    """All rows of the body or none."""
    data = _unpacked(request)
    try:
        with connection.cursor() as cursor:
            with cursor.copy(sql.encode()) as copy:
                copy.write(data)
            count = cursor.rowcount
    except psycopg.Error as error:
        raise refusal_of(error) from None
    if count < 1:
        raise Refused("No rows copied")
    body = {"time": round(clock(), 3), "total_rows": count}
    return Answer(200, told(body), {"Content-Type": JSON_TYPE, "Vary": "Authorization"})


def copy_to(connection: psycopg.Connection[Any], sql: str, filename: str) -> Answer:
    """The dump as a file."""
    try:
        with connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            data = b"".join(bytes(part) for part in copy)
    except psycopg.Error as error:
        raise refusal_of(error) from None
    disposition = f"attachment; filename={quote(filename, safe='')}"
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": disposition}
    return Answer(200, data, headers)


def _unpacked(request: Request) -> bytes:
    if request.headers.get("content-encoding") != "gzip":
        return request.body
    try:
        return gzip.decompress(request.body)
    except (OSError, EOFError, zlib.error):
        raise Refused("Error while gunzipping: incorrect header check") from None
