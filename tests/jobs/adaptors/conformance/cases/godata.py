"""godata on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, token_at

CASE = Case(
    name="godata",
    configuration=lambda url: {"baseUrl": url, "email": "amina@clinic.example", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == "tok-4711-abcdef",
    log_in=token_at("/api/users/login", {"id": "tok-4711-abcdef", "ttl": 600}),
    tokens={"id": "tok-4711-abcdef", "ttl": 600},
    read=lambda godata: godata.list_outbreaks(),
    read_path="/api/outbreaks",
    read_body=[],
    write=lambda godata, text: godata.create_case("7", {"firstName": text}),
    error_body={"error": {"message": "dateOfReporting is needed"}},
    error_words="dateOfReporting is needed",
)
