"""Showing stored states: no more is read and unpacked than is shown, and downloads are the bytes themselves."""

from __future__ import annotations

import json

import pytest
import zstandard

from runs.models import State, StateKind
from runs.selectors import payloads
from runs.states import StateGone, state_store
from tests.flows.world import World


@pytest.fixture
def world(db: None) -> World:
    return World()


def stored(world: World, value: object) -> State:
    return state_store(project_id=world.project.pk, kind=StateKind.FINAL, raw=json.dumps(value).encode())


def test_a_small_state_is_shown_whole_and_laid_out(world):
    shown = payloads.state_payload(state_id=stored(world, {"a": [1]}).pk)
    assert shown is not None
    assert (shown.text, shown.whole) == ('{\n  "a": [\n    1\n  ]\n}', True)


@pytest.mark.parametrize("size", [2_500, 60_000, payloads.SHOWN - 20])
def test_a_packed_state_up_to_the_limit_is_shown_whole(world, size):
    shown = payloads.state_payload(state_id=stored(world, {"a": "x" * size}).pk)
    assert shown is not None
    assert shown.whole
    assert shown.text.count("x") == size


def test_of_a_large_state_only_the_beginning_is_unpacked(world):
    value = {"rows": ["é" * 30] * 400_000}
    shown = payloads.state_payload(state_id=stored(world, value).pk)
    assert shown is not None
    assert not shown.whole
    assert len(shown.text) <= payloads.SHOWN
    assert shown.text.startswith('{"rows"')


def test_a_body_that_unpacks_to_far_too_much_stays_harmless(world):
    state = stored(world, {})
    bomb = zstandard.ZstdCompressor().compress(b'{"a":"' + b"x" * 200_000_000 + b'"}')
    assert len(bomb) < payloads.SHOWN
    State.objects.filter(pk=state.pk).update(codec="zstd", body=bomb, size=200_000_008)
    shown = payloads.state_payload(state_id=state.pk)
    assert shown is not None
    assert len(shown.text) == payloads.SHOWN


def test_a_download_is_what_was_stored_piece_by_piece(world):
    value = {"rows": [{"n": number, "text": "x" * 40} for number in range(20_000)]}
    chunks = list(payloads.state_chunks(state_id=stored(world, value).pk))
    assert b"".join(chunks) == json.dumps(value).encode()
    assert max(map(len, chunks)) <= payloads.CHUNK


def test_what_is_gone_says_so(world):
    state = stored(world, {})
    State.objects.filter(pk=state.pk).update(body=None)
    assert payloads.state_payload(state_id=state.pk) == payloads.GONE
    assert payloads.state_payload(state_id=None) is None
    with pytest.raises(StateGone):
        payloads.state_chunks(state_id=state.pk)
    assert payloads.states_difference(before=state.pk, after=state.pk) is None
