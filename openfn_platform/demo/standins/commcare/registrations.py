"""Registration forms as a community health worker's phone sends them, all made up."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

from openfn_platform.demo.standins.commcare.moments import now_text
from openfn_platform.demo.standins.commcare.xforms import form_xml
from openfn_platform.demo.standins.store import Record

XMLNS = "http://openrosa.org/formdesigner/clinic-registration"
CASE_TYPE = "patient"
_FIRST = (
    ("Neema", "female"), ("Baraka", "male"), ("Rehema", "female"), ("Juma", "male"), ("Zawadi", "female"),
    ("Daudi", "male"), ("Asha", "female"), ("Musa", "male"), ("Grace", "female"), ("Elia", "male"),
    ("Upendo", "female"),
)  # fmt: skip
_LAST = ("Mwakasege", "Kisanga", "Lyimo", "Ndikumana", "Mrisho", "Komba", "Saidi", "Mushi", "Temba")
_VILLAGES = ("Gungu", "Ujiji", "Mwanga", "Kibirizi", "Buhanda", "Bangwe", "Katubuka")


def registration_xml(number: int, worker: Record) -> bytes:
    """The registration of the person of that number; the same number is the same person with another form."""
    (first, sex), last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
    born = date(1950, 1, 1) + timedelta(days=number * 997 % 20_000)
    questions = {
        "consent": "yes",
        "national_id": national_id(number),
        "first": first,
        "last": last,
        "sex": sex,
        "dob": born.isoformat(),
        "phone": f"+25575{number % 10_000_000:07}",
        "village": _VILLAGES[number % len(_VILLAGES)],
    }
    now = now_text()
    block = {
        "case_id": str(uuid.uuid4()),
        "date_modified": now,
        "user_id": worker["id"],
        "create": {"case_type": CASE_TYPE, "case_name": f"{first} {last}", "owner_id": worker["id"]},
        "update": questions,
    }
    meta = {
        "deviceID": "commcare-standin",
        "timeStart": now,
        "timeEnd": now,
        "username": worker["username"].partition("@")[0],
        "userID": worker["id"],
        "instanceID": str(uuid.uuid4()),
        "appVersion": 'CommCare Android, version "2.57.0"',
    }
    return form_xml(XMLNS, "Registration", questions, [block], meta)


def national_id(number: int) -> str:
    """Two letters and six digits, another one for each number."""
    letters, digits = divmod(number, 1_000_000)
    first, second = divmod(letters % 676, 26)
    return f"{chr(65 + first)}{chr(65 + second)}{digits:06}"
