"""OAuth 2 as an adaptor declares it: where to log in, where tokens come from, what is asked for. Pure.

    OAUTH = OAuthSpec(endpoint="{instanceUrl}/oauth/token", authorize="{instanceUrl}/oauth/authorize")
    ADAPTOR = AdaptorSpec(…, schema=with_oauth(credential({…}), OAUTH), oauth=OAUTH)

`{name}` in an address is a field of the credential. The adaptor finds the token of the moment as
`configuration["access_token"]` and shows it with `auth.oauth_bearer`; getting, keeping and renewing it is the
platform's business. The job never sees the client's secret or the refresh token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from jobs.adaptors.errors import AuthError, ConfigurationError
from openfn_platform.common.urls import add_params

Grant = Literal["authorization_code", "client_credentials"]
CODE: Grant = "authorization_code"
CLIENT: Grant = "client_credentials"
GRANT_LABELS = {CODE: "A person connects it", CLIENT: "The platform logs in by itself"}
SECRET = "client_secret"  # noqa: S105 - the name of a field
_PLACE = re.compile(r"\{(\w+)\}")


class MustConnectAgain(AuthError):
    """The partner system no longer renews this credential's token; it must be connected again."""

    code = "must_connect_again"
    default_hint = "An administrator of the project opens the credential and presses Connect."


@dataclass(frozen=True, kw_only=True)
class OAuthSpec:
    """How one system does OAuth."""

    endpoint: str  # of tokens
    authorize: str = ""  # only for the authorization code
    grants: tuple[Grant, ...] = (CODE, CLIENT)
    optional: bool = False  # the adaptor knows other ways to log in
    scopes: tuple[str, ...] = ()  # asked for unless the credential names others
    # What some providers want besides, for example access_type=offline to give out a refresh token at all.
    authorize_params: Mapping[str, str] = field(default_factory=dict)
    token_params: Mapping[str, str] = field(default_factory=dict)
    style: Literal["basic", "body"] = "basic"  # how the client shows its secret
    # Fields of the token's answer that the job gets too, under names of the configuration.
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def asks_for_grant(self) -> bool:
        return self.optional or len(self.grants) > 1

    def grant_of(self, values: Mapping[str, Any]) -> Grant | None:
        """Which way these values log in; None: not by OAuth."""
        if not values.get("client_id"):
            return None
        if not self.asks_for_grant:
            return self.grants[0]
        return next((grant for grant in self.grants if grant == values.get("grant")), None)

    def scope_of(self, values: Mapping[str, Any]) -> str:
        return " ".join(str(values.get("scopes") or " ".join(self.scopes)).replace(",", " ").split())

    def fingerprint(self, values: Mapping[str, Any]) -> str:
        """Of all that a token depends on. Not the client's secret: a new one keeps the tokens of the old."""
        facts = [self.grant_of(values), values.get("client_id"), self.scope_of(values)]
        facts += [values.get(name) for name in _PLACE.findall(self.endpoint + self.authorize)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def authorize_address(
        self, values: Mapping[str, Any], *, callback: str, state: str, verifier: str
    ) -> str:
        """Where the person's browser is sent to agree."""
        asked = {
            "response_type": "code",
            "client_id": str(values["client_id"]),
            "redirect_uri": callback,
            "scope": self.scope_of(values) or None,
            "state": state,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        return add_params(filled(self.authorize, values), {**self.authorize_params, **asked})


def new_verifier() -> str:
    """The secret half of PKCE: who intercepts the code cannot use it."""
    return secrets.token_urlsafe(48)


def challenge(verifier: str) -> str:
    """The half of PKCE that everybody may see."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def filled(template: str, values: Mapping[str, Any]) -> str:
    """An address with the fields of the credential put in. A field that begins it is an address itself."""

    def value_of(found: re.Match[str]) -> str:
        value = str(values.get(found[1]) or "").strip()
        if not value:
            raise ConfigurationError(f"The credential lacks '{found[1]}', which the log-in by OAuth needs.")
        return value.rstrip("/") if found.start() == 0 else quote(value, safe="")

    return _PLACE.sub(value_of, template)


def with_oauth(schema: dict[str, Any], oauth: OAuthSpec) -> dict[str, Any]:
    """The schema of a credential with the fields that OAuth needs, and the rules about them."""
    when = {"x-when": {"grant": list(oauth.grants)}} if oauth.asks_for_grant else {}
    asked_scopes = f" Empty: {' '.join(oauth.scopes)}." if oauth.scopes else ""
    fields: dict[str, Any] = {
        "client_id": {"type": "string", "title": "Client ID", "minLength": 1, **when},
        SECRET: {"type": "string", "title": "Client secret", "writeOnly": True, **when},
        "scopes": {
            "type": "string",
            "title": "Scopes",
            "description": f"What the token may be used for, separated by blanks.{asked_scopes}",
            **when,
        },
    }
    if oauth.asks_for_grant:
        fields = {"grant": _grant_field(oauth), **fields}
    required = [*schema.get("required", ()), *([] if oauth.optional else ["client_id"])]
    if oauth.asks_for_grant and not oauth.optional:
        required.append("grant")
    return {
        **schema,
        "properties": {**schema.get("properties", {}), **fields},
        "required": required,
        "allOf": [*schema.get("allOf", ()), *_rules(oauth)],
    }


def _grant_field(oauth: OAuthSpec) -> dict[str, Any]:
    default = {} if oauth.optional else {"default": oauth.grants[0]}
    return {
        "type": "string",
        "title": "Log-in by OAuth 2",
        "description": "Register a client for this platform in the partner system first.",
        "enum": list(oauth.grants),
        "x-labels": {grant: GRANT_LABELS[grant] for grant in oauth.grants},
        **default,
    }


def _rules(oauth: OAuthSpec) -> list[dict[str, Any]]:
    chosen: dict[str, Any] = {"properties": {"grant": {"enum": list(oauth.grants)}}, "required": ["grant"]}
    rules = [{"if": chosen, "then": {"required": ["client_id"]}}] if oauth.optional else []
    if CLIENT not in oauth.grants:
        return rules
    by_itself: dict[str, Any] = {"not": {"required": ["access_token"]}}  # a job has the token instead
    if oauth.asks_for_grant:
        by_itself |= {"properties": {"grant": {"const": CLIENT}}, "required": ["grant"]}
    return [*rules, {"if": by_itself, "then": {"required": [SECRET]}}]
