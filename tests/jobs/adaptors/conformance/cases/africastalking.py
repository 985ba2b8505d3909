"""Africa's Talking on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case


def told(**recipient):
    return {"SMSMessageData": {"Message": "Sent to 1/1", "Recipients": [recipient]}}


CASE = Case(
    name="africastalking",
    configuration=lambda url: {"username": "clinic", "apiKey": SECRET, "baseUrl": url},
    auth=lambda seen: seen.headers["apikey"] == SECRET,
    read=lambda africastalking: africastalking.test(),
    read_path="/version1/user",
    read_body={"UserData": {"balance": "KES 12.0"}},
    write=lambda africastalking, text: africastalking.send("+254711000111", text),
    write_status=201,
    write_body=told(statusCode=101, number="+254711000111", status="Success", messageId="ATX1"),
    error_body={"message": "Invalid shortCode"},
    error_words="Invalid shortCode",
    hidden_error=told(statusCode=403, number="+254711000111", status="InvalidPhoneNumber"),
    hidden_words="InvalidPhoneNumber",
)
