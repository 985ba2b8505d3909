"""The resources that follow the general rules: metadata, encounters, observations, visits."""

from __future__ import annotations

from openfn_platform.demo.standins.openmrs.resources import Kind, Resource
from openfn_platform.demo.standins.store import Record

_NAMED = ("name", "description")

KINDS = (
    Kind(
        name="location",
        java="org.openmrs.Location",
        label="Locations",
        properties=(
            *_NAMED, "address1", "address2", "cityVillage", "stateProvince", "country", "postalCode",
            "latitude", "longitude", "countyDistrict", "parentLocation", "tags", "attributes",
        ),
        required=("name",),
        references={"parentLocation": "location"},
        listable=True,
    ),
    Kind(
        name="patientidentifiertype",
        java="org.openmrs.PatientIdentifierType",
        label="Identifier Types",
        properties=(
            *_NAMED, "format", "formatDescription", "required", "checkDigit", "validator",
            "locationBehavior", "uniquenessBehavior",
        ),
        required=_NAMED,
        listable=True,
    ),
    Kind(
        name="concept",
        java="org.openmrs.Concept",
        label="Concepts",
        properties=("names", "datatype", "conceptClass", "descriptions", "mappings", "set", "version"),
        required=("names", "datatype", "conceptClass"),
        listable=True,
    ),
    Kind(
        name="encountertype",
        java="org.openmrs.EncounterType",
        label="Encounter Types",
        properties=_NAMED,
        required=_NAMED,
        listable=True,
    ),
    Kind(
        name="visittype",
        java="org.openmrs.VisitType",
        label="Visit Types",
        properties=_NAMED,
        required=("name",),
        listable=True,
    ),
    Kind(
        name="visit",
        java="org.openmrs.Visit",
        label="Visits",
        properties=(
            "patient", "visitType", "startDatetime", "stopDatetime", "location", "indication", "attributes",
        ),
        required=("patient", "visitType"),
        create_only=("patient",),
        references={"patient": "patient", "visitType": "visittype", "location": "location"},
        dates=("startDatetime", "stopDatetime"),
        filters={"patient": "patient", "location": "location"},
        listable=True,
    ),
    Kind(
        name="encounter",
        java="org.openmrs.Encounter",
        label="Encounters",
        properties=(
            "encounterDatetime", "patient", "encounterType", "location", "visit", "form",
            "encounterProviders", "obs", "orders",
        ),
        required=("patient", "encounterType"),
        references={
            "patient": "patient", "encounterType": "encountertype", "location": "location", "visit": "visit",
        },
        dates=("encounterDatetime",),
        filters={"patient": "patient", "encounterType": "encounterType", "visit": "visit"},
    ),
    Kind(
        name="obs",
        java="org.openmrs.Obs",
        label="Observations",
        properties=(
            "person", "concept", "obsDatetime", "value", "location", "encounter", "comment", "status",
            "interpretation", "formNamespaceAndPath",
        ),
        required=("person", "concept", "obsDatetime"),
        references={
            "person": "person", "concept": "concept", "location": "location", "encounter": "encounter",
        },
        dates=("obsDatetime",),
        filters={"patient": "person", "concept": "concept", "encounter": "encounter"},
    ),
)  # fmt: skip


class General(Resource):
    """A resource of the table above, with the displays and defaults of the real ones."""

    def save(self, record: Record) -> Record:
        """Give an encounter and a visit their moment, and file the observations of an encounter."""
        moment = {"encounter": "encounterDatetime", "visit": "startDatetime"}.get(self.kind.name)
        if moment is not None and not record.get(moment):
            record = {**record, moment: record["created"]}
        if self.kind.name == "encounter":
            record = {**record, "obs": self._filed(record)}
        return super().save(record)

    def _filed(self, encounter: Record) -> list[str]:
        """Observations sent inside their encounter become records of their own: all of them or none."""
        obs = self.world.resource("obs")
        own = {"person": encounter["patient"], "obsDatetime": encounter["encounterDatetime"]}
        given = encounter.get("obs") or []
        ready = [obs.prepared({**own, **one}) if isinstance(one, dict) else one for one in given]
        return [obs.save(one)["uuid"] if isinstance(one, dict) else str(one) for one in ready]

    def value(self, record: Record, name: str, wanted: object) -> object:
        """Observations of an encounter are shown, not only named."""
        if self.kind.name == "encounter" and name == "obs":
            obs = self.world.resource("obs")
            found = [obs.lookup(unique) for unique in record.get("obs") or []]
            step = wanted if isinstance(wanted, str | dict) else "ref"
            return [obs.represent(one, step) for one in found if one is not None]
        return super().value(record, name, wanted if isinstance(wanted, str | dict) else "ref")

    def display(self, record: Record) -> str:
        """The short text, by resource."""
        if self.kind.name == "concept":
            names = record.get("names") or [{}]
            return str(names[0].get("name", record["uuid"]))
        if self.kind.name == "encounter":
            return f"{self._named(record, 'encounterType')} {record['encounterDatetime'][:10]}"
        if self.kind.name == "visit":
            return f"{self._named(record, 'visitType')} - {record['startDatetime'][:10]}"
        if self.kind.name == "obs":
            return f"{self._named(record, 'concept')}: {record.get('value')}"
        return super().display(record)

    def _named(self, record: Record, name: str) -> str:
        other = self.world.resource(self.kind.references[name])
        found = other.lookup(record[name])
        return other.display(found) if found else ""
