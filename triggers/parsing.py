"""XML and forms as the JSON that triggers match and jobs get. Pure; the raw bytes are kept beside it.

A form becomes one object: each field is a text, a field that comes several times a list of texts, in order.

XML becomes one object with one name, that of the root element, by a rule that stands here and nowhere else. It is
the one by which CommCare writes its forms as JSON, so criteria read alike for both:

* an element that holds only text is that text, without the blanks around it; an empty one is "";
* any other is an object: `@name` for each attribute, a name for each child, `#text` for text of its own;
* children of one name are a list, in order;
* prefixes are dropped. An object whose namespace is not that around it says so in `@xmlns`;
* comments and processing instructions are left out; document types are refused, with all that they could define.

All values are texts: XML and forms do not say what is a number.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ErrorString

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from triggers.bodies import (
    BOM,
    MAX_DEPTH,
    MAX_KEY,
    EmptyBody,
    Kind,
    NotStorable,
    Refused,
    TooDeep,
    TooLarge,
    UnsupportedType,
    decoded,
    has_unstorable,
    kind_of,
    parsed,
)

MAX_FIELDS = 10_000
MAX_NODES = 200_000  # elements and attributes: each costs some hundred times its bytes
MAX_PARTS = 200
OPENROSA_PART = "xml_submission_file"

_ENCODING = re.compile(rb"\A\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_BOUNDARY = re.compile(r"boundary\s*=\s*(?:\"([ !#-~]{1,70})\"|([!#-+\--:<-~]{1,70}))", re.I)
_DISPOSITION = re.compile(
    rb"(?im)^content-disposition:[^\r\n]*?;\s*name\s*=\s*(?:\"([^\"\r\n]*)\"|([^\s;]+))"
)


class NotXML(Refused):
    """The body is not XML."""

    code = "not_xml"


class NotAForm(Refused):
    """The body is not a form."""

    code = "not_a_form"


@dataclass(frozen=True, kw_only=True)
class Document:
    """What was read."""

    kind: Kind  # how it was written, whatever its Content-Type said
    body: Any
    text: bytes  # the body as JSON; the very bytes that came if that is what they were


def document(raw: bytes, *, kind: Kind, content_type: str) -> Document:
    """A body of that kind, read. Raises a `Refused` that says what is wrong and where, never the content."""
    kind = written_as(raw, kind)
    if kind is Kind.JSON:
        return Document(kind=kind, body=parsed(raw), text=raw)
    if kind is Kind.XML:
        body = parse_xml(raw)
    elif kind is Kind.FORM:
        body = parse_form(raw)
    else:
        body = parse_openrosa(raw, content_type)
    return Document(kind=kind, body=body, text=_text(body))


def written_as(raw: bytes, kind: Kind) -> Kind:
    """How a body is written that says to be of that kind: CommCare posts JSON as text/xml."""
    return Kind.JSON if kind is Kind.XML and _opens_json(raw) else kind


def came_as_json(raw: bytes, content_type: str) -> bool:
    """Of a message that was kept: whether its bytes are the JSON that triggers matched."""
    return written_as(raw, kind_of(content_type) or Kind.JSON) is Kind.JSON


def kept_text(*, raw: bytes, content_type: str, body: Any) -> bytes:
    """The JSON of a message that was kept: as it came, or as it was read when it came."""
    return raw if came_as_json(raw, content_type) else _text(body)


def pasted(text: str) -> Document:
    """A body that came without its Content-Type, read as what it looks like."""
    raw = text.strip().encode("utf-8", "surrogatepass")
    kind, content_type = Kind.JSON, ""
    if raw.startswith(b"<"):
        kind = Kind.XML
    elif raw.startswith(b"--"):
        kind = Kind.MULTIPART
        content_type = f'multipart/form-data; boundary="{text.strip().splitlines()[0][2:]}"'
    elif b"=" in raw and not re.match(rb"[\[{\"\s]", raw):
        kind = Kind.FORM
    return document(raw, kind=kind, content_type=content_type)


def _text(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _opens_json(raw: bytes) -> bool:
    return raw.removeprefix(BOM).lstrip()[:1] in (b"{", b"[")


# ---- forms -----------------------------------------------------------------------------------------------


def parse_form(raw: bytes) -> dict[str, Any]:
    """`a=1&b=2&b=3` as {"a": "1", "b": ["2", "3"]}."""
    body = raw.removeprefix(BOM).strip()
    if not body:
        raise EmptyBody("The body is empty; a form was expected.")
    if _opens_json(body):
        raise NotAForm("The body looks like JSON: send it with Content-Type: application/json.")
    fields = decoded(body, NotAForm).split("&")
    if len(fields) > MAX_FIELDS:
        raise NotAForm(f"The body has more than {MAX_FIELDS:,} fields.")
    form: dict[str, Any] = {}
    for place, each in enumerate(fields, start=1):
        name, equals, value = each.partition("=")
        if not equals:
            raise NotAForm(f"The body is not a form: field {place} is not written as name=value.")
        _put(form, _unquoted(name, place), _unquoted(value, place))
    if has_unstorable(form):
        raise NotStorable()
    return form


def _unquoted(text: str, place: int) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise NotAForm(f"The body is not in UTF-8: see field {place}.") from None


def _put(into: dict[str, Any], name: str, value: Any) -> None:
    """Another value under a name: from the second on it is a list."""
    if len(name) > MAX_KEY:
        raise Refused(f"The body has a name of more than {MAX_KEY:,} characters.")
    if name not in into:
        into[name] = value
    elif isinstance(into[name], list):
        into[name].append(value)
    else:
        into[name] = [into[name], value]


# ---- XML -------------------------------------------------------------------------------------------------


def parse_xml(raw: bytes) -> dict[str, Any]:
    """`<a x="1"><b>2</b></a>` as {"a": {"@x": "1", "b": "2"}}."""
    body = raw.removeprefix(BOM)
    if not body.strip():
        raise EmptyBody("The body is empty; an XML document was expected.")
    decoded(body, NotXML)
    declared = _ENCODING.match(body)
    if declared and declared.group(1).lower() not in {b"utf-8", b"utf8", b"us-ascii"}:
        raise UnsupportedType("The XML says that it is not in UTF-8; send it in UTF-8.")
    tree = _Tree()
    parser = DefusedXMLParser(target=tree, encoding="utf-8", forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
    except ParseError as error:
        line, column = error.position
        why = ErrorString(error.code) or "it cannot be read"
        raise NotXML(f"The body is not XML: line {line}, column {column + 1}: {why}.") from None
    except DefusedXmlException:
        raise NotXML("The XML has a document type (<!DOCTYPE …>), which is not taken.") from None
    return tree.root


@dataclass
class _Element:
    name: str
    namespace: str
    values: dict[str, Any]
    texts: list[str] = field(default_factory=list)


class _Tree:
    """What the parser calls: builds the object as the elements come, as deep and as large as is allowed."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[_Element] = []
        self._nodes = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise TooDeep()
        self._nodes += 1 + len(attributes)
        if self._nodes > MAX_NODES:
            raise TooLarge(f"The XML has more than {MAX_NODES:,} elements and attributes.")
        namespace, name = _split(tag)
        element = _Element(name=name, namespace=namespace, values={})
        for full in sorted(attributes, key=lambda each: each.startswith("{")):
            plain = f"@{_split(full)[1]}"
            # Of two attributes that differ only in their namespace, the second keeps it.
            element.values[f"@{full}" if plain in element.values else plain] = attributes[full]
        self._open.append(element)

    def data(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def end(self, _tag: str) -> None:
        element = self._open.pop()
        around = self._open[-1].namespace if self._open else ""
        value = _value(element, around)
        _put(self._open[-1].values if self._open else self.root, element.name, value)

    def close(self) -> None:
        pass


def _split(tag: str) -> tuple[str, str]:
    """(namespace, name) of `{namespace}name`."""
    namespace, brace, name = tag.rpartition("}")
    return (namespace[1:], name) if brace else ("", tag)


def _value(element: _Element, around: str) -> Any:
    text = "".join(element.texts).strip()
    if not element.values:
        return text
    if element.namespace and element.namespace != around:
        element.values = {"@xmlns": element.namespace, **element.values}
    if text:
        element.values["#text"] = text
    return element.values


# ---- OpenRosa: XML in a multipart form -------------------------------------------------------------------


def parse_openrosa(raw: bytes, content_type: str) -> dict[str, Any]:
    """The XML of a form as ODK Collect submits it; what is attached stays in the raw bytes."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise NotAForm("The Content-Type names no boundary between the parts.")
    mark = f"--{boundary.group(1) or boundary.group(2)}".encode()
    parts = (b"\r\n" + raw).split(b"\r\n" + mark, MAX_PARTS + 1)
    if len(parts) > MAX_PARTS:
        raise NotAForm(f"The body has more than {MAX_PARTS - 2} parts.")
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise NotAForm("The body is not a multipart form, or its end is missing.")
    for part in parts[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        named = _DISPOSITION.search(head)
        if blank and named and (named.group(1) or named.group(2)) == OPENROSA_PART.encode():
            return parse_xml(content)
    raise UnsupportedType(f"Of multipart forms only those with a part named {OPENROSA_PART} are taken.")
