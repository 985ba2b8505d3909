"""What a job may say that the sender shall be answered, and what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.jobreply import BadReply, reply_checked, said_by


def test_a_reply_has_status_body_and_headers():
    reply = reply_checked({"status": 201, "body": {"id": 7}, "headers": {"Location": "https://x.example/7"}})
    assert (reply.status, reply.content, reply.content_type) == (201, b'{"id": 7}', "application/json")
    assert reply.headers == {"location": "https://x.example/7"}


def test_each_part_may_be_left_out():
    assert reply_checked({}).content is None
    assert reply_checked({"status": 204, "body": {"not": "sent"}}).content == b""


def test_openfns_word_is_understood_and_ours_comes_first():
    assert said_by({"webhookResponse": {"status": 200}}) == {"status": 200}
    assert said_by({"webhookResponse": {}, "reply": {"status": 202}}) == {"status": 202}
    assert said_by({"data": {}}) is said_by([1]) is None


@pytest.mark.parametrize(
    ("kind", "body", "sent"),
    [
        ("text/plain", "Thanks, é", "Thanks, é".encode()),
        ("text/xml; charset=latin-1", "<Response/>", b"<Response/>"),
        ("application/fhir+json", {"a": 1}, b'{"a": 1}'),
    ],
)
def test_texts_and_other_json_can_be_sent_in_utf_8(kind: str, body: Any, sent: bytes):
    reply = reply_checked({"body": body, "headers": {"content-type": kind}})
    assert reply.content == sent
    assert reply.content_type == f"{kind.partition(';')[0]}; charset=utf-8"


@pytest.mark.parametrize(
    "said",
    [
        "text",
        {"statuz": 200},
        {"status": 500},
        {"status": 504},
        {"status": 302},
        {"status": 101},
        {"status": "200"},
        {"status": True},
        {"headers": []},
        {"headers": {"Set-Cookie": "a=b"}},
        {"headers": {"X-Accel-Redirect": "/etc/passwd"}},
        {"headers": {"Content-Security-Policy": ""}},
        {"headers": {"Location": "x\r\nSet-Cookie: a"}},
        {"headers": {"Location": 7}},
        {"headers": {"Location": "x" * 1_001}},
        {"body": "<script>alert(1)</script>", "headers": {"Content-Type": "text/html"}},
        {"body": {"not": "a text"}, "headers": {"Content-Type": "text/plain"}},
        {"body": "x" * 1_000_001},
    ],
    ids=lambda said: str(said)[:50],
)
def test_what_may_not_be_sent_is_told_without_values(said: Any):
    with pytest.raises(BadReply) as refusal:
        reply_checked(said)
    assert refusal.value.message.endswith(".")
    assert "alert" not in refusal.value.message


_anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional={"status": _anything, "body": _anything, "headers": _anything}))
def test_whatever_a_job_says_is_sent_or_refused(said: dict[str, Any]):
    try:
        reply = reply_checked(said)
    except BadReply:
        return
    assert reply.status is None or reply.status < 500
    if reply.content:
        assert json.loads(reply.content) == said["body"]
