"""OpenHIM on trial."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case, query

CASE = Case(
    name="openhim",
    configuration=lambda url: {"apiUrl": url, "username": "amina", "password": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda openhim: openhim.get_channels(),
    read_path="/channels",
    read_body=[{"name": "Lab"}],
    write=lambda openhim, text: openhim.create_channel({"name": text}),
    error_body={"error": "Channel name is taken"},
    error_words="Channel name is taken",
    pages=lambda seen: answer(
        200, [{"n": n} for n in range(250)][100 * int(query(seen)["filterPage"]) :][:100]
    ),
    all=lambda openhim: openhim.get_transactions(),
)
