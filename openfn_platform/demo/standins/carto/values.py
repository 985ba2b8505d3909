"""PostgreSQL's values as the SQL API writes them in JSON, and what it calls their types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from psycopg.postgres import types

# Types that the client library has no name for.
NAMES = {18: "char", 705: "unknown", 2275: "cstring", 2278: "void"}
# The marks of geometry.sql: lengths of varchar, to which PostgreSQL adds four.
GEOMETRIES = {10485763: 0, 10485762: 4326, 10485761: 3857}
VARCHAR = 1043
LARGEST_PLAIN = 10**21  # from here on JavaScript writes an exponent
INTERVAL = re.compile(r"(-?\d+) (year|mon|day)s?")
CLOCK = re.compile(r"(-?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$")
ARRAY_PART = re.compile(r'\{|\}|,|"((?:[^"\\]|\\.)*)"|([^{},"]+)', re.DOTALL)


def type_name(oid: int) -> str | None:
    """The name of a type, with `_` before that of an array; None for those made later."""
    info = types.get(oid)
    if info is None:
        return NAMES.get(oid)
    return f"_{info.name}" if info.array_oid == oid else info.name


def field(name: str, oid: int, modifier: int) -> dict[str, Any]:
    """What `fields` says of a column."""
    if (srid := geometry_srid(oid, modifier)) is not None:
        return {"type": "geometry", "wkbtype": "Unknown", "dims": 2, "srid": srid}
    named = type_name(oid)
    if named is None:
        return {"type": f"unknown({oid})"}
    return {"type": _general(named) + ("[]" if named.startswith("_") else ""), "pgtype": named}


def geometry_srid(oid: int, modifier: int) -> int | None:
    """The SRID of a column of geometries (0: any), None for other columns."""
    return GEOMETRIES.get(modifier) if oid == VARCHAR else None


def converter(oid: int) -> Callable[[str], Any]:
    """The function that makes JSON of the text of a value."""
    name = type_name(oid) or ""
    if not name.startswith("_"):
        return CONVERTERS.get(name, str)
    return lambda text: array(text, CONVERTERS.get(name[1:], str))


def number(text: str) -> int | float | str:
    """As JavaScript reads and writes it: no more than 15 to 17 digits are right."""
    value = float(text)
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return int(value) if value.is_integer() and abs(value) < LARGEST_PLAIN else value


def date(text: str) -> str:
    """Whole seconds in UTC, also of what has no zone."""
    if text in ("infinity", "-infinity"):
        return text.replace("infinity", "Infinity")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def interval(text: str) -> dict[str, int | float]:
    """Its parts that are not nothing."""
    words = {"year": "years", "mon": "months", "day": "days"}
    parts: dict[str, int | float] = {words[unit]: int(n) for n, unit in INTERVAL.findall(text)}
    if clock := CLOCK.search(text):
        sign = -1 if clock[1] else 1
        for name, value in zip(("hours", "minutes", "seconds"), clock.groups()[1:4], strict=True):
            parts[name] = sign * int(value)
        parts["milliseconds"] = sign * float(f"0.{clock[5] or 0}") * 1000
    return {name: value for name, value in parts.items() if value}


def array(text: str, convert: Callable[[str], Any]) -> list[Any]:
    """`{a,"b,c",NULL,{d}}` as a list; bounds such as `[0:1]=` are dropped."""
    levels: list[list[Any]] = [[]]
    for part in ARRAY_PART.finditer(text[text.index("{") :]):
        if part[0] == "{":
            levels.append([])
        elif part[0] == "}":
            inner = levels.pop()
            levels[-1].append(inner)
        elif part[1] is not None:
            levels[-1].append(convert(re.sub(r"\\(.)", r"\1", part[1], flags=re.DOTALL)))
        elif part[0] != ",":
            levels[-1].append(None if part[0] == "NULL" else convert(part[0]))
    found: list[Any] = levels[0][0]
    return found


def binary(text: str) -> dict[str, Any]:
    """Bytes as a buffer of Node."""
    return {"type": "Buffer", "data": list(bytes.fromhex(text.removeprefix(r"\x")))}


def _general(name: str) -> str:
    """Found by parts of the name, so an `interval` is a number."""
    if "bool" in name:
        return "boolean"
    if re.search("int|float|numeric", name):
        return "number"
    if re.search("text|char|unknown", name):
        return "string"
    return "date" if re.search("date|time", name) else name


CONVERTERS: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: text == "t",
    **dict.fromkeys(("int2", "int4", "int8", "oid", "float4", "float8", "numeric"), number),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), date),
    **dict.fromkeys(("json", "jsonb"), json.loads),
    "interval": interval,
    "bytea": binary,
}
