"""Persons: names, birthdate, gender, and what the validators want of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openfn_platform.demo.standins.openmrs import errors
from openfn_platform.demo.standins.openmrs.dates import age_on, moment_from
from openfn_platform.demo.standins.openmrs.representations import Representation, pick
from openfn_platform.demo.standins.openmrs.resources import Kind, Resource
from openfn_platform.demo.standins.store import Record

OLDEST = 120
LONGEST_NAME = 50
NAME_PARTS = ("prefix", "givenName", "middleName", "familyNamePrefix", "familyName", "familyName2")
ADDRESS_PARTS = (
    "address1", "address2", "address3", "address4", "address5", "address6", "cityVillage",
    "countyDistrict", "stateProvince", "country", "postalCode", "latitude", "longitude",
    "startDate", "endDate",
)  # fmt: skip
LISTS = {
    "names": ("org.openmrs.PersonName", (*NAME_PARTS, "familyNameSuffix", "degree")),
    "addresses": ("org.openmrs.PersonAddress", ADDRESS_PARTS),
    "attributes": ("org.openmrs.PersonAttribute", ("attributeType", "value", "hydratedObject")),
}
GENERATED = ("age", "preferredName", "preferredAddress")

PERSON = Kind(
    name="person",
    java="org.openmrs.Person",
    label="People",
    properties=(
        "gender", "age", "birthdate", "birthdateEstimated", "birthtime", "dead", "deathDate", "causeOfDeath",
        "preferredName", "preferredAddress", "names", "addresses", "attributes", "deathdateEstimated",
    ),
    required=("names",),
    dates=("birthdate", "deathDate"),
    version="1.11",
)  # fmt: skip


class Persons(Resource):
    """The person resource; patients share their person's uuid."""

    def search(self, query: Mapping[str, str]) -> list[Record]:
        """By words that begin a name."""
        if "q" not in query:
            raise errors.not_supported("doGetAll is not supported by person: give a condition")
        return [person for person in self.visible(query) if name_matches(person, query["q"])]

    def create_part(self, values: object, where: str) -> Record:
        """The person inside a new patient: converted and checked by the patient, so nothing is stored yet."""
        if not isinstance(values, dict):
            raise errors.cannot_convert(values, self.kind.java, where=where)
        self.check_names(values, (*self.kind.properties, "uuid"))
        record: Record = {"uuid": self.fresh_uuid(values), "voided": False}
        record.update(self.converted(values))
        return record

    def converted(self, values: Mapping[str, Any]) -> Record:
        """As in general, with names, addresses and attributes as lists of objects with uuids."""
        settable = {n: v for n, v in values.items() if n not in GENERATED and n not in LISTS}
        record = super().converted(settable)
        if not isinstance(record.get("gender") or "", str):
            raise errors.cannot_convert(record["gender"], "java.lang.String", where=self.at("gender"))
        for name, (java, parts) in LISTS.items():
            if name in values:
                record[name] = self._parts(name, values[name], java, parts)
        if isinstance(values.get("age"), int) and not record.get("birthdate"):
            # OpenMRS turns an age into the first of January of that year.
            born = f"{datetime.now(UTC).year - values['age']:04d}-01-01"
            record |= {"birthdate": f"{born}T00:00:00.000+0000", "birthdateEstimated": True}
        return record

    def _parts(self, name: str, values: object, java: str, parts: tuple[str, ...]) -> list[Record]:
        if values is None:
            told = f'Cannot invoke "java.util.List.iterator()" because "{name}" is null'
            raise errors.conversion(told, where=self.at(name))
        if not isinstance(values, list):
            raise errors.cannot_convert(values, "java.util.Set", where=self.at(name))
        return [self._part(name, value, java, parts) for value in values]

    def _part(self, name: str, value: object, java: str, parts: tuple[str, ...]) -> Record:
        if not isinstance(value, dict):
            raise errors.cannot_convert(value, java, where=self.at(name))
        self.check_names(
            value, (*parts, "uuid", "preferred", "voided", "display", "links", "resourceVersion")
        )
        kept: Record = {"uuid": value.get("uuid") or str(uuid.uuid4()), "preferred": False, "voided": False}
        for part in (*parts, "preferred", "voided"):
            if part in value:
                if part in NAME_PARTS and not isinstance(value[part] or "", str):
                    where = f"{self.at(name)} => {part} on class {java}"
                    raise errors.cannot_convert(value[part], "java.lang.String", where=where)
                kept[part] = value[part]
        return kept

    def validate(self, record: Record) -> None:
        """A person alone needs no gender; a patient does."""
        found = errors.ValidationError()
        self.check(record, found)
        found.raise_any()

    def check(self, record: Record, found: errors.ValidationError) -> None:
        """Collect what is wrong with names and birthdate."""
        names = [n for n in record.get("names") or [] if not n["voided"]]
        if not names:
            found.field("names", "Person.names.length", "Must have at least one name")
        for index, name in enumerate(names):
            self._check_name(name, f"names[{index}]", found)
        for index, address in enumerate(record.get("addresses") or []):
            for part, value in address.items():
                if part in ADDRESS_PARTS and isinstance(value, str) and len(value) > 255:
                    told = "This value exceeds the maximum length of 255 permitted for this field."
                    found.field(f"addresses[{index}].{part}", "error.exceededMaxLengthOfField", told)
        if record.get("birthdate"):
            born, now = moment_from(record["birthdate"], where=self.at("birthdate")), datetime.now(UTC)
            if born > now:
                found.field("birthdate", "error.date.future", "Cannot be a date in the future")
            elif age_on(record["birthdate"], now.date()) >= OLDEST:
                found.field("birthdate", "error.date.nonsensical", "Nonsensical date, please check.")

    def _check_name(self, name: Record, at: str, found: errors.ValidationError) -> None:
        for part, label in (("givenName", "Given Name"), ("familyName", "Family Name")):
            value = name.get(part) or ""
            if not value.strip():
                found.field(f"{at}.{part}", f"Person.{part}.required", f"You must define the {label}")
            elif len(value) > LONGEST_NAME:
                told = f"This value exceeds the maximum length of {LONGEST_NAME} permitted for this field."
                found.field(f"{at}.{part}", "error.exceededMaxLengthOfField", told)

    def display(self, record: Record) -> str:
        """The full name."""
        name = preferred(record.get("names"))
        return full_name(name) if name else ""

    def value(self, record: Record, name: str, wanted: Representation) -> Any:
        """Properties that OpenMRS works out, and lists with their displays."""
        if name == "age":
            born = record.get("birthdate")
            return age_on(born, datetime.now(UTC).date()) if born else None
        if name in ("preferredName", "preferredAddress"):
            kind = "names" if name == "preferredName" else "addresses"
            part = preferred(record.get(kind))
            return pick(self._shown(kind, part), wanted) if part else None
        if name in LISTS:
            return [pick(self._shown(name, part), wanted) for part in record.get(name) or []]
        if name in ("birthdateEstimated", "dead", "deathdateEstimated"):
            return bool(record.get(name))
        return super().value(record, name, wanted)

    def _shown(self, kind: str, part: Record) -> dict[str, Any]:
        fields = {name: part.get(name) for name in LISTS[kind][1]}
        display = full_name(part) if kind == "names" else part.get("address1") or part.get("value")
        return {"uuid": part["uuid"], "display": display, "links": [], "voided": part["voided"], **fields}


def preferred(parts: list[Record] | None) -> Record | None:
    """The preferred one of those that are not voided, else the first."""
    alive = [part for part in parts or [] if not part["voided"]]
    return next((part for part in alive if part["preferred"]), alive[0] if alive else None)


def full_name(name: Record) -> str:
    """`Asha Juma Said`."""
    return " ".join(name[part] for part in NAME_PARTS if name.get(part))


def name_matches(person: Record, query: str) -> bool:
    """Whether each word of the query begins a part of one of the person's names."""
    words = query.lower().split()
    if not words:
        return False
    for name in person.get("names") or []:
        parts = full_name(name).lower().split()
        if all(any(part.startswith(word) for part in parts) for word in words):
            return True
    return False
