"""The errors of the Graph API, in its envelope."""

from __future__ import annotations

import re
import secrets

from openfn_platform.demo.standins.wire import Answer

LAST_WITH_SUBCODES = 15  # of most errors, from version 16 on they are gone
TITLES = {
    130429: "Rate limit hit",
    131026: "Message undeliverable",
    131030: "Recipient phone number not in allowed list",
    131047: "Re-engagement message",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
}
DETAILS = {
    130429: "Too many messages were sent from this phone number in a short time.",
    131026: "The message could not be delivered to this number.",
    131030: "Recipient phone number not in allowed list: add it to the list and try again.",
    131047: "More than 24 hours have passed since the recipient last replied; send a template.",
}
STATUSES = {130429: 429, 132001: 404}
SUBCODES = {131030: 2655007}


class Refused(Exception):
    """The API says no."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        kind: str = "OAuthException",
        subcode: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.kind, self.subcode = status, code, kind, subcode
        self.details: str | None = None

    def answer(self, version: str) -> Answer:
        """The error body as this version of the API writes it."""
        error: dict[str, object] = {"message": str(self), "type": self.kind, "code": self.code}
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        old = re.match(r"v(\d+)", version)
        if self.code in SUBCODES and old and int(old[1]) <= LAST_WITH_SUBCODES:
            error["error_subcode"] = SUBCODES[self.code]
        if self.subcode:
            error["error_subcode"] = self.subcode
        error["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
        return Answer.json(self.status, {"error": error})


def titled(code: int, details: str = "") -> Refused:
    """One of the errors with a title of its own."""
    refused = Refused(STATUSES.get(code, 400), code, f"(#{code}) {TITLES[code]}")
    refused.details = details or DETAILS.get(code, TITLES[code])
    return refused


def invalid(message: str) -> Refused:
    """A parameter is missing or wrong."""
    return Refused(400, 100, f"(#100) {message}")


def reported(code: int) -> dict[str, object]:
    """An error as a status report carries it."""
    title = TITLES.get(code, "Something went wrong")
    href = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
    data = {"details": DETAILS.get(code, title)}
    return {"code": code, "title": title, "message": title, "error_data": data, "href": href}
