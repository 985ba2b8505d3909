"""What the demo consists of: the project “Clinic registration” as plain values. `loading.py` makes rows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobs.models import Job
from openfn_platform.demo.standins.openmrs.partner import OpenMRS
from openfn_platform.demo.standins.openmrs.seeds import CLINIC, NATIONAL_ID, REGISTRATION
from openfn_platform.demo.standins.twilio import Twilio
from triggers.models import FlowEvent, ScheduleKind
from triggers.specs import FlowSpec, MessageSpec, ScheduleSpec, TriggerSpec

PROJECT_KEY = "clinic-registration"
PROJECT_NAME = "Clinic registration"
PROJECT_TEXT = "The demo: CommCare registrations become OpenMRS patients, and patients get a text message."
TIME_ZONE = "Africa/Nairobi"

FORM_XMLNS = "http://openrosa.org/formdesigner/clinic-registration"
FORM_ID_PATH = "form.meta.instanceID"
COUNTRY = "TZ"
SUPERVISOR = "+255754000100"
LEAD = "+255754000200"

_JOBS = Path(__file__).with_name("jobs")


@dataclass(frozen=True, kw_only=True)
class DemoCredential:
    """A credential for one stand-in; `address` is the field that says where that is."""

    key: str  # also the alias in the jobs and the name of the adaptor
    name: str
    standin: str
    address: str
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class DemoJob:
    """One job. Its file in `jobs/` has the name of its key."""

    key: str
    name: str
    workflow: str
    description: str
    connections: tuple[str, ...]
    settings: tuple[Mapping[str, Any], ...] = ()

    @property
    def code(self) -> str:
        return (_JOBS / f"{self.key.replace('-', '_')}.py").read_text("utf-8")


@dataclass(frozen=True, kw_only=True)
class DemoTrigger:
    """One trigger, with what it says once the jobs are there."""

    key: str
    name: str
    job: str
    follows: tuple[str, ...] = ()  # the jobs that its spec names
    spec: Callable[[Mapping[str, Job]], TriggerSpec]


def _setting(key: str, label: str, default: str) -> dict[str, Any]:
    return {"key": key, "label": label, "type": "text", "default": default}


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
)

WORKFLOWS = {
    "registration": "Registration",
    "weekly-export": "Weekly export",
    "payment-confirmation": "Payment confirmation",
}

_CLINIC_NAME = _setting("clinic", "Name of the clinic", "Kigoma Clinic")
_COUNTRY = _setting("country", "Country of telephone numbers without one", COUNTRY)
_VISIT_TYPE = _setting("visit_type", "Encounter type of a registration in OpenMRS", REGISTRATION)

REGISTER = DemoJob(
    key="register-patient",
    name="Register patient",
    workflow="registration",
    description="Makes the patient of a CommCare registration form in OpenMRS, and notes the visit.",
    connections=("openmrs",),
    settings=(
        _setting("id_type", "Type of the national ID in OpenMRS", NATIONAL_ID),
        _setting("location", "Location in OpenMRS", CLINIC),
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
    settings=(_setting("supervisor", "Telephone number of the supervisor", SUPERVISOR),),
)
EXPORT = DemoJob(
    key="weekly-export",
    name="Weekly export",
    workflow="weekly-export",
    description="Counts the registrations of the week and sends the count to the programme lead.",
    connections=("openmrs", "sms"),
    settings=(
        _VISIT_TYPE,
        _CLINIC_NAME,
        _setting("lead", "Telephone number of the programme lead", LEAD),
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
JOBS = (REGISTER, WELCOME, ALERT, EXPORT, PAYMENT)

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
)


def is_standin(address: str | None) -> bool:
    """Whether an address can be that of a stand-in of some earlier start: this machine, a port, no path."""
    parts = urlsplit(address or "")
    return parts.scheme == "http" and parts.hostname == "127.0.0.1" and parts.path in ("", "/")
