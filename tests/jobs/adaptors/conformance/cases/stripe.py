"""stripe on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case

CASE = Case(
    name="stripe",
    configuration=lambda url: {"baseUrl": url, "apiKey": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda stripe: stripe.list_all("customers"),
    read_path="/v1/customers",
    read_body={"data": []},
    write=lambda stripe, text: stripe.create("customers", {"name": text}, key="k1"),
    repeats=True,
    error_body={"error": {"message": "No such currency", "type": "invalid_request_error"}},
    error_words="No such currency",
)
