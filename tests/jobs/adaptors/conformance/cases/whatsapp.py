"""WhatsApp on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case

CASE = Case(
    name="whatsapp",
    configuration=lambda url: {"phoneNumberId": "1055", "accessToken": SECRET, "baseUrl": url},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda whatsapp: whatsapp.test(),
    read_path="/v21.0/1055",
    read_body={"display_phone_number": "+228 90 00 00 00"},
    write=lambda whatsapp, text: whatsapp.send("+22890112233", text),
    write_body={"messages": [{"id": "wamid.1"}]},
    error_body={"error": {"message": "(#131009) Parameter value is not valid", "code": 131009}},
    error_words="Parameter value is not valid",
    hidden_error={"error": {"message": "(#131030) Recipient is not in the list", "code": 131030}},
    hidden_words="Recipient is not in the list",
)
