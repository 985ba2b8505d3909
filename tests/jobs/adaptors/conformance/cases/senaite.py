"""senaite on trial."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def logs_in(seen):
    if not seen.target.endswith("/login"):
        return None
    return answer(200, {"success": True}, {"set-cookie": "__ac=sess-4711; Path=/"})


def pages(seen):
    at = int(query(seen).get("b_start", 0))
    body: dict[str, Any] = {"success": True, "items": [{"n": at}]}
    if at < 4:
        body["next"] = f"http://{seen.headers['host']}/@@API/senaite/v1/search?b_start={at + 1}"
    return answer(200, body)


CASE = Case(
    name="senaite",
    configuration=lambda url: {"baseUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: "__ac=sess-4711" in seen.headers["cookie"],
    log_in=logs_in,
    tokens={},
    cookie="__ac=sess-4711; Path=/",
    read=lambda senaite: senaite.get("/client/7"),
    read_path="/@@API/senaite/v1/client/7",
    write=lambda senaite, text: senaite.post("/create", {"title": text}),
    error_body={"success": False, "message": "The type is unknown"},
    error_words="The type is unknown",
    hidden_error={"success": False, "message": "The client is inactive"},
    hidden_words="The client is inactive",
    pages=pages,
    all=lambda senaite: senaite.search("Client"),
)
