"""Regular expressions that people write and strangers' texts are tried on, without the danger. Pure.

Python's `re` tries alternatives one after the other, and a pattern such as `^(a+)+$` takes it longer than the
universe exists on thirty letters. Here a pattern becomes an automaton that reads each character once: whatever
the pattern and the text, the time grows with the length of the text only. What needs memory of what was read
(back references, look-around, word boundaries) cannot be said so, and is refused when it is compiled.

As JSON Schema asks, a pattern is searched for and not anchored, `$` is the very end, and `\\d` and `\\w` are ASCII.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any

from openfn_platform.common.errors import PlatformError

LONGEST = 1_000  # characters of a pattern
MOST_NODES = 3_000
MOST_STATES = 1_000  # remembered of one pattern; beyond that it forgets and finds them again
MOST_LETTERS = 5_000
LOOKS_AT_CLOCK = 1_024  # characters

_parser: Any = import_module("re._parser")  # Python's own reader of patterns: syntax is not invented here
_Predicate = Callable[[str], bool]


class BadPattern(PlatformError):
    """This pattern cannot be used."""

    code = "bad_pattern"
    status = 422


class TakesTooLong(PlatformError):
    """The text is too long to be compared with a pattern in the time that there is."""

    code = "takes_too_long"
    status = 422


@lru_cache(maxsize=500)
def pattern_compiled(source: str) -> Pattern:
    """The automaton of a pattern. Raises BadPattern."""
    if len(source) > LONGEST:
        raise BadPattern(f"A pattern may have at most {LONGEST:,} characters.")
    try:
        tree = _parser.parse(source, re.ASCII)
        if tree.state.flags & ~int(re.ASCII):
            raise BadPattern("Flags such as (?i) are not for patterns of a schema.")
        return Pattern(_Builder().whole(tree))
    except re.error as error:
        raise BadPattern(f"The pattern is not a regular expression: {error.msg}.") from None
    except (RecursionError, OverflowError):
        raise BadPattern("The pattern is nested too deep.") from None


class _Node:
    """One place in a pattern: what may come next, and where that leads."""

    __slots__ = ("follow", "kind", "predicate")

    def __init__(self, kind: str, follow: list[_Node], predicate: int = -1) -> None:
        self.kind = kind  # match | char | split | begin | end
        self.follow = follow
        self.predicate = predicate


class _Builder:
    """Reads the tree of a pattern from its end to its beginning: each part is told what comes after it."""

    def __init__(self) -> None:
        self.count = 0
        self.predicates: list[_Predicate] = []
        self._known: dict[str, int] = {}

    def whole(self, tree: Any) -> tuple[_Node, list[_Predicate]]:
        start = self._sequence(tree, self._node("match", []))
        return start, self.predicates

    def _node(self, kind: str, follow: list[_Node], predicate: int = -1) -> _Node:
        self.count += 1
        if self.count > MOST_NODES:
            raise BadPattern("The pattern is too large; its counted repeats are written out one by one.")
        return _Node(kind, follow, predicate)

    def _sequence(self, items: Any, then: _Node) -> _Node:
        for operator, argument in reversed(list(items)):
            then = self._item(str(operator), argument, then)
        return then

    def _item(self, operator: str, argument: Any, then: _Node) -> _Node:
        if operator == "BRANCH":
            return self._node("split", [self._sequence(each, then) for each in argument[1]])
        if operator == "SUBPATTERN":
            _group, added, removed, inner = argument
            if added or removed:
                raise BadPattern("Flags such as (?i:…) are not for patterns of a schema.")
            return self._sequence(inner, then)
        if operator in ("MAX_REPEAT", "MIN_REPEAT"):  # which one matters only to who asks where it matched
            least, most, inner = argument
            return self._repeat(least, most, inner, then)
        if operator == "AT":
            return self._at(str(argument), then)
        test = _character(operator, argument)
        if test is None:
            raise BadPattern(
                "Back references, look-around and possessive repeats are not taken: they can take for ever."
            )
        return self._node("char", [then], self._numbered(f"{operator} {argument}", test))

    def _repeat(self, least: int, most: Any, inner: Any, then: _Node) -> _Node:
        if most is _parser.MAXREPEAT:
            entry = self._node("split", [])
            entry.follow = [self._sequence(inner, entry), then]
        else:
            entry = then
            for _ in range(most - least):
                entry = self._node("split", [self._sequence(inner, entry), then])
        for _ in range(least):
            longer = self._sequence(inner, entry)
            if longer is entry:  # nothing, however often
                break
            entry = longer
        return entry

    def _at(self, where: str, then: _Node) -> _Node:
        if where in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            return self._node("begin", [then])
        if where in ("AT_END", "AT_END_STRING"):
            return self._node("end", [then])
        raise BadPattern("Word boundaries (\\b, \\B) are not taken.")

    def _numbered(self, name: str, test: _Predicate) -> int:
        if name not in self._known:
            self._known[name] = len(self.predicates)
            self.predicates.append(test)
        return self._known[name]


class _State:
    """All places of the pattern where the text may be at once."""

    __slots__ = ("accepts", "follow", "nodes")

    def __init__(self, nodes: frozenset[_Node], *, accepts: bool) -> None:
        self.nodes = nodes
        self.accepts = accepts
        self.follow: dict[int, _State] = {}


class Pattern:
    """A compiled pattern."""

    def __init__(self, built: tuple[_Node, list[_Predicate]]) -> None:
        self._start, self._predicates = built
        self._masks: dict[str, int] = {}
        self._states: dict[frozenset[_Node], _State] = {}
        self._first = self._state([self._start], at_start=True)

    def search(self, text: str, *, until: float | None = None) -> bool:
        """Whether it is found somewhere. Raises TakesTooLong when `until` of the monotonic clock is over."""
        state = self._first
        for place, letter in enumerate(text):
            if state.accepts:
                return True
            if until is not None and place % LOOKS_AT_CLOCK == 0 and time.monotonic() > until:
                raise TakesTooLong()
            mask = self._masks.get(letter)
            if mask is None:
                mask = self._mask(letter)
            following = state.follow.get(mask)
            state = following if following is not None else self._step(state, mask)
        return state.accepts or self._ends(state, empty=not text)

    def _mask(self, letter: str) -> int:
        """Which of the pattern's tests a character passes, as bits: the same bits, the same way on."""
        mask = sum(1 << number for number, test in enumerate(self._predicates) if test(letter))
        if len(self._masks) >= MOST_LETTERS:
            self._masks.clear()
        self._masks[letter] = mask
        return mask

    def _step(self, state: _State, mask: int) -> _State:
        reached = [
            node.follow[0] for node in state.nodes if node.kind == "char" and mask >> node.predicate & 1
        ]
        following = self._state([*reached, self._start], at_start=False)
        state.follow[mask] = following
        return following

    def _state(self, nodes: Iterable[_Node], *, at_start: bool) -> _State:
        kept, accepts = _closure(nodes, at_start=at_start, at_end=False)
        known = self._states.get(kept)
        if known is not None and known.accepts == accepts:
            return known
        if len(self._states) >= MOST_STATES:
            self._states.clear()
            self._first = self._state([self._start], at_start=True)
        return self._states.setdefault(kept, _State(kept, accepts=accepts))

    def _ends(self, state: _State, *, empty: bool) -> bool:
        _, accepts = _closure(state.nodes, at_start=empty, at_end=True)
        return accepts


def _closure(nodes: Iterable[_Node], *, at_start: bool, at_end: bool) -> tuple[frozenset[_Node], bool]:
    """Where one gets without reading a character; the places that read one (or wait for the end) are kept."""
    todo, seen, kept, accepts = list(nodes), set[_Node](), set[_Node](), False
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.kind == "match":
            accepts = True
            kept.add(node)
        elif node.kind == "char":
            kept.add(node)
        elif node.kind == "end":
            kept.add(node)
            if at_end:
                todo.extend(node.follow)
        elif node.kind == "split" or at_start:  # the beginning of the text, if it is one
            todo.extend(node.follow)
    return frozenset(kept), accepts


# ---- single characters ------------------------------------------------------------------------------------

_LINE_ENDS = "\n\r\u2028\u2029"
_CATEGORIES: dict[str, _Predicate] = {
    "CATEGORY_DIGIT": lambda c: "0" <= c <= "9",
    "CATEGORY_NOT_DIGIT": lambda c: not "0" <= c <= "9",
    "CATEGORY_WORD": lambda c: c.isascii() and (c.isalnum() or c == "_"),
    "CATEGORY_NOT_WORD": lambda c: not (c.isascii() and (c.isalnum() or c == "_")),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda c: not c.isspace(),
}


def _character(operator: str, argument: Any) -> _Predicate | None:
    """What one character must be; None when the operator is about something else."""
    if operator == "LITERAL":
        wanted = chr(argument)
        return lambda c: c == wanted
    if operator == "NOT_LITERAL":
        unwanted = chr(argument)
        return lambda c: c != unwanted
    if operator == "ANY":
        return lambda c: c not in _LINE_ENDS
    if operator == "IN":
        return _one_of(argument)
    return None


def _one_of(members: list[tuple[Any, Any]]) -> _Predicate:
    negated = bool(members) and str(members[0][0]) == "NEGATE"
    tests = [_member(str(operator), argument) for operator, argument in members[negated:]]
    return lambda c: any(test(c) for test in tests) is not negated


def _member(operator: str, argument: Any) -> _Predicate:
    if operator == "RANGE":
        low, high = argument
        return lambda c: low <= ord(c) <= high
    if operator == "CATEGORY":
        return _CATEGORIES[str(argument)]
    single = _character(operator, argument)
    if single is None:
        raise BadPattern("This kind of character class is not taken.")
    return single
