"""Google Sheets on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case

CASE = Case(
    name="googlesheets",
    configuration=lambda url: {"access_token": SECRET, "baseUrl": url},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda googlesheets: googlesheets.get_values("1 A", "Visits!A1:F"),
    read_path="/v4/spreadsheets/1%20A/values/Visits%21A1%3AF",
    read_body={"values": []},
    write=lambda googlesheets, text: googlesheets.append_values("1A", "Visits!A1", [[text]]),
    write_body={"updates": {"updatedRows": 1}},
    error_body={"error": {"code": 400, "message": "Unable to parse range", "status": "INVALID_ARGUMENT"}},
    error_words="Unable to parse range",
)
