"""Systems that want a log-in first and hand out a token or a cookie for it.

The log-in happens before the first request, and once more when the system no longer accepts what it gave. Its
request carries the password, so it never goes into the trace with a body, and the token is masked from then on.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobs.adaptors.auth import NoAuth
from jobs.adaptors.errors import AuthError
from jobs.adaptors.paging import dig
from openfn_platform.common.http import retry_after

if TYPE_CHECKING:
    from jobs.adaptors.engine import Response, RestClient

LogIn = Callable[["RestClient"], "Response"]
EARLY = 30.0  # seconds before its end a token counts as over


class SignIn(NoAuth):
    """A token by log-in. `log_in` makes the request, `token` is where the answer has it (a dotted path)."""

    def __init__(
        self,
        log_in: LogIn,
        *,
        token: str = "access_token",  # noqa: S107  (where it is, not what)
        lasts: str = "expires_in",
        header: str = "Authorization",
        prefix: str = "Bearer",
        param: str = "",
        also: tuple[str, ...] = (),
    ) -> None:
        self._log_in = log_in
        self._path, self._lasts = token, lasts
        self._header, self._prefix, self._param = header, prefix, param
        self._also = also  # what the log-in sends and must be masked too
        self._token = ""
        self._until = 0.0

    def prepare(self, client: RestClient) -> tuple[str, ...]:
        if self._token and time.monotonic() < self._until:
            return ()
        return self.renew(client)

    def renew(self, client: RestClient) -> tuple[str, ...]:
        response = self._log_in(client)
        if not response.ok:
            raise refused(client, response)
        token = dig(response.body, self._path) if self._path else response.body
        if not isinstance(token, str) or not token:
            raise AuthError(f"{client.system} accepted the log-in but gave no token.", sent=False)
        self._token = token.strip().strip('"')
        self._until = time.monotonic() + _seconds(dig(response.body, self._lasts)) - EARLY
        return (self._token,)

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        if self._param:
            params.setdefault(self._param, self._token)
        elif self._header.lower() not in {name.lower() for name in headers}:
            headers[self._header] = f"{self._prefix} {self._token}".strip()

    def secrets(self) -> tuple[str, ...]:
        return (*self._also, *((self._token,) if self._token else ()))

    def secret_params(self) -> tuple[str, ...]:
        return (self._param,) if self._param else ()


class CookieLogIn(NoAuth):
    """A session cookie by log-in; the client's own cookie jar sends it along."""

    def __init__(self, log_in: LogIn, *, also: tuple[str, ...] = ()) -> None:
        self._log_in = log_in
        self._also = also
        self._done = False

    def prepare(self, client: RestClient) -> tuple[str, ...]:
        return () if self._done else self.renew(client)

    def renew(self, client: RestClient) -> tuple[str, ...]:
        response = self._log_in(client)
        cookies = [
            line.partition(";")[0].partition("=")[2] for line in response.headers.get_list("set-cookie")
        ]
        if not response.ok or not any(cookies):
            raise refused(client, response)
        self._done = True
        return tuple(filter(None, cookies))

    def secrets(self) -> tuple[str, ...]:
        return self._also


def client_credentials(
    token_url: str, *, client_id: str, client_secret: str, scope: str = "", in_body: bool = False, **form: str
) -> SignIn:
    """OAuth 2's client credentials: the program itself logs in."""
    fields = {"grant_type": "client_credentials", **({"scope": scope} if scope else {}), **form}
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode("utf-8", "replace")).decode("ascii")
    if in_body:
        fields |= {"client_id": client_id, "client_secret": client_secret}
    headers = {} if in_body else {"Authorization": f"Basic {pair}"}

    def log_in(client: RestClient) -> Response:
        return client.ask("POST", token_url, fields, content_type="form", headers=headers)

    return SignIn(log_in, also=(client_secret, pair))


def refused(client: RestClient, response: Response) -> AuthError:
    """What a failed log-in is told as; too many tries or an outage keep their own kind."""
    error = client.error_of(response)
    if response.status in (408, 425, 429) or response.status >= 500:
        raise error
    said = error.message if not response.ok else f"{client.system} did not accept the log-in."
    return AuthError(said, status=response.status, retry_after=retry_after(response.headers), sent=False)


def _seconds(said: object) -> float:
    """How long a token lasts; some systems say it as text, many not at all."""
    try:
        return float(str(said)) if said is not None and not isinstance(said, bool) else 3600.0
    except ValueError:
        return 3600.0
