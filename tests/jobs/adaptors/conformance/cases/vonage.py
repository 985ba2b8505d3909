"""Vonage on trial: an error is a status inside a 200."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, query


def told(**part):
    return {"message-count": "1", "messages": [part]}


def shows(seen):
    return query(seen) == {"api_key": "key-4711", "api_secret": SECRET}


CASE = Case(
    name="vonage",
    configuration=lambda url: {"apiKey": "key-4711", "apiSecret": SECRET, "from": "CLINIC", "baseUrl": url},
    auth=shows,
    read=lambda vonage: vonage.test(),
    read_path="/account/get-balance",
    read_body={"value": 12.5},
    write=lambda vonage, text: vonage.send("+22890112233", text),
    write_body=told(to="22890112233", **{"message-id": "0C1", "status": "0"}),
    error_body={"error-code": "400", "error_title": "x", "message": "Bad request body"},
    error_words="Bad request body",
    hidden_error=told(to="22890112233", **{"status": "29", "error-text": "Non-Whitelisted Destination"}),
    hidden_words="Non-Whitelisted Destination",
)
