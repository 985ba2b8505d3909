"""How the SQL API says no."""

from __future__ import annotations

import json
from collections.abc import Mapping

from openfn_platform.demo.standins.wire import Answer

JSON_TYPE = "application/json; charset=utf-8"
TIMEOUT = (
    "You are over platform's limits: SQL query timeout error."
    " Refactor your query before running again or contact CARTO support for more details."
)
OVER_LIMIT = "You are over platform's limits. Please contact us to know more details"
# The timeout itself, and a query that somebody ended.
TIMEOUT_WORDS = ("statement timeout", "canceling statement due to user request")


class Refused(ValueError):
    """An error as the SQL API shows it; the message decides about 403, as it does there.

    A ValueError, so that the control calls show it too.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        context: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if any(words in message for words in TIMEOUT_WORDS):
            message, status, context, detail, hint = TIMEOUT, 429, "limit", "datasource", None
        super().__init__(message)
        self.status = 403 if "permission denied" in message else status
        self.more = {"context": context, "detail": detail, "hint": hint}
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """The error body; what is not known is left out."""
        more = {name: text for name, text in self.more.items() if text is not None}
        logged = {**more, "statusCode": self.status, "message": str(self)}
        headers = {
            "Content-Type": JSON_TYPE,
            "Content-Disposition": "inline",
            "X-SQLAPI-Errors": json.dumps(logged)[:1024],
            **self.headers,
        }
        body = {"error": [str(self)], **more}
        return Answer(self.status, told(body), headers)


def over_limit(headers: Mapping[str, str]) -> Refused:
    """Too many requests: the 429 that passes when one waits."""
    return Refused(OVER_LIMIT, status=429, context="limit", detail="rate-limit", headers=headers)


def page(status: int, title: str) -> Answer:
    """An answer of the web server in front, which knows nothing of SQL."""
    text = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<h1>{status} {title}</h1>\r\n"
    )
    return Answer(status, (text + "</body>\r\n</html>\r\n").encode(), {"Content-Type": "text/html"})


def told(value: object) -> bytes:
    """JSON without blanks, as Node writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
