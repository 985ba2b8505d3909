"""ODK Central on trial: a log-in, and OData's next link."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query, token_at

TOKENS = {"token": "tok-4711-abcdef"}


def pages(seen):
    at = int(query(seen).get("$skiptoken", 0))
    body: dict[str, Any] = {"value": [{"n": at}]}
    if at < 4:
        here = f"http://{seen.headers['host']}"
        body["@odata.nextLink"] = f"{here}/v1/projects/4/forms/visit.svc/Submissions?$skiptoken={at + 1}"
    return answer(200, body)


CASE = Case(
    name="odk",
    configuration=lambda url: {"baseUrl": url, "email": "amina@clinic.example", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == "Bearer tok-4711-abcdef",
    log_in=token_at("/v1/sessions", TOKENS),
    tokens=TOKENS,
    read=lambda odk: odk.get_forms(4),
    read_path="/v1/projects/4/forms",
    read_body=[{"xmlFormId": "visit"}],
    write=lambda odk, text: odk.post("/projects", {"name": text}),
    error_body={"message": "An unexpected name", "code": 400.2},
    error_words="An unexpected name",
    pages=pages,
    all=lambda odk: odk.get_submissions(4, "visit"),
)
