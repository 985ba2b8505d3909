"""The `http` adaptor on trial."""

from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case

CASE = Case(
    name="http",
    configuration=lambda url: {"baseUrl": f"{url}/base", "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda http: http.get("patients"),
    read_path="/base/patients",
    write=lambda http, text: http.post("/patients", {"name": text}),
    error_body={"error": {"message": "There is one by that name"}},
    error_words="There is one by that name",
)
