"""How a request can fail before there is a whole answer.

    HttpError                sent: may the partner have received it?   retryable: is another try worth it?
    ├── ConnectFailed        nothing was sent
    ├── ConnectionLost       broken off after sending
    ├── TimedOut             too slow; `sent` says in which phase
    ├── AnswerRefused        too big, or packed in a way that cannot be read
    └── RedirectRefused      leads elsewhere, or in circles
    AddressRefused (addresses), UrlRefused (urls): nothing was sent

Pure: no Django here.
"""

from __future__ import annotations

import httpx

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.urls import UrlRefused

UNSENDABLE = "A header or address contains characters that cannot be sent."


class HttpError(PlatformError):
    """The partner system could not be reached."""

    code = "http_error"
    status = 502
    sent = True
    retryable = False

    def __init__(self, message: str = "", *, sent: bool | None = None) -> None:
        super().__init__(message)
        if sent is not None:
            self.sent = sent


class ConnectFailed(HttpError):
    """No connection could be made."""

    sent = False
    retryable = True


class ConnectionLost(HttpError):
    """The connection broke off before the answer was complete."""

    retryable = True


class TimedOut(HttpError):
    """The partner system took too long."""

    retryable = True


class AnswerRefused(HttpError):
    """The answer cannot be read."""


class RedirectRefused(HttpError):
    """The partner system sent us somewhere else."""


def explained(error: httpx.TransportError, *, host: str, over: bool) -> PlatformError:
    """httpx's error as ours, without its text: that may quote what was sent."""
    if isinstance(error, httpx.LocalProtocolError):
        return UrlRefused(UNSENDABLE)
    if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return TimedOut(f"{host} did not accept a connection in time.", sent=False)
    if isinstance(error, httpx.TimeoutException):
        what = (
            "had not finished its answer when the time for the call was over"
            if over
            else "took too long to answer"
        )
        return TimedOut(f"{host} {what}.", sent=True)
    if isinstance(error, (httpx.ConnectError, httpx.UnsupportedProtocol)):
        return ConnectFailed(f"No connection to {host}: {_cause(error)}.")
    return ConnectionLost(f"The connection to {host} broke off before the answer was complete.")


def _cause(error: httpx.TransportError) -> str:
    text = str(error).lower()
    for sign, sentence in (
        ("refused", "nothing answers at that port"),
        ("name is not known", "there is no such host name"),
        ("certificate", "its certificate is not trusted"),
        ("ssl", "no secure connection could be agreed on"),
        ("unreachable", "there is no way to that network"),
    ):
        if sign in text:
            return sentence
    return "the network reported an error"
