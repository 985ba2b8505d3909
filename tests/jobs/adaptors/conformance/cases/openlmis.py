"""openlmis on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query, token_at

CASE = Case(
    name="openlmis",
    configuration=lambda url: {
        "baseUrl": url,
        "username": "amina",
        "password": SECRET,
        "clientSecret": "other-5ecret",
    },
    auth=lambda seen: seen.headers["authorization"] == "Bearer tok-4711-abcdef",
    log_in=token_at("/api/oauth/token", {"access_token": "tok-4711-abcdef", "expires_in": 3600}),
    tokens={"access_token": "tok-4711-abcdef", "expires_in": 3600},
    read=lambda openlmis: openlmis.get("/programs"),
    read_path="/api/programs",
    write=lambda openlmis, text: openlmis.post("/requisitions", {"note": text}),
    error_body={"messageKey": "requisition.error", "message": "The period is closed"},
    error_words="The period is closed",
    pages=lambda seen: answer(200, {"content": [{"n": int(query(seen)["page"])}], "totalPages": 5}),
    all=lambda openlmis: openlmis.get_all("facilities"),
)
