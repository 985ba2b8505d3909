"""What the demo consists of: the project “Clinic registration” as plain values. `loading.py` makes rows of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from openfn_platform.demo import country
from openfn_platform.demo.parts import DemoCredential, DemoJob, DemoTrigger, setting
from openfn_platform.demo.standins.carto.partner import Carto
from openfn_platform.demo.standins.dhis2.partner import DHIS2
from openfn_platform.demo.standins.dhis2.seeds import REGISTERED, REGISTRATION_REPORT
from openfn_platform.demo.standins.openmrs.partner import OpenMRS
from openfn_platform.demo.standins.openmrs.seeds import CLINIC, NATIONAL_ID, REGISTRATION
from openfn_platform.demo.standins.twilio import Twilio
from triggers.models import FlowEvent, ScheduleKind
from triggers.specs import FlowSpec, MessageSpec, ScheduleSpec

PROJECT_KEY = "clinic-registration"
PROJECT_NAME = "Clinic registration"
PROJECT_TEXT = "The demo: CommCare registrations become OpenMRS patients, patients get a text message, DHIS2 gets the numbers."
TIME_ZONE = country.TIME_ZONE

FORM_XMLNS = "http://openrosa.org/formdesigner/clinic-registration"
FORM_ID_PATH = "form.meta.instanceID"
COUNTRY = "TZ"
SUPERVISOR = "+255754000100"
LEAD = "+255754000200"
CLINICS = ["Kigoma Clinic = LM-N-01", "Community Outreach = LM-N-02"]


CREDENTIALS = (
    DemoCredential(
        key="openmrs",
        name="OpenMRS of the clinic",
        standin="openmrs",
        address="instanceUrl",
        values={"username": OpenMRS.settings["username"], "password": OpenMRS.settings["password"]},
    ),
    DemoCredential(
        key="sms",
        name="Text messages",
        standin="twilio",
        address="baseUrl",
        values={
            "provider": "twilio",
            "accountSid": Twilio.settings["account_sid"],
            "authToken": Twilio.settings["auth_token"],
            "from": Twilio.settings["numbers"][0],
        },
    ),
    DemoCredential(
        key="dhis2",
        name="DHIS2 of the country",
        standin="dhis2",
        address="hostUrl",
        values={"username": DHIS2.settings["username"], "password": DHIS2.settings["password"]},
    ),
    DemoCredential(
        key="carto",
        name="Public map",
        standin="carto",
        address="baseUrl",
        values={"account": Carto.settings["account"], "apiKey": Carto.settings["api_key"]},
        optional=True,  # its stand-in needs a database of its own
    ),
)

WORKFLOWS = {
    "registration": "Registration",
    "weekly-export": "Weekly export",
    "payment-confirmation": "Payment confirmation",
    **country.WORKFLOWS,
}

_CLINIC_NAME = setting("clinic", "Name of the clinic", "Kigoma Clinic")
_COUNTRY = setting("country", "Country of telephone numbers without one", COUNTRY)
_VISIT_TYPE = setting("visit_type", "Encounter type of a registration in OpenMRS", REGISTRATION)

REGISTER = DemoJob(
    key="register-patient",
    name="Register patient",
    workflow="registration",
    description="Makes the patient of a CommCare registration form in OpenMRS, and notes the visit.",
    connections=("openmrs",),
    settings=(
        setting("id_type", "Type of the national ID in OpenMRS", NATIONAL_ID),
        setting("location", "Location in OpenMRS", CLINIC),
        _VISIT_TYPE,
    ),
)
WELCOME = DemoJob(
    key="send-welcome-sms",
    name="Send welcome SMS",
    workflow="registration",
    description="Welcomes a patient that was registered.",
    connections=("sms",),
    settings=(_COUNTRY, _CLINIC_NAME),
)
ALERT = DemoJob(
    key="tell-the-nurse",
    name="Tell the nurse",
    workflow="registration",
    description="Takes back what a refused registration left behind, and tells the supervisor what to correct.",
    connections=("sms", "openmrs"),
    settings=(setting("supervisor", "Telephone number of the supervisor", SUPERVISOR),),
)
EXPORT = DemoJob(
    key="weekly-export",
    name="Weekly export",
    workflow="weekly-export",
    description="Reports the registrations of the week to DHIS2 by clinic, and their number to the programme lead.",
    connections=("openmrs", "dhis2", "sms"),
    settings=(
        setting("data_set", "Data set in DHIS2", REGISTRATION_REPORT),
        setting("data_element", "Data element of the registrations in DHIS2", REGISTERED),
        setting("clinics", "Location in OpenMRS = code in DHIS2", CLINICS),
        _VISIT_TYPE,
        _CLINIC_NAME,
        setting("lead", "Telephone number of the programme lead", LEAD),
    ),
)
PAYMENT = DemoJob(
    key="payment-confirmation",
    name="Payment confirmation",
    workflow="payment-confirmation",
    description="Sends the reference number of a confirmed payment to the payer.",
    connections=("sms",),
    settings=(_COUNTRY,),
)
JOBS = (REGISTER, WELCOME, ALERT, EXPORT, PAYMENT, *country.JOBS)

ARRIVAL = DemoTrigger(
    key="registration-form",
    name="A registration form arrives",
    job=REGISTER.key,
    spec=lambda jobs: MessageSpec(criteria=[{"inclusion": {"form": {"@xmlns": FORM_XMLNS}}}]),
)
TRIGGERS = (
    ARRIVAL,
    DemoTrigger(
        key="registered",
        name="After a registration",
        job=WELCOME.key,
        follows=(REGISTER.key,),
        spec=lambda jobs: FlowSpec(upstream=jobs[REGISTER.key], event=FlowEvent.SUCCESS),
    ),
    DemoTrigger(
        key="refused",
        name="A registration failed",
        job=ALERT.key,
        follows=(REGISTER.key,),
        spec=lambda jobs: FlowSpec(upstream=jobs[REGISTER.key], event=FlowEvent.FAILURE),
    ),
    DemoTrigger(
        key="friday-23-00",
        name="Friday 23:00",
        job=EXPORT.key,
        spec=lambda jobs: ScheduleSpec(kind=ScheduleKind.CRON, cron="0 23 * * FRI", time_zone=TIME_ZONE),
    ),
    DemoTrigger(
        key="payment-confirmed",
        name="A payment was confirmed",
        job=PAYMENT.key,
        spec=lambda jobs: MessageSpec(criteria=[{"inclusion": {"event": "payment.confirmed"}}]),
    ),
    *country.TRIGGERS,
)


def is_standin(address: str | None) -> bool:
    """Whether an address can be that of a stand-in of some earlier start: this machine, a port, no path."""
    parts = urlsplit(address or "")
    return parts.scheme == "http" and parts.hostname == "127.0.0.1" and parts.path in ("", "/")
