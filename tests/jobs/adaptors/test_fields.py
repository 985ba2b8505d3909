"""Fields that belong to a choice: shown, needed and kept with it only."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.adaptors.fields import belongs, label_of, needed, needed_where_it_belongs, without_foreign

SCHEMA: dict[str, Any] = {
    "properties": {
        "provider": {"enum": ["one", "two"], "x-labels": {"one": "The first"}},
        "key": {"x-when": {"provider": ["one"]}, "writeOnly": True},
        "from": {"x-when": {"provider": ["one", "two"]}},
        "user": {"x-when": {"provider": ["two"]}},
        "tls": {"type": "boolean"},
        "ca": {"x-when": {"provider": ["two"], "tls": [True]}},
    },
    "required": ["provider"],
    "allOf": [
        {"if": {"properties": {"provider": {"const": "one"}}}, "then": {"required": ["key", "from"]}},
        {
            "if": {"properties": {"provider": {"const": "two"}}, "required": ["provider"]},
            "then": {"required": ["user"]},
        },
    ],
}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"provider": "one"}, {"provider", "key", "from"}),
        ({"provider": "two"}, {"provider", "user"}),
        ({"provider": "three"}, {"provider"}),
    ],
)
def test_what_is_needed_follows_from_the_choice(values, names):
    assert needed(SCHEMA, values) == names


@pytest.mark.parametrize(
    ("name", "marked"),
    [("provider", True), ("key", True), ("user", True), ("from", False), ("tls", False), ("ca", False)],
)
def test_a_field_bears_a_mark_if_every_choice_that_shows_it_needs_it(name, marked):
    assert needed_where_it_belongs(SCHEMA, name) is marked


def test_values_of_another_choice_are_not_kept():
    given = {"provider": "two", "key": "old secret", "from": "a", "user": "b", "tls": False, "ca": "c"}
    assert without_foreign(SCHEMA, given) == {"provider": "two", "from": "a", "user": "b", "tls": False}


def test_a_choice_that_was_not_made_rules_nothing_out():
    assert belongs(SCHEMA["properties"]["key"], {})
    assert without_foreign(SCHEMA, {"key": "x", "other": 1}) == {"key": "x", "other": 1}


def test_people_read_labels_where_there_are_some():
    assert [label_of(SCHEMA, "provider", each) for each in ("one", "two")] == ["The first", "two"]
