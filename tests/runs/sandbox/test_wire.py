"""What crosses a process border arrives unchanged, or becomes a sentence; never anything else."""

import json
import os
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.language.contract import Failure, Outcome, Result
from runs.sandbox import wire
from runs.sandbox.untrusted import ResultReader

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
fields = ["outcome", "failure", "note", "problems", "problem_count", "conditions", "condition_errors"]


@contextmanager
def result_file():
    fd = wire.result_file()
    try:
        yield fd
    finally:
        os.close(fd)


@given(st.dictionaries(st.text(), values, max_size=3), st.binary(max_size=500))
def test_a_request_arrives_as_it_was_sent(header, state):
    fd = wire.request_file(header=header, state=state)
    try:
        found, body = wire.request_read(fd)
    finally:
        os.close(fd)
    assert body == state
    assert json.dumps(found) == json.dumps(json.loads(json.dumps(header)))


def test_a_request_cannot_be_changed_on_its_way():
    fd = wire.request_file(header={}, state=b"x")
    try:
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"y", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)


@given(st.none() | st.binary(max_size=99), st.none() | st.binary(max_size=99))
def test_no_state_is_told_from_an_empty_one(state, memory):
    with result_file() as fd:
        wire.result_write(fd, header={"a": 1}, state=state, memory=memory)
        raw = wire.result_read(fd, state_bytes=100)
    assert raw is not None
    assert (raw.state, raw.memory) == (state, memory)


@given(st.binary(max_size=200))
def test_any_bytes_in_a_result_file_are_either_read_or_refused(data):
    with result_file() as fd:
        os.pwrite(fd, data, 0)
        with suppress(wire.Malformed, wire.TooLarge):
            raw = wire.result_read(fd, state_bytes=1_000)
            assert raw is None or isinstance(raw.header, dict)


@given(st.data())
def test_a_result_that_was_torn_off_is_none_or_malformed(data):
    with result_file() as fd:
        wire.result_write(fd, header={"outcome": "success"}, state=b"state", memory=None)
        size = os.fstat(fd).st_size
        os.ftruncate(fd, data.draw(st.integers(0, size - 1)))
        with suppress(wire.Malformed):
            assert wire.result_read(fd, state_bytes=1_000) is None


@given(st.dictionaries(st.sampled_from(fields), values))
def test_any_json_in_a_result_is_either_read_or_refused(header):
    reader = ResultReader(redact=lambda text: text)
    with suppress(wire.Malformed):
        result = reader.read(json.loads(json.dumps({"outcome": "failed"} | header)))
        assert isinstance(result.outcome, Outcome)


def test_an_honest_result_survives_the_check():
    failure = Failure(
        type="AuthError", message="m", hint="h", line=3, code_line="c", status=401, kind="auth",
        retryable=True, retry_after=1.5, connection="a", credential="i",
    )  # fmt: skip
    result = Result(
        outcome=Outcome.FAILED, failure=failure, note="n", problems=(("k", "r"),), problem_count=1,
        conditions={"t": True}, condition_errors={"u": "e"},
    )  # fmt: skip
    header = json.loads(json.dumps(result.to_json()))
    assert ResultReader(redact=lambda text: text).read(header) == result


def test_long_and_dirty_texts_of_a_result_are_bounded_and_clean():
    header = {
        "outcome": "success",
        "note": "\x00\ud800\x1b[31m" + "x" * 100_000,
        "problems": [["k", "r"]] * 5_000,
    }
    result = ResultReader(redact=lambda text: text).read(header)
    assert result.note is not None
    assert len(result.note) == 4_000
    assert result.note.startswith("\ufffdxxx")
    assert len(result.problems) == 1_000


@given(st.lists(st.binary(max_size=50)), st.integers(1, 60))
def test_frames_come_out_as_they_went_in(payloads, size):
    stream = b"".join(wire.frame(payload) for payload in payloads)
    reader, found = wire.FrameReader(limit=50), []
    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
        while (payload := reader.next()) is not None:
            found.append(payload)
    assert found == payloads


def test_a_frame_over_the_limit_is_refused_before_it_is_read():
    reader = wire.FrameReader(limit=50)
    reader.feed(b"\x00\x00\x00\x33")
    with pytest.raises(wire.Malformed, match="51"):
        reader.next()
