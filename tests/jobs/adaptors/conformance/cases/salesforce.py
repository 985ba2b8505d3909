"""Salesforce on trial, with an access token; the log-in by name is in `test_salesforce.py`."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def pages(seen):
    at = int(query(seen).get("at", 0))
    more = (
        {"done": False, "nextRecordsUrl": f"/services/data/v61.0/query/01g?at={at + 1}"}
        if at < 4
        else {"done": True}
    )
    return answer(200, {"records": [{"n": at}], **more})


CASE = Case(
    name="salesforce",
    configuration=lambda url: {"access_token": SECRET, "instance_url": url},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda salesforce: salesforce.retrieve("Contact", "003"),
    read_path="/services/data/v61.0/sobjects/Contact/003",
    read_body={"Id": "003"},
    write=lambda salesforce, text: salesforce.create("Contact", [{"LastName": text}]),
    write_body=[{"id": "003", "success": True, "errors": []}],
    error_body=[{"message": "No such column 'Nam'", "errorCode": "INVALID_FIELD"}],
    error_words="No such column 'Nam'",
    hidden_error=[{"success": False, "errors": [{"message": "Required fields are missing: [LastName]"}]}],
    hidden_words="Required fields are missing",
    pages=pages,
    all=lambda salesforce: salesforce.query("select n from Thing"),
)
