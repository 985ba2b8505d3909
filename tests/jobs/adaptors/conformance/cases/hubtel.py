"""hubtel on trial."""

from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case

CASE = Case(
    name="hubtel",
    configuration=lambda url: {"baseUrl": url, "clientId": "amina", "clientSecret": SECRET},
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda hubtel: hubtel.get_message("7"),
    read_path="/messages/7",
    write=lambda hubtel, text: hubtel.send_sms("CLINIC", "+233200000000", text),
    write_body={"responseCode": "0000", "data": {"messageId": "7"}},
    error_body={"message": "Invalid destination", "responseCode": "4000"},
    error_words="Invalid destination",
    hidden_error={"message": "Not enough credit", "responseCode": "2001"},
    hidden_words="Not enough credit",
)
