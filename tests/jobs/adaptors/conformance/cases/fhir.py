"""FHIR on trial."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def outcome(words):
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": words}]}


def pages(seen):
    at = int(query(seen).get("at", 0))
    body: dict[str, Any] = {
        "resourceType": "Bundle",
        "entry": [{"resource": {"resourceType": "Patient", "n": at}}],
    }
    if at < 4:
        body["link"] = [{"relation": "next", "url": f"http://inside:8080/fhir?at={at + 1}"}]
    return answer(200, body)


CASE = Case(
    name="fhir",
    configuration=lambda url: {"baseUrl": f"{url}/fhir", "access_token": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda fhir: fhir.read("Patient/7"),
    read_path="/fhir/Patient/7",
    read_body={"resourceType": "Patient", "id": "7"},
    write=lambda fhir, text: fhir.create("Patient", {"name": [{"text": text}]}),
    write_status=201,
    write_body={"resourceType": "Patient", "id": "7"},
    error_body=outcome("birthDate is no date"),
    error_words="birthDate is no date",
    hidden_error=outcome("Nothing was stored"),
    hidden_words="Nothing was stored",
    pages=pages,
    all=lambda fhir: fhir.search("Patient"),
)
