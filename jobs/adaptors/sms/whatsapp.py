"""WhatsApp by Meta's Cloud API."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.auth import Auth, bearer
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AdaptorError, AuthError, RateLimited
from jobs.adaptors.sms.provider import Provider, Receipt, account
from jobs.adaptors.spec import address, credential, operation, secret, text

API = "https://graph.facebook.com"
WRONG_CREDENTIAL = frozenset({0, 190})
TOO_MANY = frozenset({4, 80007, 130429, 131048, 131056})
# Not on WhatsApp, not in the list of a test number, silent for more than a day, wrong number.
ABOUT_RECIPIENT = frozenset({100, 131021, 131026, 131030, 131047, 131051})

NO_SUCH_SENDER = 33  # a subcode of 100: the phone number ID of the credential is wrong


class WhatsApp(Provider):
    """One number of a business account."""

    system = "WhatsApp"
    schema = credential(
        {
            "phoneNumberId": text("Phone number ID", "Of the number that sends.", minLength=1),
            "accessToken": secret("Access token", "Of a system user.", minLength=1),
            "apiVersion": text("API version", default="v21.0"),
            "baseUrl": address("Address", "Only for a test server or a proxy.", example=API),
        },
        required=("phoneNumberId", "accessToken"),
    )

    def base_url(self, configuration: dict[str, Any]) -> str:
        version = configuration.get("apiVersion") or "v21.0"
        return f"{configuration.get('baseUrl') or API}/{version}/{configuration['phoneNumberId']}"

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return bearer(configuration["accessToken"])

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        to = data.get("to") if isinstance(data, dict) else None
        return {"contacts": [{"input": to, "wa_id": to}], "messages": [{"id": "wamid.dry-run"}]}

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        """A text; the other side must have written within the last day, else only a template may go."""
        message = {"type": "text", "text": {"body": text, "preview_url": False}}
        return self._receipt(to, self._sent(to, message))

    @operation(
        example='whatsapp.send_template("+22890112233", "visit_reminder", "fr", ["Ama", "9:00"])', writes=True
    )
    def send_template(
        self, to: str, name: str, language: str, values: list[str] | None = None, *, components: Any = None
    ) -> list[dict[str, Any]]:
        """Send an approved template; `values` fill its body, `components` say more where that is needed.

        Answers as `send` does.
        """
        body = [{"type": "body", "parameters": [{"type": "text", "text": each} for each in values or []]}]
        template = {"name": name, "language": {"code": language}, "components": components or body}
        receipt = self._receipt(to, self._sent(to, {"type": "template", "template": template}))
        if receipt.status == "rejected":
            raise AdaptorError(receipt.message or "", body=[receipt.to_json()], sent=False)
        return [receipt.to_json()]

    @operation(
        example='whatsapp.request("POST", "messages", {"messaging_product": "whatsapp", "to": "22890112233"})',
        writes=True,
    )
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send any request below the phone number's address; `.body` is the parsed answer."""
        return super().request(method, path, data, **options)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        number = self.get("").body
        shown = number.get("display_phone_number") if isinstance(number, dict) else None
        return f"WhatsApp accepts the token for {shown}." if shown else "WhatsApp accepts the token."

    def _sent(self, to: str, message: dict[str, Any]) -> Response:
        data = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": to.lstrip("+"),
            **message,
        }
        return self.post(
            "messages", data, repeatable=False, retry_statuses=(429,), errors={400: False, 401: False}
        )

    def _receipt(self, to: str, response: Response) -> Receipt:
        body = response.body if isinstance(response.body, dict) else {}
        error = body.get("error") or {}
        code = error.get("code")
        if response.ok and not error:
            messages = self.part(body, "messages", list) or [{}]
            return Receipt(to=to, provider_id=messages[0].get("id"), status="accepted", raw=body)
        said = self._sentence(response)
        if code in WRONG_CREDENTIAL or response.status == 401:
            raise AuthError(said, status=response.status, body=body)
        if code in TOO_MANY:
            raise RateLimited(said, status=response.status, body=body, sent=False)
        if code not in ABOUT_RECIPIENT or error.get("error_subcode") == NO_SUCH_SENDER:
            raise self._error(response, safe=False)
        return Receipt(to=to, provider_id=None, status="rejected", code=str(code), message=said, raw=body)


ADAPTOR = account("whatsapp", "WhatsApp", WhatsApp)
