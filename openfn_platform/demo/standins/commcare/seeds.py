"""What the project space has at first: application, people, places, a report, a few registrations."""

from __future__ import annotations

from openfn_platform.demo.standins.commcare.moments import now_text
from openfn_platform.demo.standins.commcare.people import worker
from openfn_platform.demo.standins.commcare.registrations import XMLNS, registration_xml
from openfn_platform.demo.standins.commcare.submissions import Submissions
from openfn_platform.demo.standins.commcare.xforms import form_xml
from openfn_platform.demo.standins.store import Record, Store

DOMAIN = "clinic"
APP = "5f2c1d1e9c7b4a7fa1e0c3f7d7a90001"
API_USER = "8f9756be9b1c7f28057d707b405d0001"
NEEMA = "3c5a623af057e23a32ae4000cf290001"
DAUDI = "3c5a623af057e23a32ae4000cf290002"
GROUP = "1eb59d6938fc7e510254d8c2f63d0001"
DISTRICT, GUNGU, UJIJI = (f"f373a6837c1243938abfc56618c{n:05}" for n in (1, 2, 3))
REPORT = "9aab0eeb88555a7b4568676883e70001"
VISIT_XMLNS = "http://openrosa.org/formdesigner/clinic-visit"
REPORT_ROWS = 120


def seed(store: Store, submissions: Submissions) -> None:
    """Put all of it in."""
    _people(store)
    _places(store)
    store.put("application", APP, _application())
    _report(store)
    _forms(store, submissions)


def _people(store: Store) -> None:
    for unique, name, first, last in ((NEEMA, "neema", "Neema", "Komba"), (DAUDI, "daudi", "Daudi", "Temba")):
        known = {"first_name": first, "last_name": last, "groups": [GROUP]}
        places = {"primary_location": GUNGU, "locations": [GUNGU]}
        user = worker(DOMAIN, unique, f"{name}@{DOMAIN}.commcarehq.org", **known, **places)
        store.put("user", unique, user)
    web_user: Record = {
        "id": API_USER,
        "username": "integration@clinic.example",
        "first_name": "Integration",
        "last_name": "User",
        "default_phone_number": None,
        "email": "integration@clinic.example",
        "phone_numbers": [],
        "role": "Admin",
        "permissions": {"edit_data": True, "access_api": True},
        "is_admin": True,
        "resource_uri": f"/a/{DOMAIN}/api/web-user/v1/{API_USER}/",
    }
    store.put("web_user", API_USER, web_user)
    group = {
        "id": GROUP,
        "name": "Community health workers",
        "domain": DOMAIN,
        "case_sharing": True,
        "reporting": True,
        "metadata": {},
        "users": [NEEMA, DAUDI],
    }
    store.put("group", GROUP, group)


def _places(store: Store) -> None:
    now = now_text().removesuffix("Z")
    places = ((DISTRICT, "Kigoma", "district", None), (GUNGU, "Gungu", "clinic", DISTRICT))
    for number, (unique, name, kind, above) in enumerate((*places, (UJIJI, "Ujiji", "clinic", DISTRICT)), 1):
        place: Record = {
            "id": number,
            "location_id": unique,
            "name": name,
            "domain": DOMAIN,
            "site_code": name.lower(),
            "external_id": None,
            "created_at": now,
            "last_modified": now,
            "latitude": None,
            "longitude": None,
            "location_data": {},
            "location_type": f"/a/{DOMAIN}/api/location_type/v1/{1 if kind == 'district' else 2}/",
            "parent": f"/a/{DOMAIN}/api/location/v1/{above}/" if above else None,
            "resource_uri": f"/a/{DOMAIN}/api/location/v1/{unique}/",
        }
        store.put("location", unique, place)


def _application() -> Record:
    asked = ("consent", "national_id", "first", "last", "sex", "dob", "phone", "village")
    forms = [
        {
            "unique_id": f"form-{name.lower()}",
            "xmlns": xmlns,
            "name": {"en": name},
            "questions": [
                {"label": q, "value": f"/data/{q}", "tag": "input", "repeat": None} for q in questions
            ],
        }
        for name, xmlns, questions in (("Registration", XMLNS, asked), ("Visit", VISIT_XMLNS, ("weight",)))
    ]
    module = {
        "unique_id": "module-patients",
        "name": "Patients",
        "case_type": "patient",
        "case_properties": [*asked, "weight"],
        "forms": forms,
    }
    return {
        "id": APP,
        "name": "Clinic",
        "version": 1,
        "is_released": False,
        "built_on": None,
        "build_comment": None,
        "built_from_app_id": None,
        "modules": [module],
        "versions": [],
        "resource_uri": f"/a/{DOMAIN}/api/application/v1/{APP}/",
    }


def _report(store: Store) -> None:
    columns = (("village", "Village"), ("week", "Week"), ("visits", "Visits"))
    report = {
        "id": REPORT,
        "title": "Visits by village and week",
        "columns": [{"column_id": slug, "display": header, "type": "field"} for slug, header in columns],
        "filters": [{"type": "dynamic_choice_list", "datatype": "string", "slug": "village"}],
        "resource_uri": f"/a/{DOMAIN}/api/simplereportconfiguration/v1/{REPORT}/",
    }
    store.put("report", REPORT, report)
    for number in range(REPORT_ROWS):
        week, village = divmod(number, 3)
        values = {"village": ("Gungu", "Ujiji", "Mwanga")[village], "week": f"2026W{week + 1:02}"}
        row = {"report": REPORT, "values": {**values, "visits": 5 + number * 7 % 20}}
        store.put("report_row", f"{number:04}", row)


def _forms(store: Store, submissions: Submissions) -> None:
    """Three registrations; the first patient has been weighed and has a child."""
    worker = store.table("user")[NEEMA]
    made = [
        submissions.submit(registration_xml(number, worker), app_id=APP, from_phone=True)
        for number in range(3)
    ]
    mother, now = made[0].cases[0], now_text()
    who = {"user_id": NEEMA, "date_modified": now}
    to = {"case_id": mother["case_id"], "case_type": "patient", "relationship": "child"}
    blocks = [
        {**who, "case_id": mother["case_id"], "update": {"weight": "61"}},
        {
            **who,
            "case_id": "b6996b7b-6b3f-476a-9006-00000000c41d",
            "create": {"case_type": "child", "case_name": "Amani Mwakasege", "owner_id": NEEMA},
            "update": {"dob": "2026-10-02"},
            "index": {"parent": to},
        },
    ]
    meta = {"deviceID": "commcare-standin", "timeStart": now, "timeEnd": now, "username": "neema"}
    meta |= {"userID": NEEMA, "instanceID": "f959449c-8776-42ac-b776-000000005eed"}
    submissions.submit(
        form_xml(VISIT_XMLNS, "Visit", {"weight": "61"}, blocks, meta), app_id=APP, from_phone=True
    )
