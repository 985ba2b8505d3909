"""The operations of `sms`. A new provider is one file and one line in `PROVIDERS`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, ValidationError
from jobs.adaptors.sms.provider import Provider, Receipt
from jobs.adaptors.sms.twilio import Twilio
from jobs.adaptors.spec import credential, operation, text

PROVIDERS = {"twilio": Twilio}


def _schema() -> dict[str, Any]:
    fields: dict[str, Any] = {"provider": text("Provider", enum=list(PROVIDERS))}
    for provider in PROVIDERS.values():
        fields |= provider.schema["properties"]
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
        self._provider: Provider = PROVIDERS[configuration["provider"]](configuration, context)

    @operation(example='sms.send("+22890112233", "Your appointment is tomorrow at 9.")', writes=True)
    def send(
        self,
        to: str | Iterable[str],
        text: str,
        sender: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> list[dict[str, Any]]:
        """Send a text to one number or several; answers one result per recipient.

        Each result has `to`, `provider_id`, `status`, `retryable`, `code`, `message` and `raw`. *Accepted* says that
        the provider took it, not that it arrived. A rejected recipient raises after the others were tried; the
        error's `body` has all results. Never sent again by itself when it may have gone out.
        `idempotency_key` helps only with providers that know such keys.
        """
        recipients = [to] if isinstance(to, str) else list(to)
        _check(recipients, text)
        receipts: list[Receipt] = []
        for recipient in recipients:
            try:
                receipt = self._provider.send_one(
                    recipient, text, sender=sender, idempotency_key=idempotency_key
                )
            except AdaptorError as error:
                raise _interrupted(error, receipts, len(recipients)) from None
            receipts.append(receipt)
        _raise_if_rejected(receipts)
        return [each.to_json() for each in receipts]

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        return self._provider.test()

    def close(self) -> None:
        self._provider.close()

    def __repr__(self) -> str:
        return repr(self._provider)


def _check(recipients: list[Any], text: Any) -> None:
    if not recipients or not all(isinstance(each, str) and each.strip() for each in recipients):
        raise ValidationError("A text message needs a telephone number to go to.", sent=False)
    if not isinstance(text, str) or not text.strip():
        raise ValidationError("A text message needs a text.", sent=False)


def _interrupted(error: AdaptorError, receipts: list[Receipt], asked: int) -> AdaptorError:
    """An error half-way must not hide what has gone out already."""
    accepted = sum(each.status == "accepted" for each in receipts)
    if not accepted:
        return error
    told = type(error)(
        f"{error.message} {accepted} of {asked} messages had been accepted before.",
        status=error.status,
        body=[each.to_json() for each in receipts],
        hint=error.hint,
        kind=error.kind,
        retryable=False,
        retry_after=error.retry_after,
        sent=True,
    )
    return told


def _raise_if_rejected(receipts: list[Receipt]) -> None:
    rejected = [each for each in receipts if each.status == "rejected"]
    if not rejected:
        return
    first = rejected[0]
    count = "" if len(receipts) == 1 else f" {len(rejected)} of {len(receipts)} recipients were rejected."
    none_left = len(rejected) == len(receipts)
    raise ValidationError(
        f"{first.message or 'The provider rejected the message.'}{count}",
        body=[each.to_json() for each in receipts],
        retryable=none_left and all(each.retryable for each in rejected),
        sent=not none_left,
    )
