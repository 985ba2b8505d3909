"""What somebody is looked for by: whole words, beginnings, telephone numbers in every form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.errors import Invalid
from runs.finding.terms import MOST_LINES, WINDOW, excerpt, matched, query_of, rows_of, terms_read


def found(who: str, *texts: str) -> bool:
    terms = terms_read(who)
    return any(matched(terms, row.split()) for row in rows_of(texts))


@pytest.mark.parametrize(
    ("who", "text", "is_found"),
    [
        ("Jane Doe", '{"name": "Jane", "family": "DOE"}', True),
        ("Jane Doe", '{"name": "Jane"}', False),
        ("Jan Doe", '{"name": "Jane Doe"}', False),
        ("Jan* Doe", '{"name": "Jane Doe"}', True),
        ("José", '{"name": "jos\\u00e9"}', True),
        ("Zoë Ångström", "<name>Zoe Angstrom</name>", True),
        ("jane@example.org", '{"mail": "Jane@Example.org"}', True),
        ("CM-7890-X", '{"nin": "CM7890X"}', False),
        ("Jane Doe\nCM7890X", '{"nin": "cm7890x"}', True),
    ],
)
def test_all_words_of_one_line(who: str, text: str, is_found: bool) -> None:
    assert found(who, text) is is_found


FORMS = ["+256772123456", "0772123456", "+256 772 123 456", "0772-123-456", "(0772) 123456", "256772123456"]


@pytest.mark.parametrize("wanted", FORMS)
@pytest.mark.parametrize("written", FORMS)
def test_a_number_is_found_in_whichever_form_it_was_written(wanted: str, written: str) -> None:
    assert found(wanted, json.dumps({"phone": written}))


def test_a_date_is_no_telephone_number() -> None:
    assert "tel" not in next(iter(rows_of(["2024-01-02 10", "2024-01-02T10:20:30"])))


@pytest.mark.parametrize(
    "who", ["", "  \n ", "Al", "a b", "\n".join(f"person{n}" for n in range(MOST_LINES + 1))]
)
def test_what_would_be_found_everywhere_is_refused(who: str) -> None:
    with pytest.raises(Invalid) as refused:
        terms_read(who)
    assert refused.value.context["field"] == "who"


def test_a_query_is_one_that_the_database_understands() -> None:
    assert query_of(terms_read("Jane Doe")) == "(doe & jane)"
    assert query_of(terms_read("0772123456")) == "((0772123456) | tel772123456 | 772123456 | 0772123456)"


@given(st.integers(0, WINDOW * 2))
def test_a_name_is_found_wherever_it_stands_in_a_long_text(at: int) -> None:
    text = '{"a": "' + "x " * (at // 2) + "Ottilie Wambrecht" + " y" * (WINDOW // 2) + '"}'
    assert found("Ottilie Wambrecht", text)


def test_an_excerpt_shows_the_words_around() -> None:
    text = "a " * 100 + "Ottilie Wambrecht, born 1990 " + "b " * 100
    shown = excerpt(text, terms_read("Wambrecht"))
    assert shown.startswith("…a a")
    assert "Ottilie Wambrecht, born 1990" in shown
    assert excerpt("nobody here", terms_read("Wambrecht")) == ""
