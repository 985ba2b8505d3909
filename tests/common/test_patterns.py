"""Patterns that take linear time mean what Python's own mean, and refuse what cannot be linear."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.patterns import BadPattern, TakesTooLong, pattern_compiled

LETTERS = "ab0 -\n"
_atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\s", r"\W", "^", "$", "(?:)", "-"])
_patterns = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}?", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        inner.map(lambda pattern: f"({pattern})"),
    ),
    max_leaves=8,
)


@given(_patterns, st.text(LETTERS, max_size=8))
def test_a_pattern_finds_what_python_finds(pattern: str, text: str):
    # Python's `$` also stands before a last line break; in JSON Schema it is the very end.
    theirs = re.search(pattern.replace("$", r"\Z"), text, re.ASCII)
    assert pattern_compiled(pattern).search(text) is (theirs is not None)


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^(a?){40}a{40}$", "(.*)(.*)(.*)x$", "^([a-z]+)*$"]
)
def test_what_takes_a_backtracker_for_ever_takes_no_time(pattern: str):
    began = time.process_time()
    assert not pattern_compiled(pattern).search("a" * 20_000 + "!")
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (r"(a)\1", "Back references"),
        ("(?=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        ("a++", "possessive"),
        (r"\bword\b", "Word boundaries"),
        ("(?i)a", "Flags"),
        ("(?i:a)", "Flags"),
        ("a{1,5000}", "too large"),
        ("(a{100}){100}", "too large"),
        ("(", "not a regular expression"),
        ("[z-a]", "not a regular expression"),
        ("(" * 450 + ")" * 450, ""),
        ("x" * 1_001, "1,000 characters"),
    ],
)
def test_what_cannot_be_linear_is_refused_in_a_sentence(pattern: str, sentence: str):
    if not sentence:  # deep, but it can be read: it must only not break anything
        pattern_compiled(pattern).search("x")
        return
    with pytest.raises(BadPattern, match=sentence):
        pattern_compiled(pattern)


def test_digits_are_ascii_and_the_end_is_the_end():
    assert not pattern_compiled(r"^\d$").search("٣")
    assert pattern_compiled(r"\w").search("é") is False
    assert not pattern_compiled("^a$").search("a\n")
    assert pattern_compiled("(){1000000}a").search("xa")


def test_a_text_with_every_letter_is_still_bounded_by_the_clock():
    text = "".join(map(chr, range(0x100, 0xD000)))
    with pytest.raises(TakesTooLong):
        pattern_compiled("^[^x]*y").search(text, until=time.monotonic() - 1)
    assert not pattern_compiled("^[^x]*y").search(text)
    assert pattern_compiled("^[^x]*y").search(text + "y")
