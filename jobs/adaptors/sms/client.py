"""The operations of `sms`. A new provider is one file and one line in `PROVIDERS`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.adaptors.context import Context
from jobs.adaptors.sms.africastalking import AfricasTalking
from jobs.adaptors.sms.kannel import Kannel
from jobs.adaptors.sms.provider import Provider
from jobs.adaptors.sms.rapidpro import RapidPro
from jobs.adaptors.sms.telerivet import Telerivet
from jobs.adaptors.sms.twilio import Twilio
from jobs.adaptors.sms.vonage import Vonage
from jobs.adaptors.sms.whatsapp import WhatsApp
from jobs.adaptors.spec import credential, operation, text

PROVIDERS: dict[str, type[Provider]] = {
    "twilio": Twilio,
    "africastalking": AfricasTalking,
    "rapidpro": RapidPro,
    "telerivet": Telerivet,
    "vonage": Vonage,
    "whatsapp": WhatsApp,
    "kannel": Kannel,
}


def _schema() -> dict[str, Any]:
    labels = {name: provider.system for name, provider in PROVIDERS.items()}
    fields: dict[str, Any] = {"provider": {**text("Provider", enum=list(PROVIDERS)), "x-labels": labels}}
    for name, provider in PROVIDERS.items():
        for field, rule in provider.schema["properties"].items():
            # A field that several providers know is one field; the form shows those of the provider chosen.
            known = fields.setdefault(field, {**rule, "x-when": {"provider": []}})
            known["x-when"]["provider"].append(name)
            if known.get("description") != rule.get("description"):
                known.pop("description", None)
    needs = [
        {
            "if": {"properties": {"provider": {"const": name}}, "required": ["provider"]},
            "then": {"required": provider.schema["required"]},
        }
        for name, provider in PROVIDERS.items()
    ]
    return {**credential(fields, required=("provider",)), "allOf": needs}


class Client:
    """One account at one provider."""

    schema = _schema()

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self.provider = PROVIDERS[configuration["provider"]](configuration, context)

    @operation(example='sms.send("+22890112233", "Your appointment is tomorrow at 9.")', writes=True)
    def send(
        self,
        to: str | Iterable[str],
        text: str,
        sender: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> list[dict[str, Any]]:
        return self.provider.send(to, text, sender, idempotency_key=idempotency_key)

    send.__doc__ = Provider.send.__doc__

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        return self.provider.test()

    def close(self) -> None:
        self.provider.close()

    def __repr__(self) -> str:
        return repr(self.provider)
