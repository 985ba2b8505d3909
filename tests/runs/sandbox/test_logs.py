"""Lines are whole, clean, bounded and free of secrets, however the bytes arrive."""

import json
from dataclasses import asdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runs.sandbox.limits import Limits
from runs.sandbox.logs import Log, LogLine


def collect(pieces, *, limits=None, redact=lambda text: text, records=()):
    lines: list[LogLine] = []
    log = Log(limits=limits or Limits(), redact=redact, hand_on=lines.extend)
    for piece in pieces:
        log.feed_raw(piece)
    for piece in records:
        log.feed_records(piece)
    log.finish()
    return lines, log


def cut(data: bytes, places) -> list[bytes]:
    """The same bytes in pieces."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_it_does_not_matter_where_the_bytes_were_cut(data, places):
    whole, _ = collect([data])
    pieces, _ = collect(cut(data, places))
    assert [line.text for line in whole] == [line.text for line in pieces]


@given(st.lists(st.integers(0, 40), max_size=5))
def test_a_secret_is_never_released_in_halves(places):
    lines, _ = collect(
        cut(b"the key is tulip9, really\n", places), redact=lambda t: t.replace("tulip9", "***")
    )
    assert [line.text for line in lines] == ["the key is ***, really"]


@given(st.binary(max_size=200), st.text(max_size=200))
def test_every_text_can_be_stored_by_postgresql(raw, text):
    told = {"kind": "http", "url": text, "error": text, "request_body": text, text: [text]}
    record = json.dumps(told).encode() + b"\n"
    logged = json.dumps({"kind": "log", "level": "x", "text": text}).encode() + b"\n"
    lines, _ = collect([raw], records=[record, logged])
    for line in lines:
        exchange = asdict(line.exchange) if line.exchange else None
        stored = json.dumps([line.text, line.data, exchange], ensure_ascii=False)
        assert "\\u0000" not in stored
        stored.encode("utf-8")


def test_colours_and_carriage_returns_are_cleaned_before_secrets_are_looked_for():
    lines, _ = collect(
        [b"\x1b[31mtul\x1b[0mip9\r\n\x1b]0;title\x07ok\x00\n"], redact=lambda t: t.replace("tulip9", "***")
    )
    assert [line.text for line in lines] == ["***", "ok"]


def test_a_long_line_is_cut_and_says_how_long_it_was():
    lines, _ = collect([b"x" * 40_000, b"\nnext\n"])
    assert lines[0].text == "x" * 16_000 + "… (cut: the line has 40,000 bytes)"
    assert lines[1].text == "next"


def test_a_secret_at_the_cut_of_a_long_line_is_not_shown_in_part():
    data = b"x" * 15_997 + b"tulip9" + b"y" * 20_000
    lines, _ = collect([data], redact=lambda t: t.replace("tulip9", "***"))
    assert "tul" not in lines[0].text


def test_bytes_are_limited_as_well_as_lines():
    lines, log = collect([b"x" * 99 + b"\n"] * 100, limits=Limits(log_bytes=1_000))
    assert len(lines) == 12
    assert log.dropped == 89


def test_the_dropped_lines_are_counted_exactly_when_they_arrive_in_pieces():
    data = b"".join(b"%d\n" % number for number in range(1_000)) + b"last"
    _, log = collect(cut(data, range(0, 4_000, 7)), limits=Limits(log_lines=10))
    assert log.dropped == 991


def test_a_record_of_unreasonable_size_is_dropped():
    lines, log = collect([], records=[b'{"kind":"log","level":"info","text":"' + b"x" * 1_000_000 + b'"}\n'])
    assert log.dropped == 1
    assert len(lines) == 1
