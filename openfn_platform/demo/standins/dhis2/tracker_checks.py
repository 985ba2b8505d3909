"""What the tracker importer finds wrong with tracked entities and enrollments, and what all checks share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from openfn_platform.demo.standins.dhis2.dates import moment_text, now_text
from openfn_platform.demo.standins.dhis2.metadata import UNITS, Metadata
from openfn_platform.demo.standins.dhis2.records import ENROLLMENT, TRACKED_ENTITY, Book, Type
from openfn_platform.demo.standins.dhis2.tracker_payload import Item, Problem
from openfn_platform.demo.standins.dhis2.tracker_shapes import attributes_of
from openfn_platform.demo.standins.dhis2.uids import is_uid
from openfn_platform.demo.standins.dhis2.values import value_problem
from openfn_platform.demo.standins.store import Record

# Exists already, does not exist, is deleted, lacks something it needs.
_EXISTENCE = {
    "TRACKED_ENTITY": ("E1002", "E1063", "E1114", "E1121", "does not exist"),
    "ENROLLMENT": ("E1080", "E1081", "E1113", "E1122", "do not exist"),
    "EVENT": ("E1030", "E1032", "E1082", "E1123", "do not exist"),
    "RELATIONSHIP": ("E4015", "E4016", "E4017", "E1124", "do not exist"),
}
_PROPERTY_OF = {"TRACKED_ENTITY": "tracked entity", "ENROLLMENT": "enrollment", "EVENT": "event"}


class Bundle:
    """Everything of one import, so that its objects can refer to each other."""

    def __init__(self, metadata: Metadata, book: Book, items: Sequence[Item]) -> None:
        self.metadata, self.book, self.items = metadata, book, items
        self.values: dict[tuple[str, str], str] = {}  # unique attribute values of this payload, and whose
        self._by_uid = {(item.type, item.uid): item for item in items}

    def coming(self, type_: Type, uid: object) -> Item | None:
        """An object of this payload that is not being deleted."""
        found = self._by_uid.get((type_, str(uid)))
        return found if found is not None and found.strategy != "DELETE" else None

    def known(self, type_: Type, uid: object) -> Record | None:
        """An object of this payload or one that is kept already."""
        coming = self.coming(type_, uid)
        return coming.values if coming else self.book.living(type_, uid)


def existence(bundle: Bundle, item: Item) -> Iterator[Problem]:
    """Whether the object is there or not, as its strategy needs it."""
    taken, absent, deleted, _, words = _EXISTENCE[item.type.name]
    found = bundle.book.find(item.type, item.uid)
    if not is_uid(item.uid):
        told = f"Object: `{item.type.label}`, uid: `{item.uid}`, has an invalid uid format."
        yield Problem("E1048", told)
    elif found is None and item.strategy != "CREATE":
        yield Problem(absent, f"{item.type.label}: `{item.uid}`, {words}.")
    elif found is not None and found["deleted"]:
        yield Problem(deleted, f"{item.type.label}: `{item.uid}`, is already deleted and can't be modified.")
    elif found is not None and item.strategy == "CREATE":
        yield Problem(taken, f"{item.type.label}: `{item.uid}`, already exists.")


def lacking(item: Item, *names: str) -> Iterator[Problem]:
    """Properties that must be sent."""
    code = _EXISTENCE[item.type.name][3]
    what = _PROPERTY_OF.get(item.type.name, "relationship")
    for name in names:
        if not item.values.get(name):
            yield Problem(code, f"Missing required {what} property: `{name}`.")


def entity_problems(bundle: Bundle, item: Item) -> Iterator[Problem]:
    """A tracked entity that is created or updated."""
    values, metadata = item.values, bundle.metadata
    yield from lacking(item, "trackedEntityType", "orgUnit")
    type_ = metadata.find("trackedEntityTypes", values.get("trackedEntityType"))
    if values.get("trackedEntityType") and type_ is None:
        yield Problem("E1005", f"Could not find TrackedEntityType: `{values['trackedEntityType']}`.")
    if values.get("orgUnit") and metadata.find(UNITS, values["orgUnit"]) is None:
        yield _no_unit("E1049", values, "Tracked Entity")
    old = bundle.book.find(TRACKED_ENTITY, item.uid)
    if old and type_ and old["trackedEntityType"] != type_["id"]:
        yield Problem("E1126", "Not allowed to update Tracked Entity property: trackedEntityType.")
    yield from _attribute_problems(bundle, item, item.uid)
    yield from _missing_attributes(
        item,
        attributes_of(type_),
        old["attributes"] if old else {},
        ("E1090", "tracked entity type", (type_ or {}).get("id"), f"tracked entity `{item.uid}`"),
    )


def enrollment_problems(bundle: Bundle, item: Item) -> Iterator[Problem]:
    """An enrollment that is created or updated."""
    values, metadata = item.values, bundle.metadata
    yield from lacking(item, "orgUnit", "program", "trackedEntity")
    program = metadata.find("programs", values.get("program"))
    entity = bundle.known(TRACKED_ENTITY, values.get("trackedEntity"))
    if values.get("trackedEntity") and entity is None:
        yield Problem(
            "E1068", f"Could not find TrackedEntity: `{values['trackedEntity']}`, linked to Enrollment."
        )
    if values.get("orgUnit") and metadata.find(UNITS, values["orgUnit"]) is None:
        yield _no_unit("E1070", values, "Enrollment")
    yield from _enrollment_dates(values)
    if program is None:
        if values.get("program"):
            yield Problem("E1069", f"Could not find Program: `{values['program']}`, linked to Enrollment.")
        return
    yield from _enrollment_program(bundle, item, program, entity)


def _enrollment_program(
    bundle: Bundle, item: Item, program: Record, entity: Record | None
) -> Iterator[Problem]:
    values, uid = item.values, program["id"]
    if program["programType"] == "WITHOUT_REGISTRATION":
        told = (
            f"Provided Program: `{uid}`, is a Program without registration. An Enrollment cannot be created"
        )
        yield Problem("E1014", f"{told} into Program without registration.")
        return
    if bundle.metadata.find(UNITS, values.get("orgUnit")) and not in_program(program, values["orgUnit"]):
        told = f"Enrollment OrganisationUnit: `{values['orgUnit']}`, and Program: `{uid}`, don't match."
        yield Problem("E1041", told)
    wanted = (program.get("trackedEntityType") or {}).get("id")
    if entity is not None and entity.get("trackedEntityType") != wanted:
        told = f"TrackedEntity: `{values['trackedEntity']}`, must have same TrackedEntityType as Program `{uid}`."
        yield Problem("E1022", told)
    old = bundle.book.find(ENROLLMENT, item.uid)
    if old and old["program"] != uid:
        yield Problem("E1094", f"Not allowed to update Enrollment: `{item.uid}`, existing Program `{uid}`.")
    if old and old["trackedEntity"] != values.get("trackedEntity"):
        yield Problem("E1127", "Not allowed to update Enrollment property: trackedEntity.")
    if old is None and str(values.get("status") or "ACTIVE") == "ACTIVE":
        yield from _enrolled_already(bundle, item, uid)
    yield from _enrollment_attributes(bundle, item, program)


def _enrolled_already(bundle: Bundle, item: Item, program: str) -> Iterator[Problem]:
    entity = item.values.get("trackedEntity")
    others = [
        *bundle.book.enrollments_of(str(entity)),
        *(
            other.values
            for other in bundle.items[: bundle.items.index(item)]
            if other.type is ENROLLMENT and other.values.get("trackedEntity") == entity
        ),
    ]
    for other in others:
        if other.get("program") == program and str(other.get("status") or "ACTIVE") == "ACTIVE":
            told = f"TrackedEntity: `{entity}`, already has an active Enrollment in Program `{program}`."
            yield Problem("E1015", told)
            return


def _enrollment_attributes(bundle: Bundle, item: Item, program: Record) -> Iterator[Problem]:
    owned = attributes_of(program)
    for one in item.values.get("attributes") or []:
        if (
            bundle.metadata.find("trackedEntityAttributes", one.get("attribute"))
            and one["attribute"] not in owned
        ):
            told = f"Only Program attributes is allowed for enrollment; Non valid attribute: `{one['attribute']}`."
            yield Problem("E1019", told)
    entity = str(item.values.get("trackedEntity"))
    yield from _attribute_problems(bundle, item, entity)
    kept = bundle.book.living(TRACKED_ENTITY, entity)
    coming = bundle.coming(TRACKED_ENTITY, entity)
    held: dict[str, Any] = dict(kept["attributes"]) if kept else {}
    held |= _sent(coming.values) if coming else {}
    where = ("E1018", "program", program["id"], f"enrollment `{item.uid}`")
    yield from _missing_attributes(item, owned, held, where)


def _enrollment_dates(values: Record) -> Iterator[Problem]:
    if not values.get("enrolledAt"):
        yield Problem("E1025", "Property enrolledAt is null.")
    for name, code, label in (
        ("enrolledAt", "E1020", "Enrollment date"),
        ("occurredAt", "E1021", "Incident date"),
    ):
        if not values.get(name):
            continue
        moment = moment_or_none(values[name])
        if moment is None:
            yield Problem("E1025", f"Property {name} is no date: `{values[name]}`.")
        elif moment[:10] > now_text()[:10]:
            yield Problem(code, f"{label}: `{values[name]}`, can`t be future date.")


def _attribute_problems(bundle: Bundle, item: Item, entity: str) -> Iterator[Problem]:
    for one in item.values.get("attributes") or []:
        uid, value = one.get("attribute"), one.get("value")
        attribute = bundle.metadata.find("trackedEntityAttributes", uid)
        if not uid:
            yield Problem("E1075", "Attribute: ``, is missing uid.")
        elif attribute is None:
            yield Problem("E1006", f"Attribute: `{uid}`, does not exist.")
        elif value is not None:
            yield from _value_problems(bundle, attribute, str(value), entity)


def _value_problems(bundle: Bundle, attribute: Record, value: str, entity: str) -> Iterator[Problem]:
    uid = attribute["id"]
    if why := value_problem(attribute["valueType"], value):
        yield Problem(
            "E1007", f"Error validating attribute value type: `{attribute['valueType']}`; Error: `{why}`."
        )
    codes = bundle.metadata.option_codes(attribute)
    if codes is not None and value not in codes:
        chosen = attribute["optionSet"]["id"]
        yield Problem("E1125", f"Value `{value}` is not a valid option code in option set `{chosen}`")
    if attribute.get("unique"):
        here = bundle.values.setdefault((uid, value.lower()), entity)
        owner = bundle.book.owner_of(uid, value)
        if here != entity or (owner is not None and owner != entity):
            yield Problem("E1064", f"Non-unique attribute value `{value}` for attribute `{uid}`")


def _missing_attributes(
    item: Item, owned: dict[str, bool], held: Record, where: tuple[str, str, object, str]
) -> Iterator[Problem]:
    code, owner, owner_uid, place = where
    sent = _sent(item.values)
    for uid in (uid for uid, mandatory in owned.items() if mandatory):
        if uid in sent and sent[uid] is None:
            yield Problem("E1076", f"`TrackedEntityAttribute` `{uid}` is mandatory and can't be null")
        elif item.strategy == "CREATE" and sent.get(uid, held.get(uid)) is None:
            told = f"Attribute: `{uid}`, is mandatory in {owner} `{owner_uid}` but not declared in {place}."
            yield Problem(code, told)


def _sent(values: Record) -> dict[str, Any]:
    return {str(one.get("attribute")): one.get("value") for one in values.get("attributes") or []}


def in_program(program: Record, unit: object) -> bool:
    """Whether a unit may report into a program."""
    return any(each["id"] == unit for each in program.get("organisationUnits") or [])


def moment_or_none(value: object) -> str | None:
    """A moment in the form in which it is kept, None when it is no moment."""
    try:
        return moment_text(value)
    except ValueError:
        return None


def _no_unit(code: str, values: Record, linked: str) -> Problem:
    return Problem(code, f"Could not find OrganisationUnit: `{values['orgUnit']}`, linked to {linked}.")
