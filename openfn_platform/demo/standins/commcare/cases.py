"""Cases: what the blocks of all forms add up to, and the three shapes in which HQ shows one."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import tostring

from openfn_platform.demo.standins.commcare.xforms import block_element
from openfn_platform.demo.standins.store import Record

# What an update may change besides the properties that a project makes up.
OWN = ("case_type", "case_name", "owner_id", "external_id")
ALIASES = {"type": "case_type", "name": "case_name"}


def changed(case: Record | None, block: Record, form: Record) -> Record:
    """A case after one more block; without a case it begins here."""
    when, who = block["date_modified"] or form["received_on"], block["user_id"]
    case = dict(case) if case else _opened(block, form, when, who)
    values = {ALIASES.get(name, name): v for name, v in ((block["create"] or {}) | block["update"]).items()}
    case.update({name: values.pop(name) for name in OWN if name in values})
    case["properties"] = {**case["properties"], **{n: v for n, v in values.items() if n != "date_opened"}}
    indices = {**case["indices"], **block["index"]}
    case["indices"] = {
        name: to for name, to in indices.items() if to["case_id"]
    }  # an empty one takes it away
    case |= {"user_id": who, "date_modified": when}
    case |= {"server_date_modified": form["server_modified_on"], "indexed_on": form["indexed_on"]}
    if block["close"]:
        case |= {"closed": True, "date_closed": when, "closed_by": who}
    if form["id"] not in case["xform_ids"]:
        case["xform_ids"] = [*case["xform_ids"], form["id"]]
    return case


def _opened(block: Record, form: Record, when: str, who: str) -> Record:
    return {
        "case_id": block["case_id"],
        "case_type": "",
        "case_name": "",
        "owner_id": who,
        "external_id": None,
        "opened_by": who,
        "date_opened": when,
        "server_date_opened": form["received_on"],
        "closed": False,
        "closed_by": None,
        "date_closed": None,
        "properties": {},
        "indices": {},
        "xform_ids": [],
    }


def shown_v1(case: Record, domain: str) -> dict[str, Any]:
    """As in the list API."""
    return {
        **_common(case, domain),
        "id": case["case_id"],
        "opened_by": case["opened_by"],
        "closed_by": case["closed_by"],
        "indexed_on": case["indexed_on"],
        "resource_uri": f"/a/{domain}/api/case/v1/{case['case_id']}/",
    }


def shown_forwarded(case: Record, domain: str) -> dict[str, Any]:
    """As forwarded in JSON."""
    return {**_common(case, domain), "version": "2.0"}


def shown_v2(case: Record, domain: str) -> dict[str, Any]:
    """As in case API v2: what the project made up is apart from what every case has."""
    return {
        "domain": domain,
        "case_id": case["case_id"],
        "case_type": case["case_type"],
        "case_name": case["case_name"],
        "external_id": case["external_id"],
        "owner_id": case["owner_id"],
        "date_opened": case["date_opened"],
        "last_modified": case["date_modified"],
        "server_last_modified": case["server_date_modified"],
        "indexed_on": case["indexed_on"],
        "closed": case["closed"],
        "date_closed": case["date_closed"],
        "properties": case["properties"],
        "indices": case["indices"],
    }


def case_block_xml(case: Record) -> bytes:
    """As forwarded in XML: the case as it is now, a closed one with nothing but its end."""
    block: Record = {name: case[name] for name in ("case_id", "date_modified", "user_id")}
    if case["closed"]:
        block["close"] = True
    else:
        block["create"] = {name: case[name] for name in ("case_type", "case_name", "owner_id")}
        known = {"external_id": case["external_id"]} if case["external_id"] else {}
        block["update"] = {**known, **case["properties"]}
        block["index"] = case["indices"]
    written: bytes = tostring(block_element(block), encoding="utf-8", xml_declaration=True)
    return written


def _common(case: Record, domain: str) -> dict[str, Any]:
    properties = {name: case[name] for name in (*OWN, "date_opened")}
    return {
        "case_id": case["case_id"],
        "closed": case["closed"],
        "date_closed": case["date_closed"],
        "date_modified": case["date_modified"],
        "domain": domain,
        "indices": {
            name: {"case_type": to["case_type"], "case_id": to["case_id"], "relationship": to["relationship"]}
            for name, to in case["indices"].items()
        },
        "properties": {**properties, **case["properties"]},
        "server_date_modified": case["server_date_modified"],
        "server_date_opened": case["server_date_opened"],
        "user_id": case["user_id"],
        "xform_ids": case["xform_ids"],
    }
