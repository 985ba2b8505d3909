"""The resource types that the server knows, and what it demands of them.

Not the whole of R4: what integrations trip over. `medication[x]` stands for every element that begins so.
"""

from __future__ import annotations

from collections.abc import Mapping

TYPES = (
    "AllergyIntolerance", "Appointment", "Basic", "CarePlan", "CareTeam", "Claim", "ClaimResponse",
    "CodeSystem", "Communication", "CommunicationRequest", "Composition", "ConceptMap", "Condition",
    "Consent", "Coverage", "Device", "DiagnosticReport", "DocumentReference", "Encounter", "EpisodeOfCare",
    "Flag", "Goal", "Group", "HealthcareService", "Immunization", "Library", "List", "Location", "Measure",
    "MeasureReport", "Medication", "MedicationAdministration", "MedicationDispense", "MedicationRequest",
    "MedicationStatement", "Observation", "Organization", "Patient", "Person", "PlanDefinition",
    "Practitioner", "PractitionerRole", "Procedure", "Provenance", "Questionnaire",
    "QuestionnaireResponse", "RelatedPerson", "Schedule", "ServiceRequest", "Slot", "Specimen",
    "StructureDefinition", "Subscription", "Task", "ValueSet",
)  # fmt: skip

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("patient",),
    "Appointment": ("status", "participant"),
    "CarePlan": ("status", "intent", "subject"),
    "Claim": ("status", "type", "use", "patient", "created", "provider", "priority", "insurance"),
    "Composition": ("status", "type", "date", "author", "title"),
    "Condition": ("subject",),
    "DiagnosticReport": ("status", "code"),
    "DocumentReference": ("status", "content"),
    "Encounter": ("status", "class"),
    "EpisodeOfCare": ("status", "patient"),
    "Group": ("type", "actual"),
    "Immunization": ("status", "vaccineCode", "patient", "occurrence[x]"),
    "MeasureReport": ("status", "type", "measure", "period"),
    "MedicationRequest": ("status", "intent", "medication[x]", "subject"),
    "MedicationStatement": ("status", "medication[x]", "subject"),
    "Observation": ("status", "code"),
    "Procedure": ("status", "subject"),
    "Questionnaire": ("status",),
    "QuestionnaireResponse": ("status",),
    "RelatedPerson": ("patient",),
    "ServiceRequest": ("status", "intent", "subject"),
    "Task": ("status", "intent"),
}

# Elements that repeat: one object where a list belongs is the most common mistake.
LISTS: Mapping[str, tuple[str, ...]] = {
    "Patient": ("identifier", "name", "telecom", "address", "contact", "communication", "link", "extension"),
    "Person": ("identifier", "name", "telecom", "address", "link"),
    "Practitioner": ("identifier", "name", "telecom", "address", "qualification"),
    "RelatedPerson": ("identifier", "name", "telecom", "address", "relationship"),
    "Organization": ("identifier", "type", "alias", "telecom", "address", "contact"),
    "Location": ("identifier", "alias", "type", "telecom"),
    "Encounter": ("identifier", "type", "participant", "diagnosis", "location", "reasonCode"),
    "Observation": ("identifier", "category", "performer", "interpretation", "note", "component"),
    "Condition": ("identifier", "category", "bodySite", "stage", "evidence", "note"),
    "Immunization": ("identifier", "performer", "note", "reasonCode", "protocolApplied"),
    "DiagnosticReport": ("identifier", "category", "performer", "result"),
    "MedicationRequest": ("identifier", "category", "dosageInstruction"),
    "ServiceRequest": ("identifier", "category", "performer", "reasonCode"),
    "Task": ("identifier", "input", "output", "note"),
}

DATES: Mapping[str, tuple[str, ...]] = {
    "Patient": ("birthDate",),
    "Person": ("birthDate",),
    "Practitioner": ("birthDate",),
    "RelatedPerson": ("birthDate",),
    "Immunization": ("expirationDate",),
}
DATE_TIMES: Mapping[str, tuple[str, ...]] = {
    "Patient": ("deceasedDateTime",),
    "Observation": ("effectiveDateTime", "issued", "effectivePeriod.start", "effectivePeriod.end"),
    "Encounter": ("period.start", "period.end"),
    "Condition": ("onsetDateTime", "abatementDateTime", "recordedDate"),
    "Immunization": ("occurrenceDateTime", "recorded"),
    "Procedure": ("performedDateTime", "performedPeriod.start", "performedPeriod.end"),
    "MedicationRequest": ("authoredOn",),
    "ServiceRequest": ("authoredOn", "occurrenceDateTime"),
    "DiagnosticReport": ("effectiveDateTime", "issued"),
    "Appointment": ("start", "end"),
    "Task": ("authoredOn", "lastModified"),
    "QuestionnaireResponse": ("authored",),
}

_GENDERS = ("male", "female", "other", "unknown")
_REPORTS = (
    "registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled",
    "entered-in-error", "unknown",
)  # fmt: skip
_REQUESTS = ("draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown")
CODES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Patient": {"gender": _GENDERS},
    "Person": {"gender": _GENDERS},
    "Practitioner": {"gender": _GENDERS},
    "RelatedPerson": {"gender": _GENDERS},
    "Observation": {
        "status": (
            "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error",
            "unknown",
        )
    },
    "DiagnosticReport": {"status": _REPORTS},
    "Encounter": {
        "status": (
            "planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled",
            "entered-in-error", "unknown",
        )
    },
    "Immunization": {"status": ("completed", "entered-in-error", "not-done")},
    "Procedure": {
        "status": (
            "preparation", "in-progress", "not-done", "on-hold", "stopped", "completed",
            "entered-in-error", "unknown",
        )
    },
    "ServiceRequest": {"status": _REQUESTS},
    "CarePlan": {"status": _REQUESTS},
    "MedicationRequest": {
        "status": (
            "active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft",
            "unknown",
        )
    },
    "Location": {"status": ("active", "suspended", "inactive")},
    "QuestionnaireResponse": {
        "status": ("in-progress", "completed", "amended", "entered-in-error", "stopped")
    },
    "Appointment": {
        "status": (
            "proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow",
            "entered-in-error", "checked-in", "waitlist",
        )
    },
    "Task": {
        "status": (
            "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress",
            "on-hold", "failed", "completed", "entered-in-error",
        )
    },
}  # fmt: skip
