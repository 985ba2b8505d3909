"""OpenMRS on trial; its lists in `tests/jobs/adaptors/test_openmrs.py`."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("startIndex", 0))
    body: dict[str, Any] = {"results": [{"n": at}]}
    if at < 4:
        body["links"] = [{"rel": "next", "uri": f"http://inside:8080/x?startIndex={at + 1}"}]
    return answer(200, body)


CASE = Case(
    name="openmrs",
    configuration=lambda url: {"instanceUrl": f"{url}/openmrs", "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda openmrs: openmrs.get("visit"),
    read_path="/openmrs/ws/rest/v1/visit",
    read_body={"results": []},
    write=lambda openmrs, text: openmrs.create("patient", {"name": text}),
    write_status=201,
    error_body={"error": {"message": "Invalid Submission", "detail": "a stack trace"}},
    error_words="Invalid Submission",
    pages=pages,
    all=lambda openmrs: openmrs.get("visit", page_size=1),
)
