"""asana on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("offset", 0))
    return answer(200, {"data": [{"n": at}], "next_page": {"offset": str(at + 1)} if at < 4 else None})


CASE = Case(
    name="asana",
    configuration=lambda url: {"baseUrl": url, "token": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda asana: asana.get_task("7"),
    read_path="/api/1.0/tasks/7",
    read_body={"data": {"gid": "7"}},
    write=lambda asana, text: asana.create_task({"name": text}),
    write_status=201,
    write_body={"data": {"gid": "7"}},
    error_body={"errors": [{"message": "projects: Not a recognized ID"}]},
    error_words="projects: Not a recognized ID",
    pages=pages,
    all=lambda asana: asana.get_tasks("1206"),
)
