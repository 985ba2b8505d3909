"""What the server says that it can do (`/metadata`)."""

from __future__ import annotations

from openfn_platform.demo.standins.fhir.catalogue import TYPES
from openfn_platform.demo.standins.fhir.outcomes import Resource
from openfn_platform.demo.standins.fhir.parameters import parameters_of

INTERACTIONS = ("read", "vread", "update", "patch", "delete", "history-instance", "create", "search-type")


def statement(base: str, *, security: str) -> Resource:
    """The CapabilityStatement."""
    rest: Resource = {
        "mode": "server",
        "resource": [_resource(kind) for kind in TYPES],
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
    }
    if security:
        rest["security"] = {"service": [{"text": security}]}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-23",
        "kind": "instance",
        "software": {"name": "FHIR stand-in", "version": "1"},
        "implementation": {"description": "A stand-in for a FHIR server", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [rest],
    }


def _resource(kind: str) -> Resource:
    return {
        "type": kind,
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "not-match",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "searchParam": [{"name": name, "type": p.kind} for name, p in parameters_of(kind).items()],
    }
