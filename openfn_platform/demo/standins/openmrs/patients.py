"""Patients: a person with identifiers, whose type, format and uniqueness OpenMRS checks."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from openfn_platform.demo.standins.openmrs import errors
from openfn_platform.demo.standins.openmrs.dates import now_text
from openfn_platform.demo.standins.openmrs.persons import Persons, name_matches, preferred
from openfn_platform.demo.standins.openmrs.representations import Representation, pick
from openfn_platform.demo.standins.openmrs.resources import Kind, Resource, World
from openfn_platform.demo.standins.store import Record

SHORTEST_QUERY = 2
IDENTIFIER_JAVA = "org.openmrs.PatientIdentifier"
IDENTIFIER_PARTS = ("uuid", "identifier", "identifierType", "location", "preferred")

PATIENT = Kind(
    name="patient",
    java="org.openmrs.Patient",
    label="Patients",
    properties=("identifiers", "person"),
    required=("person", "identifiers"),
    create_only=("identifiers",),
)


class Patients(Resource):
    """The patient resource and its sub-resource `identifier`."""

    def __init__(self, world: World, kind: Kind) -> None:
        super().__init__(world, kind)
        self._owners: dict[tuple[str, str], str] = {}
        self._texts: dict[str, str] = {}  # so that a search is quick among ten thousands of patients
        self.index()

    @property
    def persons(self) -> Persons:
        """The person resource."""
        found = self.world.resource("person")
        assert isinstance(found, Persons)  # noqa: S101  (narrows the type)
        return found

    def index(self) -> None:
        """Learn who has which identifier."""
        self._owners.clear()
        self._texts.clear()
        for patient in self.rows.values():
            self._learn(patient)

    def _learn(self, patient: Record) -> None:
        alive = [i for i in patient["identifiers"] if not i["voided"]]
        self._texts[patient["uuid"]] = _lines(i["identifier"] for i in alive)
        if not patient["voided"]:
            self._owners.update({_key(identifier): patient["uuid"] for identifier in alive})

    def _forget(self, patient: Record) -> None:
        for identifier in patient["identifiers"]:
            if self._owners.get(_key(identifier)) == patient["uuid"]:
                del self._owners[_key(identifier)]

    def create(self, values: Mapping[str, Any]) -> Record:
        """A person (new, or an existing one by uuid) becomes a patient."""
        if values.get("person") is None:
            raise errors.conversion("The person property is missing")
        self.check_names(values, (*self.kind.properties, "uuid"))
        self.check_required(values, self.kind.required)
        person = self._person_for(values["person"])
        identifiers = self.identifiers_from(values["identifiers"])
        self._validate(person, identifiers, person["uuid"])
        person = self.persons.save({"created": now_text(), **person})
        record = {"uuid": person["uuid"], "identifiers": identifiers, "voided": False, "created": now_text()}
        return self.save(record)

    def _person_for(self, value: object) -> Record:
        if not isinstance(value, str):
            return self.persons.create_part(value, self.at("person"))
        person = self.persons.lookup(value)
        if person is None or value in self.rows:
            raise errors.conversion("Object with given uuid doesn't exist", where=self.at("person"))
        return person

    def update(self, record: Record, values: Mapping[str, Any]) -> Record:
        """Change the person's properties; identifiers have an address of their own."""
        self.check_names(values, ("person", "uuid"))
        changes = values.get("person") or {}
        if not isinstance(changes, dict):
            raise errors.cannot_convert(changes, self.persons.kind.java, where=self.at("person"))
        self.persons.check_names(changes, (*self.persons.kind.properties, "uuid"))
        person = self.persons.read(record["uuid"])
        person = {**person, **self.persons.converted(changes), "changed": now_text()}
        self._validate(person, record["identifiers"], record["uuid"])
        self.persons.save(person)
        return self.save({**record, "changed": now_text()})

    def save(self, record: Record) -> Record:
        """Keep it and know its identifiers."""
        before = self.rows.get(record["uuid"])
        if before is not None:
            self._forget(before)
        self._learn(record)
        return super().save(record)

    def purge(self, record: Record) -> None:
        """Gone for good, with its person."""
        self._forget(record)
        self._texts.pop(record["uuid"], None)
        super().purge(record)
        self.world.store.remove("person", record["uuid"])

    # -- identifiers

    def identifiers_from(self, values: object) -> list[Record]:
        """Identifiers as a client sent them, with type and location looked up."""
        if not isinstance(values, list):
            raise errors.cannot_convert(values, "java.util.Set", where=self.at("identifiers"))
        found = [self._identifier_from(value) for value in values]
        if len(found) == 1:
            found[0]["preferred"] = True
        return found

    def _identifier_from(self, value: object) -> Record:
        where = self.at("identifiers")
        if not isinstance(value, dict):
            raise errors.cannot_convert(value, IDENTIFIER_JAVA, where=where)
        self.check_names(value, IDENTIFIER_PARTS)
        text = value.get("identifier")
        if text is not None and not isinstance(text, str):
            inner = f"{where} => identifier on class {IDENTIFIER_JAVA}"
            raise errors.cannot_convert(text, "java.lang.String", where=inner)
        location = None
        if "location" in value:
            location = self._existing(value["location"], "location", "location")
        return {
            "uuid": value.get("uuid") or str(uuid.uuid4()),
            "identifier": text,
            "identifierType": self._existing(value.get("identifierType"), "identifierType", None),
            "location": location,
            "preferred": bool(value.get("preferred")),
            "voided": False,
        }

    def _existing(self, value: object, name: str, table: str | None) -> str:
        """The uuid of a type or location that exists; what is said of another is a Java accident, and real."""
        resource = self.world.resource(table or "patientidentifiertype")
        unique = value.get("uuid") if isinstance(value, dict) else value
        if unique is not None and not isinstance(unique, str):
            where = f"{self.at('identifiers')} => {name} on class {IDENTIFIER_JAVA}"
            raise errors.cannot_convert(unique, resource.kind.java, where=where)
        found = resource.lookup(unique) if unique else None
        if found is None:
            told = f'Cannot invoke "{resource.kind.java}.getUuid()" because "{name}" is null'
            raise errors.conversion(told, where=self.at("identifiers"))
        return str(found["uuid"])

    def add_identifier(self, patient: Record, values: Mapping[str, Any]) -> Record:
        """POST to the sub-resource."""
        self.check_required(values, ("identifier", "identifierType"))
        new = self._identifier_from(dict(values))
        kept = [{**i, "preferred": i["preferred"] and not new["preferred"]} for i in patient["identifiers"]]
        self._validate(self.persons.read(patient["uuid"]), [*kept, new], patient["uuid"])
        self.save({**patient, "identifiers": [*kept, new], "changed": now_text()})
        return new

    def change_identifier(self, patient: Record, unique: str, values: Mapping[str, Any]) -> Record:
        """POST to one identifier."""
        old = self.identifier(patient, unique)
        new = {**self._identifier_from({**_as_sent(old), **values}), "uuid": unique}
        changed = [new if i["uuid"] == unique else i for i in patient["identifiers"]]
        self._validate(self.persons.read(patient["uuid"]), changed, patient["uuid"])
        self.save({**patient, "identifiers": changed, "changed": now_text()})
        return new

    def void_identifier(self, patient: Record, unique: str) -> None:
        """DELETE of one identifier."""
        self.identifier(patient, unique)
        kept = [{**i, "voided": i["voided"] or i["uuid"] == unique} for i in patient["identifiers"]]
        self.save({**patient, "identifiers": kept, "changed": now_text()})

    def identifier(self, patient: Record, unique: str) -> Record:
        """One identifier of a patient, or 404."""
        for identifier in patient["identifiers"]:
            if identifier["uuid"] == unique:
                found: Record = identifier
                return found
        raise errors.not_found()

    def _validate(self, person: Record, identifiers: list[Record], owner: str) -> None:
        found = errors.ValidationError()
        self.persons.check(person, found)
        if not (person.get("gender") or "").strip():
            found.field("gender", "Person.gender.required", "Please select a gender")
        alive = [i for i in identifiers if not i["voided"]]
        if len(alive) > 1 and not any(i["preferred"] for i in alive):
            found.field("identifiers", "error.preferredIdentifier", "Please select a preferred identifier")
        found.raise_any()
        if not alive:
            code = "PatientIdentifier.error.insufficientIdentifiers"
            found.reject("At least one nonvoided Patient Identifier is required", code)
        for identifier in alive:
            if problem := self._problem(identifier, owner):
                found.reject(problem)
        found.raise_any()

    def _problem(self, identifier: Record, owner: str) -> str | None:
        """The first thing that is wrong with an identifier, in the order in which OpenMRS looks."""
        text = identifier["identifier"] or ""
        kind = self.world.resource("patientidentifiertype").read(identifier["identifierType"])
        if not text.strip():
            return "PatientIdentifier.error.nullOrBlank"
        pattern = kind.get("format")
        if pattern and not re.fullmatch(pattern, text):
            return f'Identifier "{text}" does not match : "{kind.get("formatDescription") or pattern}"'
        if identifier["location"] is None and kind.get("locationBehavior") != "NOT_USED":
            return f"Identifier Location cannot be null for {text}"
        unique = kind.get("uniquenessBehavior") != "NON_UNIQUE"
        if unique and self._owners.get(_key(identifier), owner) != owner:
            return f"Identifier {text} already in use by another patient"
        return None

    # -- searching and showing

    def search(self, query: Mapping[str, str]) -> list[Record]:
        """`q` looks at names and identifiers, `identifier` at identifiers only."""
        if "identifier" in query:
            voided_too = query.get("includeAll", "").lower() == "true"
            found = [self.rows[owner] for owner in self._having(query["identifier"])]
            return [patient for patient in found if voided_too or not patient["voided"]]
        if "q" not in query:
            raise errors.not_supported("doGetAll is not supported by patient: give a condition")
        words = query["q"].strip()
        if len(words) < SHORTEST_QUERY:
            return []
        having, persons = set(self._having(words)), self.persons
        return [
            p
            for p in self.visible(query)
            if p["uuid"] in having or name_matches(persons.read(p["uuid"]), words)
        ]

    def _having(self, text: str) -> list[str]:
        """Whose identifiers contain (or, by setting, are) this text."""
        wanted = text.lower()
        if self.world.config["identifier_search"] == "exact":
            wanted = _lines([wanted])
        return [owner for owner, texts in self._texts.items() if wanted in texts]

    def display(self, record: Record) -> str:
        """`AB123456 - Asha Said`."""
        identifier = preferred(record["identifiers"])
        name = self.persons.display(self.persons.read(record["uuid"]))
        return f"{identifier['identifier']} - {name}" if identifier else ""

    def value(self, record: Record, name: str, wanted: Representation) -> Any:
        """Identifiers, and the person one step fuller than the rest."""
        if name == "person":
            fuller = {"ref": "default", "default": "full"}
            person = self.persons.read(record["uuid"])
            step = fuller.get(wanted, wanted) if isinstance(wanted, str) else wanted
            return self.persons.represent(person, step)
        alive = [i for i in record["identifiers"] if not i["voided"]]
        return [self.identifier_shown(record, i, wanted) for i in alive]

    def identifier_shown(self, patient: Record, identifier: Record, wanted: Representation) -> Any:
        """One identifier."""
        kinds, places = self.world.resource("patientidentifiertype"), self.world.resource("location")
        kind = kinds.read(identifier["identifierType"])
        place = places.lookup(identifier["location"]) if identifier["location"] else None
        uri = f"{self.uri(patient)}/identifier/{identifier['uuid']}"
        shown = {
            "uuid": identifier["uuid"],
            "display": f"{kind['name']} = {identifier['identifier']}",
            "identifier": identifier["identifier"],
            "identifierType": kinds.ref(kind),
            "location": places.ref(place) if place else None,
            "preferred": identifier["preferred"],
            "voided": identifier["voided"],
            "links": [{"rel": "self", "uri": uri, "resourceAlias": "identifier"}],
            "resourceVersion": "1.8",
        }
        return pick(shown, wanted)


def _key(identifier: Record) -> tuple[str, str]:
    # MySQL compares without regard to case, and so does the check for duplicates.
    return identifier["identifierType"], (identifier["identifier"] or "").lower()


def _lines(texts: Iterable[str]) -> str:
    return "\n" + "".join(f"{text.lower()}\n" for text in texts)


def _as_sent(identifier: Record) -> dict[str, Any]:
    sent = {name: identifier[name] for name in IDENTIFIER_PARTS}
    if sent["location"] is None:
        del sent["location"]
    return sent
