"""The ways in which partner systems want to be shown a credential. Another way is another small class."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from jobs.adaptors.engine import RestClient

from jobs.adaptors.context import Context
from jobs.adaptors.errors import ConfigurationError
from openfn_platform.common.trust import NoCertificate, authority_context


class Auth(Protocol):
    """Adds itself to a request about to be sent, and says what must be masked wherever it shows up.

    `prepare` is called before each request and `renew` after one that was refused as not logged in; both answer
    the secrets that are new since then, and nothing (or an empty tuple) when there is nothing new to show.
    """

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None: ...
    def secrets(self) -> tuple[str, ...]: ...
    def secret_params(self) -> tuple[str, ...]: ...
    def prepare(self, client: RestClient) -> tuple[str, ...]: ...
    def renew(self, client: RestClient) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class NoAuth:
    """For systems that anybody may ask."""

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        """Nothing to add."""

    def secrets(self) -> tuple[str, ...]:
        return ()

    def secret_params(self) -> tuple[str, ...]:
        return ()

    def prepare(self, client: RestClient) -> tuple[str, ...]:
        return ()

    def renew(self, client: RestClient) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class HeaderKey(NoAuth):
    """A key in a header; `prefix` is a word before it, as in `ApiToken d2pat_…`."""

    name: str
    key: str = field(repr=False)
    prefix: str = ""

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        if self.name.lower() not in {name.lower() for name in headers}:  # what the job set itself wins
            headers[self.name] = f"{self.prefix} {self.key}".strip()

    def secrets(self) -> tuple[str, ...]:
        return (self.key,)


@dataclass(frozen=True)
class OpenHeader(HeaderKey):
    """A header that anybody may read."""

    def secrets(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class QueryKey(NoAuth):
    """A key in the address."""

    name: str
    key: str = field(repr=False)

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        params.setdefault(self.name, self.key)

    def secrets(self) -> tuple[str, ...]:
        return (self.key,)

    def secret_params(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True)
class Several(NoAuth):
    """More than one at once, as a token and a subscription key."""

    parts: tuple[Auth, ...]

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        for part in self.parts:
            part.apply(headers, params)

    def secrets(self) -> tuple[str, ...]:
        return tuple(each for part in self.parts for each in part.secrets())

    def secret_params(self) -> tuple[str, ...]:
        return tuple(each for part in self.parts for each in part.secret_params())

    def prepare(self, client: RestClient) -> tuple[str, ...]:
        return tuple(each for part in self.parts for each in part.prepare(client))

    def renew(self, client: RestClient) -> tuple[str, ...]:
        return tuple(each for part in self.parts for each in part.renew(client))


def bearer(token: str) -> HeaderKey:
    """OAuth's way, and the commonest one."""
    return HeaderKey("Authorization", token, "Bearer")


def token(prefix: str, key: str) -> HeaderKey:
    """`Authorization: <prefix> <key>`."""
    return HeaderKey("Authorization", key, prefix)


@dataclass(frozen=True)
class Basic(NoAuth):
    """User name and password, in UTF-8."""

    username: str
    password: str = field(repr=False)

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        token("Basic", self._encoded()).apply(headers, params)

    def secrets(self) -> tuple[str, ...]:
        return (self.password, self._encoded())

    def _encoded(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password}".encode("utf-8", "replace")).decode("ascii")


class OAuthBearer(NoAuth):
    """The OAuth token of the moment. One that was refused is exchanged for the next."""

    def __init__(self, token: str, refresh: Callable[[str], str] | None = None) -> None:
        self._token = token
        self._refresh = refresh

    def __repr__(self) -> str:
        return "OAuthBearer()"

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        bearer(self._token).apply(headers, params)

    def secrets(self) -> tuple[str, ...]:
        return (self._token,)

    def renew(self, client: RestClient | None = None) -> tuple[str, ...]:
        """The next token after a 401; nothing when there is none, so that the refusal stands."""
        if self._refresh is None:
            return ()
        before, self._token = self._token, self._refresh(self._token)
        return (self._token,) if self._token != before else ()


def oauth_bearer(configuration: Mapping[str, Any], context: Context) -> OAuthBearer:
    """For an adaptor's `authenticate`, where the credential logs in by OAuth."""
    token = configuration.get("access_token")
    if not token:
        raise ConfigurationError("The credential has no access token yet; connect it first.")
    return OAuthBearer(str(token), context.refresh)


def authority_of(configuration: Mapping[str, Any]) -> ssl.SSLContext | None:
    """Trust in the authority whose certificate a credential holds; None where it holds none."""
    if not configuration.get("ca"):
        return None
    try:
        return authority_context(configuration["ca"])
    except NoCertificate:
        raise ConfigurationError(
            "The certificate in the credential cannot be read; it must be PEM text, with its line breaks."
        ) from None
