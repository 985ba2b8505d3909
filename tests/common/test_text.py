"""Text from outside is made harmless before it is stored, shown, logged or mailed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openfn_platform.common.text import clean_name, one_line, plural, storable

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


@given(ANY_TEXT)
@example("\x1b[31mred\x1b[0m\x00\ud800\x9b31m\r\n")
def test_stored_text_is_accepted_by_the_database_and_shows_nothing_strange(value: str) -> None:
    text = storable(value)
    text.encode("utf-8")
    assert not any(unicodedata.category(each) == "Cc" and each not in "\t\n" for each in text)
    assert storable(text) == text


@given(ANY_TEXT, st.integers(2, 200))
@example("a\u2028b\x0bc\x85d", 50)
@example("x" * 50 + "\n" + "y", 50)
def test_one_line_is_one_line_of_at_most_that_length(value: str, limit: int) -> None:
    line = one_line(value, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    line.encode("utf-8")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("Subject\r\nBcc: everybody@example.org", "Subject Bcc: everybody@example.org"),
        ("  a \t b  ", "a b"),
        ("\x1b[1mbold\x1b[0m", "bold"),
        ("", ""),
    ],
)
def test_a_line_break_can_forge_no_header(value: str, line: str) -> None:
    assert one_line(value) == line


def test_what_was_cut_says_so() -> None:
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"
    assert one_line("ab  cdef", 4) == "ab…"


@given(ANY_TEXT)
@example("A\u0308rzte\u200b \u202egnp.exe")
def test_a_name_is_normal_visible_and_the_same_when_cleaned_again(value: str) -> None:
    name = clean_name(value)
    name.encode("utf-8")
    assert unicodedata.is_normalized("NFC", name)
    assert not any(unicodedata.category(each) in {"Cc", "Cf"} for each in name)
    assert name == " ".join(name.split())
    assert clean_name(name) == name


def test_two_spellings_of_a_name_become_one() -> None:
    assert clean_name("A\u0308rzte  im\tDorf\u200b ") == clean_name("Ärzte im Dorf")


def test_numbers_and_words_agree() -> None:
    assert plural(1, "run") == "1 run"
    assert plural(0, "run") == "0 runs"
    assert plural(1200, "entry", "entries") == "1,200 entries"
