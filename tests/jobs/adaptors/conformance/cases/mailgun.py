"""mailgun on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case

CASE = Case(
    name="mailgun",
    configuration=lambda url: {"baseUrl": url, "domain": "clinic.example", "apiKey": SECRET},
    auth=lambda seen: seen.headers["authorization"] == "Basic YXBpOnMzY3IzdC1acTl3djcxeA==",
    read=lambda mailgun: mailgun.get_events(),
    read_path="/v3/clinic.example/events",
    read_body={"items": []},
    write=lambda mailgun, text: mailgun.send({"to": "b@clinic.example", "text": text}),
    error_body={"message": "'from' parameter is missing"},
    error_words="'from' parameter is missing",
)
