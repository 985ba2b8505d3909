"""satusehat on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, token_at

CASE = Case(
    name="satusehat",
    configuration=lambda url: {"baseUrl": url, "clientId": "amina", "clientSecret": SECRET},
    auth=lambda seen: seen.headers["authorization"] == "Bearer tok-4711-abcdef",
    log_in=token_at("/oauth2/v1/accesstoken", {"access_token": "tok-4711-abcdef", "expires_in": 3600}),
    tokens={"access_token": "tok-4711-abcdef", "expires_in": 3600},
    read=lambda satusehat: satusehat.get("/Patient/7"),
    read_path="/fhir-r4/v1/Patient/7",
    write=lambda satusehat, text: satusehat.post("/Encounter", {"text": text}),
    error_body={"issue": [{"details": {"text": "A subject is needed"}}]},
    error_words="A subject is needed",
)
