"""What every SMS provider's file offers: a client with `send_one`, fields of its own, and results in one form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol


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


class Provider(Protocol):
    """One provider, connected."""

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt: ...
    def test(self) -> str: ...
    def close(self) -> None: ...
