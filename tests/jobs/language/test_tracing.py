"""A run's exchanges leave its process bounded, and what may have been done is counted whatever the protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.language.session import Session
from jobs.language.tracing import BODIES_BYTES, EXCHANGES
from openfn_platform.common.tracing import TOLD_BYTES


def told(*exchanges: dict[str, Any]) -> tuple[list[dict[str, Any]], Session]:
    events: list[dict[str, Any]] = []
    session = Session(events.append)
    for exchange in exchanges:
        session.trace("partner", exchange)
    return events, session


def test_what_is_not_agreed_is_left_out_and_every_text_is_bounded():
    exchange = {
        "method": "POST", "url": "u" * 50_000, "error": "e" * 50_000, "request_body": "b" * 500_000,
        "headers": {"authorization": "x"}, "status": [1], "outcome": "o" * 50_000, "kind": "log", "connection": "other",
    }  # fmt: skip
    [event], _ = told(exchange)
    assert set(event) == {
        "kind",
        "at",
        "connection",
        "method",
        "url",
        "error",
        "outcome",
        "request_body",
        "request_cut",
    }
    assert (event["kind"], event["connection"], event["request_cut"]) == ("http", "partner", True)
    assert len(event["request_body"]) == TOLD_BYTES
    assert len(json.dumps(event)) < 110_000


def test_bodies_stop_when_their_room_is_used_up_and_exchanges_are_only_counted_in_the_end():
    write = {"method": "POST", "url": "https://x.example/", "request_body": "b" * 50_000}
    events, _ = told(*[write] * (EXCHANGES + 3))
    whole = [event for event in events if "request_body" in event]
    assert len(whole) == BODIES_BYTES // 50_000
    assert sum("over_budget" in event for event in events) == EXCHANGES - len(whole)
    assert [set(event) for event in events[EXCHANGES:]] == [{"kind", "at", "connection", "unkept"}] * 3


def test_reads_that_asked_for_their_bodies_do_not_take_the_room_of_writes():
    read = {"method": "GET", "response_body": "b" * 60_000}
    events, _ = told(*[read] * 30, {"method": "POST", "request_body": "small"})
    assert "over_budget" in events[-2]
    assert events[-1]["request_body"] == "small"


@pytest.mark.parametrize(
    ("exchange", "writes", "unanswered"),
    [
        ({"method": "POST", "status": 201}, 1, 0),
        ({"method": "POST", "status": 422}, 0, 0),
        ({"method": "POST", "status": 502}, 1, 0),
        ({"method": "POST", "error": "timed out"}, 0, 1),
        ({"method": "POST", "status": 200, "write": False}, 0, 0),
        ({"method": "POST", "status": 200, "dry": True}, 0, 0),
        ({"method": "INSERT", "protocol": "sql", "outcome": "12 rows"}, 1, 0),
        ({"method": "INSERT", "protocol": "sql", "outcome": "refused", "error": "duplicate key"}, 0, 0),
        ({"method": "INSERT", "protocol": "sql", "error": "the connection was lost"}, 0, 1),
        ({"method": "SELECT", "protocol": "sql", "outcome": "12 rows"}, 0, 0),
    ],
)
def test_what_may_have_been_done_is_counted(exchange, writes, unanswered):
    _, session = told(exchange)
    assert (session.writes, session.unanswered) == (writes, unanswered)
