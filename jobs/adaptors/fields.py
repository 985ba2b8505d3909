"""What a credential's schema says about its fields besides JSON Schema: which belong to which choice, how they look.

    "x-when": {"provider": ["twilio"]}     the field belongs to these choices of another field; several names: all of them
    "x-labels": {"twilio": "Twilio"}       what people read instead of the values of an `enum`
    "x-lines": 3                           several lines: certificates, private keys

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]
When = dict[str, tuple[Any, ...]]


def when_of(rule: Schema) -> When:
    """The choices that a field belongs to: name of the other field -> its values. Empty: it belongs to all."""
    return {name: tuple(values) for name, values in (rule.get("x-when") or {}).items()}


def belongs(rule: Schema, values: Mapping[str, Any]) -> bool:
    """Whether a field belongs to what was chosen. A choice that was not made yet rules nothing out."""
    return all(
        values.get(name) in (None, "") or values[name] in allowed for name, allowed in when_of(rule).items()
    )


def without_foreign(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that belong to another choice: a password of the last provider is not kept."""
    fields = schema.get("properties", {})
    return {name: value for name, value in values.items() if belongs(fields.get(name, {}), values)}


def needed(schema: Schema, values: Mapping[str, Any]) -> frozenset[str]:
    """Names of the fields without which these values are not complete, by `required` and the branches of `if`."""
    found = set(schema.get("required", ()))
    for rule in _conditional(schema):
        holds = Draft202012Validator(rule["if"]).is_valid(dict(values))
        found |= set(rule.get("then" if holds else "else", {}).get("required", ()))
    return frozenset(found)


def needed_where_it_belongs(schema: Schema, name: str) -> bool:
    """Whether a field must be filled in wherever it is shown: what the mark beside its label says."""
    choices = when_of(schema.get("properties", {}).get(name, {}))
    if not choices:
        return name in schema.get("required", ())
    chosen, allowed = next(iter(choices.items()))
    return all(name in needed(schema, {chosen: value}) for value in allowed)


def label_of(schema: Schema, name: str, value: Any) -> str:
    """What people read instead of a value."""
    return str(schema.get("properties", {}).get(name, {}).get("x-labels", {}).get(value, value))


def _conditional(schema: Schema) -> Iterator[Schema]:
    for rule in (schema, *schema.get("allOf", ())):
        if "if" in rule:
            yield rule
