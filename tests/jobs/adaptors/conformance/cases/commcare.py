"""CommCare on trial; a submitted form carries an ID of its own and may be sent again, a posted record may not."""

from typing import Any

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("offset", 0))
    meta: dict[str, Any] = {"limit": 2, "offset": at, "total_count": 5, "next": f"?limit=2&offset={at + 2}"}
    return answer(
        200,
        {
            "meta": meta | ({} if at < 4 else {"next": None}),
            "objects": [{"n": n} for n in range(5)][at : at + 2],
        },
    )


CASE = Case(
    name="commcare",
    configuration=lambda url: {"hostUrl": url, "domain": "clinic", "username": "amina", "apiKey": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"ApiKey amina:{SECRET}",
    read=lambda commcare: commcare.get("case"),
    read_path="/a/clinic/api/v0.5/case/",
    read_body={"meta": {"next": None}, "objects": []},
    write=lambda commcare, text: commcare.post("user", {"username": text}),
    write_status=201,
    error_body={"error": "A user by that name exists"},
    error_words="A user by that name exists",
    hidden_error={"code": 500, "message": "The file could not be read"},
    hidden_words="could not be read",
    pages=pages,
    all=lambda commcare: commcare.get("form"),
)
