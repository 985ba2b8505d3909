"""openimis on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query, token_at


def pages(seen):
    at = int(query(seen).get("page-offset", 0))
    here = f"http://{seen.headers['host']}/api/api_fhir_r4/Claim/?page-offset={at + 1}"
    return answer(200, {"entry": [{"n": at}], "link": [{"relation": "next", "url": here}] if at < 4 else []})


CASE = Case(
    name="openimis",
    configuration=lambda url: {"baseUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == "Bearer tok-4711-abcdef",
    log_in=token_at("/api/api_fhir_r4/login/", {"token": "tok-4711-abcdef"}),
    tokens={"token": "tok-4711-abcdef"},
    read=lambda openimis: openimis.get("/Patient/7/"),
    read_path="/api/api_fhir_r4/Patient/7/",
    write=lambda openimis, text: openimis.post("/Claim/", {"text": text}),
    error_body={"issue": [{"details": {"text": "The insuree is unknown"}}]},
    error_words="The insuree is unknown",
    pages=pages,
    all=lambda openimis: openimis.get_fhir("Claim"),
)
