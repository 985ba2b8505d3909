"""RapidPro on trial."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("cursor", 0))
    body: dict[str, Any] = {"results": [{"n": at}], "next": None}
    if at < 4:
        body["next"] = f"http://{seen.headers['host']}/api/v2/contacts.json?cursor={at + 1}"
    return answer(200, body)


CASE = Case(
    name="rapidpro",
    configuration=lambda url: {"host": f"{url}/", "token": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"Token {SECRET}",
    read=lambda rapidpro: rapidpro.get_list("flows"),
    read_path="/api/v2/flows.json",
    read_body={"results": [], "next": None},
    write=lambda rapidpro, text: rapidpro.send("+22890112233", text),
    write_status=201,
    write_body={"id": 7, "status": "Q"},
    error_body={"text": ["This field is too long."]},
    error_words="text: This field is too long.",
    hidden_error={"id": 7, "status": "F"},
    hidden_words="failed",
    pages=pages,
    all=lambda rapidpro: rapidpro.get_list("contacts"),
)
