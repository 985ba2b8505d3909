"""msgraph on trial."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("$skip", 0))
    body: dict[str, Any] = {"value": [{"n": at}]}
    if at < 4:
        body["@odata.nextLink"] = f"http://{seen.headers['host']}/v1.0/users?$skip={at + 1}"
    return answer(200, body)


CASE = Case(
    name="msgraph",
    configuration=lambda url: {"baseUrl": url, "accessToken": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda msgraph: msgraph.get_file("b!7", "01A"),
    read_path="/v1.0/drives/b%217/items/01A",
    write=lambda msgraph, text: msgraph.create("sites/7/lists", {"displayName": text}),
    error_body={"error": {"code": "nameAlreadyExists", "message": "There is a list by that name"}},
    error_words="There is a list by that name",
    pages=pages,
    all=lambda msgraph: msgraph.get_all("users"),
)
