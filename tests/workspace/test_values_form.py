"""The form that is made from a schema: choices and what belongs to them, secrets, lines, labels, marks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.spec import AdaptorSpec, address, credential, secret, text
from jobs.admin.values import TYPED, ValuesForm
from jobs.attempts import Parked
from jobs.credentials import Visible

SECRET = "canary-77 <\"'>"
SCHEMA: dict[str, Any] = {
    **credential(
        {
            "provider": text(
                "Provider", enum=["one", "two"], labels={"one": "The First", "two": "The Second"}
            ),
            "token": secret("Token", when={"provider": ["one"]}),
            "user": text("User", when={"provider": ["two"]}),
            "key": secret("Private key", lines=5, when={"provider": ["two"]}),
            "url": address("Address", "Where it is.", example="https://a.example"),
            "port": {"type": "integer", "title": "Port", "minimum": 1, "maximum": 65535, "default": 587},
            "tls": {"type": "boolean", "title": "Encrypted", "default": True},
            "regions": {"type": "array", "title": "Regions", "items": {"type": "string"}},
        },
        required=("provider", "url"),
    ),
    "allOf": [
        {"if": {"properties": {"provider": {"const": "one"}}}, "then": {"required": ["token"]}},
        {"if": {"properties": {"provider": {"const": "two"}}}, "then": {"required": ["user", "key"]}},
    ],
}
SPEC = AdaptorSpec(name="x", title="X", summary="X.", schema=SCHEMA, client=lambda *_: None)


def form(data: dict[str, str] | None = None, **given: Any) -> ValuesForm:
    named = None if data is None else {f"value_{name}": value for name, value in data.items()}
    return ValuesForm(named, spec=SPEC, **given)


def drawn(made: ValuesForm, name: str) -> str:
    return str(made[f"value_{name}"])


def test_fields_of_a_choice_stand_together_under_its_name() -> None:
    groups = [(group.title, [each.name for each in group.fields]) for group in form().groups()]
    assert groups == [
        ("", ["value_provider"]),
        ("The First", ["value_token"]),
        ("The Second", ["value_user", "value_key"]),
        ("", ["value_url", "value_port", "value_tls", "value_regions"]),
    ]


def test_the_page_is_told_when_a_group_is_to_be_seen() -> None:
    whens = [json.loads(group.when) for group in form().groups() if group.when]
    assert whens == [{"value_provider": ["one"]}, {"value_provider": ["two"]}]


def test_what_must_be_filled_in_where_it_is_shown_bears_a_mark() -> None:
    marked = [field.name for group in form().groups() for field in group.fields if field.field.required]
    assert marked == ["value_provider", "value_token", "value_user", "value_key", "value_url"]


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ({}, {"provider", "url"}),
        ({"provider": "one", "url": "https://a.example"}, {"token"}),
        ({"provider": "two", "url": "https://a.example", "token": "x"}, {"user", "key"}),
        ({"provider": "one", "url": "https://a.example", "token": "x", "user": ""}, set()),
    ],
)
def test_only_what_belongs_to_the_choice_is_asked_for(given: dict[str, str], lacking: set[str]) -> None:
    made = form(given)
    made.is_valid()
    assert {name.removeprefix("value_") for name in made.errors} == lacking


def test_a_stored_secret_or_one_typed_a_moment_ago_is_not_asked_for() -> None:
    given = {"provider": "one", "url": "https://a.example"}
    assert form(given, shown=Visible(values={}, secrets_set=("token",))).is_valid()
    parked = form(given, parked=Parked(id="1", values={"token": SECRET}))
    assert parked.is_valid()
    assert parked.values()["token"] == SECRET
    assert TYPED in drawn(parked, "token")


def test_what_is_typed_now_wins_over_what_was_typed_before() -> None:
    made = form(
        {"provider": "one", "url": "https://a.example", "token": "new"},
        parked=Parked(id="1", values={"token": SECRET}),
    )
    assert made.is_valid()
    assert made.values()["token"] == "new"


def test_no_secret_is_ever_written_into_the_page() -> None:
    given = {"provider": "two", "token": SECRET, "key": f"line\n{SECRET}", "url": "nonsense"}
    made = form(given, parked=Parked(id="1", values={"token": SECRET, "key": SECRET}))
    made.is_valid()
    assert "canary" not in "".join(str(field) for group in made.groups() for field in group.fields)


def test_labels_lines_examples_and_defaults_come_from_the_schema() -> None:
    made = form()
    assert '<option value="one">The First</option>' in drawn(made, "provider")
    assert 'rows="5"' in drawn(made, "key")
    assert 'placeholder="https://a.example"' in drawn(made, "url")
    assert 'value="587"' in drawn(made, "port")
    assert "checked" in drawn(made, "tls")


def test_numbers_lists_and_switches_are_what_the_schema_says() -> None:
    made = form(
        {
            "provider": "one",
            "url": "https://a.example",
            "token": "x",
            "port": "25",
            "regions": "a\r\n\r\n b \n",
        }
    )
    assert made.is_valid()
    values = made.values()
    assert (values["port"], values["tls"], values["regions"]) == (25, False, ["a", "b"])
    assert not form({"provider": "one", "url": "https://a.example", "token": "x", "port": "70000"}).is_valid()


def test_what_a_verb_says_stands_at_the_fields_that_it_names() -> None:
    made = form({"provider": "one", "url": "https://a.example", "token": "x"})
    made.is_valid()
    made.refuse("no", "url", {"url": "no address", "nowhere": "something else"})
    assert made.errors["value_url"] == ["no address"]
    assert made.non_field_errors() == ["something else"]


@pytest.mark.parametrize("name", registry.names())
def test_every_adaptor_has_a_form_that_can_be_drawn(name: str) -> None:
    made = ValuesForm(spec=registry.spec(name))
    fields = [field for group in made.groups() for field in group.fields]
    assert len(fields) == len(registry.spec(name).schema["properties"])
    assert all(str(field) for field in fields)
