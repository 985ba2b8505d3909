"""States as JSON."""

import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.language.encoding import decode, encode
from jobs.language.errors import NotJSON

# Two lone surrogates side by side are one character in JSON's own escapes.
characters = st.characters(codec="utf-8") | st.sampled_from("\x00\x1f\u2028\ud800")
texts = st.text(characters, max_size=8).filter(lambda text: "\ud800" not in text[:-1])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_what_json_can_hold_comes_back_unchanged(document):
    assert decode(encode(document)) == document


@given(documents)
def test_the_bytes_are_compact_utf_8_that_other_readers_accept(document):
    body = encode(document)
    assert json.loads(body.decode("utf-8")) == document
    assert len(body) <= len(json.dumps(document, separators=(",", ":")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(2026, 3, 1, 23, 5, tzinfo=dt.UTC), '"2026-03-01T23:05:00+00:00"'),
        (dt.date(2026, 3, 1), '"2026-03-01"'),
        (dt.time(7, 30), '"07:30:00"'),
        (Decimal("1.10"), "1.10"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (Decimal("1E+3"), "1E+3"),
        ((1, 2), "[1,2]"),
        ({3, 1, 2}, "[1,2,3]"),
        (frozenset({"a"}), '["a"]'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        ({2: 1, None: 2, False: 3, 1.5: 4}, '{"2":1,"null":2,"false":3,"1.5":4}'),
        ("\x00 \ud800 é", '"\\u0000 \\ud800 é"'),
    ],
)
def test_python_values_have_one_json_form(value, text):
    assert encode(value).decode() == text


def test_a_mark_of_an_exact_number_cannot_be_forged_by_text():
    assert json.loads(encode({"n": Decimal("1.5"), "text": "decimal-0000:1.5"})) == {
        "n": 1.5,
        "text": "decimal-0000:1.5",
    }


def test_an_answer_of_an_adaptor_is_stored_as_it_says_itself():
    class Answer:
        def to_json(self) -> Mapping[str, object]:
            return {"status": 200, "at": dt.date(2026, 1, 1)}

    assert encode({"answer": Answer()}) == b'{"answer":{"status":200,"at":"2026-01-01"}}'


class Thing:
    pass


def _cycle():
    rows: list[object] = [1]
    rows.append({"again": rows})
    return {"rows": rows}


def _deep(levels):
    value: object = 1
    for _ in range(levels):
        value = [value]
    return {"deep": value}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            {"data": [0, {"weight": float("nan")}]},
            "`state.data[1].weight` is NaN, which JSON has no number for.",
        ),
        ({"a": -float("inf")}, "`state.a` is Infinity, which JSON has no number for."),
        ({"a": Decimal("NaN")}, "`state.a` is NaN, which JSON has no number for."),
        ({"a": Decimal("sNaN")}, "`state.a` is NaN, which JSON has no number for."),
        ({"file": b"secret"}, "`state.file` is bytes, which JSON cannot hold."),
        ({"with space": {"x": Thing()}}, '`state["with space"].x` is a Thing, which JSON cannot hold.'),
        ({"a": {(1, 2): 3}}, "`state.a` has a tuple as a key; JSON keys are text, so write str(key)."),
        (
            {"a": {dt.date(2026, 1, 1): 3}},
            "`state.a` has a date as a key; JSON keys are text, so write str(key).",
        ),
        ({"a": {float("nan"): 3}}, "`state.a` has NaN or Infinity as a key."),
        ({"a": {"x": {1, b"y"}}}, None),
        (_cycle(), "`state.rows[1].again` contains itself."),
        (_deep(20_000), None),
        ({"n": 10**5000}, "`state.n` is a whole number with more than 4,300 digits."),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_path(value, sentence):
    with pytest.raises(NotJSON) as refused:
        encode(value)
    if sentence is not None:
        assert str(refused.value) == sentence
    assert "secret" not in str(refused.value)


def test_too_deep_nesting_is_refused_in_a_sentence_with_a_short_path():
    with pytest.raises(NotJSON, match="nested more than 900 levels deep") as refused:
        encode(_deep(20_000))
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[" * 100_000, "nested more than"),
        (b"{", "not JSON"),
        (b"\xff\xfe{", "not"),
        (b'{"a": NaN}', "holds NaN"),
        (b"9" * 5000, "4,300 digits"),
    ],
)
def test_an_input_that_is_no_json_is_refused_in_a_sentence(body, sentence):
    with pytest.raises(NotJSON, match=sentence):
        decode(body)


def test_whole_numbers_keep_every_digit():
    assert decode(b"123456789012345678901234567890") == 123456789012345678901234567890
