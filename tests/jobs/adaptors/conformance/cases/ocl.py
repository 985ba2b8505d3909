"""ocl on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def pages(seen):
    at = (int(query(seen)["page"]) - 1) * 100
    return answer(200, [{"n": n} for n in range(2 * 100 + 5)][at : at + 100])


CASE = Case(
    name="ocl",
    configuration=lambda url: {"baseUrl": url, "token": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"Token {SECRET}",
    read=lambda ocl: ocl.get_concept("CIEL", "CI EL", "1"),
    read_path="/orgs/CIEL/sources/CI%20EL/concepts/1/",
    read_body={"id": "1"},
    write=lambda ocl, text: ocl.post("/orgs/CIEL/sources/CIEL/concepts/", {"names": [text]}),
    error_body={"detail": "There is one by that ID"},
    error_words="There is one by that ID",
    pages=pages,
    all=lambda ocl: ocl.get_mappings("CIEL", "CIEL"),
)
