"""Connecting a credential: a person agrees at the provider, and the platform keeps the tokens that come of it.

    connect_begin    the address that the browser is sent to, and what must be remembered until it is back
    connect_finish   the code that it brings back, exchanged and stored
    disconnect       the tokens forgotten

What is remembered (`Pending`) belongs into the person's own session, on the server: it binds the answer to the
session and the credential that asked, and holds the secret half of PKCE.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.core import signing
from django.db import transaction
from django.utils import timezone

from jobs.adaptors.errors import AdaptorError
from jobs.adaptors.oauth import CODE, new_verifier
from jobs.models import Credential, CredentialToken
from jobs.opening import body_of, credential_open
from jobs.tokens import Login, login_of, stored_token, token_store
from jobs.usage import credential_locked
from openfn_platform.common.errors import Conflict, Invalid, PlatformError
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role

PATIENCE = 15 * 60  # seconds that a person may take at the provider
_SALT = "credential-connect"


class NoOAuth(Conflict):
    """This credential is not connected by a person."""

    code = "no_oauth"


class BadAnswer(Invalid):
    """This answer was taken already, or belongs to no question of yours. If it is not connected, press Connect again."""

    code = "bad_oauth_answer"


class NotGiven(Conflict):
    """The provider gave no token."""

    code = "no_token"


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A question that is out at the provider. Never shown to anybody."""

    nonce: str
    credential: str
    environment: str
    fingerprint: str
    verifier: str = field(repr=False)
    began: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_over(self) -> bool:
        return not 0 <= time.time() - self.began <= PATIENCE


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a credential that a person connects stands at the moment."""

    is_connected: bool = False
    again: str = ""  # why it must be connected again
    since: datetime | None = None
    by: str = ""
    renews: bool = False  # by itself; otherwise it ends with its token
    ends_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Begun:
    address: str
    pending: Pending


def connect_begin(*, credential: Credential, by: By, callback: str, environment: str | None = None) -> Begun:
    """Where the browser goes, with everything signed that must come back unchanged."""
    require(by, credential.project_id, Role.ADMIN)
    environment = environment or credential.project.environment
    login = _login(credential, environment)
    pending = Pending(
        nonce=secrets.token_urlsafe(24),
        credential=str(credential.pk),
        environment=environment,
        fingerprint=login.fingerprint,
        verifier=new_verifier(),
        began=time.time(),
    )
    state = signing.dumps([pending.nonce, pending.credential], salt=_SALT)
    try:
        address = login.oauth.authorize_address(
            login.values, callback=callback, state=state, verifier=pending.verifier
        )
    except AdaptorError as error:
        raise Invalid(error.message) from None
    return Begun(address=address, pending=pending)


def connection_of(*, credential: Credential, environment: str) -> Connection | None:
    """None: these values are not connected by a person."""
    try:
        login = _login(credential, environment)
    except PlatformError:
        return None
    row = (
        CredentialToken.objects.filter(body__credential=credential, body__environment=environment)
        .select_related("connected_by")
        .first()
    )
    token = stored_token(row) if row is not None else None
    if row is None or token is None:
        return Connection()
    again = row.refused_sentence or "The provider ended it." if row.refused_at else ""
    if row.fingerprint != login.fingerprint:
        again = "Its values have changed since it was connected."
    elif not token.refresh_token and row.expires_at is not None and row.expires_at < timezone.now():
        again = "Its token has ended, and the provider gave none to renew it with."
    return Connection(
        is_connected=not again,
        again=again,
        since=row.connected_at,
        by=str(row.connected_by or ""),
        renews=bool(token.refresh_token),
        ends_at=row.expires_at,
    )


def nonce_of(state: str) -> str:
    """Which question an answer belongs to. Raises BadAnswer unless we signed it a short while ago."""
    try:
        nonce, _credential = signing.loads(state, salt=_SALT, max_age=PATIENCE)
    except (signing.BadSignature, ValueError, TypeError):
        raise BadAnswer() from None
    return str(nonce)


def connect_finish(*, credential: Credential, pending: Pending, code: str, by: By, callback: str) -> None:
    """Exchange the code and keep the tokens. Raises with the provider's words."""
    require(by, credential.project_id, Role.ADMIN)
    if pending.is_over or pending.credential != str(credential.pk):
        raise BadAnswer()
    login = _login(credential, pending.environment)
    if login.fingerprint != pending.fingerprint:
        raise Conflict("The credential was changed while you were at the provider: press Connect again.")
    try:
        token = login.endpoint.exchange(code=code, verifier=pending.verifier, callback=callback)
    except AdaptorError as error:
        raise NotGiven(f"The credential is not connected. {error.message}") from None
    with transaction.atomic():
        credential = credential_locked(credential)
        body = body_of(credential=credential, environment=pending.environment)
        columns = {"connected_at": timezone.now(), "connected_by": author_of(by)}
        token_store(body=body, token=token, fingerprint=pending.fingerprint, **columns)
        changes = {"environment": pending.environment}
        audit("credential connected", by, project=credential.project, target=credential, changes=changes)


@transaction.atomic
def disconnect(*, credential: Credential, by: By, environment: str | None = None) -> None:
    """Forget the tokens. They stay good at the provider until they end or are revoked there."""
    require(by, credential.project_id, Role.ADMIN)
    credential = credential_locked(credential)
    environment = environment or credential.project.environment
    rows = CredentialToken.objects.filter(body__credential=credential, body__environment=environment)
    if not rows.delete()[0]:
        raise Conflict("It is not connected.")
    changes = {"environment": environment}
    audit("credential disconnected", by, project=credential.project, target=credential, changes=changes)


def _login(credential: Credential, environment: str) -> Login:
    login = login_of(
        credential=credential, values=credential_open(credential=credential, environment=environment)
    )
    if login is None or login.grant != CODE:
        raise NoOAuth()
    return login
