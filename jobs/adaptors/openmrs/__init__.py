"""`openmrs`: the medical record system OpenMRS, by its REST web services and by FHIR."""

from __future__ import annotations

from jobs.adaptors.openmrs.client import Client
from jobs.adaptors.spec import AdaptorSpec

ADAPTOR = AdaptorSpec(
    name="openmrs",
    title="OpenMRS",
    summary="Patients, encounters and every other resource of an OpenMRS server.",
    schema=Client.schema,
    client=Client,
)
