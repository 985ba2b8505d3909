"""Search parameters: their kinds and where in a resource they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from openfn_platform.demo.standins.fhir.catalogue import TYPES


@dataclass(frozen=True)
class Parameter:
    """One search parameter of one type."""

    kind: str  # token, string, date, reference, uri
    paths: tuple[str, ...]
    targets: tuple[str, ...] = ()  # types that a reference may point at; none is any
    only: str = ""  # of contact points only those of this system


def _p(kind: str, *paths: str, targets: tuple[str, ...] = (), only: str = "") -> Parameter:
    return Parameter(kind, paths, targets, only)


_ALL = {
    "_id": _p("token", "id"),
    "_lastUpdated": _p("date", "meta.lastUpdated"),
    "_tag": _p("token", "meta.tag"),
    "_profile": _p("uri", "meta.profile"),
    "identifier": _p("token", "identifier"),
}
_CONTACT = {
    "telecom": _p("token", "telecom"),
    "phone": _p("token", "telecom", only="phone"),
    "email": _p("token", "telecom", only="email"),
    "address": _p("string", "address"),
    "address-city": _p("string", "address.city"),
    "address-country": _p("string", "address.country"),
}
_HUMAN = {
    **_CONTACT,
    "name": _p("string", "name"),
    "given": _p("string", "name.given"),
    "family": _p("string", "name.family"),
    "gender": _p("token", "gender"),
    "birthdate": _p("date", "birthDate"),
    "active": _p("token", "active"),
}
# What most clinical resources have, wherever they keep it.
_CLINICAL = {
    "status": _p("token", "status"),
    "code": _p("token", "code"),
    "category": _p("token", "category"),
    "type": _p("token", "type"),
    "intent": _p("token", "intent"),
    "date": _p("date", "effective*", "date", "period", "occurrence*", "performed*", "start", "authored"),
    "subject": _p("reference", "subject", "patient"),
    "patient": _p("reference", "subject", "patient", targets=("Patient",)),
    "encounter": _p("reference", "encounter", targets=("Encounter",)),
    "performer": _p("reference", "performer", "performer.actor"),
    "author": _p("reference", "author"),
    "authored": _p("date", "authoredOn", "authored"),
    "based-on": _p("reference", "basedOn"),
    "part-of": _p("reference", "partOf"),
    "title": _p("string", "title"),
    "url": _p("uri", "url"),
    "name": _p("string", "name"),
}
_OWN: Mapping[str, Mapping[str, Parameter]] = {
    "Patient": {
        **_HUMAN,
        "general-practitioner": _p("reference", "generalPractitioner"),
        "organization": _p("reference", "managingOrganization", targets=("Organization",)),
        "link": _p("reference", "link.other"),
        "deceased": _p("token", "deceasedBoolean"),
        "language": _p("token", "communication.language"),
    },
    "Person": _HUMAN,
    "Practitioner": _HUMAN,
    "RelatedPerson": {**_HUMAN, "patient": _p("reference", "patient", targets=("Patient",))},
    "PractitionerRole": {
        **_CONTACT,
        "practitioner": _p("reference", "practitioner", targets=("Practitioner",)),
        "organization": _p("reference", "organization", targets=("Organization",)),
        "location": _p("reference", "location", targets=("Location",)),
        "role": _p("token", "code"),
        "active": _p("token", "active"),
    },
    "Organization": {
        **_CONTACT,
        "name": _p("string", "name", "alias"),
        "active": _p("token", "active"),
        "type": _p("token", "type"),
        "partof": _p("reference", "partOf", targets=("Organization",)),
    },
    "Location": {
        **_CONTACT,
        "name": _p("string", "name", "alias"),
        "status": _p("token", "status"),
        "type": _p("token", "type"),
        "organization": _p("reference", "managingOrganization", targets=("Organization",)),
        "partof": _p("reference", "partOf", targets=("Location",)),
    },
    "Encounter": {
        **_CLINICAL,
        "class": _p("token", "class"),
        "participant": _p("reference", "participant.individual"),
        "location": _p("reference", "location.location", targets=("Location",)),
        "service-provider": _p("reference", "serviceProvider", targets=("Organization",)),
    },
    "Observation": {
        **_CLINICAL,
        "value-concept": _p("token", "valueCodeableConcept"),
        "value-string": _p("string", "valueString"),
        "has-member": _p("reference", "hasMember"),
        "component-code": _p("token", "component.code"),
    },
    "Condition": {
        **_CLINICAL,
        "clinical-status": _p("token", "clinicalStatus"),
        "verification-status": _p("token", "verificationStatus"),
        "onset-date": _p("date", "onset*"),
        "recorded-date": _p("date", "recordedDate"),
    },
    "Immunization": {**_CLINICAL, "vaccine-code": _p("token", "vaccineCode")},
    "MedicationRequest": {
        **_CLINICAL,
        "code": _p("token", "medicationCodeableConcept"),
        "medication": _p("reference", "medicationReference", targets=("Medication",)),
        "authoredon": _p("date", "authoredOn"),
    },
    "Task": {
        **_CLINICAL,
        "owner": _p("reference", "owner"),
        "requester": _p("reference", "requester"),
        "focus": _p("reference", "focus"),
        "patient": _p("reference", "for", targets=("Patient",)),
        "subject": _p("reference", "for"),
        "modified": _p("date", "lastModified"),
    },
    "Appointment": {**_CLINICAL, "actor": _p("reference", "participant.actor")},
    "QuestionnaireResponse": {**_CLINICAL, "questionnaire": _p("uri", "questionnaire")},
    "Group": {**_CLINICAL, "member": _p("reference", "member.entity")},
    "Composition": {**_CLINICAL, "entry": _p("reference", "section.entry")},
}


@cache
def parameters_of(kind: str) -> Mapping[str, Parameter]:
    """The search parameters of a type."""
    return {**_ALL, **_OWN.get(kind, _CLINICAL)} if kind in TYPES else {}


@cache
def references_of(kind: str) -> tuple[str, ...]:
    """The elements of a type that search knows as references."""
    found = [p.paths for p in parameters_of(kind).values() if p.kind == "reference"]
    return tuple(dict.fromkeys(path for paths in found for path in paths if "." not in path))
