"""kobotoolbox on trial."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("start", 0))
    body: dict[str, Any] = {"results": [{"n": at}]}
    if at < 4:
        body["next"] = f"http://{seen.headers['host']}/api/v2/assets/aXb3/data/?start={at + 1}"
    return answer(200, body)


CASE = Case(
    name="kobotoolbox",
    configuration=lambda url: {"baseUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda kobotoolbox: kobotoolbox.get_forms(),
    read_path="/api/v2/assets/",
    read_body={"results": []},
    write=lambda kobotoolbox, text: kobotoolbox.post("/assets/", {"name": text}),
    error_body={"detail": "A form needs a name"},
    error_words="A form needs a name",
    pages=pages,
    all=lambda kobotoolbox: kobotoolbox.get_submissions("aXb3"),
)
