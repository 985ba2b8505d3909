"""What is said at a token endpoint, and what its answers mean. Pure.

Each of the three questions (a code for a token, a refresh token for the next, the client's own log-in) is asked
once and never repeated by itself: a code and many refresh tokens work only once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx

from jobs.adaptors.errors import AuthError, Unavailable
from jobs.adaptors.oauth import CLIENT, CODE, SECRET, OAuthSpec, filled
from openfn_platform.common.addresses import AddressPolicy, AddressRefused
from openfn_platform.common.http import Answer, HttpClient, HttpError, Timeouts
from openfn_platform.common.redaction import Redactor
from openfn_platform.common.text import one_line
from openfn_platform.common.urls import UrlRefused

SECONDS = 10.0
LONGEST = 300
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
# What a client may be refused for, by RFC 6749: with these, asking again is of no use.
GRANT_IS_OVER = "invalid_grant"


class TokenRefused(AuthError):
    """The partner system gives no token for this credential."""

    code = "token_refused"

    def __init__(self, message: str = "", *, word: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.word = word  # invalid_grant, invalid_client, …

    @property
    def grant_is_over(self) -> bool:
        """The code or the refresh token is used up, ended or revoked: a person must agree again."""
        return self.word == GRANT_IS_OVER


@dataclass(frozen=True, kw_only=True)
class Token:
    """What a token endpoint gave."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: float | None = None  # seconds; None: it did not say
    scope: str = ""
    answers: dict[str, str] = field(default_factory=dict, repr=False)  # by names of the configuration


@dataclass(frozen=True, kw_only=True)
class TokenEndpoint:
    """The endpoint of one credential."""

    oauth: OAuthSpec
    values: Mapping[str, Any] = field(repr=False)
    policy: AddressPolicy
    transport: httpx.BaseTransport | None = field(default=None, repr=False)

    def exchange(self, *, code: str, verifier: str, callback: str) -> Token:
        """The code that a person's agreement gave, for tokens."""
        return self._ask(grant_type=CODE, code=code, redirect_uri=callback, code_verifier=verifier)

    def refresh(self, refresh_token: str) -> Token:
        """The next token. Without a new refresh token in the answer the old one goes on."""
        got = self._ask(grant_type="refresh_token", refresh_token=refresh_token)
        return got if got.refresh_token else Token(**{**vars(got), "refresh_token": refresh_token})

    def log_in(self) -> Token:
        """A token for the client itself."""
        scope = self.oauth.scope_of(self.values)
        return self._ask(grant_type=CLIENT, **({"scope": scope} if scope else {}))

    def _ask(self, **form: str) -> Token:
        url = filled(self.oauth.endpoint, self.values)
        headers, client = self._shown()
        body = urlencode({**form, **self.oauth.token_params, **client}).encode()
        secrets = (str(self.values.get(SECRET) or ""), form.get("refresh_token", ""), form.get("code", ""))
        redact = Redactor(secrets)
        with HttpClient(policy=self.policy, transport=self.transport, secrets=secrets) as http:
            try:
                answer = http.request(
                    "POST",
                    url,
                    headers={**FORM, **headers},
                    content=body,
                    repeatable=False,
                    retry_statuses=(),
                    timeouts=Timeouts(connect=5, read=SECONDS, total=SECONDS),
                )
            except (HttpError, AddressRefused, UrlRefused) as error:
                raise Unavailable(f"No token could be got: {error}", sent=False) from None
        return _read(answer, self.oauth, redact)

    def _shown(self) -> tuple[dict[str, str], dict[str, str]]:
        """How the client shows itself: headers, and fields of the form."""
        name, secret = str(self.values["client_id"]), str(self.values.get(SECRET) or "")
        if not secret:
            return {}, {"client_id": name}  # a public client: PKCE alone protects it
        if self.oauth.style == "body":
            return {}, {"client_id": name, SECRET: secret}
        pair = f"{quote_plus(name)}:{quote_plus(secret)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, {}


def _read(answer: Answer, oauth: OAuthSpec, redact: Redactor) -> Token:
    host = httpx.URL(answer.url).host
    try:
        body = json.loads(answer.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unavailable(
            f"{host} answered {answer.status} without a token; is the address of its tokens right?",
            sent=False,
        )
    word = body.get("error")
    if word is not None or not 200 <= answer.status < 300:
        raise _refusal(host, answer.status, body, redact)
    return _token(host, body, oauth)


def _refusal(host: str, status: int, body: dict[str, Any], redact: Redactor) -> AuthError | Unavailable:
    word = body.get("error") if isinstance(body.get("error"), str) else ""
    said = body.get("error_description") or body.get("message") or word or f"it answered {status}"
    sentence = f"{host}: {one_line(redact(str(said)), LONGEST)}"
    if status >= 500 or status == 429 or word in ("temporarily_unavailable", "server_error"):
        return Unavailable(sentence, status=status, sent=False)
    return TokenRefused(sentence, word=one_line(str(word), 60), status=status)


def _token(host: str, body: dict[str, Any], oauth: OAuthSpec) -> Token:
    access = body.get("access_token")
    kind = str(body.get("token_type") or "bearer").lower()
    if not isinstance(access, str) or not access.strip() or kind != "bearer":
        what = f"a token of the kind “{one_line(kind, 30)}”" if kind != "bearer" else "no access token"
        raise TokenRefused(f"{host} gave {what}, which cannot be used.", word="unusable")
    given = {
        name: str(body[theirs])
        for theirs, name in oauth.answers.items()
        if isinstance(body.get(theirs), str) and body[theirs]
    }
    refresh = body.get("refresh_token")
    return Token(
        access_token=access.strip(),
        refresh_token=refresh if isinstance(refresh, str) else "",
        expires_in=_seconds(body.get("expires_in")),
        scope=one_line(str(body.get("scope") or ""), 1000),
        answers=given,
    )


def _seconds(value: Any) -> float | None:
    """Some write the number as a text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds) if seconds < 1e9 else None
