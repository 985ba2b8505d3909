"""XML and forms as JSON: the rule, what is refused, and that nothing hostile gets through or takes long."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triggers.bodies import EmptyBody, Kind, NotStorable, Refused, TooDeep, TooLarge, UnsupportedType
from triggers.parsing import (
    MAX_NODES,
    NotAForm,
    NotXML,
    came_as_json,
    document,
    kept_text,
    parse_form,
    parse_openrosa,
    parse_xml,
    pasted,
)

# --- forms ----------------------------------------------------------------------------------------


def test_a_form_is_an_object_of_texts():
    assert parse_form(b"Body=Hello+there%21&NumMedia=0&empty=") == {
        "Body": "Hello there!",
        "NumMedia": "0",
        "empty": "",
    }


def test_a_field_that_comes_several_times_is_a_list_in_order():
    assert parse_form(b"n=1&other=x&n=2&n=3") == {"n": ["1", "2", "3"], "other": "x"}


def test_names_with_brackets_stay_as_they_were_sent():
    assert parse_form(b"contact%5Bname%5D=Amina") == {"contact[name]": "Amina"}


@pytest.mark.parametrize(
    ("raw", "refusal", "says"),
    [
        (b"", EmptyBody, "a form was expected"),
        (b"a=1&b", NotAForm, "field 2 is not written as name=value"),
        (b"a=1&&b=2", NotAForm, "field 2"),
        (b'{"a": "b=c"}', NotAForm, "application/json"),
        (b"a=%ff", NotAForm, "not in UTF-8: see field 1"),
        (b"a=\xff", NotAForm, "byte 3"),
        (b"a=%00", NotStorable, "cannot be stored"),
        (b"a=%ED%A0%80", NotAForm, "not in UTF-8"),
        (b"x" * 10_001 + b"=1", Refused, "10,000 characters"),
    ],
)
def test_what_is_no_form_is_refused_with_its_place(raw: bytes, refusal: type[Refused], says: str):
    with pytest.raises(refusal, match=says):
        parse_form(raw)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_whatever_a_browser_writes_is_read_back(pairs: list[tuple[str, str]]):
    read = parse_form(urlencode(pairs).encode())
    for name, value in read.items():
        told = [v for n, v in pairs if n == name]
        assert value == (told if len(told) > 1 else told[0])
    assert set(read) == {name for name, _ in pairs}


@given(st.binary(max_size=200))
@example(b"=")
@example(b"\xef\xbb\xbf=%")
def test_no_bytes_make_a_form_fail_otherwise_than_by_a_refusal(raw: bytes):
    with suppress(Refused):
        json.dumps(parse_form(raw), ensure_ascii=False).encode()


# --- XML ------------------------------------------------------------------------------------------

RULE: dict[str, tuple[str, Any]] = {
    "text": ("<a>x</a>", {"a": "x"}),
    "blanks around": ("<a>\n  x y\t</a>", {"a": "x y"}),
    "empty": ("<a/>", {"a": ""}),
    "attributes": ('<a b="1" c=""/>', {"a": {"@b": "1", "@c": ""}}),
    "attributes and text": ('<a b="1">x</a>', {"a": {"@b": "1", "#text": "x"}}),
    "children": ("<a><b>1</b><c>2</c></a>", {"a": {"b": "1", "c": "2"}}),
    "children of one name": ("<a><b>1</b><c/><b>2</b></a>", {"a": {"b": ["1", "2"], "c": ""}}),
    "laid out": ("<a>\n  <b>1</b>\n</a>\n", {"a": {"b": "1"}}),
    "text between": ("<a>x<b/>y</a>", {"a": {"b": "", "#text": "xy"}}),
    "characters": ("<a>&lt;&amp;&#233;<![CDATA[<b>]]></a>", {"a": "<&é<b>"}),
    "a blank as a character": ("<a>x&#32;&amp;&#32;y</a>", {"a": "x & y"}),
    "comments": ("<?xml version='1.0'?><!-- c --><a><!-- c -->x<?p q?></a>", {"a": "x"}),
    "a namespace": ('<a xmlns="u"><b>1</b></a>', {"a": {"@xmlns": "u", "b": "1"}}),
    "a prefix": ('<p:a xmlns:p="u"><p:b>1</p:b></p:a>', {"a": {"@xmlns": "u", "b": "1"}}),
    "another inside": (
        '<a xmlns="u"><b xmlns="v"><c>1</c></b></a>',
        {"a": {"@xmlns": "u", "b": {"@xmlns": "v", "c": "1"}}},
    ),
    "of a text alone": ('<p:a xmlns:p="u">x</p:a>', {"a": "x"}),
    "prefixed attributes": ('<a x="1" p:x="2" p:y="3" xmlns:p="u"/>', {"a": {"@x": "1", "@{u}x": "2", "@y": "3"}}),
    "names with dots": ("<a.b><c-d>1</c-d></a.b>", {"a.b": {"c-d": "1"}}),
}  # fmt: skip


@pytest.mark.parametrize("name", RULE)
def test_xml_becomes_json_by_the_rule(name: str):
    xml, read = RULE[name]
    assert parse_xml(xml.encode()) == read


def test_a_form_of_commcare_reads_as_its_json_does():
    """The parts by which people choose forms are the same in both of CommCare's formats."""
    read = parse_xml(
        b"""<?xml version='1.0' ?>
        <data name="Registration" uiVersion="1" version="7" xmlns="http://openrosa.org/formdesigner/A1">
          <n0:case case_id="c1" xmlns:n0="http://commcarehq.org/case/transaction/v2">
            <n0:create><n0:case_type>patient</n0:case_type></n0:create>
          </n0:case>
          <n1:meta xmlns:n1="http://openrosa.org/jr/xforms"><n1:instanceID>i1</n1:instanceID></n1:meta>
        </data>"""
    )
    assert read["data"] == {
        "@xmlns": "http://openrosa.org/formdesigner/A1",
        "@name": "Registration",
        "@uiVersion": "1",
        "@version": "7",
        "case": {
            "@xmlns": "http://commcarehq.org/case/transaction/v2",
            "@case_id": "c1",
            "create": {"case_type": "patient"},
        },
        "meta": {"@xmlns": "http://openrosa.org/jr/xforms", "instanceID": "i1"},
    }


@pytest.mark.parametrize(
    ("raw", "refusal", "says"),
    [
        (b" ", EmptyBody, "an XML document was expected"),
        (b"<a><b></a>", NotXML, "line 1, column 9: mismatched tag"),
        (b"<a>\n<b></a>", NotXML, "line 2"),
        (b"<a/><b/>", NotXML, "junk after document element"),
        (b"<a>&b;</a>", NotXML, "undefined entity"),
        (b"<a>&#0;</a>", NotXML, "invalid character"),
        (b"<a>\xff</a>", NotXML, "byte 4"),
        (b"<!DOCTYPE a><a/>", NotXML, "document type"),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", UnsupportedType, "not in UTF-8"),
        (b"<a>" * 101, TooDeep, "100 levels"),
        (b"<a>" + b"<b c=''/>" * (MAX_NODES // 2), TooLarge, "200,000"),
    ],
)
def test_what_is_no_xml_is_refused_with_its_place(raw: bytes, refusal: type[Refused], says: str):
    with pytest.raises(refusal, match=says):
        parse_xml(raw)


NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,8}\Z")
LEGAL = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿"))
TREES = st.recursive(
    st.tuples(NAMES, st.dictionaries(NAMES, LEGAL, max_size=2), LEGAL),
    lambda inner: st.tuples(NAMES, st.dictionaries(NAMES, LEGAL, max_size=2), st.lists(inner, max_size=4)),
    max_leaves=12,
)


def written(tree: Any) -> str:
    name, attributes, inside = tree
    told = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if key != "xmlns")
    content = escape(inside) if isinstance(inside, str) else "".join(map(written, inside))
    return f"<{name}{told}>{content}</{name}>"


def expected(tree: Any) -> Any:
    _name, attributes, inside = tree
    value: dict[str, Any] = {f"@{key}": text for key, text in attributes.items() if key != "xmlns"}
    if isinstance(inside, str):
        text = inside.strip()
        if not value:
            return text
        return {**value, "#text": text} if text else value
    for child in inside:
        value.setdefault(child[0], []).append(expected(child))
    return {k: v[0] if isinstance(v, list) and len(v) == 1 else v for k, v in value.items()} or ""


@given(TREES)
def test_any_tree_of_elements_is_read_as_the_rule_says(tree: Any):
    xml = written(tree).encode()
    if b" xml" not in xml:  # attributes that begin with `xml` are the language's own
        assert parse_xml(xml) == {tree[0]: expected(tree)}


@given(st.binary(max_size=200))
@example(b"<a b='1' b='2'/>")
@example(b"<x:a/>")
def test_no_bytes_make_xml_fail_otherwise_than_by_a_refusal(raw: bytes):
    for body in (raw, b"<a>" + raw + b"</a>"):
        with suppress(Refused):
            assert "\\u0000" not in json.dumps(parse_xml(body))


def test_a_form_of_a_megabyte_is_read_in_a_moment():
    body = b"<data>" + b"".join(b"<q%d>answer</q%d>" % (n, n) for n in range(45_000)) + b"</data>"
    began = time.process_time()
    assert len(parse_xml(body)["data"]) == 45_000
    assert time.process_time() - began < 2


# --- OpenRosa -------------------------------------------------------------------------------------


def multipart(*parts: tuple[str, bytes], boundary: str = "b0") -> bytes:
    head = 'Content-Disposition: form-data; name="%s"; filename="f"\r\nContent-Type: text/xml'
    told = b"".join(
        f"--{boundary}\r\n{head % name}\r\n\r\n".encode() + content + b"\r\n" for name, content in parts
    )
    return told + f"--{boundary}--\r\n".encode()


def test_of_a_submission_the_form_is_read_and_not_what_is_attached():
    raw = multipart(("photo.jpg", b"\xff\xd8\r\n\r\n--b"), ("xml_submission_file", b"<data>1</data>"))
    assert parse_openrosa(raw, "multipart/form-data; boundary=b0") == {"data": "1"}
    assert parse_openrosa(raw, 'Multipart/Form-Data; charset=utf-8; BOUNDARY="b0"') == {"data": "1"}


@pytest.mark.parametrize(
    ("raw", "content_type", "refusal", "says"),
    [
        (multipart(("xml_submission_file", b"<a/>")), "multipart/form-data", NotAForm, "no boundary"),
        (multipart(("xml_submission_file", b"<a/>")), "multipart/form-data; boundary=b1", NotAForm, "end"),
        (multipart(("xml_submission_file", b"<a/>"))[:-6], "multipart/form-data; boundary=b0", NotAForm, "end"),
        (multipart(("other", b"<a/>")), "multipart/form-data; boundary=b0", UnsupportedType, "xml_submission"),
        (multipart(("xml_submission_file", b"{}")), "multipart/form-data; boundary=b0", NotXML, "not XML"),
        (multipart(*[("a", b"")] * 250), "multipart/form-data; boundary=b0", NotAForm, "parts"),
    ],
)  # fmt: skip
def test_what_is_no_submission_is_refused(raw, content_type, refusal, says):
    with pytest.raises(refusal, match=says):
        parse_openrosa(raw, content_type)


@given(st.binary(max_size=200))
@example(b"--b0\r\n\r\n--b0--")
def test_no_bytes_make_a_submission_fail_otherwise_than_by_a_refusal(raw: bytes):
    for body in (raw, multipart(("xml_submission_file", raw)), b"--b0" + raw + b"\r\n--b0--"):
        with suppress(Refused):
            parse_openrosa(body, "multipart/form-data; boundary=b0")


# --- whichever it is ------------------------------------------------------------------------------


def test_json_that_calls_itself_xml_is_json_and_kept_as_it_came():
    raw = b'\xef\xbb\xbf {"n": 1.50}'
    read = document(raw, kind=Kind.XML, content_type="text/xml")
    assert (read.kind, read.body, read.text) == (Kind.JSON, {"n": 1.5}, raw)
    assert came_as_json(raw, "text/xml")


def test_a_kept_message_has_the_json_that_it_was_matched_by():
    assert kept_text(raw=b'{"n": 1.50}', content_type="application/json", body={"n": 1.5}) == b'{"n": 1.50}'
    assert kept_text(raw=b"{}", content_type="", body=None) == b"{}"  # from before content types were kept
    assert kept_text(raw=b"n=%C3%A9", content_type="application/x-www-form-urlencoded", body={"n": "é"}) == (
        '{"n": "é"}'.encode()
    )


@pytest.mark.parametrize(
    ("text", "kind", "body"),
    [
        (' {"a": 1} ', Kind.JSON, {"a": 1}),
        ("[1]", Kind.JSON, [1]),
        ("\n<a>1</a>", Kind.XML, {"a": "1"}),
        ("From=%2B1&Body=x", Kind.FORM, {"From": "+1", "Body": "x"}),
        (multipart(("xml_submission_file", b"<a/>")).decode(), Kind.MULTIPART, {"a": ""}),
    ],
)
def test_what_is_pasted_is_read_as_what_it_looks_like(text: str, kind: Kind, body: Any):
    read = pasted(text)
    assert (read.kind, read.body) == (kind, body)


@given(st.text(max_size=100))
@example("--")
@example("\ud800")
@example("--\ud800")
def test_nothing_that_is_pasted_fails_otherwise_than_by_a_refusal(text: str):
    with suppress(Refused):
        pasted(text)
