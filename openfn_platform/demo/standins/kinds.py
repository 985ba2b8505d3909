"""The stand-ins by name. A further one is a module and a line here.

Records: openmrs. Messages: africastalking, kannel, rapidpro, telerivet, twilio, vonage, whatsapp. Payments: mpesa.
What each of them can be told (settings, control calls) stands at the head of its module.
"""

from __future__ import annotations

from importlib import import_module

from openfn_platform.demo.standins.partner import Partner

KINDS = {
    "dhis2": "openfn_platform.demo.standins.dhis2.partner:DHIS2",
    "commcare": "openfn_platform.demo.standins.commcare.partner:CommCareHQ",
    "fhir": "openfn_platform.demo.standins.fhir.partner:FHIRServer",
    "carto": "openfn_platform.demo.standins.carto.partner:Carto",
    "africastalking": "openfn_platform.demo.standins.africastalking:AfricasTalking",
    "kannel": "openfn_platform.demo.standins.kannel:Kannel",
    "mpesa": "openfn_platform.demo.standins.mpesa.partner:Mpesa",
    "openmrs": "openfn_platform.demo.standins.openmrs.partner:OpenMRS",
    "rapidpro": "openfn_platform.demo.standins.rapidpro.partner:RapidPro",
    "telerivet": "openfn_platform.demo.standins.telerivet:Telerivet",
    "twilio": "openfn_platform.demo.standins.twilio:Twilio",
    "vonage": "openfn_platform.demo.standins.vonage:Vonage",
    "whatsapp": "openfn_platform.demo.standins.whatsapp.partner:WhatsApp",
}


def kind_load(kind: str) -> type[Partner]:
    """The class of a stand-in."""
    module, _, name = KINDS[kind].partition(":")
    found: type[Partner] = getattr(import_module(module), name)
    return found
