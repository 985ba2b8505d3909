"""A referral, step 1: the encounter in OpenMRS."""

patient = openmrs.find_one("patient", identifier=value("national_id").strip().upper())
if patient is None:
    fail("no patient of OpenMRS has this national ID", hint="Register the patient first, then retry.")

encounter = {
    "patient": patient["uuid"],
    "encounterType": settings.encounter_type,
    "location": settings.location,
    "encounterDatetime": value("at"),
}
made = once("encounter", openmrs.create, "encounter", encounter)

note(f"encounter {made['uuid']}")
state.data["encounter"] = made["uuid"]
