"""Laying out JSON and comparing texts: nothing is lost, nothing is too strange."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.pretty import LINES_COMPARED, LONGEST_DIFFERENCE, TooLong, difference, pretty, pretty_json

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(documents, st.booleans())
def test_the_document_stays_the_same(document, escaped):
    assert json.loads(pretty_json(json.dumps(document, ensure_ascii=escaped))) == document


@given(documents)
def test_laying_out_twice_changes_nothing_more(document):
    once = pretty_json(json.dumps(document))
    assert pretty_json(once) == once


@given(st.text(max_size=300))
def test_any_text_comes_out_without_an_error(text):
    assert isinstance(pretty_json(text), str)


def test_it_reads_as_people_expect():
    assert pretty_json(r'{"a":{},"b":[1,{"c":"\u00d6"}],"d":1.10}') == (
        '{\n  "a": {},\n  "b": [\n    1,\n    {\n      "c": "Ö"\n    }\n  ],\n  "d": 1.10\n}'
    )


def test_what_no_screen_can_show_stays_escaped():
    assert pretty_json(r'["\ud800","\u0000"]').encode() == b'[\n  "\\ud800",\n  "\\u0000"\n]'


def test_deep_nesting_is_no_trouble():
    assert len(pretty_json("[" * 20_000 + "]" * 20_000)) < 20_000 * 300


lines = st.lists(st.sampled_from("abc"), max_size=12)


@given(lines, lines)
def test_a_difference_rebuilds_both_sides_around_its_changes(old, new):
    found = difference("\n".join(old), "\n".join(new))
    assert found.nothing == (old == new)
    for line in found.lines:
        if line.before is not None:
            assert old[line.before - 1] == line.text
        if line.after is not None:
            assert new[line.after - 1] == line.text
    removed = sum(line.kind == "removed" for line in found.lines)
    added = sum(line.kind == "added" for line in found.lines)
    assert len(old) - removed == len(new) - added


def test_what_is_too_long_is_said_and_never_compared():
    with pytest.raises(TooLong):
        difference("a\n" * (LINES_COMPARED + 1), "b")
    found = difference("", "x\n" * (LONGEST_DIFFERENCE + 50))
    assert found.cut
    assert len(found.lines) == LONGEST_DIFFERENCE


# --- other bodies ---------------------------------------------------------------------------------


def test_xml_stands_one_element_a_line():
    text = '<?xml version="1.0"?><form id="1"><name>Afi &amp; Co</name><none/><visit><weight>61.5</weight></visit></form>'
    assert pretty(text).splitlines() == [
        '<?xml version="1.0"?>',
        '<form id="1">',
        "  <name>Afi &amp; Co</name>",
        "  <none/>",
        "  <visit>",
        "    <weight>61.5</weight>",
        "  </visit>",
        "</form>",
    ]


def test_a_form_stands_one_field_a_line_without_escapes():
    assert pretty("To=%2B22890112233&Body=Bonjour+A%C3%AFssatou&empty=") == (
        "To = +22890112233\nBody = Bonjour Aïssatou\nempty = "
    )


@given(st.text(alphabet='<>/a b&=%"{}[],:?!-\n'))
def test_nothing_is_too_strange_to_be_laid_out(text):
    assert "".join(pretty(text).split()) or not text.strip()


@given(st.text(alphabet="<>/ab?! \n"))
def test_laying_out_xml_loses_nothing_but_blanks(text):
    markup = f"<{text}"
    assert "".join(pretty(markup).split()) == "".join(markup.split())


@pytest.mark.parametrize("bad", ["<" * 65_536, "<a>" * 20_000, "a=" * 30_000, "a=b&" * 16_000, "[" * 65_536])
def test_a_hostile_body_is_laid_out_at_once(bad):
    began = time.process_time()
    pretty(bad)
    assert time.process_time() - began < 1
