"""Vonage (Nexmo): always 200, and a status per part of a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobs.adaptors.auth import Auth, NoAuth
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AuthError, ValidationError
from jobs.adaptors.sms.provider import Provider, Receipt, account, is_gsm
from jobs.adaptors.spec import address, credential, operation, secret, text

API = "https://rest.nexmo.com"
WRONG_CREDENTIAL = frozenset({"4", "14"})
LATER = frozenset({"1", "5"})  # throttled, their own trouble
ABOUT_RECIPIENT = frozenset({"1", "3", "5", "6", "7", "22", "29", "33"})


class Vonage(Provider):
    """One Vonage account."""

    system = "Vonage"
    schema = credential(
        {
            "apiKey": secret("API key", minLength=1),
            "apiSecret": secret("API secret", minLength=1),
            "from": text("Sender", "A number of the account, or a name where the country allows it."),
            "baseUrl": address("Address", "Only for a test server or a proxy.", example=API),
        },
        required=("apiKey", "apiSecret"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._keys = {"api_key": configuration["apiKey"], "api_secret": configuration["apiSecret"]}
        self._from = configuration.get("from")

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration.get("baseUrl") or API)

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return _KeyAndSecret(configuration["apiKey"], configuration["apiSecret"])

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return {
            "message-count": "1",
            "messages": [{"to": data.get("to"), "message-id": "dry-run", "status": "0"}],
        }

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        """One text, which may travel in several parts: all of them count."""
        sender = sender or self._from
        if not sender:
            raise ValidationError("A text message needs a sender: put one into the credential.", sent=False)
        kind = {} if is_gsm(text) else {"type": "unicode"}
        form = {**self._keys, "to": to.lstrip("+"), "from": sender, "text": text, **kind}
        response = self.post("/sms/json", form, content_type="form", repeatable=False, retry_statuses=(429,))
        parts = response.body.get("messages") if isinstance(response.body, dict) else None
        if not parts:
            raise ValidationError("Vonage answered without saying what became of the message.", sent=True)
        return self._receipt(to, parts)

    @operation(example='vonage.send_sms("CLINIC", "+22890112233", "Come at 9.")', writes=True)
    def send_sms(self, from_: str, to: str, text: str) -> dict[str, Any]:
        """One message, with what Vonage says of its first part."""
        found: dict[str, Any] = self.send(to, text, from_)[0]["raw"][0]
        return found

    @operation(example="vonage.get_balance()")
    def get_balance(self) -> float:
        """What is left on the account, in euros."""
        return float(self.part(self.get("/account/get-balance").body, "value", (int, float, str)))

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        return f"Vonage accepts the credential; the balance is {self.get_balance():.2f}."

    def _receipt(self, to: str, parts: list[dict[str, Any]]) -> Receipt:
        bad = next((part for part in parts if str(part.get("status")) != "0"), None)
        if bad is None:
            return Receipt(to=to, provider_id=parts[0].get("message-id"), status="accepted", raw=parts)
        code, began = str(bad.get("status")), any(str(part.get("status")) == "0" for part in parts)
        said = f"Vonage: {self.redact(str(bad.get('error-text') or 'status ' + code))}"
        if code in WRONG_CREDENTIAL:
            raise AuthError(said, body=parts, sent=False)
        if code not in ABOUT_RECIPIENT and not began:
            raise ValidationError(said, body=parts, sent=False)
        return Receipt(
            to=to,
            provider_id=parts[0].get("message-id"),
            status="rejected",
            retryable=code in LATER and not began,
            code=code,
            message=f"{said} ({sum(str(part.get('status')) == '0' for part in parts)} of {len(parts)} parts were sent)"
            if began
            else said,
            raw=parts,
        )


@dataclass(frozen=True)
class _KeyAndSecret(NoAuth):
    """Both in the address of a read; a message carries them in its form instead."""

    key: str = field(repr=False)
    secret: str = field(repr=False)

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        if not headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            params |= {"api_key": self.key, "api_secret": self.secret}

    def secrets(self) -> tuple[str, ...]:
        return (self.key, self.secret)

    def secret_params(self) -> tuple[str, ...]:
        return ("api_key", "api_secret")


ADAPTOR = account("vonage", "Vonage", Vonage)
