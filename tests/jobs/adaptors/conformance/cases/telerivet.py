"""Telerivet on trial."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("marker", 0))
    body: dict[str, Any] = {"data": [{"n": at}], "truncated": at < 4}
    return answer(200, body | ({"next_marker": str(at + 1)} if at < 4 else {}))


CASE = Case(
    name="telerivet",
    configuration=lambda url: {"projectId": "PJ1", "apiKey": SECRET, "baseUrl": url},
    auth=lambda seen: seen.headers["authorization"] == "Basic czNjcjN0LVpxOXd2NzF4Og==",
    read=lambda telerivet: telerivet.test(),
    read_path="/v1/projects/PJ1",
    read_body={"name": "Clinic"},
    write=lambda telerivet, text: telerivet.send("+22890112233", text),
    write_body={"id": "SM1", "status": "queued"},
    error_body={"error": {"code": "invalid_param", "message": "The content is too long", "param": "content"}},
    error_words="The content is too long",
    hidden_error={"error": {"code": "not_found", "message": "There is no such route"}},
    hidden_words="There is no such route",
    pages=pages,
    all=lambda telerivet: telerivet.get_messages(),
)
