"""What the stand-in's DHIS2 has from the start: Lumara, a country that does not exist, and what it reports.

Everything that a job or a test may want to name is a constant here. Facilities have codes (`LM-N-01` …) and places.
"""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.dhis2.datavalues import DEFAULT_COMBO
from openfn_platform.demo.standins.dhis2.metadata import Metadata

# Organisation units: the country, three districts, eight facilities.
LUMARA = "OuLumara001"
NORTHSHORE, MIDLANDS, SOUTHBAY = "OuNorthsh01", "OuMidland01", "OuSouthby01"
FACILITIES = {
    "OuNorthFc01": "Gull Point Clinic",
    "OuNorthFc02": "Harbour Health Centre",
    "OuNorthFc03": "Saltmarsh Clinic",
    "OuMidldFc01": "Reedwater Hospital",
    "OuMidldFc02": "Old Mill Health Post",
    "OuMidldFc03": "Orchard Clinic",
    "OuSouthFc01": "Cape Lantern Hospital",
    "OuSouthFc02": "Tidewater Health Post",
}
GULL_POINT, REEDWATER, CAPE_LANTERN = "OuNorthFc01", "OuMidldFc01", "OuSouthFc01"
_PLACES = {
    LUMARA: ("LM", "Lumara", None, (4.5, 1.2)),
    NORTHSHORE: ("LM-N", "Northshore", LUMARA, (4.5, 1.8)),
    MIDLANDS: ("LM-M", "Midlands", LUMARA, (4.6, 1.2)),
    SOUTHBAY: ("LM-S", "Southbay", LUMARA, (4.4, 0.6)),
}
_POINTS = [(4.31, 1.86), (4.52, 1.93), (4.71, 1.74), (4.62, 1.21), (4.83, 1.13), (4.44, 1.31), (4.38, 0.55)]
_POINTS.append((4.57, 0.68))

# Monthly and weekly reports.
MONTHLY_REPORT, WEEKLY_SURVEILLANCE = "DsMonthly01", "DsWeekly001"
MALARIA_TESTS, MALARIA_CASES, ANC_VISITS, BIRTHS = "DeMalTest01", "DeMalCase01", "DeAncVist01", "DeBirths001"
REGISTRATION_REPORT, REGISTERED = "DsRegistr01", "DeRegistrd1"
MEASLES, CHOLERA, PARALYSIS = "DeMeasles01", "DeCholera01", "DeParalys01"
_REPORTS = {
    (MONTHLY_REPORT, "MONTHLY", "Monthly report", "Monthly"): {
        MALARIA_TESTS: ("MAL_TESTS", "Malaria tests"),
        MALARIA_CASES: ("MAL_CASES", "Malaria cases"),
        ANC_VISITS: ("ANC_VISITS", "Antenatal visits"),
        BIRTHS: ("BIRTHS", "Births in facility"),
    },
    (WEEKLY_SURVEILLANCE, "WEEKLY", "Weekly surveillance", "Weekly"): {
        MEASLES: ("MEASLES", "Measles cases"),
        CHOLERA: ("CHOLERA", "Cholera cases"),
        PARALYSIS: ("AFP", "Acute flaccid paralysis"),
    },
    (REGISTRATION_REPORT, "REGISTRATIONS", "Registrations of the week", "Weekly"): {
        REGISTERED: ("REGISTERED", "Patients registered"),
    },
}

# Option sets by code.
SEX, DISEASE, OUTCOME, VACCINE = "OsSex000001", "OsDisease01", "OsOutcome01", "OsVaccine01"
_OPTIONS = {
    SEX: ("SEX", "Sex", ["F", "M"]),
    DISEASE: ("DISEASE", "Disease", ["MALARIA", "MEASLES", "CHOLERA", "DENGUE"]),
    OUTCOME: ("OUTCOME", "Outcome", ["RECOVERED", "REFERRED", "DIED"]),
    VACCINE: ("VACCINE", "Vaccine", ["BCG", "MEASLES", "PENTA", "POLIO"]),
}

# Tracker: children are followed up.
PERSON = "TtPerson001"
NATIONAL_ID, FIRST_NAME, LAST_NAME = "TaNatId0001", "TaFirstNm01", "TaLastNam01"
BIRTH_DATE, ATTRIBUTE_SEX, PHONE = "TaBirthDt01", "TaSex000001", "TaPhone0001"
CHILD_FOLLOW_UP, CHILD_VISIT = "PrChildFu01", "PsChildVs01"
VISIT_WEIGHT, VISIT_VACCINE, VISIT_NOTE = "DeVstWght01", "DeVstVacc01", "DeVstNote01"
SIBLING = "RtSibling01"

# Events: cases are notified. Only those with `CONSENT_TO_PUBLISH` "true" may be made public, and no name at all.
CASE_NOTIFICATION, CASE_REPORT = "PrCaseNot01", "PsCaseRep01"
CASE_DISEASE, CASE_AGE, CASE_SEX, CASE_OUTCOME = "DeCsDiseas1", "DeCsAge0001", "DeCsSex0001", "DeCsOutcom1"
SYMPTOM_ONSET, PATIENT_NAME, CONSENT_TO_PUBLISH = "DeCsOnset01", "DeCsName001", "DeCsConsnt1"

_TRACKED = {
    VISIT_WEIGHT: ("VISIT_WEIGHT", "Weight (kg)", "NUMBER", None),
    VISIT_VACCINE: ("VISIT_VACCINE", "Vaccine given", "TEXT", VACCINE),
    VISIT_NOTE: ("VISIT_NOTE", "Note of the visit", "LONG_TEXT", None),
    CASE_DISEASE: ("CASE_DISEASE", "Disease", "TEXT", DISEASE),
    CASE_AGE: ("CASE_AGE", "Age (years)", "INTEGER_ZERO_OR_POSITIVE", None),
    CASE_SEX: ("CASE_SEX", "Sex", "TEXT", SEX),
    CASE_OUTCOME: ("CASE_OUTCOME", "Outcome", "TEXT", OUTCOME),
    SYMPTOM_ONSET: ("SYMPTOM_ONSET", "First symptoms", "DATE", None),
    PATIENT_NAME: ("PATIENT_NAME", "Name of the patient", "TEXT", None),
    CONSENT_TO_PUBLISH: ("CONSENT", "Consent to publish", "BOOLEAN", None),
}
_ATTRIBUTES = {
    NATIONAL_ID: ("NATIONAL_ID", "National ID", "TEXT", None),
    FIRST_NAME: ("FIRST_NAME", "First name", "TEXT", None),
    LAST_NAME: ("LAST_NAME", "Last name", "TEXT", None),
    BIRTH_DATE: ("BIRTH_DATE", "Date of birth", "DATE", None),
    ATTRIBUTE_SEX: ("ATTR_SEX", "Sex of the person", "TEXT", SEX),
    PHONE: ("PHONE", "Phone number", "PHONE_NUMBER", None),
}


def seed(metadata: Metadata) -> None:
    """Put all of it in."""
    _categories(metadata)
    _units(metadata)
    _options(metadata)
    _reports(metadata)
    _elements(metadata)
    _programs(metadata)


def _ref(uid: str) -> dict[str, str]:
    return {"id": uid}


def _categories(metadata: Metadata) -> None:
    """The one combination that everything without a breakdown has."""
    named = {"name": "default", "code": "default", "shortName": "default"}
    metadata.save("categoryOptions", {**named, "id": "xYerKDKCefk"})
    metadata.save("categories", {**named, "id": "GLevLNI9wkl", "categoryOptions": [_ref("xYerKDKCefk")]})
    metadata.save("categoryCombos", {**named, "id": "bjDvmb4bfuf", "categories": [_ref("GLevLNI9wkl")]})
    combo = {"categoryCombo": _ref("bjDvmb4bfuf"), "categoryOptions": [_ref("xYerKDKCefk")]}
    metadata.save("categoryOptionCombos", {**named, "id": DEFAULT_COMBO, **combo})


def _units(metadata: Metadata) -> None:
    for level, name in enumerate(("Country", "District", "Facility"), 1):
        metadata.save("organisationUnitLevels", {"id": f"OlLevel000{level}", "name": name, "level": level})
    for uid, (code, name, above, place) in _PLACES.items():
        _unit(metadata, uid, code, name, above, place)
    for number, ((uid, name), place) in enumerate(zip(FACILITIES.items(), _POINTS, strict=True)):
        district = (NORTHSHORE, MIDLANDS, SOUTHBAY)[number // 3]
        _unit(metadata, uid, f"{_PLACES[district][0]}-{number % 3 + 1:02d}", name, district, place)


def _unit(
    metadata: Metadata, uid: str, code: str, name: str, above: str | None, place: tuple[float, float]
) -> None:
    unit: dict[str, Any] = {
        "id": uid,
        "code": code,
        "name": name,
        "shortName": name,
        "openingDate": "2015-01-01T00:00:00.000",
    }
    unit |= {"geometry": {"type": "Point", "coordinates": list(place)}}
    metadata.save("organisationUnits", unit if above is None else {**unit, "parent": _ref(above)})


def _options(metadata: Metadata) -> None:
    for uid, (code, name, choices) in _OPTIONS.items():
        metadata.save("optionSets", {"id": uid, "code": code, "name": name, "valueType": "TEXT"})
        for place, choice in enumerate(choices, 1):
            option = {"id": f"Op{uid[2:9]}{place:02d}", "code": choice, "name": choice.capitalize()}
            metadata.save("options", {**option, "sortOrder": place, "optionSet": _ref(uid)})


def _reports(metadata: Metadata) -> None:
    for (uid, code, name, period), elements in _REPORTS.items():
        for element, (element_code, element_name) in elements.items():
            whole = {"valueType": "INTEGER_ZERO_OR_POSITIVE", "domainType": "AGGREGATE"}
            _element(metadata, element, element_code, element_name, {**whole, "aggregationType": "SUM"})
        data_set = {
            "id": uid,
            "code": code,
            "name": name,
            "shortName": name,
            "periodType": period,
            "openFuturePeriods": 1,
            "categoryCombo": _ref("bjDvmb4bfuf"),
            "dataSetElements": [{"dataElement": _ref(element), "dataSet": _ref(uid)} for element in elements],
            "organisationUnits": [_ref(unit) for unit in FACILITIES],
        }
        metadata.save("dataSets", data_set)


def _element(metadata: Metadata, uid: str, code: str, name: str, rest: dict[str, Any]) -> None:
    named = {"id": uid, "code": code, "name": name, "shortName": name, "zeroIsSignificant": True}
    metadata.save("dataElements", {**named, "categoryCombo": _ref("bjDvmb4bfuf"), **rest})


def _elements(metadata: Metadata) -> None:
    for uid, (code, name, value_type, options) in _TRACKED.items():
        rest: dict[str, Any] = {"valueType": value_type, "domainType": "TRACKER", "aggregationType": "NONE"}
        _element(metadata, uid, code, name, {**rest, **({"optionSet": _ref(options)} if options else {})})
    for uid, (code, name, value_type, options) in _ATTRIBUTES.items():
        attribute: dict[str, Any] = {
            "id": uid,
            "code": code,
            "name": name,
            "shortName": name,
            "valueType": value_type,
        }
        attribute |= {"aggregationType": "NONE", "unique": uid == NATIONAL_ID}
        attribute |= {"optionSet": _ref(options)} if options else {}
        metadata.save("trackedEntityAttributes", attribute)


def _programs(metadata: Metadata) -> None:
    of_person = [
        {"trackedEntityAttribute": _ref(uid), "mandatory": uid in (FIRST_NAME, LAST_NAME)}
        for uid in _ATTRIBUTES
    ]
    person = {"id": PERSON, "code": "PERSON", "name": "Person", "shortName": "Person"}
    metadata.save("trackedEntityTypes", {**person, "trackedEntityTypeAttributes": of_person})
    of_program = [
        {"trackedEntityAttribute": _ref(uid), "mandatory": uid == BIRTH_DATE} for uid in _ATTRIBUTES
    ]
    follow_up = {"trackedEntityType": _ref(PERSON), "programTrackedEntityAttributes": of_program}
    _program(metadata, CHILD_FOLLOW_UP, "CHILD_FOLLOW_UP", "Child follow-up", "WITH_REGISTRATION", follow_up)
    _program(metadata, CASE_NOTIFICATION, "CASES", "Case notification", "WITHOUT_REGISTRATION", {})
    visit = [VISIT_WEIGHT, VISIT_VACCINE, VISIT_NOTE]
    _stage(metadata, CHILD_VISIT, "Visit", CHILD_FOLLOW_UP, visit, VISIT_WEIGHT)
    case = [uid for uid in _TRACKED if uid not in visit]
    _stage(metadata, CASE_REPORT, "Case report", CASE_NOTIFICATION, case, CASE_DISEASE)
    side = {"relationshipEntity": "TRACKED_ENTITY_INSTANCE", "trackedEntityType": _ref(PERSON)}
    sibling: dict[str, Any] = {
        "id": SIBLING,
        "code": "SIBLING",
        "name": "Sibling",
        "fromToName": "is sibling of",
    }
    sibling |= {"bidirectional": True}
    metadata.save("relationshipTypes", {**sibling, "fromConstraint": side, "toConstraint": side})


def _program(metadata: Metadata, uid: str, code: str, name: str, kind: str, rest: dict[str, Any]) -> None:
    program: dict[str, Any] = {"id": uid, "code": code, "name": name, "shortName": name, "programType": kind}
    program |= {"categoryCombo": _ref("bjDvmb4bfuf"), "organisationUnits": [_ref(u) for u in FACILITIES]}
    metadata.save("programs", {**program, **rest})


def _stage(
    metadata: Metadata, uid: str, name: str, program: str, elements: list[str], compulsory: str
) -> None:
    held = [
        {"dataElement": _ref(e), "compulsory": e == compulsory, "sortOrder": n}
        for n, e in enumerate(elements)
    ]
    stage: dict[str, Any] = {
        "id": uid,
        "code": uid,
        "name": name,
        "program": _ref(program),
        "programStageDataElements": held,
    }
    stage |= {"repeatable": True, "validationStrategy": "ON_UPDATE_AND_INSERT", "featureType": "POINT"}
    metadata.save("programStages", stage)
