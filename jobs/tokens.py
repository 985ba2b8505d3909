"""The OAuth token of the moment: kept per body, renewed before it ends, used by one renewer at a time.

A refresh token often works only once, so whoever renews claims the row first, by a conditional update with a lease;
the others wait for what comes of it. No transaction and no lock is held while the provider is spoken to. When the
provider ends the agreement (`invalid_grant`) that is written down, and nobody asks it again before a person has
connected the credential anew.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings as platform
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from jobs.adaptors import registry
from jobs.adaptors.errors import AdaptorError
from jobs.adaptors.oauth import CODE, SECRET, Grant, OAuthSpec
from jobs.adaptors.token_endpoint import Token, TokenEndpoint, TokenRefused
from jobs.models import Credential, CredentialBody, CredentialToken
from jobs.opening import CredentialLoadError, body_of, credential_open, credential_seal, unsealed
from openfn_platform.common.addresses import AddressPolicy
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import one_line

logger = logging.getLogger(__name__)

RENEWED_BEFORE = timedelta(minutes=2)  # its end
CLAIM = timedelta(seconds=40)  # longer than the endpoint may take and the database may be away
PATIENCE = 20.0  # seconds that one waits for another renewer
LOOK_EVERY = 0.1


class TokenError(CredentialLoadError):
    """A credential gets no token."""

    code = "no_token"
    kind: ClassVar[str] = "auth"  # as of a Failure: wrong credentials are spared like refused passwords


class NotConnected(TokenError):
    """A credential must be connected again."""

    code = "must_connect_again"


class TokenNotGiven(TokenError):
    """The provider refuses the client of this credential."""

    code = "token_not_given"


class TokenUnavailable(TokenError):
    """The token of a credential cannot be renewed at the moment."""

    code = "token_unavailable"
    kind = "connection"


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A configuration as a job gets it."""

    configuration: dict[str, Any] = field(repr=False)
    renewable: bool = False  # its access token can be exchanged for the next


@dataclass(frozen=True, kw_only=True)
class Login:
    """How one body logs in by OAuth."""

    credential: Credential
    values: dict[str, Any] = field(repr=False)
    oauth: OAuthSpec
    grant: Grant

    @property
    def fingerprint(self) -> str:
        return self.oauth.fingerprint(self.values)

    @property
    def endpoint(self) -> TokenEndpoint:
        """Spoken to under the rules of the project that owns the credential."""
        project = self.credential.project
        policy = AddressPolicy(
            allowed_hosts=tuple(project.allowed_hosts), allow_private=platform.JOB_ALLOW_LOOPBACK
        )
        return TokenEndpoint(oauth=self.oauth, values=self.values, policy=policy)


def login_of(*, credential: Credential, values: dict[str, Any]) -> Login | None:
    """None: these values do not log in by OAuth."""
    oauth = registry.spec(credential.adaptor).oauth if credential.adaptor in registry.names() else None
    grant = oauth.grant_of(values) if oauth is not None else None
    if oauth is None or grant is None:
        return None
    return Login(credential=credential, values=values, oauth=oauth, grant=grant)


def credential_ready(*, credential: Credential, environment: str) -> Ready:
    """The configuration for `environment` as a job gets it, with a token that lasts for a while where it needs one.

    Raises CredentialLoadError with a sentence.
    """
    values = credential_open(credential=credential, environment=environment)
    login = login_of(credential=credential, values=values)
    if login is None:
        return Ready(configuration=values)
    token = token_for(login=login, body=body_of(credential=credential, environment=environment))
    return Ready(configuration=with_token(values, token), renewable=True)


def token_renew(*, credential: Credential, environment: str, stale: str) -> str:
    """The access token that follows the one whose SHA-256 is `stale`: it was refused. Raises CredentialLoadError."""
    values = credential_open(credential=credential, environment=environment)
    login = login_of(credential=credential, values=values)
    if login is None:
        raise NotConnected(f"The credential “{credential.name}” does not log in by OAuth any more.")
    body = body_of(credential=credential, environment=environment)
    return token_for(login=login, body=body, stale=stale).access_token


def with_token(values: dict[str, Any], token: Token) -> dict[str, Any]:
    """What a job gets: the token, and not the secret that tokens are got with."""
    kept = {name: value for name, value in values.items() if name != SECRET}
    return {**kept, **token.answers, "access_token": token.access_token}


def digest_of(access_token: str) -> str:
    """How a token is spoken of where it must not be told."""
    return hashlib.sha256(access_token.encode("utf-8", "replace")).hexdigest()


def token_store(*, body: CredentialBody, token: Token, fingerprint: str, **columns: Any) -> None:
    """Keep a token that was just got, in place of whatever was there."""
    row = CredentialToken.objects.filter(body=body).first() or CredentialToken(body=body)
    _fill(row, token, fingerprint)
    for name, value in columns.items():
        setattr(row, name, value)
    row.save()


def stored_token(row: CredentialToken) -> Token | None:
    """The token that a row keeps; None for one that never got any, or that no key opens."""
    try:
        values = unsealed(row)
    except PlatformError:
        return None
    return Token(**values) if values else None


# --- getting one ----------------------------------------------------------------------------------


def token_for(*, login: Login, body: CredentialBody, stale: str = "") -> Token:
    """A token that lasts for a while and is not the one whose SHA-256 is `stale`. Raises TokenError."""
    deadline = time.monotonic() + PATIENCE
    while True:
        row = _row(login, body)
        token = _usable(row, login, stale)
        if token is not None:
            return token
        _refuse_hopeless(row, login)
        claim = _claim(row)
        if claim is not None:
            return _renewed(row, login, claim, stale)
        if time.monotonic() > deadline:
            raise TokenUnavailable(
                f"The token of “{login.credential.name}” is being renewed by another run, and that takes too long."
            )
        time.sleep(LOOK_EVERY)


def _row(login: Login, body: CredentialBody) -> CredentialToken:
    row = CredentialToken.objects.filter(body=body).first()
    if row is not None:
        return row
    if login.grant == CODE:
        raise NotConnected(f"The credential “{login.credential.name}” is not connected yet: press Connect.")
    empty = CredentialToken(body=body, fingerprint="")
    credential_seal(body=empty, values={})
    CredentialToken.objects.bulk_create([empty], ignore_conflicts=True)  # somebody else may be as quick
    return CredentialToken.objects.get(body=body)


def _usable(row: CredentialToken, login: Login, stale: str) -> Token | None:
    """The stored token, if it is one of these values, is not the one that was refused, and lasts for a while."""
    token = _stored(row, login, stale)
    if token is None:
        return None
    if row.expires_at is None or row.obtained_at is None:
        return token
    cannot_renew = login.grant == CODE and not token.refresh_token
    margin = timedelta() if cannot_renew else min(RENEWED_BEFORE, (row.expires_at - row.obtained_at) / 2)
    return token if row.expires_at > timezone.now() + margin else None


def _stored(row: CredentialToken, login: Login, stale: str) -> Token | None:
    if row.fingerprint != login.fingerprint:
        return None
    token = stored_token(row)
    return None if token is None or digest_of(token.access_token) == stale else token


def _refuse_hopeless(row: CredentialToken, login: Login) -> None:
    """Raise where only a person can help."""
    if login.grant != CODE:
        return
    name = login.credential.name
    if row.refused_at is not None and row.fingerprint == login.fingerprint:
        raise NotConnected(f"The credential “{name}” must be connected again. {row.refused_sentence}".strip())
    token = stored_token(row)
    if token is None or row.fingerprint != login.fingerprint:
        raise NotConnected(f"The credential “{name}” must be connected again: its values have changed since.")
    if not token.refresh_token:
        raise NotConnected(
            f"The credential “{name}” must be connected again: its token has ended, and the provider gave none to "
            "renew it with."
        )


def _claim(row: CredentialToken) -> uuid.UUID | None:
    """Be the one who renews it. None: somebody else is at it."""
    mine = uuid.uuid4()
    free = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    rows = CredentialToken.objects.filter(free, pk=row.pk)
    return mine if rows.update(claim=mine, claimed_until=Now() + Value(CLAIM)) == 1 else None


def _renewed(row: CredentialToken, login: Login, claim: uuid.UUID, stale: str) -> Token:
    try:
        row.refresh_from_db()  # between the look and the claim somebody may have finished
        token = _usable(row, login, stale)
        if token is None:
            _refuse_hopeless(row, login)
            token = _next(row, login, claim, stale)
        return token
    finally:
        CredentialToken.objects.filter(pk=row.pk, claim=claim).update(claim=None, claimed_until=None)


def _next(row: CredentialToken, login: Login, claim: uuid.UUID, stale: str) -> Token:
    try:
        held = stored_token(row)
        if login.grant == CODE and held is not None:
            token = login.endpoint.refresh(held.refresh_token)
        else:
            token = login.endpoint.log_in()
    except TokenRefused as error:
        raise _refused(row, login, error) from None
    except AdaptorError as error:
        old = _stored(row, login, stale)
        if old is not None and (row.expires_at is None or row.expires_at > timezone.now()):
            return old  # it lasts a little longer
        raise TokenUnavailable(
            f"The token of “{login.credential.name}” cannot be renewed: {error.message}"
        ) from None
    _keep(row, login, token, claim)
    return token


def _refused(row: CredentialToken, login: Login, error: TokenRefused) -> TokenError:
    name, sentence = login.credential.name, one_line(error.message, 400)
    logger.warning("action=token_refused credential=%s word=%s", login.credential.pk, error.word)
    if login.grant != CODE or not error.grant_is_over:
        return TokenNotGiven(f"The credential “{name}” gets no token. {sentence}")
    CredentialToken.objects.filter(pk=row.pk).update(refused_at=Now(), refused_sentence=sentence)
    return NotConnected(f"The credential “{name}” must be connected again. {sentence}")


def _keep(row: CredentialToken, login: Login, token: Token, claim: uuid.UUID) -> None:
    """Write it down whatever it takes: the refresh token before it may be used up by now."""
    _fill(row, token, login.fingerprint)
    columns = {name: getattr(row, name) for name in _WRITTEN}
    for pause in (0.5, 2.0, None):
        try:
            CredentialToken.objects.filter(pk=row.pk, claim=claim).update(**columns)
        except (OperationalError, InterfaceError):
            if pause is None:
                raise
            connection.close()
            time.sleep(pause)
        else:
            return


_WRITTEN = (
    "ciphertext",
    "key_id",
    "fingerprint",
    "expires_at",
    "obtained_at",
    "refused_at",
    "refused_sentence",
)


def _fill(row: CredentialToken, token: Token, fingerprint: str) -> None:
    now = timezone.now()
    credential_seal(body=row, values=asdict(token))
    row.fingerprint = fingerprint
    row.obtained_at = now
    row.expires_at = None if token.expires_in is None else now + timedelta(seconds=token.expires_in)
    row.refused_at, row.refused_sentence = None, ""
