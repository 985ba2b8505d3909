"""DHIS2 on trial; its reports and its tracker in `tests/jobs/adaptors/test_dhis2*.py`."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query


def pages(seen):
    page = int(query(seen).get("page", 1))
    found = [{"n": number} for number in range(5)][2 * page - 2 : 2 * page]
    pager: dict[str, Any] = {"page": page, "pageCount": 3, "total": 5, "pageSize": 2}
    return answer(200, {"pager": pager, "dataElements": found})


CASE = Case(
    name="dhis2",
    configuration=lambda url: {"hostUrl": f"{url}/dhis/api", "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda dhis2: dhis2.get("dataElements"),
    read_path="/dhis/api/dataElements",
    read_body={"dataElements": []},
    write=lambda dhis2, text: dhis2.create("dataElements", {"name": text}),
    write_body={"httpStatus": "Created", "status": "OK", "response": {"uid": "fbfJHSPpUQD"}},
    write_status=201,
    error_body={"httpStatus": "Bad Request", "status": "ERROR", "message": "Property `nmae` is not known"},
    error_words="Property `nmae` is not known",
    hidden_error={"httpStatus": "OK", "status": "ERROR", "message": "One or more errors occurred"},
    hidden_words="One or more errors occurred",
    pages=pages,
    all=lambda dhis2: dhis2.get("dataElements"),
)
