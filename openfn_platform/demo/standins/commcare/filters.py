"""Filters and orders of the list APIs: which forms or cases a query means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openfn_platform.demo.standins.commcare.answers import bad
from openfn_platform.demo.standins.commcare.moments import filter_moment
from openfn_platform.demo.standins.store import Record

# Parameters that are no filters.
ABOUT_PAGES = ("limit", "offset", "order_by", "format", "cases__full", "include_archived")
ALIASES = {"type": "case_type", "name": "case_name"}
DATES: Mapping[str, tuple[str, ...]] = {
    "form": ("received_on", "indexed_on", "server_modified_on"),
    "case": ("date_modified", "indexed_on", "server_date_modified"),
}
FIRST = {"form": "-received_on", "case": "server_date_modified"}

Test = Callable[[Record], bool]


def matching(kind: str, records: list[Record], query: Mapping[str, str]) -> list[Record]:
    """The records that a query means, in its order."""
    tests = [_test(kind, name, value) for name, value in query.items() if name not in ABOUT_PAGES]
    if kind == "form" and "include_archived" not in query and "archived" not in query:
        tests.append(lambda form: not form["archived"])
    found = [record for record in records if all(test(record) for test in tests)]
    return _ordered(kind, found, query.get("order_by") or FIRST[kind])


def _test(kind: str, name: str, value: str) -> Test:
    for end in ("_start", "_end"):
        field = name.removesuffix(end)
        if field != name and field in DATES[kind]:
            return _date_test(field, end, value)
    if kind == "form":
        return _form_test(name, value)
    return _case_test(ALIASES.get(name, name), value)


def _date_test(field: str, end: str, value: str) -> Test:
    try:
        limit = filter_moment(value)
    except ValueError as error:
        raise bad(f"Bad query parameter: {error}") from None
    if end == "_start":
        return lambda record: bool(record[field] >= limit)
    return lambda record: bool(record[field] <= limit)


def _form_test(name: str, value: str) -> Test:
    if name == "case_id":
        return lambda form: value in form["case_ids"]
    if name == "archived":
        return lambda form: bool(form["archived"]) is (value.lower() == "true")
    if name == "xmlns":
        return lambda form: bool(form["xmlns"] == value)
    # Whatever else is asked for is compared with the stored form: a misspelt filter finds nothing.
    return lambda form: _same(_at(form, name), value)


def _case_test(name: str, value: str) -> Test:
    if name == "closed":
        return lambda case: case["closed"] is (value.lower() == "true")
    plain = name.removeprefix("properties.")
    return lambda case: _same(case.get(plain) if plain in case else case["properties"].get(plain), value)


def _same(stored: object, asked: str) -> bool:
    return stored is not None and str(stored).lower() == asked.lower()


def _at(record: Mapping[str, Any], path: str) -> object:
    value: object = record
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _ordered(kind: str, records: list[Record], order: str) -> list[Record]:
    field = order.removeprefix("-")
    if field not in DATES[kind]:
        raise bad(f"No matching '{field}' field for ordering on.")
    unique = "id" if kind == "form" else "case_id"
    return sorted(records, key=lambda r: (r[field], r[unique]), reverse=order.startswith("-"))
