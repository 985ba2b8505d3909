"""Forms as XML (OpenRosa): built from plain values, sent so that a second time does no harm, answers understood."""

from __future__ import annotations

import re
import uuid
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from jobs.adaptors.errors import AdaptorError, ValidationError

CASES = "http://commcarehq.org/case/transaction/v2"
META = "http://openrosa.org/jr/xforms"
# What XML has no spelling for, not even an escaped one.
UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NAME = re.compile(r"[^\W\d][\w.:-]*")
SPACE = uuid.UUID("6f1d6a3c-8b53-5b0e-9d0a-2f7d6f2f4e11")  # of instance IDs made from a key


def instance_id(key: str) -> str:
    """The same key gives the same ID, so that CommCare replaces a form instead of taking it twice."""
    return str(uuid.uuid5(SPACE, key))


def instance_of(text: str) -> str:
    """The `instanceID` in a form's XML, or nothing."""
    try:
        root = ElementTree.fromstring(text.encode("utf-8"))
    except (ParseError, DefusedXmlException, ValueError):
        return ""
    named = (each.text for each in root.iter() if each.tag.rpartition("}")[2] == "instanceID")
    return (next(named, "") or "").strip()


def build(data: dict[str, Any], *, root: str = "data") -> bytes:
    """A form. `@name` is an attribute, `#text` the text beside them, a list repeats its element."""
    element = Element(root)
    _fill(element, data)
    content: bytes = tostring(element, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + content


def with_meta(data: dict[str, Any], *, instance: str) -> dict[str, Any]:
    """The form with an `instanceID`; what the author wrote into `meta` stays."""
    meta = {"@xmlns": META, "instanceID": instance, **(data.get("meta") or {})}
    return {**data, "meta": meta}


def case_block(
    case_id: str,
    *,
    case_type: str | None = None,
    case_name: str | None = None,
    owner_id: str | None = None,
    user_id: str | None = None,
    modified: str | None = None,
    update: dict[str, Any] | None = None,
    index: dict[str, Any] | None = None,
    close: bool = False,
) -> dict[str, Any]:
    """A case transaction for a form. With a type it creates the case, which changes one that is there already.

    `index` names related cases: `{"parent": {"@case_type": "patient", "#text": mother}}`.
    """
    made = {"case_type": case_type, "case_name": case_name, "owner_id": owner_id}
    block: dict[str, Any] = {"@xmlns": CASES, "@case_id": case_id}
    block |= {
        f"@{name}": value for name, value in (("date_modified", modified), ("user_id", user_id)) if value
    }
    if case_type is not None:
        block["create"] = {name: value for name, value in made.items() if value is not None}
    if update:
        block["update"] = update
    if index:
        block["index"] = index
    if close:
        block["close"] = ""
    return block


def judged(text: str, *, status: int) -> dict[str, Any]:
    """What the receiver said, as `{nature, message}`. A 201 can be a refusal. Raises ValidationError then."""
    try:
        root = ElementTree.fromstring(text)
    except (ParseError, DefusedXmlException, ValueError):
        raise _no_receipt(text, status) from None
    if root.tag.rpartition("}")[2] != "OpenRosaResponse":
        raise _no_receipt(text, status)
    found = next((each for each in root.iter() if each.tag.rpartition("}")[2] == "message"), None)
    nature = (found.get("nature") or "") if found is not None else ""
    said = " ".join((found.text or "").split()) if found is not None else ""
    if nature in ("submit_error", "processing_failure"):
        raise ValidationError(
            f"CommCare: {said or 'the form was not processed'}", status=status, body=text, sent=False
        )
    return {"nature": nature, "message": said}


def _no_receipt(text: str, status: int) -> AdaptorError:
    """A log-in page or a proxy says 200 as well, and no form has arrived then."""
    return AdaptorError(
        "CommCare did not answer the form with a receipt.",
        status=status,
        body=text[:2000],
        hint="Is the address right, or does a log-in page or a proxy stand in between?",
        sent=True,
    )


def _fill(element: Element, value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("#", "#text"):
                element.text = _text(inner, where=element.tag)
                continue
            plain = _name(name.removeprefix("@"))
            if name.startswith("@"):
                element.set(plain, _text(inner, where=plain))
            elif isinstance(inner, list):
                for each in inner:
                    _fill(SubElement(element, plain), each)
            else:
                _fill(SubElement(element, plain), inner)
    else:
        element.text = _text(value, where=element.tag)


def _name(name: str) -> str:
    if NAME.fullmatch(name) is None:
        raise ValidationError(
            f"{name!r} cannot be the name of a question: a form takes letters, digits and _ - . and no digit first.",
            sent=False,
        )
    return name


def _text(value: Any, *, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    if UNSPEAKABLE.search(text):
        raise ValidationError(f"{where} holds a control character, which no form can hold.", sent=False)
    return text
