"""openelis on trial."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("at", 0))
    body: dict[str, Any] = {"entry": [{"n": at}], "link": [{"relation": "self", "url": "x"}]}
    if at < 4:
        here = f"http://{seen.headers['host']}/fhir/DiagnosticReport?at={at + 1}"
        body["link"].append({"relation": "next", "url": here})
    return answer(200, body)


CASE = Case(
    name="openelis",
    configuration=lambda url: {"baseUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda openelis: openelis.get("/fhir/Task"),
    read_path="/fhir/Task",
    write=lambda openelis, text: openelis.create_order({"note": text}),
    error_body={"resourceType": "OperationOutcome", "issue": [{"diagnostics": "There is no such test"}]},
    error_words="There is no such test",
    pages=pages,
    all=lambda openelis: openelis.get_results("ServiceRequest/7"),
)
