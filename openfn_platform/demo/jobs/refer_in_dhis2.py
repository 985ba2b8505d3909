"""A referral, step 2: the event in DHIS2, at the facility that will see the patient."""

if run.attempt > 1 and openmrs.get(f"encounter/{value('encounter')}", singleton=True)["voided"]:
    fail("the referral was taken back when this step failed", hint="Send the referral again instead.")

unit = dhis2.find_one("organisationUnits", code=value("facility"), fields="id,name")
if unit is None:
    fail(f"DHIS2 has no facility with the code {value('facility')}")

# DHIS2 never takes the name of a deleted event again, so a referral that is sent again needs another one.
uid = dhis2.uid("referral", value("referral"), run.work_order)
event = {
    "event": uid,
    "program": settings.program,
    "programStage": settings.stage,
    "orgUnit": unit["id"],
    "occurredAt": value("at"),
    "status": "COMPLETED",
    "dataValues": [
        dhis2.util.dv(settings.disease, value("disease")),
        dhis2.util.dv(settings.outcome, "REFERRED"),
    ],
}
state.event = uid  # first: should the answer get lost, “Take the referral back” knows what to look for
dhis2.tracker.import_({"events": [event]})

note(f"event {uid} at {unit['name']}")
state.data["dhis2_event"] = uid
state.data["facility_name"] = unit["name"]
