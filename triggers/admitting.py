"""What opens an inbox besides API keys: users with passwords, and secrets to sign with.

Several of each at once, so that a sender can change over: add the new one, let the sender use it, see that the old
one is used no more, revoke that. Revoking is the same for all kinds (`triggers.inboxes.inbox_key_revoke`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from jobs.opening import credential_seal
from openfn_platform.common.crypto import CannotDecrypt
from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name, one_line
from openfn_platform.projects.actors import By, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Role
from openfn_platform.projects.tokens import secret_digest
from triggers.inboxes import InboxArchived
from triggers.listening import secret_open
from triggers.models import Inbox, InboxAuth, InboxSecret
from triggers.models.inbox import AuthKind
from triggers.passwords import password_hash

WHSEC = "whsec_"
SECRET_BYTES = 32
SHORTEST_SECRET, LONGEST_SECRET = 24, 512  # bytes; Standard Webhooks ask for 24 to 64
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 200
MOST_OF_A_KIND = 20  # each password and secret is tried for each message that came with none of the others


@transaction.atomic
def inbox_password_add(
    *,
    inbox: Inbox,
    name: str,
    username: str,
    by: By,
    password: str = "",
    expires_at: datetime | None = None,
) -> tuple[InboxAuth, str]:
    """A user that may post by HTTP Basic. Returns the password too, which is not kept; without one it is made here."""
    require(by, inbox.project_id, Role.ADMIN)
    _ready(inbox, AuthKind.BASIC, expires_at)
    auth = InboxAuth(
        project_id=inbox.project_id,
        inbox=inbox,
        kind=AuthKind.BASIC,
        name=clean_name(name),
        username=_username_checked(username),
        expires_at=expires_at,
    )
    if password:
        auth.password_hash = password_hash(_password_checked(password, auth.username))
    else:
        password = secrets.token_urlsafe(32)
        auth.digest = secret_digest(f"{auth.username}:{password}")
    row_save(auth)
    audit("inbox password made", by, project=inbox.project, target=auth, changes=_changes(auth))
    return auth, password


@transaction.atomic
def inbox_secret_add(
    *, inbox: Inbox, name: str, by: By, secret: str = "", expires_at: datetime | None = None
) -> tuple[InboxAuth, str]:
    """A secret to sign messages with. Returns its text, which is shown once; without one it is made here."""
    require(by, inbox.project_id, Role.ADMIN)
    _ready(inbox, AuthKind.HMAC, expires_at)
    raw = secret_bytes(secret) if secret else secrets.token_bytes(SECRET_BYTES)
    _check_unknown(inbox, raw)
    text = WHSEC + base64.b64encode(raw).decode()
    auth = InboxAuth(
        project_id=inbox.project_id,
        inbox=inbox,
        kind=AuthKind.HMAC,
        name=clean_name(name),
        prefix=text[: len(WHSEC) + 4],
        expires_at=expires_at,
    )
    row_save(auth)
    kept = InboxSecret(project_id=inbox.project_id, auth=auth)
    credential_seal(body=kept, values={"secret": base64.b64encode(raw).decode()})
    kept.save(force_insert=True)
    audit("inbox signing secret made", by, project=inbox.project, target=auth, changes=_changes(auth))
    return auth, text


def secret_bytes(text: str) -> bytes:
    """What is signed with: `whsec_` and base64, as Standard Webhooks write it, or base64 alone."""
    encoded = text.strip().removeprefix(WHSEC).rstrip("=")
    try:
        raw = base64.b64decode(encoded.encode("ascii") + b"=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Invalid("A signing secret is whsec_ and then base64; copy it again.", field="secret") from None
    if not SHORTEST_SECRET <= len(raw) <= LONGEST_SECRET:
        raise Invalid(f"A signing secret has {SHORTEST_SECRET} to {LONGEST_SECRET} bytes.", field="secret")
    return raw


def _ready(inbox: Inbox, kind: AuthKind, expires_at: datetime | None) -> None:
    project_lock(inbox.project_id)
    if Inbox.objects.filter(pk=inbox.pk, archived_at__isnull=False).exists():
        raise InboxArchived()
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("It would be expired from the start; choose a later time.", field="expires_at")
    if inbox.auths.filter(kind=kind, revoked_at=None).count() >= MOST_OF_A_KIND:
        raise Conflict(f"An inbox has at most {MOST_OF_A_KIND} of this kind; revoke what is used no more.")


def _username_checked(username: str) -> str:
    username = username.strip()
    if not username or ":" in username or username != one_line(username, 100):
        raise Invalid("A user name has 1 to 100 characters and no colon.", field="username")
    return username


def _password_checked(password: str, username: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or not password.isprintable():
        raise Invalid(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} visible characters; leave it empty and a "
            "strong one is made.",
            field="password",
        )
    if password.lower() == username.lower() or len(set(password)) < 5:
        raise Invalid(
            "That password is guessed at once; leave it empty and a strong one is made.", field="password"
        )
    return password


def _check_unknown(inbox: Inbox, raw: bytes) -> None:
    for row in InboxSecret.objects.filter(auth__inbox=inbox, auth__revoked_at=None).select_related("auth"):
        try:
            same = hmac.compare_digest(secret_open(row), raw)
        except CannotDecrypt:
            continue
        if same:
            raise Invalid(f"This inbox has that secret already, as “{row.auth.name}”.", field="secret")


def _changes(auth: InboxAuth) -> dict[str, object]:
    changes: dict[str, object] = {"inbox": auth.inbox.name, "expires_at": auth.expires_at}
    return changes | ({"username": auth.username} if auth.kind == AuthKind.BASIC else {})
