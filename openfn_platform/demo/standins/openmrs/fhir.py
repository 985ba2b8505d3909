"""FHIR R4, as far as patients: read and search, with the paging links of HAPI."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from openfn_platform.demo.standins.openmrs.dates import day_text, now_text
from openfn_platform.demo.standins.openmrs.patients import Patients
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request

FHIR = "/ws/fhir2/R4"
DEFAULT_COUNT = 10
MOST = 100
KEPT_SEARCHES = 1000
GENDERS = {"M": "male", "F": "female", "O": "other", "U": "unknown"}


class Fhir:
    """The FHIR side of the server; searches are remembered for their next pages."""

    def __init__(self, patients: Patients) -> None:
        self._patients = patients
        self._searches: OrderedDict[str, list[str]] = OrderedDict()

    def handle(self, request: Request, path: str) -> Answer:
        """Answer a request below `/ws/fhir2/R4`; `path` is what follows."""
        if request.method != "GET":
            return outcome(405, "not-supported", f"{request.method} is not supported here")
        parts = [part for part in path.split("/") if part]
        if not parts and "_getpages" in request.query:
            return self._further(request)
        if not parts or parts[0] != "Patient":
            return outcome(404, "processing", f"Unknown resource type '{'/'.join(parts)}'")
        if len(parts) == 1:
            return self._search(request)
        return self._read(parts[1])

    def _read(self, unique: str) -> Answer:
        patient = self._patients.lookup(unique)
        if patient is None:
            return outcome(404, "processing", f"Resource of type Patient with ID {unique} is not known")
        if patient["voided"]:
            return outcome(410, "deleted", f"Resource of type Patient with ID {unique} is gone/deleted")
        return _fhir(200, self.shown(patient))

    def _search(self, request: Request) -> Answer:
        found = [p for p in self._patients.visible({}) if self._matches(p, request.query)]
        key = str(uuid.uuid4())
        self._searches[key] = [patient["uuid"] for patient in found]
        if len(self._searches) > KEPT_SEARCHES:
            self._searches.popitem(last=False)
        return self._page(request, key, 0)

    def _further(self, request: Request) -> Answer:
        key = request.query["_getpages"]
        if key not in self._searches:
            return outcome(410, "processing", f'Search ID "{key}" does not exist and may have expired')
        return self._page(request, key, _number(request.query.get("_getpagesoffset"), 0))

    def _page(self, request: Request, key: str, offset: int) -> Answer:
        found = self._searches[key]
        count = min(_number(request.query.get("_count"), DEFAULT_COUNT), MOST)
        page = [p for p in (self._patients.lookup(u) for u in found[offset : offset + count]) if p]
        base = self._patients.world.base + FHIR
        links = [{"relation": "self", "url": f"{request.origin}{request.target}"}]
        for relation, at in (("next", offset + count), ("previous", offset - count)):
            if (relation == "next" and at < len(found)) or (relation == "previous" and offset > 0):
                query = {"_getpages": key, "_getpagesoffset": max(at, 0), "_count": count}
                url = f"{base}?{urlencode({**query, '_bundletype': 'searchset'})}"
                links.append({"relation": relation, "url": url})
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "id": key,
            "meta": {"lastUpdated": now_text().replace("+0000", "+00:00")},
            "type": "searchset",
            "total": len(found),
            "link": links,
        }
        if page and count:
            bundle["entry"] = [
                {"fullUrl": f"{base}/Patient/{p['uuid']}", "resource": self.shown(p)} for p in page
            ]
        return _fhir(200, bundle)

    def _matches(self, patient: Record, query: Mapping[str, str]) -> bool:
        shown = self.shown(patient)
        given = [part for name in shown["name"] for part in name["given"]]
        family = [name["family"] for name in shown["name"]]
        tests: dict[str, Callable[[str], bool]] = {
            "_id": lambda wanted: patient["uuid"] in wanted.split(","),
            "identifier": lambda wanted: any(
                _identifier_is(i, one) for i in shown["identifier"] for one in wanted.split(",")
            ),
            "name": lambda wanted: _begins([*given, *family], wanted),
            "given": lambda wanted: _begins(given, wanted),
            "family": lambda wanted: _begins(family, wanted),
            "gender": lambda wanted: shown["gender"] in wanted.split(","),
            "birthdate": lambda wanted: shown.get("birthDate") == wanted.removeprefix("eq"),
            "_lastUpdated": lambda wanted: _is_since(shown["meta"]["lastUpdated"], wanted),
        }
        return all(tests[name](value) for name, value in query.items() if name in tests)

    def shown(self, patient: Record) -> dict[str, Any]:
        """A patient as FHIR shows it."""
        person = self._patients.persons.read(patient["uuid"])
        kinds = self._patients.world.resource("patientidentifiertype")
        resource: dict[str, Any] = {
            "resourceType": "Patient",
            "id": patient["uuid"],
            "meta": {"lastUpdated": _changed(patient, person).replace("+0000", "+00:00")},
            "identifier": [
                {
                    "id": i["uuid"],
                    "use": "official" if i["preferred"] else "usual",
                    "type": {"text": kinds.read(i["identifierType"])["name"]},
                    "value": i["identifier"],
                }
                for i in patient["identifiers"]
                if not i["voided"]
            ],
            "active": True,
            "name": [
                {
                    "id": n["uuid"],
                    "family": n.get("familyName") or "",
                    "given": [n[part] for part in ("givenName", "middleName") if n.get(part)],
                }
                for n in person["names"]
                if not n["voided"]
            ],
            "gender": GENDERS.get(person.get("gender") or "", "unknown"),
            "deceasedBoolean": bool(person.get("dead")),
        }
        if person.get("birthdate"):
            resource["birthDate"] = day_text(person["birthdate"])
        return resource


def outcome(status: int, code: str, text: str, **headers: str) -> Answer:
    """A refusal in FHIR's shape."""
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return _fhir(status, {"resourceType": "OperationOutcome", "issue": [issue]}, **headers)


def _fhir(status: int, value: object, **headers: str) -> Answer:
    return Answer.json(status, value, Content_Type="application/fhir+json;charset=UTF-8", **headers)


def _identifier_is(identifier: Mapping[str, Any], wanted: str) -> bool:
    value = wanted.rpartition("|")[2]
    return str(identifier["value"]).lower() == value.lower()


def _changed(*records: Mapping[str, Any]) -> str:
    return max(str(record.get("changed") or record["created"]) for record in records)


def _is_since(changed: str, wanted: str) -> bool:
    """`gt` and `ge` with a moment; the other prefixes are not there."""
    moment, asked = datetime.fromisoformat(changed), datetime.fromisoformat(wanted[2:])
    asked = asked if asked.tzinfo else asked.replace(tzinfo=UTC)
    return moment > asked or (wanted.startswith("ge") and moment == asked)


def _begins(parts: list[str], wanted: str) -> bool:
    return any(part.lower().startswith(one.lower()) for part in parts for one in wanted.split(","))


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() else otherwise
