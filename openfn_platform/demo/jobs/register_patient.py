"""CommCare registration → OpenMRS: the patient, then the registration visit."""

if value("form.consent", "no") != "yes":
    skip("no consent to share")

nid = value("form.national_id").strip().upper()
record = {
    "person": {
        "gender": value("form.sex")[0].upper(),
        "birthdate": value("form.dob"),
        "names": [{"givenName": value("form.first"), "familyName": value("form.last")}],
    },
    "identifiers": [
        {"identifier": nid, "identifierType": settings.id_type, "location": settings.location},
    ],
}

patient = openmrs.find_one("patient", identifier=nid)  # None or exactly one; several raise AmbiguousError
if patient is None:
    patient = once("create patient", openmrs.create, "patient", record)
    if run.attempt > 1 and openmrs.get(f"patient/{patient['uuid']}", singleton=True)["voided"]:
        # “Tell the nurse” took it back after an attempt that failed further down.
        patient = once(f"create patient, attempt {run.attempt}", openmrs.create, "patient", record)
    state.created = patient["uuid"]  # what “Tell the nurse” takes back, should the visit be refused

visit = {
    "patient": patient["uuid"],
    "encounterType": settings.visit_type,
    "location": settings.location,
    # CommCare has six digits behind the second, OpenMRS takes three.
    "encounterDatetime": dates.format(value("form.meta.timeEnd"), "%Y-%m-%dT%H:%M:%S.000%z"),
}
once(f"note the visit of {patient['uuid']}", openmrs.create, "encounter", visit)

note(f"patient {patient['uuid']}")
state.data = {"patient": patient["uuid"], "phone": value("form.phone", None)}
