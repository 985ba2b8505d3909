"""What every SMS provider's file offers: a client with `send_one`, fields of its own, and results in one form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from jobs.adaptors.engine import RestClient
from jobs.adaptors.errors import AdaptorError, ValidationError
from jobs.adaptors.spec import AdaptorSpec, operation


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a provider said about one recipient."""

    to: str
    provider_id: str | None
    status: Literal["accepted", "rejected"]
    retryable: bool = False
    code: str | None = None
    message: str | None = None
    raw: Any = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Provider(RestClient):
    """One account at one provider. A subclass sends one text to one number."""

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        """One message. A rejection of this recipient is a Receipt; everything else raises."""
        raise AdaptorError(f"{self.system} cannot send text messages.", sent=False)

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
        recipients = [to] if isinstance(to, str) or not isinstance(to, Iterable) else list(to)
        _check(recipients, text)
        receipts: list[Receipt] = []
        for recipient in recipients:
            try:
                receipt = self.send_one(recipient, text, sender=sender, idempotency_key=idempotency_key)
            except AdaptorError as error:
                raise _interrupted(error, receipts, len(recipients)) from None
            receipts.append(receipt)
        _raise_if_rejected(receipts)
        return [each.to_json() for each in receipts]


def account(name: str, title: str, client: type[Provider]) -> AdaptorSpec:
    """A provider as an adaptor of its own, with the verbs that only it has."""
    return AdaptorSpec(
        name=name,
        title=title,
        summary=f"Messages through {title}, with all that it offers.",
        schema=client.schema,
        client=client,
    )


def is_gsm(text: str) -> bool:
    """Whether a text fits the alphabet that mobile networks know by default (GSM 03.38)."""
    return all(each in _GSM for each in text)


_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)


def _check(recipients: list[Any], text: Any) -> None:
    if any(isinstance(each, (int, float)) for each in recipients):  # its zeros and its plus are lost already
        raise ValidationError('A telephone number is a text, as in "+22890112233".', sent=False)
    if not recipients or not all(isinstance(each, str) and each.strip() for each in recipients):
        raise ValidationError("A text message needs a telephone number to go to.", sent=False)
    if any(mark in each for each in recipients for mark in ",;\n"):
        # Some providers would send to all of them and tell of the first.
        raise ValidationError("Each telephone number stands for itself: give several as a list.", sent=False)
    if not isinstance(text, str) or not text.strip():
        raise ValidationError("A text message needs a text.", sent=False)


def _interrupted(error: AdaptorError, receipts: list[Receipt], asked: int) -> AdaptorError:
    """An error half-way must not hide what has gone out already."""
    accepted = sum(each.status == "accepted" for each in receipts)
    if not accepted:
        return error
    return type(error)(
        f"{_ended(error.message)} {accepted} of {asked} messages had been accepted before.",
        status=error.status,
        body=[each.to_json() for each in receipts],
        hint=error.hint,
        kind=error.kind,
        retryable=False,
        retry_after=error.retry_after,
        sent=True,
    )


def _raise_if_rejected(receipts: list[Receipt]) -> None:
    rejected = [each for each in receipts if each.status == "rejected"]
    if not rejected:
        return
    first = rejected[0]
    said = first.message or "The provider rejected the message."
    if len(receipts) > 1:
        said = f"{_ended(said)} {len(rejected)} of {len(receipts)} recipients were rejected."
    none_left = len(rejected) == len(receipts)
    raise ValidationError(
        said,
        body=[each.to_json() for each in receipts],
        retryable=none_left and all(each.retryable for each in rejected),
        sent=not none_left,
    )


def _ended(words: str) -> str:
    """With a full stop, so that another sentence can follow."""
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."
