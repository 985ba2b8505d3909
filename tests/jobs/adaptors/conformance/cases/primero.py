"""primero on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query


def pages(seen):
    at = (int(query(seen)["page"]) - 1) * 100
    return answer(200, {"data": [{"n": n} for n in range(250)][at : at + 100]})


CASE = Case(
    name="primero",
    configuration=lambda url: {"baseUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda primero: primero.get_referrals("7"),
    read_path="/api/v2/cases/7/referrals",
    read_body={"data": []},
    write=lambda primero, text: primero.create_case({"name": text}),
    write_body={"data": {"id": "7"}},
    error_body={"errors": [{"status": 422, "message": "sex is unknown"}]},
    error_words="sex is unknown",
    pages=pages,
    all=lambda primero: primero.get_cases(),
)
