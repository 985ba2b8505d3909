"""The list of case API v2: strict filters, pages by cursor, chosen fields."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from openfn_platform.demo.standins.commcare.answers import bad
from openfn_platform.demo.standins.commcare.moments import any_moment
from openfn_platform.demo.standins.store import Record

DEFAULT_PAGE, LARGEST_PAGE = 20, 5000
EXACT = ("case_type", "case_name", "external_id", "owner_id")
DATES = {
    "last_modified": "date_modified",
    "server_last_modified": "server_date_modified",
    "indexed_on": "indexed_on",
    "date_opened": "date_opened",
    "date_closed": "date_closed",
}
COMPARED: dict[str, Callable[[str, str], bool]] = {
    "gt": lambda stored, asked: stored > asked,
    "gte": lambda stored, asked: stored >= asked,
    "lt": lambda stored, asked: stored < asked,
    "lte": lambda stored, asked: stored <= asked,
}
NO = ("", "false", "f", "no", "n", "0")

Pairs = list[tuple[str, str]]
Test = Callable[[Record], bool]


def page_of(cases: Iterable[Record], query_string: str) -> tuple[int, list[Record], str | None, Pairs]:
    """How many match, this page, the cursor of the next one, and the query that counts.

    A cursor holds the whole query and the last case that was shown; what else is asked beside it is ignored.
    """
    pairs = parse_qsl(query_string, keep_blank_values=True)
    after = ("", "")
    cursor = dict(pairs).get("cursor")
    if cursor is not None:
        pairs, after = _opened(cursor)
    limit = _limit(pairs)
    tests = _tests(pairs)
    found = [case for case in cases if all(test(case) for test in tests)]
    rest = sorted((case for case in found if _place(case) > after), key=_place)
    shown = rest[:limit]
    more = _closed(pairs, _place(shown[-1])) if len(rest) > limit else None
    return len(found), shown, more, pairs


def chosen(pairs: Pairs) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What `fields` or `exclude` leave of a case."""
    kept, dropped = _paths(pairs, "fields"), _paths(pairs, "exclude")
    if kept and dropped:
        raise bad("You cannot specify both 'fields' and 'exclude'.")
    if kept:
        return lambda case: _kept(case, kept)
    return lambda case: _without(case, dropped)


def _place(case: Record) -> tuple[str, str]:
    return case["indexed_on"], case["case_id"]


def _limit(pairs: Pairs) -> int:
    text = dict(pairs).get("limit", str(DEFAULT_PAGE))
    if not (text.isascii() and text.isdecimal()) or not int(text):
        raise bad(f"'{text}' is not a valid value for 'limit'")
    if int(text) > LARGEST_PAGE:
        raise bad(f"You cannot request more than {LARGEST_PAGE} cases per request.")
    return int(text)


def _tests(pairs: Pairs) -> list[Test]:
    """One test per name; a repeated name means either value."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in ("limit", "include_deprecated") and name.partition(".")[0] not in (
            "fields",
            "exclude",
        ):
            values.setdefault(name, []).append(value)
    return [_either([_test(name, value) for value in each]) for name, each in values.items()]


def _either(tests: list[Test]) -> Test:
    return lambda case: any(test(case) for test in tests)


def _test(name: str, value: str) -> Test:
    group, _, key = name.partition(".")
    if name in EXACT:
        return lambda case: bool(case[name] == value)
    if name == "closed":
        return lambda case: case["closed"] is (value.lower() not in NO)
    if group == "properties" and key:
        return lambda case: bool(case["properties"].get(key, "") == value)
    if group == "indices" and key:
        return lambda case: bool(case["indices"].get(key, {}).get("case_id") == value)
    if group in DATES and key in COMPARED:
        return _date_test(DATES[group], COMPARED[key], value)
    raise bad(f"'{name}' is not a valid parameter.")


def _date_test(field: str, compared: Callable[[str, str], bool], value: str) -> Test:
    try:
        asked = any_moment(value)
    except ValueError:
        raise bad(f"Cannot parse datetime '{value}'") from None
    return lambda case: case[field] is not None and compared(case[field], asked)


def _closed(pairs: Pairs, last: tuple[str, str]) -> str:
    text = urlencode([*pairs, ("indexed_on", last[0]), ("last_case_id", last[1])])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _opened(cursor: str) -> tuple[Pairs, tuple[str, str]]:
    try:
        pairs = parse_qsl(base64.b64decode(cursor, b"-_", validate=True).decode(), keep_blank_values=True)
        (*query, (one, moment), (two, case_id)) = pairs
    except (binascii.Error, ValueError):
        raise bad("The cursor is not valid.") from None
    if (one, two) != ("indexed_on", "last_case_id"):
        raise bad("The cursor is not valid.")
    return query, (moment, case_id)


def _paths(pairs: Pairs, kind: str) -> list[list[str]]:
    """`fields=a,b.c&fields.d=e` as paths."""
    found = []
    for name, value in pairs:
        group, _, parent = name.partition(".")
        if group == kind:
            found += [[*([parent] if parent else []), *part.split(".")] for part in value.split(",") if part]
    return found


def _kept(case: dict[str, Any], paths: list[list[str]]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for head, *rest in paths:
        if head not in case:
            continue
        if rest and isinstance(case[head], dict):
            wanted.setdefault(head, {}).update(_kept(case[head], [rest]))
        else:
            wanted[head] = case[head]
    return wanted


def _without(case: dict[str, Any], paths: list[list[str]]) -> dict[str, Any]:
    left = dict(case)
    for head, *rest in paths:
        if not rest:
            left.pop(head, None)
        elif isinstance(left.get(head), dict):
            left[head] = _without(left[head], [rest])
    return left
