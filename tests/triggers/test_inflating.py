"""Unpacking compressed bodies: what was packed comes out, and a bomb is put down early."""

from __future__ import annotations

import contextlib
import gzip
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.bodies import NotGzip, TooLarge
from triggers.inflating import MAX_MEMBERS, inflated

LIMIT = 10_000_000


@given(st.lists(st.binary(max_size=2_000), min_size=1, max_size=5), st.integers(0, 9))
def test_whatever_was_packed_comes_out_in_one_piece_or_several(parts: list[bytes], level: int):
    packed = b"".join(gzip.compress(part, level) for part in parts)
    assert inflated(packed, limit=LIMIT) == b"".join(parts)


@given(st.binary(max_size=300), st.integers(0, 320), st.integers(0, 255))
def test_anything_else_is_a_refusal_and_never_another_error(body: bytes, place: int, byte: int):
    packed = bytearray(gzip.compress(body))
    packed[place % len(packed)] = byte
    for odd in (bytes(packed), bytes(packed[:place]), body):
        with contextlib.suppress(NotGzip, TooLarge):
            inflated(odd, limit=LIMIT)


@pytest.mark.parametrize(
    "odd",
    [b"", b"{}", zlib.compress(b"{}"), gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"x", b"\x1f\x8b"],
    ids=["nothing", "plain", "zlib", "cut off", "something behind", "a beginning"],
)
def test_what_is_no_gzip_is_said_to_be_none(odd: bytes):
    with pytest.raises(NotGzip):
        inflated(odd, limit=LIMIT)


def test_a_body_may_be_as_large_as_one_that_was_not_packed():
    body = random.Random(7).randbytes(300_000)
    packed = gzip.compress(body)
    assert inflated(packed, limit=300_000) == body
    with pytest.raises(TooLarge, match="larger than this project takes"):
        inflated(packed, limit=299_999)


def test_a_bomb_is_put_down_before_it_fills_the_memory():
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(TooLarge):
        inflated(bomb, limit=50_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000  # the ratio stops it, long before the limit would


def test_small_bodies_may_be_packed_as_well_as_they_can():
    body = b'{"a": "' + b"x" * 900_000 + b'"}'
    assert inflated(gzip.compress(body), limit=LIMIT) == body


def test_thousands_of_empty_pieces_are_no_way_to_keep_us_busy():
    piece = gzip.compress(b"")
    assert inflated(piece * MAX_MEMBERS, limit=LIMIT) == b""
    with pytest.raises(NotGzip):
        inflated(piece * 400_000, limit=LIMIT)
