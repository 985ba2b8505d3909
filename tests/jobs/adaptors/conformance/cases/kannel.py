"""Kannel on trial: everything stands in the address, also what is sent."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, query

CASE = Case(
    name="kannel",
    configuration=lambda url: {"gatewayUrl": url, "username": "amina", "password": SECRET, "from": "CLINIC"},
    auth=lambda seen: (query(seen)["username"], query(seen)["password"]) == ("amina", SECRET),
    read=lambda kannel: kannel.test(),
    read_path="/cgi-bin/sendsms",
    read_body=b"0: Accepted for delivery",
    write=lambda kannel, text: kannel.send("+22890112233", text),
    write_body=b"0: Accepted for delivery",
    sends=lambda seen: query(seen).get("to") != "",
    error_body=b"Sender missing and no global set, rejected",
    error_words="Sender missing",
    hidden_error=b"4: Something else",
    hidden_words="Something else",
    refusal=403,
    kind="text/plain",
)
