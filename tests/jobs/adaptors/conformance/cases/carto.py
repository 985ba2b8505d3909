"""CARTO on trial: the key stands in the body, and a query is a POST also when it only reads."""

from jobs.adaptors.carto.literals import literal
from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case


def pages(seen):
    at = seen.json["page"] * 2
    return answer(200, {"rows": [{"n": n} for n in range(5)][at : at + 2], "total_rows": 2})


CASE = Case(
    name="carto",
    configuration=lambda url: {"account": "clinic", "apiKey": SECRET, "baseUrl": url},
    auth=lambda seen: seen.json["api_key"] == SECRET and SECRET not in seen.target,
    read=lambda carto: carto.sql("select 1 as one"),
    read_path="/api/v2/sql",
    read_body={"rows": [{"one": 1}], "total_rows": 1},
    write=lambda carto, text: carto.add_row("visits", {"name": text}),
    write_body={"rows": [], "total_rows": 1},
    sends=lambda seen: seen.json["q"].startswith("INSERT"),
    spelled=literal,
    error_body={"error": ['column "nam" does not exist'], "hint": "Perhaps name"},
    error_words='column "nam" does not exist (Perhaps name)',
    hidden_error={"rows": [], "error": ["division by zero"]},
    hidden_words="division by zero",
    pages=pages,
    all=lambda carto: carto.each("select n from visits order by n", page_size=2),
)
