"""surveycto on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("cursor", 0))
    return answer(200, {"data": [{"n": at}], "nextCursor": str(at + 1) if at < 4 else None})


CASE = Case(
    name="surveycto",
    configuration=lambda url: {"baseUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda surveycto: surveycto.fetch_submissions("visit"),
    read_path="/api/v2/forms/data/wide/json/visit",
    read_body=[],
    write=lambda surveycto, text: surveycto.upsert_record("clinics", {"name": text}),
    error_body={"error": {"code": 400, "message": "Invalid date"}},
    error_words="Invalid date",
    pages=pages,
    all=lambda surveycto: surveycto.list_datasets(),
)
