"""Whether an object of metadata can be read at all: texts where texts belong, references where references belong.

The real server fails to parse anything else and answers 400 before it looks at rules.
"""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.dhis2.catalogue import KINDS, REFERENCES
from openfn_platform.demo.standins.dhis2.reports import ApiError

_SINGLE = {"parent", *(kind.singular for kind in KINDS.values())}
_TEXTS = (
    "id", "code", "name", "shortName", "description", "valueType", "domainType", "aggregationType",
    "periodType", "programType", "openingDate", "featureType", "validationStrategy", "fromToName",
)  # fmt: skip
_NUMBERS = ("level", "sortOrder", "openFuturePeriods")
_OBJECTS = ("geometry", "fromConstraint", "toConstraint")
_LISTS = {  # of objects that hold a reference
    "dataSetElements": "dataElement",
    "programStageDataElements": "dataElement",
    "trackedEntityTypeAttributes": "trackedEntityAttribute",
    "programTrackedEntityAttributes": "trackedEntityAttribute",
}


def well_shaped(values: dict[str, Any]) -> dict[str, Any]:
    """The object, or 400 with the name of what cannot be read."""
    for name, value in values.items():
        if value is None:
            continue
        if name in _SINGLE:
            _expect(_is_reference(value), name, "an object with an id")
        elif name in REFERENCES:
            listed = isinstance(value, list) and all(_is_reference(one) for one in value)
            _expect(listed, name, "a list of objects with ids")
        elif name in _LISTS:
            fits = isinstance(value, list) and all(_holds(one, _LISTS[name]) for one in value)
            _expect(fits, name, f"a list of objects with a {_LISTS[name]}")
        elif name in _TEXTS:
            _expect(isinstance(value, str), name, "a text")
        elif name in _NUMBERS:
            _expect(isinstance(value, int), name, "a number")
        elif name in _OBJECTS:
            _expect(isinstance(value, dict), name, "an object")
    return values


def _is_reference(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)


def _holds(value: object, name: str) -> bool:
    return isinstance(value, dict) and _is_reference(value.get(name))


def _expect(true: bool, name: str, what: str) -> None:
    if not true:
        raise ApiError(400, f"Unexpected input: property `{name}` should be {what}")
