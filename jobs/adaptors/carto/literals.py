"""Values and names as PostgreSQL reads them: the SQL API has no parameters, so everything is spelled out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from jobs.adaptors.errors import ValidationError

GEOMETRIES = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)
LONGEST_NAME = 63


def identifier(name: str) -> str:
    """A table or column name; `schema.table` becomes two."""
    parts = str(name).split(".")
    if not name or any(not part or "\0" in part or len(part.encode()) > LONGEST_NAME for part in parts):
        raise ValidationError(f"{name!r} is not usable as a name of a table or column.", sent=False)
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(value: Any, *, where: str = "a value") -> str:
    """A value: text is quoted, a GeoJSON geometry becomes one, other objects and lists become JSON text."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return _number(value, where)
    if isinstance(value, Mapping) and value.get("type") in GEOMETRIES:
        return f"ST_SetSRID(ST_GeomFromGeoJSON({literal(_json(value, where))}),4326)"
    if isinstance(value, (Mapping, list, tuple)):
        return literal(_json(value, where))
    if isinstance(value, (date, time)):
        return literal(value.isoformat())
    if isinstance(value, (str, UUID)):
        return _quoted(str(value), where)
    raise ValidationError(
        f"{where} is of type {type(value).__name__}, which a table cannot hold.", sent=False
    )


def bound(query: str, values: Sequence[Any] | Mapping[str, Any] | None) -> str:
    """A query with `%s` or `%(name)s` replaced by literals; `%%` is a per cent sign. Without values it stays."""
    if values is None:
        return query
    rest = list(values) if not isinstance(values, Mapping) else []

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found[1] is not None:
            if not isinstance(values, Mapping) or found[1] not in values:
                raise ValidationError(f"The query needs a value named {found[1]}.", sent=False)
            return literal(values[found[1]], where=found[1])
        if not rest:
            raise ValidationError("The query has more %s than there are values.", sent=False)
        return literal(rest.pop(0))

    text = re.sub(r"%%|%\((\w+)\)s|%s", replaced, query)
    if rest:
        raise ValidationError("There are more values than %s in the query.", sent=False)
    return text


def columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every key that occurs, in order of appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _json(value: Any, where: str) -> str:
    try:
        return json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValidationError(
            f"{where} holds NaN, an infinite number, or itself, which a table cannot hold.", sent=False
        ) from None


def _number(value: float | Decimal, where: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationError(f"{where} is {value}, which a table cannot hold.", sent=False)
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValidationError(f"{where} is {value}, which a table cannot hold.", sent=False)
    return str(value)


def _quoted(text: str, where: str) -> str:
    if "\0" in text:
        raise ValidationError(f"{where} holds a NUL character, which PostgreSQL does not store.", sent=False)
    doubled = text.replace("'", "''")
    # E'' reads backslashes the same way whatever the server's setting is.
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in text else f"'{doubled}'"
