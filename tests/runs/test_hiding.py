"""Secrets are masked in whatever other programs make of them; everything else stays as it was."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.language.contract import Connection
from runs.hiding import secrets_of
from runs.sandbox.redaction import Redactor

Form = Callable[[str], str]
FORMS: dict[str, Form] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON, letters as they are": lambda text: json.dumps(text, ensure_ascii=False),
    "Python": repr,
    "Python, in a list": lambda text: repr([text]),
    "URL": quote,
    "URL, all": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "XML": escape,
    "HTML": html.escape,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
# Begins and ends with what no form changes, so that its traces are easy to find.
SECRETS = st.text(st.characters(codec="utf-8"), max_size=10).map(lambda text: f"Kanari{text}iranaK")


@given(secret=SECRETS, inner=st.sampled_from(sorted(FORMS)), outer=st.sampled_from(sorted(FORMS)))
@example(secret="Kanari\"\\&<'/%+ü iranaK", inner="JSON", outer="HTML")
def test_a_secret_is_masked_in_every_form_inside_every_other(secret: str, inner: str, outer: str) -> None:
    written = FORMS[outer](FORMS[inner](secret))
    assert "Kanari" not in Redactor({"password": secret})(written)


@given(
    secret=st.text(min_size=4).filter(lambda text: len(text.strip()) >= 4),
    value=JSON,
    form=st.sampled_from(sorted(FORMS)),
)
@example(secret='ab"c', value={"x": 'ab"', "y": 'ab"c'}, form="JSON")
@example(secret="nairobi", value="\nairobi", form="plain")
@example(secret="q\\qq", value='q\\qq\\"', form="plain")
def test_a_masked_state_is_still_json_and_has_no_secret(secret: str, value: object, form: str) -> None:
    state = {"data": value, "secret": FORMS[form](secret), secret: 1}
    raw = json.dumps(state, ensure_ascii=False).encode("utf-8", "surrogatepass")
    masked = json.loads(Redactor({"password": secret}).data(raw))
    if secret.strip() not in "***":
        assert secret.strip() not in masked["secret"] or len(secret.strip()) < 8
        assert secret not in masked


@pytest.mark.parametrize(
    ("state", "masked"),
    [
        ({"year": 2024}, {"year": "***"}),
        (
            {"phone": "+22820249999", "n": 12024, "x": 2024.5},
            {"phone": "+22820249999", "n": 12024, "x": 2024.5},
        ),
        ({"said": "the PIN is 2024."}, {"said": "the PIN is ***."}),
        ({"text": "a\\2024"}, {"text": "a\\***"}),
    ],
)
def test_a_short_number_is_masked_as_a_value_and_not_as_a_part_of_one(
    state: dict[str, object], masked: dict[str, object]
) -> None:
    redact = Redactor({"pin": 2024})
    assert json.loads(redact.data(json.dumps(state).encode())) == masked


def test_only_what_the_adaptor_marks_as_secret_is_hidden() -> None:
    connection = Connection(
        alias="emr",
        adaptor="openmrs",
        configuration={
            "instanceUrl": "https://emr.example.org/openmrs",
            "username": "registration",
            "password": "district-9",
        },
    )
    redact = Redactor([secrets_of(connection)])
    told = "registration at https://emr.example.org/openmrs with district-9"
    assert redact(told) == "registration at https://emr.example.org/openmrs with ***"
    header = base64.b64encode(b"registration:district-9").decode()
    assert redact(f"Authorization: Basic {header}") == "Authorization: Basic ***"


def test_headers_of_a_credential_are_hidden_but_for_the_harmless_ones() -> None:
    configuration = {
        "baseUrl": "https://x.example",
        "headers": {"Accept": "application/json", "X-Tenant": "t-4711-z"},
    }
    redact = Redactor([secrets_of(Connection(alias="x", adaptor="http", configuration=configuration))])
    assert redact("application/json for t-4711-z") == "application/json for ***"


def test_of_an_adaptor_that_nobody_knows_everything_is_hidden() -> None:
    connection = Connection(alias="x", adaptor="gone", configuration={"place": "somewhere"})
    assert Redactor([secrets_of(connection)])("it is somewhere") == "it is ***"


@pytest.mark.parametrize("text", ["\\" * 200_000, "&amp;" * 50_000, "%25" * 80_000, "Kanari" * 40_000])
def test_no_text_takes_long_to_look_through(text: str) -> None:
    redact = Redactor({"password": "Kanari\"\\&<'/%+ü iranaK", "other": '"\\"\\"\\'})
    assert redact.data(text.encode()) == text.encode()
    assert redact(text) == text
