"""The JSON Schema of an inbox: what it may be, what it finds, and that it never takes long or says too much."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from openfn_platform.common.errors import Invalid
from triggers.schemas import MOST_PROBLEMS, Schema, SchemaMismatch, TooCostlyToCheck, schema_checked

FORM: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["form"],
    "properties": {
        "form": {
            "type": "object",
            "required": ["id", "name"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string", "pattern": r"^[A-Z]{2}-\d+$"},
                "name": {"type": "string", "minLength": 2},
                "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 120},
                "born": {"format": "date"},
                "sex": {"enum": ["f", "m"]},
                "weight": {"multipleOf": 0.1},
                "visits": {
                    "type": "array",
                    "uniqueItems": True,
                    "maxItems": 2,
                    "items": {"$ref": "#/$defs/visit"},
                },
            },
        }
    },
    "patternProperties": {"^x_": {"type": "number"}},
    "$defs": {"visit": {"type": "object", "required": ["at"], "properties": {"at": {"format": "date-time"}}}},
}
GOOD = {
    "form": {
        "id": "AB-1",
        "name": "Jane",
        "age": 3,
        "weight": 0.3,
        "visits": [{"at": "2026-01-31T08:00:00Z"}],
    }
}


def found(schema: dict[str, Any], body: Any) -> dict[str, str]:
    """Path → sentence."""
    return {problem.path: problem.detail for problem in Schema(schema_checked(schema)).problems(body)}


def of_form(**values: Any) -> dict[str, Any]:
    form: dict[str, Any] = GOOD["form"]
    return {"form": {**form, **values}}


def test_a_message_that_fits_has_no_problems():
    assert found(FORM, GOOD) == {}
    Schema(FORM).check(GOOD)


@pytest.mark.parametrize(
    ("body", "path", "sentence"),
    [
        ([1], "", "must be an object"),
        ({}, "", "has no `form`"),
        ({"form": {}}, "form", "has no `name`"),
        (of_form(id="canary"), "form.id", "must match the pattern"),
        (of_form(name="c"), "form.name", "at least 2 characters"),
        (of_form(age="canary"), "form.age", "must be a whole number or null"),
        (of_form(age=121), "form.age", "at most 120"),
        (of_form(born="2026-02-30"), "form.born", "the format date"),
        (of_form(sex="canary"), "form.sex", 'one of "f", "m"'),
        (of_form(weight=0.35), "form.weight", "multiple of 0.1"),
        (of_form(canary="x"), "form", "1 property that the schema does not know"),
        (of_form(visits=[{"at": "canary"}]), "form.visits[0].at", "the format date-time"),
        (of_form(visits=[{"at": "2026-01-31T08:00:00Z", "n": n} for n in (1, 1.0)]), "form.visits", "twice"),
        ({**GOOD, "x_canary": "canary"}, "*", "must be a number"),
    ],
)
def test_what_does_not_fit_is_told_by_place_and_rule_and_without_values(body: Any, path: str, sentence: str):
    told = found(FORM, body)
    assert sentence in told[path]
    with pytest.raises(SchemaMismatch) as refusal:
        Schema(FORM).check(body)
    said = json.dumps([refusal.value.message, refusal.value.context["errors"]])
    assert "canary" not in said
    assert refusal.value.status == 422


def test_at_most_ten_places_are_told():
    body = {f"x_{n}": "canary" for n in range(50)} | GOOD
    with pytest.raises(SchemaMismatch, match="There is more") as refusal:
        Schema(FORM).check(body)
    errors: Any = refusal.value.context["errors"]
    assert len(errors) == MOST_PROBLEMS


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "x1"]), inner),
    max_leaves=6,
)
_small = st.sampled_from(
    [
        {"type": "object"}, {"type": ["integer", "null"]}, {"minLength": 1}, {"maximum": 3}, {"enum": [1, "a", None]},
        {"const": 1}, {"uniqueItems": True}, {"minItems": 1}, {"required": ["a"]}, {"pattern": "^a"},
        {"propertyNames": {"pattern": "^[ab]"}}, {"additionalProperties": False, "properties": {"a": {}}},
        {"patternProperties": {"^x": {"type": "string"}}, "additionalProperties": {"type": "null"}},
        {"contains": {"type": "null"}}, {"dependentRequired": {"a": ["b"]}}, {"minProperties": 1}, False, True,
    ]
)  # fmt: skip
_schemas = st.recursive(
    _small,
    lambda inner: st.one_of(
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(lambda a, b: {"oneOf": [a, b]}, inner, inner),
        st.builds(lambda a: {"not": a}, inner),
        st.builds(lambda a: {"items": a}, inner),
        st.builds(lambda a: {"properties": {"a": a}}, inner),
        st.builds(lambda a, b: {"if": a, "then": b}, inner, inner),
    ),
    max_leaves=4,
).filter(lambda schema: isinstance(schema, dict))


@given(_schemas, _json)
def test_it_says_yes_exactly_where_the_library_says_yes(schema: dict[str, Any], body: Any):
    problems = Schema(schema_checked(schema)).problems(body)
    assert (not problems) is Draft202012Validator(schema).is_valid(body)
    assert all(problem.detail for problem in problems)


# --- what a schema may be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ([], "must be a JSON object"),
        ({"type": "strin"}, "at `type`"),
        ({"properties": {"a": {"minLength": -1}}}, "at `properties.a.minLength`"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only draft 2020-12"),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "at `properties.a`, back references"),
        ({"patternProperties": {"(": {}}}, "not a regular expression"),
        ({"$ref": "https://example.org/schema.json"}, "nothing is fetched"),
        ({"$ref": "file:///etc/passwd"}, "nothing is fetched"),
        ({"$ref": "#/$defs/nobody"}, "nothing is fetched"),
        ({"$ref": "#nobody"}, "nothing is fetched"),
        ({"enum": [{"pattern": "("}], "$ref": "#/enum/0"}, "nothing is fetched"),
        ({"$defs": {"a/b": {}}, "$ref": "#/$defs/a%2fb"}, "nothing is fetched"),
        ({"$ref": "#"}, "without an end"),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}, "without an end"),
        ({"$dynamicRef": "#a"}, "dynamicRef is not taken"),
        ({"items": {"$id": "https://example.org/x"}}, "only the schema as a whole"),
        ({"unevaluatedProperties": False, "patternProperties": {"a": {}}}, "cannot be used together"),
        ({"description": "x" * 64_000}, "at most 64,000 bytes"),
        ({"const": "\ud800"}, "cannot be stored"),
        ({"const": float("nan")}, "no JSON"),
        (json.loads('{"not":' * 150 + "{}" + "}" * 150), "100 levels"),
    ],
)
def test_a_schema_that_cannot_serve_is_refused_with_the_place(schema: Any, sentence: str):
    with pytest.raises(Invalid, match=sentence.replace("(", r"\(")) as refusal:
        schema_checked(schema)
    assert refusal.value.context["field"] == "schema"


def test_references_inside_one_schema_are_followed():
    tree = {"$id": "https://example.org/tree", "type": "object", "properties": {"child": {"$ref": "#"}, "n": {"$ref": "#n"}},
            "$defs": {"n": {"$anchor": "n", "type": "number"}}}  # fmt: skip
    assert found(tree, {"child": {"child": {"n": 1}}}) == {}
    assert found(tree, {"child": {"child": {"n": "1"}}}) == {"child.child.n": "must be a number"}


# --- what it costs ----------------------------------------------------------------------------------


def test_a_schema_that_doubles_at_each_step_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("triggers.schemas.SECONDS", 0.2)
    doubling = {f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(30)}
    schema = schema_checked({"$ref": "#/$defs/n0", "$defs": {**doubling, "n30": {}}})
    began = time.monotonic()
    with pytest.raises(TooCostlyToCheck):
        Schema(schema).check({})
    assert time.monotonic() - began < 2


def test_a_message_as_deep_as_an_inbox_takes_is_checked_or_refused_and_breaks_nothing():
    def deep(levels: int) -> Any:
        return {"child": deep(levels - 1)} if levels else {}

    schema = Schema(schema_checked({"properties": {"child": {"$ref": "#"}}, "allOf": [{"type": "object"}]}))
    schema.check(deep(30))
    for levels in (60, 99):
        with suppress(TooCostlyToCheck):
            schema.check(deep(levels))


def test_huge_numbers_break_nothing():
    schema = Schema(schema_checked({"properties": {"n": {"multipleOf": 0.01, "minimum": 1e300}}}))
    assert schema.problems({"n": 10**4000}) == []
    assert {problem.path for problem in schema.problems({"n": -(10**4000)})} == {"n"}
