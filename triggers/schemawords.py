"""What a schema's keyword asks for, in words. They quote the schema and never the message. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jsonschema.exceptions import ValidationError

LONGEST = 100

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_SIMPLE = {
    "uniqueItems": "has an entry twice",
    "anyOf": "is none of the things that it may be",
    "not": "is something that it may not be",
    "contains": "has not as many entries of one kind as it must have",
    "dependentRequired": "has a property without another one that must stand beside it",
    "unevaluatedProperties": "has a property that is not known",
    "unevaluatedItems": "has an entry too many",
    "items": "has an entry too many",
    "oneOf": "is not exactly one of the things that it may be",
}
_OF_VALUE: dict[str, Callable[[Any], str]] = {
    "type": lambda kinds: "must be " + " or ".join(_TYPES[kind] for kind in _listed(kinds)),
    "enum": lambda values: f"must be one of {_shown(values)}",
    "const": lambda value: f"must be {_shown(value)}",
    "minimum": lambda limit: f"must be at least {_shown(limit)}",
    "maximum": lambda limit: f"must be at most {_shown(limit)}",
    "exclusiveMinimum": lambda limit: f"must be more than {_shown(limit)}",
    "exclusiveMaximum": lambda limit: f"must be less than {_shown(limit)}",
    "multipleOf": lambda step: f"must be a multiple of {_shown(step)}",
    "minLength": lambda count: f"must have at least {count} characters",
    "maxLength": lambda count: f"must have at most {count} characters",
    "pattern": lambda source: f"must match the pattern {_cut(source)}",
    "format": lambda name: f"must have the format {_cut(name)}",
    "minItems": lambda count: f"must have at least {count} entries",
    "maxItems": lambda count: f"must have at most {count} entries",
    "minProperties": lambda count: f"must have at least {count} properties",
    "maxProperties": lambda count: f"must have at most {count} properties",
}


def sentence(error: ValidationError) -> str:
    """Without subject and full stop, to be put after the place."""
    said = _about_value(error)
    if "propertyNames" in error.absolute_schema_path:
        return f"has a property whose name {said}"
    return said


def _about_value(error: ValidationError) -> str:
    keyword = str(error.validator)
    if keyword == "required":
        return f"has no `{_cut(error.message)}`, which it must have"
    if keyword == "additionalProperties":
        count = error.message
        return f"has {count} {'property' if count == '1' else 'properties'} that the schema does not know"
    if keyword in _OF_VALUE:
        return _OF_VALUE[keyword](error.validator_value)
    return _SIMPLE.get(keyword, "may not be there")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return _cut(", ".join(json.dumps(each, ensure_ascii=False) for each in value))
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
