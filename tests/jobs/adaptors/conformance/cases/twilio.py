"""Twilio on trial."""

from tests.jobs.adaptors.conformance.case import BASIC, SECRET, Case

CASE = Case(
    name="twilio",
    configuration=lambda url: {
        "accountSid": "amina",
        "authToken": SECRET,
        "from": "+15005550006",
        "baseUrl": url,
    },
    auth=lambda seen: seen.headers["authorization"] == BASIC,
    read=lambda twilio: twilio.test(),
    read_path="/2010-04-01/Accounts/amina.json",
    read_body={"friendly_name": "Clinic", "status": "active"},
    write=lambda sms, text: sms.send("+22890112233", text),
    write_status=201,
    write_body={"sid": "SM1", "status": "queued"},
    error_body={"code": 21617, "message": "The message is too long", "status": 400},
    error_words="The message is too long",
    hidden_error={"sid": "SM1", "status": "failed", "error_code": 30006, "error_message": "Landline"},
    hidden_words="Landline",
)
