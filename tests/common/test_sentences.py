"""What somebody reads of a sentence who may not see data: enough to see what went wrong, and nothing of anybody."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.sentences import without_data

QUOTES = ("“”", "„“", "„”", "‘’", "’’", "‚‘", "«»", "»«", "‹›", "「」", '""', "''", "``", "`'", "””")
SECRET = "Zq"
SIGNS = "".join({sign for pair in QUOTES for sign in pair})
# Words that hold no quote and are not glued to one, and quotes of anything that does not end them early.
plain = st.text(st.sampled_from("abcdefgh .,:;=([{"), max_size=12).map(lambda text: f" {text} ")
quoted = st.tuples(st.sampled_from(QUOTES), st.text(st.sampled_from("ijklmn .,:;=(-"), max_size=12)).map(
    lambda made: f"{made[0][0]}{made[1]}{SECRET}{made[0][1]}"
)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ('OpenMRS answered 400: Identifier "MJ79948" does not match', "OpenMRS answered 400: Identifier “…” does not match"),
        ("It doesn't fit, and the clinics' list can't grow.", "It doesn't fit, and the clinics' list can't grow."),
        ("KeyError: 'Jane Doe'", "KeyError: “…”"),
        ("not bytes: b'Jane'", "not bytes: b“…”"),
        ("{'name': \"O'Brien\", 'age': 7}", "{“…”: “…”, “…”: 7}"),
        ("Der Name „Jane“ fehlt", "Der Name “…” fehlt"),
        ("A “nest of “two” quotes” here", "A “…” here"),
        ('it said "he is \\"Jane\\" there", twice', "it said “…”, twice"),
        ('cut off "Jane Do…', "cut off “…”"),
        ("Jane” is unknown", "“…” is unknown"),
        ("Phone +254 700 123 456 is taken", "Phone +… is taken"),
        ("Born 1987-03-04 or 07.12.34", "Born … or …"),
        ("Patient MJ79948 and DiszpKrYNg8", "Patient … and …"),
        ("Run 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "Run …"),
        ("No mail to jane.doe@example.org.", "No mail to …"),
        ("GET https://dhis2.example/api/people/jane?name=doe failed", "GET https://dhis2.example/… failed"),
        ("the path /people?name=jane", "the path /people?…"),
        ("HTTP 404, then 500 Internal Server Error", "HTTP 404, then 500 Internal Server Error"),
        ("(status: 503) after 2 attempts", "(status: 503) after 2 attempts"),
        ("Bed 404 is taken", "Bed … is taken"),
        ("2 of 7 records", "2 of 7 records"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_sentence_can_still_be_read(said: str, left: str):
    assert without_data(said) == left


@given(st.lists(st.one_of(plain, quoted), max_size=8).map("".join))
def test_nothing_quoted_survives(said: str):
    assert SECRET not in without_data(said)


@given(st.text(), st.sampled_from(QUOTES), st.text(), st.text())
def test_whatever_stands_around_it_a_quote_does_not_survive(before: str, pair: str, inner: str, after: str):
    """Signs around it that are no quotes themselves, and no word that it is glued to."""
    before, after = (re.sub(rf"[{SIGNS}´＂』Z]", "", text) for text in (before, after))
    inner = re.sub(rf"[{SIGNS}´＂』\\]", "", inner)
    assert SECRET not in without_data(f"{before} {pair[0]}{inner}{SECRET}{pair[1]} {after}")


@given(st.text(st.one_of(st.sampled_from(SIGNS + "\\ @?&=/:-_.19aZ…"), st.characters())))
def test_what_was_hidden_once_is_not_hidden_further(said: str):
    once = without_data(said)
    assert without_data(once) == once


@given(st.text(), st.integers(10**5, 10**12), st.text())
def test_no_long_number_survives(before: str, number: int, after: str):
    assert str(number) not in without_data(f"{before}{number}{after}")


@given(st.text(st.characters(exclude_categories=["N"], exclude_characters=SIGNS + "´＂』@?&:")))
def test_words_stay_as_they_are(said: str):
    assert without_data(said) == said


def test_a_name_that_everybody_knows_may_stay():
    said = "The system behind “Clinic 12345” refuses “Jane”."
    assert without_data(said, known=["Clinic 12345"]) == "The system behind “Clinic 12345” refuses “…”."
