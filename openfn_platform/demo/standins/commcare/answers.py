"""What CommCare HQ says when it refuses: JSON from the APIs, empty or HTML from its plain views."""

from __future__ import annotations

from openfn_platform.demo.standins.wire import Answer

HTML = "text/html; charset=utf-8"
NO_ACCESS = (
    "<html><body><h1>403: Forbidden</h1><p>You do not have the permission for this page.</p></body></html>"
)
NO_PAGE = "<html><body><h1>404: Page Not Found</h1></body></html>"


class Refused(Exception):
    """The server says no."""

    def __init__(self, answer: Answer, text: str = "") -> None:
        super().__init__(text)
        self.answer = answer


def page(status: int, html: str = "", **headers: str) -> Answer:
    """A page, or nothing at all."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, html.encode(), {"Content-Type": HTML, **named})


def error(status: int, text: str, **headers: str) -> Answer:
    """The usual error body."""
    return json(status, {"error": text}, **headers)


def json(status: int, value: object, **headers: str) -> Answer:
    """A JSON answer."""
    return Answer.json(status, value, Content_Type="application/json", **headers)


def bad(text: str) -> Refused:
    """400 with a reason."""
    return Refused(error(400, text), text)
