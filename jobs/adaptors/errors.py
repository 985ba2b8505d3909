"""What can go wrong with a partner system, as a tree that job authors catch from.

    AdaptorError             status, kind, retryable, retry_after, sent, body, hint
    ├── ConfigurationError   the credential is incomplete, or points to where we may not go
    ├── AuthError            401: name, password or key are not accepted
    ├── Forbidden            403: accepted, but not allowed to do this
    ├── NotFound             404, 410
    ├── Conflict             409, 412: exists already, or was changed meanwhile
    ├── ValidationError      400, 422 and other 4xx: the data was refused, there or before it was sent
    ├── RateLimited          429: too many requests; `retry_after` says how long to wait
    ├── Unavailable          5xx, no connection, connection lost
    ├── Timeout              no answer in time
    └── AmbiguousError       several records where exactly one was expected

`message` is one sentence, in the partner's own words where it had any. `sent` is False only when the request
provably never reached the partner or was refused by it with a 4xx: whoever repeats a write asks it first.
"""

from __future__ import annotations

from typing import Any, Literal

from openfn_platform.common.errors import PlatformError

Kind = Literal["connection", "auth", "rate", "partner"]


class AdaptorError(PlatformError):
    """The partner system did not do what it was asked."""

    code = "adaptor_error"
    api_status = 502  # for our own API; `status` belongs to the partner
    kind: Kind = "partner"
    retryable = False
    default_hint: str | None = None

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        body: Any = None,
        hint: str | None = None,
        kind: Kind | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        sent: bool | None = None,
    ) -> None:
        super().__init__(message)
        # The root's `status` is what our API answers; here it is what the partner answered, or None.
        self.status: int | None = status  # type: ignore[assignment]
        self.body = body
        self.hint = hint or self.default_hint
        self.retry_after = retry_after
        self.sent = not (status is not None and 400 <= status < 500) if sent is None else sent
        if kind is not None:
            self.kind = kind
        if retryable is not None:
            self.retryable = retryable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, status={self.status!r})"


class ConfigurationError(AdaptorError):
    """The credential is incomplete or not usable."""

    code = "configuration"
    kind: Kind = "auth"
    default_hint = "Correct the credential."

    def __init__(self, message: str = "", *, sent: bool | None = False, **facts: Any) -> None:
        super().__init__(message, sent=sent, **facts)


class AuthError(AdaptorError):
    """The partner system does not accept the credential."""

    code = "auth"
    kind: Kind = "auth"
    default_hint = "Check name, password or key in the credential and press Test connection."


class Forbidden(AdaptorError):
    """The credential's user may not do that in the partner system."""

    code = "forbidden"
    default_hint = "Ask for the missing permission in the partner system."


class NotFound(AdaptorError):
    """The partner system has no such record."""

    code = "not_found"


class Conflict(AdaptorError):
    """The partner system says that this conflicts with what it has."""

    code = "conflict"


class ValidationError(AdaptorError):
    """The partner system refused the data."""

    code = "validation"


class RateLimited(AdaptorError):
    """The partner system asks us to slow down."""

    code = "rate_limited"
    kind: Kind = "rate"
    retryable = True


class Unavailable(AdaptorError):
    """The partner system is not available."""

    code = "unavailable"
    kind: Kind = "connection"
    retryable = True


class Timeout(AdaptorError):
    """The partner system did not answer in time."""

    code = "timeout"
    kind: Kind = "connection"
    retryable = True


class AmbiguousError(AdaptorError):
    """Several records match where exactly one was expected."""

    code = "ambiguous"
    default_hint = "Search by something that only one record has."


def error_for(status: int) -> type[AdaptorError]:
    """The class that stands for an HTTP status."""
    by_status: dict[int, type[AdaptorError]] = {
        401: AuthError,
        403: Forbidden,
        404: NotFound,
        408: Timeout,
        409: Conflict,
        410: NotFound,
        412: Conflict,
        425: Unavailable,
        429: RateLimited,
    }
    if status in by_status:
        return by_status[status]
    if status >= 500:
        return Unavailable
    return ValidationError if status >= 400 else AdaptorError
