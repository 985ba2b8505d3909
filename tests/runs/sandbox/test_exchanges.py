"""Exchanges come out of a child with the right types, bounded, and without a secret, wherever it was cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfn_platform.common.tracing import BODY_BYTES, MARGIN, TOLD_BYTES
from runs.sandbox.exchanges import Exchange, ExchangeReader
from runs.sandbox.limits import Limits
from runs.sandbox.logs import Log, LogLine
from runs.sandbox.redaction import Redactor

SECRET = "Kanari-7ü&q%9-tall-trees-by-the-lake"
PIECES = {SECRET[start : start + 7] for start in range(len(SECRET) - 6)}


def reader(bodies_bytes: int = 1_000_000) -> ExchangeReader:
    return ExchangeReader(bodies_bytes=bodies_bytes, redact=Redactor({"password": SECRET}))


def read(**record: Any) -> Exchange:
    return reader().read(record)


def log_of(*records: dict[str, Any], limits: Limits) -> tuple[list[LogLine], Log]:
    lines: list[LogLine] = []
    log = Log(limits=limits, redact=lambda text: text, hand_on=lines.extend)
    for record in records:
        log.feed_records(json.dumps({"kind": "http", **record}).encode() + b"\n")
    log.finish()
    return lines, log


def test_what_is_not_as_agreed_becomes_nothing():
    nonsense: list[Any] = [None, [], {}, -1, 10**30, True, "x", float("nan")]
    for value in nonsense:
        exchange = read(
            **dict.fromkeys(
                ("status", "duration_ms", "attempt", "started", "protocol", "dry", "over_budget"), value
            )
        )
        assert exchange.status in (None, 10**30)
        assert (exchange.attempt, exchange.started) == (1, None)
        assert (exchange.dry, exchange.over_budget) == (value is True, value is True)
        assert exchange.protocol == ("x" if value == "x" else "http")
    assert read().method == ""


def test_whether_it_is_a_write_is_said_or_follows_from_the_method():
    assert [read(method=method).write for method in ("POST", "GET", "select", "INSERT")] == [
        True,
        False,
        False,
        True,
    ]
    assert not read(method="POST", write=False).write
    assert read(method="POST", write="no").write


def test_texts_are_bounded():
    exchange = read(
        url="u" * 9_000, error="e" * 9_000, outcome="o" * 9_000, method="m" * 90, connection="c" * 90
    )
    assert [len(each) for each in (exchange.url, exchange.error, exchange.outcome)] == [2_000, 300, 120]
    assert [len(each) for each in (exchange.method, exchange.connection)] == [10, 40]


@pytest.mark.parametrize("place", ["url", "error", "outcome", "request_body", "response_body"])
@pytest.mark.parametrize("edge", [120, 300, 2_000, BODY_BYTES, TOLD_BYTES])
def test_no_piece_of_a_secret_is_left_at_a_cut(place, edge):
    """Whatever was masked before it, and however the child cut it."""
    for before in ("x" * (edge - 20), (SECRET + " ") * (edge // len(SECRET)) + "x" * 9):
        text = before + SECRET + "y" * 30_000
        whole = read(**{place: text})
        cut = read(**{place: text[: edge + 3], f"{place.removesuffix('_body')}_cut": True})
        if place.endswith("body"):
            assert not [piece for piece in PIECES if piece in f"{whole} {cut}"]
        else:
            assert not [piece for piece in PIECES if piece in f"{whole}"]


def test_new_secrets_that_a_partner_hands_out_are_known_by_the_names_of_their_members():
    body = json.dumps(
        {
            "access_token": 'eyJhb\\"Gci',
            "user": {"newPassword": "tall-trees"},
            "tokens_used": "7",
            "session": "morning",
        }
    )
    shown = json.loads(read(response_body=body).response_body or "")
    assert shown == {
        "access_token": "***",
        "user": {"newPassword": "***"},
        "tokens_used": "7",
        "session": "morning",
    }
    form = read(
        request_body="grant_type=password&client_secret=abc%20&refresh_token=xyz&name=Afi"
    ).request_body
    assert form == "grant_type=password&client_secret=***&refresh_token=***&name=Afi"


def test_a_body_is_kept_up_to_its_limit_in_bytes_and_says_when_there_was_more():
    whole, more = read(request_body="ä" * 30_000), read(request_body="ä" * 40_000)
    assert (whole.request_body, whole.request_cut) == ("ä" * 30_000, False)
    assert (more.request_body, more.request_cut) == ("ä" * (BODY_BYTES // 2), True)
    cut_by_the_child = read(response_body="x" * TOLD_BYTES, response_cut=True)
    assert (len(cut_by_the_child.response_body or ""), cut_by_the_child.response_cut) == (BODY_BYTES, True)
    assert len(SECRET) * 6 < MARGIN


def test_when_the_room_for_bodies_is_used_up_the_exchange_is_kept_without():
    sized = reader(bodies_bytes=1_000)
    found = [sized.read({"method": "POST", "request_body": "x" * size}) for size in (600, 600, 10)]
    assert [(each.over_budget, each.request_body is None) for each in found] == [
        (False, False), (True, True), (True, True)
    ]  # fmt: skip
    asked = sized.read({"method": "GET", "response_body": "y" * 900})
    assert asked.response_body == "y" * 900, "reads have room of their own"
    assert not sized.read({"method": "DELETE"}).over_budget, "nothing was left out"


def test_so_many_exchanges_are_kept_and_the_others_counted():
    records = [{"method": "GET"}] * 5 + [{"unkept": True}]
    lines, log = log_of(*records, limits=Limits(trace_records=3, log_lines=1))
    assert [line.kind for line in lines] == ["http"] * 3 + ["log"]
    assert lines[-1].text == "3 more exchanges with partners were not kept."
    assert (log.dropped_records, log.dropped) == (3, 0)


def test_bodies_in_any_script_survive_the_pipe_at_their_full_length():
    body = "\x01" * 100 + "ኣ" * 24_000
    lines, log = log_of(
        {"method": "POST", "request_body": body, "response_body": "😀" * 18_000}, limits=Limits()
    )
    [exchange] = [line.exchange for line in lines if line.exchange]
    assert exchange.request_cut
    assert (exchange.response_body or "").startswith("😀" * 16_000)
    assert log.dropped == 0


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["method", "url", "status", "started", "request_body", "request_cut", "write", "dry", "x"]
        ),
        st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=3),
    )
)
def test_whatever_a_child_tells_is_read(record):
    exchange = reader().read(record)
    assert len(exchange.method) <= 10
    f"{exchange}".encode()
