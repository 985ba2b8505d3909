"""What a caller asks for: parameters from query or body, and the SQL that pages through a result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from openfn_platform.demo.standins.carto.errors import Refused
from openfn_platform.demo.standins.wire import Request

FORMATS = ("json", "geojson", "csv")
DEFAULT_KEY = "default_public"
SELECT = re.compile(r"\s*SELECT\s", re.IGNORECASE)
WITH = re.compile(r"\s*WITH\s", re.IGNORECASE)
INTO = re.compile(r'\sINTO\s+([^\s]+|"([^"]|"")*")\s*$', re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    """A query as it is asked for."""

    sql: str
    format: str
    skipfields: frozenset[str]
    filename: str
    inline: bool
    digits: int


def body_of(request: Request) -> dict[str, Any]:
    """Fields of a form or of a JSON object; a GET has none."""
    if request.method in ("GET", "HEAD") or not request.body:
        return {}
    if request.content_type != "application/json":
        return dict(request.form)
    try:
        value = request.json()
    except ValueError as error:
        raise Refused(f"Unexpected token in JSON: {error}") from None
    return value if isinstance(value, dict) else {}


def credentials(request: Request, body: Mapping[str, Any]) -> tuple[str | None, str]:
    """User name, when one is given, and key: from the header, the query or the body, in this order."""
    if request.basic_auth is not None:
        return request.basic_auth
    for source in (request.query, body):
        for name in ("api_key", "map_key"):
            if source.get(name):
                return None, str(source[name])
    return None, DEFAULT_KEY


def wish_from(request: Request, body: Mapping[str, Any]) -> Wish:
    """The query and how its result is wanted; the body goes before the query string."""
    given: dict[str, Any] = {**request.query, **body}
    sql = given.get("q")
    if not isinstance(sql, str):
        raise Refused("You must indicate a sql query")
    wanted = str(given.get("format") or "json").lower()
    if wanted not in FORMATS:
        raise Refused(f"Invalid format: {wanted}")
    if re.match(r"\s*set\s", sql, re.IGNORECASE):
        raise Refused("SET command is forbidden", status=403)
    return Wish(
        sql=windowed(sql, given),
        format=wanted,
        skipfields=frozenset(filter(None, str(given.get("skipfields") or "").split(","))),
        filename=_file_name(str(given.get("filename") or "")),
        inline=not given.get("format") and not given.get("filename"),
        digits=_integer(given.get("dp") or 6) or 0,
    )


def copy_sql(given: Mapping[str, Any]) -> str:
    """The statement of a bulk call."""
    sql = given.get("q")
    if not isinstance(sql, str):
        raise Refused("SQL is missing")
    if not sql.upper().startswith("COPY "):
        raise Refused("SQL must start with COPY")
    return sql


def windowed(sql: str, given: Mapping[str, Any]) -> str:
    """The query with order and page around it. A page needs both numbers; what is no SELECT stays as it is."""
    sql = re.sub(r";\s*$", "", sql)
    around = _order(given.get("order_by"), given.get("sort_order"))
    size, page = _integer(given.get("rows_per_page")), _integer(given.get("page"))
    if size is not None and page is not None:
        around += f" LIMIT {size} OFFSET {page * size}"
    if not around:
        return sql
    sql = re.sub(r"--.*(\n|$)", " ", sql)
    common, rest = split_common(sql)
    if SELECT.match(rest) and not INTO.search(rest):
        return f"{common}SELECT * FROM ({rest}) AS cdbq_1{around}"  # noqa: S608  (the caller's own SQL)
    return common + rest


def split_common(sql: str) -> tuple[str, str]:
    """`WITH …` and what follows after it."""
    if not WITH.match(sql):
        return "", sql
    depth, at = 0, 0
    tokens = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()]")
    while found := tokens.search(sql, at):
        at = found.end()
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        # Each of several common tables ends with a parenthesis, then a comma comes.
        if found[0] == ")" and depth == 0 and not re.match(r"\s*(,|AS\b)", sql[at:], re.IGNORECASE):
            return sql[:at], sql[at:]
    return "", sql


def _order(column: Any, direction: Any) -> str:
    if not isinstance(column, str) or not column:
        return ""
    named = str(direction or "").upper()
    return f' ORDER BY "{column}"' + (f" {named}" if named in ("ASC", "DESC") else "")


def _integer(given: Any) -> int | None:
    found = re.match(r"\s*[-+]?\d+", str(given))
    return int(found[0]) if found else None


def _file_name(given: str) -> str:
    return re.sub(r"""[;()\[\]<>'"\s]""", "_", PurePosixPath(given).stem) or "cartodb-query"


def quote_identifier(name: str) -> str:
    """A column by name, whatever is in it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
