"""Forms as XML: what is in a submission, as JSON, and the case blocks in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from openfn_platform.demo.standins.store import Record

CASE_XMLNS = "http://commcarehq.org/case/transaction/v2"
META_XMLNS = "http://openrosa.org/jr/xforms"


class BadForm(Exception):
    """This cannot be read as a form."""


@dataclass(frozen=True)
class XForm:
    """One form that was read."""

    xml: str
    xmlns: str
    form: dict[str, Any]
    meta: dict[str, str]
    blocks: list[Record]


def read_form(body: bytes) -> XForm:
    """A form from its XML; one without namespace is none."""
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise BadForm(f"Error processing XML: {error}") from error
    xmlns, name = _split(root.tag)
    if not xmlns:
        raise BadForm("Form is missing a required field: XMLNS")
    content = as_json(root)
    if isinstance(content, str):
        content = {"#text": content} if content else {}
    form = {"#type": name, **content}
    meta = next((child for child in root if _split(child.tag)[1] == "meta"), None)
    return XForm(
        xml=body.decode("utf-8", "replace"),
        xmlns=xmlns,
        form=form,
        meta={} if meta is None else _texts(meta),
        blocks=[_block(element) for element in root.iter(f"{{{CASE_XMLNS}}}case")],
    )


def as_json(element: Element, around: str = "") -> Any:
    """An element as HQ shows it: `@` for attributes and changes of namespace, `#text` beside them, lists for repeats."""
    space, _ = _split(element.tag)
    value: dict[str, Any] = {f"@{_split(name)[1]}": text for name, text in element.attrib.items()}
    text = (element.text or "").strip()
    if not value and not len(element) and around:
        return text
    if space and space != around:
        value["@xmlns"] = space
    for child in element:
        _add(value, _split(child.tag)[1], as_json(child, space))
    if text:
        value["#text"] = text
    return value or text


def form_xml(
    xmlns: str, name: str, questions: dict[str, str], blocks: list[Record], meta: dict[str, str]
) -> bytes:
    """A form as HQ itself, or a phone, would write it."""
    root = Element(f"{{{xmlns}}}data", {"name": name, "uiVersion": "1", "version": "1"})
    for question, answer in questions.items():
        SubElement(root, f"{{{xmlns}}}{question}").text = answer
    for block in blocks:
        root.append(block_element(block))
    about = SubElement(root, f"{{{META_XMLNS}}}meta")
    for key, text in meta.items():
        SubElement(about, f"{{{META_XMLNS}}}{key}").text = text
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True, default_namespace=None)
    return written


def block_element(block: Record) -> Element:
    """A case block as XML."""
    attributes = {
        name: str(block[name]) for name in ("case_id", "date_modified", "user_id") if block.get(name)
    }
    element = Element(_case("case"), attributes)
    for action in ("create", "update"):
        if block.get(action):
            inner = SubElement(element, _case(action))
            for name, value in block[action].items():
                SubElement(inner, _case(name)).text = value
    if block.get("index"):
        indices = SubElement(element, _case("index"))
        for name, to in block["index"].items():
            kind = {"case_type": to["case_type"], "relationship": to["relationship"]}
            SubElement(indices, _case(name), kind).text = to["case_id"]
    if block.get("close"):
        SubElement(element, _case("close"))
    return element


def _block(element: Element) -> Record:
    """What a case block says, as it is kept."""
    create, update = element.find(_case("create")), element.find(_case("update"))
    return {
        "case_id": element.get("case_id", ""),
        "date_modified": element.get("date_modified", ""),
        "user_id": element.get("user_id", ""),
        "create": None if create is None else _texts(create),
        "update": {} if update is None else _texts(update),
        "index": dict(_indices(element.find(_case("index")))),
        "close": element.find(_case("close")) is not None,
    }


def _indices(element: Element | None) -> Iterator[tuple[str, Record]]:
    for child in element if element is not None else ():
        yield (
            _split(child.tag)[1],
            {
                "case_id": (child.text or "").strip(),
                "case_type": child.get("case_type", ""),
                "relationship": child.get("relationship", "child"),
            },
        )


def _texts(element: Element) -> dict[str, str]:
    return {_split(child.tag)[1]: (child.text or "").strip() for child in element}


def _add(value: dict[str, Any], name: str, content: Any) -> None:
    if name not in value:
        value[name] = content
    elif isinstance(value[name], list):
        value[name].append(content)
    else:
        value[name] = [value[name], content]


def _split(tag: str) -> tuple[str, str]:
    """Namespace and name of `{namespace}name`."""
    space, _, name = tag.rpartition("}")
    return space.removeprefix("{"), name


def _case(name: str) -> str:
    return f"{{{CASE_XMLNS}}}{name}"
