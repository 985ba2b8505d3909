"""What the tracker importer finds wrong with events and relationships."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openfn_platform.demo.standins.dhis2.metadata import UNITS
from openfn_platform.demo.standins.dhis2.records import ENROLLMENT, EVENT, ends_of
from openfn_platform.demo.standins.dhis2.tracker_checks import Bundle, in_program, lacking, moment_or_none
from openfn_platform.demo.standins.dhis2.tracker_payload import Item, Problem
from openfn_platform.demo.standins.dhis2.values import value_problem
from openfn_platform.demo.standins.store import Record

PLANNED = ("SCHEDULE", "OVERDUE", "SKIPPED")


def event_problems(bundle: Bundle, item: Item) -> Iterator[Problem]:
    """An event that is created or updated."""
    values, metadata = item.values, bundle.metadata
    yield from lacking(item, "programStage", "orgUnit")
    stage = metadata.find("programStages", values.get("programStage"))
    program_uid = values.get("program") or ((stage or {}).get("program") or {}).get("id")
    program = metadata.find("programs", program_uid)
    if values.get("programStage") and stage is None:
        told = f"Could not find ProgramStage: `{values['programStage']}`, linked to Event."
        yield Problem("E1013", told)
    if values.get("program") and program is None:
        yield Problem("E1010", f"Could not find Program: `{values['program']}`, linked to Event.")
    if values.get("orgUnit") and metadata.find(UNITS, values["orgUnit"]) is None:
        yield Problem("E1011", f"Could not find OrganisationUnit: `{values['orgUnit']}`, linked to Event.")
    yield from _dates(item)
    yield from _geometry(values, stage)
    combo = values.get("attributeOptionCombo")
    if combo and metadata.find("categoryOptionCombos", combo) is None:
        yield Problem("E1115", f"Could not find CategoryOptionCombo: `{combo}`.")
    if stage is not None and program is not None:
        values["program"] = program["id"]
        yield from _in_its_program(bundle, item, program, stage)
        yield from _values(bundle, item, stage)


def event_warnings(bundle: Bundle, item: Item) -> Iterator[Problem]:
    """What is put right without being refused: a note that is there already is left out."""
    old = bundle.book.find(item.type, item.uid) or {}
    held = {note["note"] for note in old.get("notes", ())}
    for note in item.values.get("notes") or []:
        if note.get("note") in held:
            yield Problem("E1119", f"A Tracker Note with uid `{note['note']}` already exists.")


def relationship_problems(bundle: Bundle, item: Item) -> Iterator[Problem]:
    """A relationship that is created; none can be updated."""
    values = item.values
    if item.strategy == "UPDATE":
        yield Problem("E4015", f"Relationship: `{item.uid}`, already exists.")
    yield from lacking(item, "relationshipType", "from", "to")
    type_ = bundle.metadata.find("relationshipTypes", values.get("relationshipType"))
    if values.get("relationshipType") and type_ is None:
        yield Problem("E4006", f"Could not find relationship Type: `{values['relationshipType']}`.")
    ends = list(ends_of(values))
    if values.get("from") and values.get("to") and len(ends) != 2:
        told = f"Relationship Item `from` for Relationship `{item.uid}` is invalid: an Item can link only one"
        yield Problem("E4001", f"{told} Tracker entity.")
        return
    for other, uid in ends:
        if bundle.known(other, uid) is None:
            yield Problem("E4012", f"Could not find `{other.key}`: `{uid}`, linked to Relationship.")
    if len(ends) == 2 and ends[0] == ends[1]:
        yield Problem("E4000", f"Relationship: `{item.uid}` cannot link to itself")
    elif len(ends) == 2 and type_ is not None:
        yield from _linked_already(bundle, item, type_)


def _linked_already(bundle: Bundle, item: Item, type_: Record) -> Iterator[Problem]:
    ends = list(ends_of(item.values))
    both = [ends, ends[::-1]] if type_.get("bidirectional") else [ends]
    for other in bundle.book.relationships_of(ends[0][1]):
        same_type = other["relationshipType"] == type_["id"]
        if same_type and list(ends_of(other)) in both and other["relationship"] != item.uid:
            (left, left_uid), (right, right_uid) = ends
            told = (
                f"Relationship: `{item.uid}`, linking {left.key}: `{left_uid}` to {right.key}: `{right_uid}`"
            )
            yield Problem("E4018", f"{told} already exists.")
            return


def _dates(item: Item) -> Iterator[Problem]:
    values = item.values
    occurred, scheduled = values.get("occurredAt"), values.get("scheduledAt")
    status = str(values.get("status") or "ACTIVE")
    if status not in PLANNED and moment_or_none(occurred) is None:
        yield Problem("E1031", "Event OccurredAt date is missing.")
    elif (status in PLANNED and moment_or_none(scheduled) is None) or (
        scheduled is not None and moment_or_none(scheduled) is None
    ):
        yield Problem("E1050", "Event ScheduledAt date is missing.")
    if values.get("completedAt") and status != "COMPLETED":
        told = f"Event: `{item.uid}`, completedAt must be null when status is `{status}`."
        yield Problem("E1051", told)


def _geometry(values: Record, stage: Record | None) -> Iterator[Problem]:
    place = values.get("geometry")
    if place is None or stage is None:
        return
    feature = str(stage.get("featureType") or "NONE")
    if not isinstance(place, dict) or str(place.get("type", "")).upper() != feature or not _is_point(place):
        yield Problem("E1012", f"Geometry does not conform to FeatureType: `{feature}`.")


def _is_point(place: Record) -> bool:
    if str(place.get("type", "")).upper() != "POINT":
        return True
    pair = place.get("coordinates")
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(n, int | float) for n in pair)


def _in_its_program(bundle: Bundle, item: Item, program: Record, stage: Record) -> Iterator[Problem]:
    values, uid = item.values, program["id"]
    if (stage.get("program") or {}).get("id") != uid:
        told = (
            f"Event: `{item.uid}`, references a Program Stage `{stage['id']}` that does not belong to Program"
        )
        yield Problem("E1089", f"{told} `{uid}`.")
    if bundle.metadata.find(UNITS, values.get("orgUnit")) and not in_program(program, values["orgUnit"]):
        told = f"Event OrganisationUnit: `{values['orgUnit']}`, and Program: `{uid}`, don't match."
        yield Problem("E1029", told)
    old = bundle.book.find(EVENT, item.uid)
    if old and old["program"] != uid:
        yield Problem(
            "E1110", f"Not allowed to update Event: `{item.uid}`, existing Program `{old['program']}`."
        )
    if program["programType"] == "WITH_REGISTRATION":
        yield from _enrolled(bundle, item, program, stage)
    else:
        values.update(enrollment=None, trackedEntity=None)


def _enrolled(bundle: Bundle, item: Item, program: Record, stage: Record) -> Iterator[Problem]:
    given = item.values.get("enrollment")
    if not given:
        yield Problem("E1033", f"Event: `{item.uid}`, Enrollment value is NULL.")
        return
    enrollment = bundle.known(ENROLLMENT, given)
    if enrollment is None:
        yield Problem("E1081", f"Enrollment: `{given}`, do not exist.")
        return
    item.values["trackedEntity"] = enrollment.get("trackedEntity")
    if enrollment.get("program") != program["id"]:
        told = (
            f"Event: `{item.uid}`, program: `{program['id']}` is different from program defined in enrollment"
        )
        yield Problem("E1079", f"{told} `{given}`.")
    if not stage.get("repeatable") and any(
        other["programStage"] == stage["id"] and other["event"] != item.uid
        for other in bundle.book.events_of(str(given))
    ):
        yield Problem(
            "E1039", f"ProgramStage: `{stage['id']}`, is not repeatable and an event already exists."
        )


def _values(bundle: Bundle, item: Item, stage: Record) -> Iterator[Problem]:
    held = {e["dataElement"]["id"]: e for e in stage.get("programStageDataElements") or []}
    sent: dict[str, Any] = {}
    for one in item.values.get("dataValues") or []:
        uid, value = str(one.get("dataElement") or ""), one.get("value")
        sent[uid] = value
        element = bundle.metadata.find("dataElements", uid)
        if element is None:
            told = f"Event: `{item.uid}`, could not find DataElement: `{uid}`, linked to a data value."
            yield Problem("E1087", told)
        elif uid not in held:
            yield Problem("E1305", f"DataElement `{uid}` is not part of `{stage['id']}` program stage")
        elif value is not None:
            yield from _value(bundle, element, str(value))
    strict = stage.get("validationStrategy") == "ON_UPDATE_AND_INSERT"
    status = str(item.values.get("status") or "ACTIVE")
    if status not in PLANNED and (strict or status == "COMPLETED"):
        for uid in (uid for uid, e in held.items() if e.get("compulsory")):
            if sent.get(uid) is None and (item.strategy == "CREATE" or uid in sent):
                yield Problem("E1303", f"Mandatory DataElement `{uid}` is not present")


def _value(bundle: Bundle, element: Record, value: str) -> Iterator[Problem]:
    if why := value_problem(element["valueType"], value):
        yield Problem("E1302", f"DataElement `{element['id']}` is not valid: `{why}`.")
    codes = bundle.metadata.option_codes(element)
    if codes is not None and value not in codes:
        chosen = element["optionSet"]["id"]
        yield Problem("E1125", f"Value `{value}` is not a valid option code in option set `{chosen}`")
