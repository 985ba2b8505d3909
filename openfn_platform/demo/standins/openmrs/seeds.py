"""What a new OpenMRS has, and what the demo's programme added: the national identity number and its format."""

from __future__ import annotations

from openfn_platform.demo.standins.store import Record, Store

NATIONAL_ID = "a1f7d9c4-3b52-4c0e-9d6f-52c1b8e0a7d3"
NATIONAL_ID_FORMAT = r"^[A-Z]{2}\d{6}$"
OLD_NUMBER = "8d79403a-c2cc-11de-8d13-0010c6dffd0f"
UNKNOWN_LOCATION = "8d6c993e-c2cc-11de-8d13-0010c6dffd0f"
CLINIC = "6f42abbc-caac-40ae-a94e-9277ea15c125"
REGISTRATION = "61ae96f4-6afe-4351-b6f8-cd4fc383cce1"
REFERRAL = "c3f0a1de-5d7b-4e27-9d55-0b8a4c6f2e19"
FACILITY_VISIT = "7b0f5697-27e3-40c4-8bae-f4049abfb4ed"
PHONE_CONCEPT = "159635aa-0b7c-4bb5-9a4e-6d0f5e2c31a8"

_IDENTIFIER_TYPES = [
    (NATIONAL_ID, "National ID", NATIONAL_ID_FORMAT, True),
    (OLD_NUMBER, "Old Identification Number", None, False),
]
_NAMED = {
    "location": [
        (UNKNOWN_LOCATION, "Unknown Location"),
        (CLINIC, "Kigoma Clinic"),
        ("2131aff8-2e2a-480a-b7ab-4ac53250262b", "Community Outreach"),
    ],
    "encountertype": [
        (REGISTRATION, "Registration"),
        (REFERRAL, "Referral"),
        ("67a71486-1a54-468f-ac3e-7091a9a79584", "Vitals"),
    ],
    "visittype": [(FACILITY_VISIT, "Facility Visit"), ("287463d3-2233-4c69-9851-5841a1f5e109", "Home Visit")],
}


def seed(store: Store, now: str) -> None:
    """Put the metadata of a new installation in."""
    for table, rows in _NAMED.items():
        for uuid, name in rows:
            store.put(table, uuid, _metadata(uuid, name, now))
    for uuid, name, pattern, required in _IDENTIFIER_TYPES:
        extra = {"format": pattern, "formatDescription": None, "required": required}
        store.put("patientidentifiertype", uuid, {**_metadata(uuid, name, now), **extra})
    store.put(
        "concept",
        PHONE_CONCEPT,
        {**_metadata(PHONE_CONCEPT, "Telephone number", now), "names": [{"name": "Telephone number"}]},
    )


def _metadata(uuid: str, name: str, now: str) -> Record:
    return {"uuid": uuid, "name": name, "description": name, "voided": False, "created": now}
