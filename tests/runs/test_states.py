"""States as bytes: what goes in comes out, and a failure's initial state is spliced without being decoded."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openfn_platform.common.errors import Invalid
from runs.models import StateKind
from runs.states import (
    COMPRESS_FROM,
    checked_object,
    encode,
    packed,
    state_build,
    state_chunks,
    unpacked,
    with_error,
    with_memory,
)

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)  # NUL and lone surrogates, too
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
    | st.sampled_from(["error", '"error":', "}", '\\"error\\"']),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT | st.just("error"), inner, max_size=4)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(ANY_TEXT | st.sampled_from(["error", "data", "error ", "Error"]), JSON, max_size=5)
BLANKS = st.text(" \t\r\n", max_size=3)


@given(initial=OBJECTS, error=JSON, before=BLANKS, after=BLANKS, indent=st.none() | st.integers(0, 2))
@example(initial={}, error=None, before="", after="\n", indent=None)
@example(initial={"error": {"error": 1}}, error={"error": {"log": ["x"]}}, before=" ", after=" ", indent=1)
@example(initial={"data": {"error": 1}}, error={}, before="", after="", indent=None)
@example(initial={"a": '"error"'}, error="\x00\ud800", before="", after="", indent=None)
def test_a_failures_initial_state_is_the_upstreams_with_one_error(
    initial: dict[str, Any], error: Any, before: str, after: str, indent: int | None
) -> None:
    raw = (before + json.dumps(initial, indent=indent) + after).encode()
    spliced = with_error(initial=raw, error=encode(error))
    doubled: list[str] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        doubled.extend(name for name in names if names.count(name) > 1)
        return dict(pairs)

    assert json.loads(spliced, object_pairs_hook=object_of) == {**initial, "error": error}
    assert doubled == []


def test_a_large_state_is_spliced_and_not_decoded() -> None:
    body = b'{"data":"' + b"x" * 5_000_000 + b"\xed\xa0\x80" + b'"}'  # no JSON that could be decoded
    spliced = with_error(initial=body, error=b"{}")
    assert spliced == body[:-1] + b',"error":{}}'


@given(JSON)
@example("\x00 and \ud800")
def test_what_is_encoded_can_be_read_again(value: Any) -> None:
    raw = encode(value)
    assert json.loads(raw) == value
    raw.decode("utf-8")


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode({"x": float("nan")})


@given(st.binary(max_size=3 * COMPRESS_FROM) | st.binary(max_size=200).map(lambda part: part * 100))
def test_what_is_packed_comes_out_as_it_was(raw: bytes) -> None:
    codec, body = packed(raw)
    assert unpacked(codec, body) == raw
    assert unpacked(codec, memoryview(body)) == raw
    assert b"".join(state_chunks(codec=codec, body=memoryview(body))) == raw
    assert codec == ("zstd" if len(raw) >= COMPRESS_FROM else "raw")


def test_a_large_state_is_kept_small() -> None:
    raw = encode({"data": [{"patient": n, "name": "Kofi Mensah"} for n in range(10_000)]})
    state = state_build(project_id=uuid.uuid4(), kind=StateKind.FINAL, raw=raw)
    assert state.size == len(raw)
    assert len(bytes(state.body or b"")) < len(raw) / 10


def test_a_schedules_initial_state_is_its_memory_and_an_empty_data() -> None:
    assert json.loads(with_memory(memory=None)) == {"data": {}}
    assert json.loads(with_memory(memory=b'{"cursor":5}')) == {"data": {}, "cursor": 5}
    assert json.loads(with_memory(memory=b'{"data":[1]}')) == {"data": [1]}


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "null", "{'a': 1}", "[" * 100_000])
def test_only_an_object_can_be_pasted_as_a_state(text: str) -> None:
    with pytest.raises(Invalid):
        checked_object(text)


def test_a_pasted_object_is_taken_as_it_is() -> None:
    assert checked_object('{"data": {"a": [1, 2.5, null]}}') == {"data": {"a": [1, 2.5, None]}}
