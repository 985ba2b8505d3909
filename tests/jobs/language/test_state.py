"""The state as a job sees it."""

import copy

import pytest

from jobs.language.errors import MissingName
from jobs.language.state import ReadOnlyState, State, content_of


def test_the_top_level_is_reached_by_attribute_and_by_key():
    state = State({"data": {"a": 1}})
    state.cursor = "2026-01-01"
    state["items"] = [1]
    assert state.data is state["data"]
    assert content_of(state) == {"data": {"a": 1}, "cursor": "2026-01-01", "items": [1]}


def test_a_method_wins_over_a_key_of_its_name_and_says_so_when_written():
    state = State({"items": [1]})
    assert list(state.items()) == [("items", [1])]
    with pytest.raises(MissingName, match=r'write state\["items"\]'):
        setattr(state, "items", [2])  # noqa: B010 - as a job would write it


def test_it_behaves_like_a_dict():
    state = State({"data": {}, "a": 1})
    del state.a
    del state["data"]
    state.update(b=2)
    assert "b" in state
    assert "a" not in state
    assert state.get("a", 5) == 5
    assert list(state) == ["b"]
    assert state | {"c": 3} == {"b": 2, "c": 3}
    assert {"c": 3} | state == {"c": 3, "b": 2}
    assert {**state} == {"b": 2}
    assert state == {"b": 2}
    assert state.pop("b") == 2
    assert state.setdefault("d", 4) == 4


@pytest.mark.parametrize("read", [lambda state: state.cusor, lambda state: state["cusor"]])
def test_what_is_missing_is_told_with_what_is_there(read):
    with pytest.raises(MissingName) as missing:
        read(State({"data": {}, "cursor": "secret"}))
    assert str(missing.value) == "`cusor` is not in `state`; it has: data, cursor; did you mean `cursor`?"


def test_hasattr_and_getattr_with_a_default_work():
    state = State({"data": {}})
    assert not hasattr(state, "cursor")
    assert getattr(state, "cursor", None) is None


def test_the_configuration_is_found_by_name_but_not_copied_along():
    state = State({"data": {}}, configuration={"password": "x"})
    assert state.configuration == {"password": "x"}
    assert state["configuration"]["password"] == "x"
    assert "configuration" not in {**state}
    assert "x" not in repr(state)
    state.configuration = {"mine": 1}
    assert content_of(state) == {"data": {}}


def test_a_deep_copy_is_a_state_again():
    state = State({"data": {"a": [1]}})
    twin = copy.deepcopy(state)
    twin.data["a"].append(2)
    assert state.data == {"a": [1]}


def test_a_state_to_look_at_cannot_be_changed():
    state = ReadOnlyState({"data": 1}, name='steps["a"]')
    with pytest.raises(MissingName, match="only be read"):
        state.data = 2
    with pytest.raises(MissingName, match="only be read"):
        del state.data
    with pytest.raises(TypeError):
        state["data"] = 2
