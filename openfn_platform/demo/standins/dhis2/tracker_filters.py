"""The conditions of the tracker export: where, when, what state, and values of attributes or data elements."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from openfn_platform.demo.standins.dhis2.dates import first_moment, last_moment, moment_before
from openfn_platform.demo.standins.dhis2.metadata import UNITS, Metadata
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.reports import ApiError
from openfn_platform.demo.standins.store import Record

MODES = ("SELECTED", "CHILDREN", "DESCENDANTS", "ACCESSIBLE", "CAPTURE", "ALL")
Test = Callable[[Record], bool]


def chosen_units(metadata: Metadata, params: Params) -> set[str] | None:
    """The organisation units that are asked for, None for all."""
    units = params.uids("orgUnits", "orgUnit", "ou")
    name = next((n for n in ("orgUnitMode", "ouMode") if n in params), "orgUnitMode")
    mode = params.choice(name, MODES, "SELECTED" if units else "ACCESSIBLE")
    if mode in ("ACCESSIBLE", "CAPTURE", "ALL"):
        if units:
            raise ApiError(
                400, f"{name} {mode} cannot be used with orgUnits. Please remove the orgUnit parameter"
            )
        return None
    if not units:
        raise ApiError(400, f"At least one org unit is required for {name}: {mode}")
    for unit in units:
        if metadata.find(UNITS, unit) is None:
            raise ApiError(400, f"Organisation unit does not exist: {unit}")
    if mode == "DESCENDANTS":
        return set().union(*(metadata.below(unit) for unit in units))
    if mode == "CHILDREN":
        return {*units, *(child["id"] for unit in units for child in metadata.children(unit))}
    return set(units)


def spans(params: Params, names: Mapping[str, str]) -> list[Test]:
    """`occurredAfter`, `occurredBefore` and their like; of `names` the parameter's stem and the property."""
    tests: list[Test] = []
    for stem, name in names.items():
        for end in ("After", "Before", "Within"):
            given = params.get(f"{stem}{end}")
            if given is not None:
                tests.append(_span(f"{stem}{end}", end, given, name))
    return tests


def referring(metadata: Metadata, params: Params, plural: str, parameter: str) -> str | None:
    """The identifier in a parameter, which must be one of something."""
    given = params.get(parameter)
    if given is not None and metadata.find(plural, given) is None:
        label = metadata.kind(plural).label
        raise ApiError(400, f"{label} is specified but does not exist: {given}")
    return given


def value_tests(params: Params, parameter: str, known: Callable[[str], bool], held: str) -> list[Test]:
    """`filter=uid:like:Asha:ne:X,uid2:!null`, as tests of the values that a record holds under a name."""
    tests: list[Test] = []
    for text in params.all(parameter):
        for one in _split(text, ","):
            uid, *rest = _split(one, ":")
            if not known(uid):
                raise ApiError(400, f"{parameter} is invalid: `{uid}` does not exist")
            tests += _value_tests(parameter, uid, rest, held)
    return tests


def _span(parameter: str, end: str, given: str, name: str) -> Test:
    try:
        if end == "Before":
            last = last_moment(given)
            return lambda record: record.get(name) is not None and record[name] <= last
        first = first_moment(given) if end == "After" else moment_before(given)
    except ValueError:
        told = f"Value '{given}' is not valid for parameter {parameter}. It should be a valid ISO-8601 date"
        raise ApiError(400, told) from None
    return lambda record: record.get(name) is not None and record[name] >= first


def _value_tests(parameter: str, uid: str, rest: list[str], held: str) -> list[Test]:
    tests: list[Test] = []
    while rest:
        operator = rest.pop(0).lower()
        if operator in ("null", "!null"):
            wanted = operator == "null"
            tests.append(lambda record, wanted=wanted: (uid in record[held]) is not wanted)  # type: ignore[misc]
            continue
        compare = _OPERATORS.get(operator)
        if compare is None:
            told = f"'{operator}' is not a valid operator. Valid operators are: {', '.join(_OPERATORS)}"
            raise ApiError(400, told)
        if not rest:
            raise ApiError(400, f"Query item or filter is invalid: {parameter}={uid}:{operator}")
        tests.append(_value_test(uid, compare, rest.pop(0), held))
    return tests


def _value_test(uid: str, compare: Callable[[str, str], bool], value: str, held: str) -> Test:
    def test(record: Record) -> bool:
        found = record[held].get(uid)
        return found is not None and compare(found, value)

    return test


def _split(text: str, sign: str) -> list[str]:
    """Split at a sign that is not escaped with `/`; a `:` inside is split later and stays escaped until then."""
    parts = re.split(rf"(?<!/){re.escape(sign)}", text)
    return [re.sub("/([:,/])", r"\1", part) for part in parts] if sign == ":" else parts


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _compared(found: str, value: str) -> int:
    left, right = _number(found), _number(value)
    if left is None or right is None:
        return (found > value) - (found < value)
    return (left > right) - (left < right)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda found, value: found.lower() == value.lower(),
    "ieq": lambda found, value: found.lower() == value.lower(),
    "ne": lambda found, value: found.lower() != value.lower(),
    "neq": lambda found, value: found.lower() != value.lower(),
    "like": lambda found, value: value.lower() in found.lower(),
    "ilike": lambda found, value: value.lower() in found.lower(),
    "sw": lambda found, value: found.lower().startswith(value.lower()),
    "ew": lambda found, value: found.lower().endswith(value.lower()),
    "in": lambda found, value: found.lower() in value.lower().split(";"),
    "gt": lambda found, value: _compared(found, value) > 0,
    "ge": lambda found, value: _compared(found, value) >= 0,
    "lt": lambda found, value: _compared(found, value) < 0,
    "le": lambda found, value: _compared(found, value) <= 0,
}
