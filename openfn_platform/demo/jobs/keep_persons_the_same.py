"""OpenMRS ⇄ DHIS2: a person who was changed in one of them is changed in the other, once, and does not come back."""

from datetime import timedelta

ATTRIBUTES = {name: settings[name] for name in ("national_id", "first", "last", "born", "sex")}

begun = dates.now()
since = state.get("since", "1970-01-01T00:00:00+00:00")  # the memory of the last slot


def in_openmrs(patient):
    """What both systems know of a person, as FHIR tells it."""
    ids = [each["value"] for each in patient["identifier"] if each["type"]["text"] == settings.id_name]
    name = patient["name"][0]
    return {
        "national_id": ids[0].upper() if len(ids) == 1 else None,
        "first": " ".join(name["given"]),
        "last": name["family"],
        "born": patient.get("birthDate"),
        "sex": patient["gender"][0].upper(),
    }


def in_dhis2(entity):
    """The same, from the attributes of a tracked entity."""
    said = {each["attribute"]: each["value"] for each in entity.get("attributes", [])}
    person = {name: said.get(uid) for name, uid in ATTRIBUTES.items()}
    person["national_id"] = (person["national_id"] or "").upper() or None
    person["born"] = person["born"] and person["born"][:10]
    return person


def to_dhis2(person):
    """Make or change the person there."""
    found = dhis2.find_one(
        "trackedEntities",
        trackedEntityType=settings.person,
        orgUnitMode="ACCESSIBLE",
        filter=f"{settings.national_id}:eq:{person['national_id']}",
        fields="trackedEntity,orgUnit,attributes",
    )
    if found and in_dhis2(found) == person:
        return False
    # A name that stays the same: sent again, it is the same person.
    uid = found["trackedEntity"] if found else dhis2.uid("person", person["national_id"])
    entity = {
        "trackedEntity": uid,
        "trackedEntityType": settings.person,
        "orgUnit": found["orgUnit"] if found else settings.org_unit,
        "attributes": [dhis2.util.attr(ATTRIBUTES[name], known) for name, known in person.items()],
    }
    dhis2.tracker.import_({"trackedEntities": [entity]})
    sync.wrote("dhis2", uid, person)
    return True


def to_openmrs(person):
    """Make or change the patient there."""
    known = {
        "names": [{"givenName": person["first"], "familyName": person["last"]}],
        "gender": person["sex"],
        "birthdate": person["born"],
    }
    found = openmrs.find_one("patient", identifier=person["national_id"])
    if found is None:
        number = {
            "identifier": person["national_id"],
            "identifierType": settings.id_type,
            "location": settings.location,
        }
        record = {"person": known, "identifiers": [number]}
        found = once(f"create {person['national_id']}", openmrs.create, "patient", record)
    elif in_openmrs(openmrs.fhir.get(f"Patient/{found['uuid']}")) == person:
        return False
    else:
        openmrs.update(f"patient/{found['uuid']}", {"person": known})
    sync.wrote("openmrs", found["uuid"], person)
    return True


def news(system, records):
    """Persons that somebody else changed: {national ID: (their record, what is known)}."""
    found = {}
    for uid, person in records:
        if sync.came_from_us(system, uid, person):
            continue
        if person["national_id"] is None:
            problem(uid, f"has no national ID in {system}, so nobody can tell who it is elsewhere")
        else:
            found[person["national_id"]] = (uid, person)
    return found


bundle = openmrs.fhir.get("Patient", last_updated=f"ge{since}", count=100)
patients = [entry["resource"] for entry in bundle.get("entry", [])]
here = news("openmrs", [(patient["id"], in_openmrs(patient)) for patient in patients])
entities = dhis2.tracker.each(
    "trackedEntities",
    trackedEntityType=settings.person,
    orgUnitMode="ACCESSIBLE",
    updatedAfter=since,
    fields="trackedEntity,orgUnit,attributes",
)
there = news("dhis2", [(entity["trackedEntity"], in_dhis2(entity)) for entity in entities])

unclear = {number for number in here.keys() & there.keys() if here[number][1] != there[number][1]}
for number in sorted(unclear):
    problem(here[number][0], "was changed in both systems; make them the same in one of them")

carried = {"openmrs": 0, "dhis2": 0}
for source, changed, target, carry in (
    ("openmrs", here, "dhis2", to_dhis2),
    ("dhis2", there, "openmrs", to_openmrs),
):
    for number, (uid, person) in changed.items():
        if number in unclear:
            continue
        try:
            carried[target] += carry(person)
        except Exception as error:
            if getattr(error, "status", None) not in (400, 409, 422):
                raise
            problem(uid, f"{target} refused it: {error}")
        else:
            sync.wrote(source, uid, person)  # it is there, too: read again, it is no news

state.since = (
    begun - timedelta(minutes=1)
).isoformat()  # clocks differ a little; what comes twice changes nothing
note(f"{carried['dhis2']} persons to DHIS2, {carried['openmrs']} to OpenMRS")
state.data = {"to_dhis2": carried["dhis2"], "to_openmrs": carried["openmrs"], "unclear": len(unclear)}
