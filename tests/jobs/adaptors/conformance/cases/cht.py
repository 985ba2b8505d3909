"""cht on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("cursor", 0))
    return answer(200, {"data": [{"n": at}], "cursor": str(at + 1) if at < 4 else None})


CASE = Case(
    name="cht",
    configuration=lambda url: {"baseUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda cht: cht.get("/api/v1/settings"),
    read_path="/api/v1/settings",
    write=lambda cht, text: cht.create_person({"name": text}),
    error_body={"code": 400, "error": "Missing or empty name"},
    error_words="Missing or empty name",
    pages=pages,
    all=lambda cht: cht.get_contacts(type="person"),
)
