"""The stand-ins by name. A further one is a module and a line here."""

from __future__ import annotations

from importlib import import_module

from openfn_platform.demo.standins.partner import Partner

KINDS = {
    "dhis2": "openfn_platform.demo.standins.dhis2.partner:DHIS2",
    "commcare": "openfn_platform.demo.standins.commcare.partner:CommCareHQ",
    "fhir": "openfn_platform.demo.standins.fhir.partner:FHIRServer",
    "carto": "openfn_platform.demo.standins.carto.partner:Carto",
    "openmrs": "openfn_platform.demo.standins.openmrs.partner:OpenMRS",
    "twilio": "openfn_platform.demo.standins.twilio:Twilio",
}


def kind_load(kind: str) -> type[Partner]:
    """The class of a stand-in."""
    module, _, name = KINDS[kind].partition(":")
    found: type[Partner] = getattr(import_module(module), name)
    return found
