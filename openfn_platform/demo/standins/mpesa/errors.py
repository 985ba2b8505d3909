"""Daraja's refusals and the small things that all of its answers share."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openfn_platform.demo.standins.wire import Answer

RESULTS = {
    0: "The service request is processed successfully.",
    1: "The balance is insufficient for the transaction.",
    1019: "Transaction has expired.",
    1032: "Request cancelled by user.",
    1037: "DS timeout user cannot be reached.",
    2001: "The initiator information is invalid.",
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Refused(Exception):
    """Daraja says no; the code begins with the HTTP status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def answer(self) -> Answer:
        """The error body."""
        body = {"requestId": request_id(), "errorCode": self.code, "errorMessage": str(self)}
        return Answer.json(int(self.code[:3]), body)


def invalid(name: str) -> Refused:
    """A field is missing or wrong."""
    return Refused("400.002.02", f"Bad Request - Invalid {name}")


def needed(values: Mapping[str, Any], *names: str) -> None:
    """Refuse when one of these is missing."""
    for name in names:
        if values.get(name) in (None, ""):
            raise invalid(name)


def amount_from(value: object) -> int:
    """A whole number of shillings, also as text."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise invalid("Amount")
    return int(text)


def url_from(values: Mapping[str, Any], name: str) -> str:
    """Where Daraja is to call."""
    url = str(values.get(name, ""))
    if not url.startswith(("http://", "https://")):
        raise invalid(name)
    return url


def result_words(code: object) -> str:
    """The sentence that goes with a result code."""
    return RESULTS.get(code, "The transaction failed.") if isinstance(code, int) else str(code)


def request_id() -> str:
    """An id such as 16813-1590513-1."""
    return f"{secrets.randbelow(90000) + 10000}-{secrets.randbelow(9000000) + 1000000}-1"


def conversation_id() -> str:
    """An id such as AG_20240321_0000..."""
    return f"AG_{datetime.now(UTC):%Y%m%d}_{secrets.token_hex(10)}"


def receipt() -> str:
    """What the payer sees: ten capitals and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(10))


def stamp() -> str:
    """Now as Daraja writes it."""
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S")
