"""The demo's workflows that reach beyond the clinic: the public map, one person in two systems, a referral in three."""

from __future__ import annotations

from datetime import datetime

from openfn_platform.demo.parts import DemoJob, DemoTrigger, setting
from openfn_platform.demo.standins.dhis2 import seeds as dhis2
from openfn_platform.demo.standins.openmrs import seeds as openmrs
from triggers.models import EveryUnit, FlowEvent, ScheduleKind
from triggers.specs import FlowSpec, MessageSpec, ScheduleSpec

WORKFLOWS = {
    "public-map": "Public map",
    "two-way-sync": "One person in two systems",
    "referral": "Referral",
}

TIME_ZONE = "Africa/Nairobi"
FIRST = datetime(2026, 1, 5, 6, 30)  # a Monday; what is every so often is counted from here

MAP_TABLE = "disease_events"  # as the job has it
MAP = DemoJob(
    key="events-to-the-map",
    name="Events to the public map",
    workflow="public-map",
    description="Puts the DHIS2 events of two weeks on the public map: no names, and nothing without consent.",
    connections=("dhis2", "carto"),
    settings=(
        setting("program", "Program in DHIS2", dhis2.CASE_NOTIFICATION),
        setting("consent", "Data element of the consent to publish", dhis2.CONSENT_TO_PUBLISH),
        setting("disease", "Data element of the disease", dhis2.CASE_DISEASE),
        setting("outcome", "Data element of the outcome", dhis2.CASE_OUTCOME),
    ),
)
SYNC = DemoJob(
    key="keep-persons-the-same",
    name="Keep persons the same",
    workflow="two-way-sync",
    description="Carries what changed about a person since the last time from OpenMRS to DHIS2 and back.",
    connections=("openmrs", "dhis2"),
    settings=(
        setting("id_name", "Name of the national ID in OpenMRS", "National ID"),
        setting("id_type", "Type of the national ID in OpenMRS", openmrs.NATIONAL_ID),
        setting("location", "Location in OpenMRS", openmrs.CLINIC),
        setting("person", "Tracked entity type in DHIS2", dhis2.PERSON),
        setting("org_unit", "Organisation unit of new persons in DHIS2", dhis2.GULL_POINT),
        setting("national_id", "Attribute of the national ID", dhis2.NATIONAL_ID),
        setting("first", "Attribute of the first name", dhis2.FIRST_NAME),
        setting("last", "Attribute of the last name", dhis2.LAST_NAME),
        setting("born", "Attribute of the date of birth", dhis2.BIRTH_DATE),
        setting("sex", "Attribute of the sex", dhis2.ATTRIBUTE_SEX),
    ),
)
REFER_OPENMRS = DemoJob(
    key="refer-in-openmrs",
    name="Note the referral in OpenMRS",
    workflow="referral",
    description="Step 1: the encounter of the referral.",
    connections=("openmrs",),
    settings=(
        setting("encounter_type", "Encounter type of a referral in OpenMRS", openmrs.REFERRAL),
        setting("location", "Location in OpenMRS", openmrs.CLINIC),
    ),
)
REFER_DHIS2 = DemoJob(
    key="refer-in-dhis2",
    name="Notify the case in DHIS2",
    workflow="referral",
    description="Step 2: the event that tells the facility and the district.",
    connections=("dhis2", "openmrs"),
    settings=(
        setting("program", "Program in DHIS2", dhis2.CASE_NOTIFICATION),
        setting("stage", "Program stage in DHIS2", dhis2.CASE_REPORT),
        setting("disease", "Data element of the disease", dhis2.CASE_DISEASE),
        setting("outcome", "Data element of the outcome", dhis2.CASE_OUTCOME),
    ),
)
REFER_SMS = DemoJob(
    key="tell-the-referred",
    name="Tell the patient",
    workflow="referral",
    description="Step 3: the text message that says where to go.",
    connections=("sms", "openmrs"),
    settings=(setting("country", "Country of telephone numbers without one", "TZ"),),
)
TAKE_BACK = DemoJob(
    key="take-referral-back",
    name="Take the referral back",
    workflow="referral",
    description="When a later step fails: deletes the event and the encounter of the earlier ones.",
    connections=("openmrs", "dhis2"),
)
JOBS = (MAP, SYNC, REFER_OPENMRS, REFER_DHIS2, REFER_SMS, TAKE_BACK)


def _every(count: int, unit: EveryUnit) -> ScheduleSpec:
    return ScheduleSpec(kind=ScheduleKind.EVERY, every=count, unit=unit, starts_at=FIRST, time_zone=TIME_ZONE)


def _after(key: str, name: str, upstream: DemoJob, event: FlowEvent, job: DemoJob) -> DemoTrigger:
    return DemoTrigger(
        key=key,
        name=name,
        job=job.key,
        follows=(upstream.key,),
        spec=lambda jobs: FlowSpec(upstream=jobs[upstream.key], event=event),
    )


TRIGGERS = (
    DemoTrigger(
        key="every-two-weeks",
        name="Every two weeks",
        job=MAP.key,
        spec=lambda jobs: _every(2, EveryUnit.WEEKS),
    ),
    DemoTrigger(
        key="every-hour",
        name="Every hour",
        job=SYNC.key,
        spec=lambda jobs: _every(1, EveryUnit.HOURS),
    ),
    DemoTrigger(
        key="referral-arrives",
        name="A referral arrives",
        job=REFER_OPENMRS.key,
        spec=lambda jobs: MessageSpec(criteria=[{"inclusion": {"event": "referral"}}]),
    ),
    _after("noted", "After the encounter", REFER_OPENMRS, FlowEvent.SUCCESS, REFER_DHIS2),
    _after("notified", "After the event", REFER_DHIS2, FlowEvent.SUCCESS, REFER_SMS),
    _after("not-notified", "The event failed", REFER_DHIS2, FlowEvent.FAILURE, TAKE_BACK),
    _after("not-told", "The text message failed", REFER_SMS, FlowEvent.FAILURE, TAKE_BACK),
)
