"""Africa's Talking as an SMS provider: 201 for everything, and a number per recipient that tells the truth."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.auth import Auth, HeaderKey
from jobs.adaptors.context import Context
from jobs.adaptors.errors import ValidationError
from jobs.adaptors.sms.provider import Provider, Receipt, account
from jobs.adaptors.spec import address, credential, operation, secret, text

LIVE = "https://api.africastalking.com"
SANDBOX = "https://api.sandbox.africastalking.com"
ACCEPTED = frozenset({100, 101, 102})
LATER = frozenset({500, 501})  # their gateway failed: the same number may be tried again


class AfricasTalking(Provider):
    """One Africa's Talking account."""

    system = "Africa's Talking"
    schema = credential(
        {
            "username": text("User name", "Of the app; `sandbox` for tests.", minLength=1),
            "apiKey": secret("API key", minLength=1),
            "senderId": text("Sender", "A short code or a name that was registered."),
            "baseUrl": address("Address", "Only for a test server or a proxy.", example=LIVE),
        },
        required=("username", "apiKey"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._username = configuration["username"]
        self._sender = configuration.get("senderId")

    def base_url(self, configuration: dict[str, Any]) -> str:
        usual = SANDBOX if configuration["username"] == "sandbox" else LIVE
        return str(configuration.get("baseUrl") or usual)

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return HeaderKey("apiKey", configuration["apiKey"])

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        sent = {"statusCode": 101, "number": data.get("to"), "status": "Success", "messageId": "dry-run"}
        return {"SMSMessageData": {"Message": "Sent to 1/1", "Recipients": [sent]}}

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        """One message; they know no idempotency keys, so only a plain refusal (429) is asked again."""
        form = {"username": self._username, "to": to, "message": text, "from": sender or self._sender}
        response = self.post(
            "/version1/messaging",
            {**form, "bulkSMSMode": 1},
            content_type="form",
            repeatable=False,
            retry_statuses=(429,),
        )
        data = self.part(response.body, "SMSMessageData")
        recipients = data.get("Recipients")
        if not recipients:  # nobody was tried, as with a sender that is not registered
            said = data.get("Message")
            raise ValidationError(
                f"{self.system}: {said or 'no recipient was accepted'}", body=response.body, sent=False
            )
        return _receipt(to, recipients[0])

    @operation(example="africastalking.get_balance()")
    def get_balance(self) -> str:
        """What is left on the account, with its currency."""
        found = self.get("/version1/user", params={"username": self._username}).body
        return str(self.part(found, "UserData.balance", str))

    @operation(example="africastalking.get_inbox(after=0)")
    def get_inbox(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Messages that came in after the one with this number."""
        params = {"username": self._username, "lastReceivedId": after}
        found = self.get("/version1/messaging", params=params).body
        return list(self.part(found, "SMSMessageData.Messages", list))

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        return f"Africa's Talking accepts the credential; the balance is {self.get_balance()}."


def _receipt(to: str, told: dict[str, Any]) -> Receipt:
    code = told.get("statusCode")
    accepted = code in ACCEPTED
    return Receipt(
        to=to,
        provider_id=told.get("messageId") if accepted else None,
        status="accepted" if accepted else "rejected",
        retryable=code in LATER,
        code=None if code is None else str(code),
        message=None if accepted else f"Africa's Talking: {told.get('status')} ({told.get('number') or to})",
        raw=told,
    )


ADAPTOR = account("africastalking", "Africa's Talking", AfricasTalking)
