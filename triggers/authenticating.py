"""Who sends a message: somebody with a key, a user with a password, or whoever can sign it.

An inbox is open to anybody, or to whoever brings one of the things that open it. Kinds may be mixed, and any one of
them is enough, so that a partner can change from one to another without a gap. What is compared is bytes, in constant
time, and nothing that a sender writes into these headers can be more than a refusal.

Signatures follow Standard Webhooks: HMAC-SHA-256 over `webhook-id.webhook-timestamp.body`, the body exactly as it
came over the wire. So one has to be read before it can be checked; what is wrong with the headers alone is said
before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openfn_platform.projects.models import Scope
from openfn_platform.projects.tokens import PREFIX, SHOWN, token_ended, token_find
from triggers.bodies import Refused
from triggers.listening import Key, Listening, Openers, Password, SigningSecret
from triggers.models.inbox import InboxAccess
from triggers.passwords import password_fits

TOLERANCE_SECONDS = 300
SIGNATURES_LOOKED_AT = 20
LONGEST_BASIC = 1_000

_MESSAGE_ID = re.compile(r"\A[\x21-\x2b\x2d\x2f-\x7e]{1,255}\Z")  # no dot: it parts the id from the time
_TIMESTAMP = re.compile(r"\A[0-9]{1,12}\Z")


class NotAuthenticated(Refused):
    """The key is missing or wrong: send it in the header X-API-Key."""

    code = "not_authenticated"
    status = 401


class AccessRevoked(NotAuthenticated):
    """What this message came with was revoked; ask those who gave it to you for a new one."""

    code = "access_revoked"


class AccessExpired(NotAuthenticated):
    """What this message came with has expired; ask those who gave it to you for a new one."""

    code = "access_expired"


class WrongSignature(NotAuthenticated):
    """No signature in webhook-signature fits this body; sign the bytes exactly as they are sent."""

    code = "wrong_signature"


class WrongTime(NotAuthenticated):
    """webhook-timestamp must be the time of sending in seconds, at most 5 minutes off; set the sender's clock."""

    code = "wrong_time"


class NotForPosting(Refused):
    """This token may not post messages; an administrator can make one with the scope “intake”."""

    code = "scope_missing"
    status = 403


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The three headers of Standard Webhooks."""

    id: str
    timestamp: str
    signatures: str

    def check_headers(self) -> None:
        """Raises NotAuthenticated for what can be seen to be wrong without the body."""
        if not _MESSAGE_ID.match(self.id):
            raise WrongSignature(
                "webhook-id must be 1 to 255 visible ASCII characters without dots and commas."
            )
        if not _TIMESTAMP.match(self.timestamp) or abs(time.time() - int(self.timestamp)) > TOLERANCE_SECONDS:
            raise WrongTime()

    def fits(self, secret: bytes, raw: bytes) -> bool:
        """Whether one of the signatures was made with this secret."""
        signed = f"{self.id}.{self.timestamp}.".encode("latin-1", "replace") + raw
        right = base64.b64encode(hmac.digest(secret, signed, "sha256"))
        found = False
        for each in self.signatures.split()[:SIGNATURES_LOOKED_AT]:
            version, _, signature = each.partition(",")
            if version == "v1" and hmac.compare_digest(right, signature.encode("latin-1", "replace")):
                found = True
        return found


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a request brings along to prove who sent it."""

    key: str = ""
    basic: bytes | None = None  # user:password
    signed: Signed | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What of it must be stored nowhere."""
        found = [self.key] if self.key else []
        if self.basic is not None:
            found += [
                self.basic.decode("utf-8", "replace"),
                self.basic.partition(b":")[2].decode("utf-8", "replace"),
            ]
            found.append(base64.b64encode(self.basic).decode())
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Knock:
    """Somebody at the door: known by a key by now, or with a signature that the body has to bear out."""

    listening: Listening
    key: Key | None = None  # None as well where none is needed
    signed: Signed | None = None

    def opened(self, raw: bytes) -> Key | None:
        """The key that it came with. Raises NotAuthenticated when the signature is not that of this body."""
        return self.key if self.signed is None else _signer(self.listening, self.signed, raw)


def offer_of(meta: Mapping[str, Any]) -> Offer:
    """What stands in the headers of a request."""
    key: str = meta.get("HTTP_X_API_KEY") or ""
    basic = None
    if authorization := meta.get("HTTP_AUTHORIZATION"):
        scheme, _, value = authorization.partition(" ")
        scheme = scheme.lower()
        if scheme == "basic":
            basic = _basic(value)
        elif scheme == "bearer" and not key:
            key = value.strip()
    signatures = meta.get("HTTP_WEBHOOK_SIGNATURE")
    if signatures is None:
        return Offer(key=key, basic=basic)
    signed = Signed(
        id=meta.get("HTTP_WEBHOOK_ID", ""),
        timestamp=meta.get("HTTP_WEBHOOK_TIMESTAMP", ""),
        signatures=signatures,
    )
    return Offer(key=key, basic=basic, signed=signed)


def _basic(value: str) -> bytes | None:
    """`user:password`, or None where that cannot be made out."""
    try:
        found = base64.b64decode(value.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return found if b":" in found and len(found) <= LONGEST_BASIC else None


def knock(*, listening: Listening, offer: Offer) -> Knock:
    """Who is at the door, as far as the headers tell. Raises NotAuthenticated.

    All keys are compared, on digests and in constant time: how long it takes tells nothing.
    """
    if listening.access == InboxAccess.NONE:
        return Knock(listening=listening)
    now = datetime.now(UTC)
    key = _by_key(listening.openers.keys, offer.key, now)
    if key is None and offer.basic is not None:
        key = _by_password(listening.openers.passwords, offer.basic, now)
    if key is None and offer.key.startswith(PREFIX):  # only tokens cost a query
        key = _by_token(listening, offer.key)
    if key is not None:
        return Knock(listening=listening, key=key)
    if offer.signed is not None and (listening.openers.secrets or listening.revoked.secrets):
        offer.signed.check_headers()
        return Knock(listening=listening, signed=offer.signed)
    raise _refusal(listening, offer, now)


def knock_in_vain(offer: Offer) -> None:
    """What a comparison costs, where there is no inbox: an unknown address answers as slowly as a wrong key."""
    hmac.compare_digest(_digest(offer.key), _digest(""))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _by_key(keys: Iterable[Key], offered: str, now: datetime) -> Key | None:
    digest, found = _digest(offered), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest) and _holds(key, now):
            found = key
    return found if offered else None


def _by_password(passwords: Iterable[Password], offered: bytes, now: datetime) -> Key | None:
    found = None
    for each in passwords:
        if _holds(each, now) and _password_fits(each, offered):
            found = each
    return None if found is None else _as_key(found)


def _password_fits(password: Password, offered: bytes) -> bool:
    if password.digest is not None:
        return hmac.compare_digest(password.digest, hashlib.sha256(offered).digest())
    username, _, text = offered.partition(b":")
    # Argon2 is for the right user only: what it costs must not be had for any name.
    return hmac.compare_digest(password.username, username) and password_fits(
        hashed=password.hashed, offered=text
    )


def _by_token(listening: Listening, offered: str) -> Key | None:
    """An API token of the inbox's project, as a key. One of another project is as good as none."""
    token = token_find(offered)
    if token is None or token.project_id != listening.project_id:
        return None
    if Scope.INTAKE not in token.scopes:
        raise NotForPosting()
    return Key(id=token.pk, digest=bytes(token.digest), prefix=token.prefix, expires_at=token.expires_at)


def _signer(listening: Listening, signed: Signed, raw: bytes) -> Key:
    now, found, expired = datetime.now(UTC), None, None
    for secret in listening.openers.secrets:
        if signed.fits(secret.secret, raw):
            if _holds(secret, now):
                found = secret
            else:
                expired = secret
    if found is not None:
        return _as_key(found)
    if expired is not None:
        raise AccessExpired(formerly=expired.id, challenge=_challenge(listening))
    for secret in listening.revoked.secrets:
        if signed.fits(secret.secret, raw):
            raise AccessRevoked(formerly=secret.id, challenge=_challenge(listening))
    raise WrongSignature(challenge=_challenge(listening))


def _holds(each: Key | Password | SigningSecret, now: datetime) -> bool:
    return each.expires_at is None or each.expires_at > now


def _as_key(each: Password | SigningSecret) -> Key:
    return Key(id=each.id, digest=b"", prefix="", expires_at=each.expires_at)


# --- saying no: nothing here is asked of a sender that is let in -----------------------------------------


def _refusal(listening: Listening, offer: Offer, now: datetime) -> NotAuthenticated:
    """Says to somebody who comes with what opened the inbox once that it does no more, and to strangers what would."""
    challenge = _challenge(listening)
    if (known := _known(listening.openers, offer)) is not None:
        return AccessExpired(formerly=known, challenge=challenge)  # or it would have been let in
    if (known := _known(listening.revoked, offer)) is not None:
        return AccessRevoked(formerly=known, challenge=challenge)
    if offer.key.startswith(PREFIX) and (refused := _ended_token(listening, offer.key)) is not None:
        return refused(challenge=challenge)  # the sweep sees by its code that a token still comes
    resembles = _resembling(listening.openers, offer) or _resembling(listening.revoked, offer)
    return NotAuthenticated(_needed(listening.openers), formerly=resembles, challenge=challenge)


def _known(openers: Openers, offer: Offer) -> uuid.UUID | None:
    if offer.key:
        digest = _digest(offer.key)
        for key in openers.keys:
            if hmac.compare_digest(key.digest, digest):
                return key.id
    if offer.basic is not None:
        for password in openers.passwords:
            if _password_fits(password, offer.basic):
                return password.id
    return None


def _ended_token(listening: Listening, offered: str) -> type[NotAuthenticated] | None:
    token = token_ended(offered, project_id=listening.project_id, scope=Scope.INTAKE)
    if token is None:
        return None
    return AccessExpired if token.revoked_at is None else AccessRevoked


def _resembling(openers: Openers, offer: Offer) -> uuid.UUID | None:
    """The key that begins the same, or the user of that name: somebody mistyped it, or a part of it was lost."""
    for key in openers.keys:
        if len(key.prefix) == SHOWN and offer.key.startswith(key.prefix):
            return key.id
    username = b"" if offer.basic is None else offer.basic.partition(b":")[0]
    return next((each.id for each in openers.passwords if username and each.username == username), None)


def _needed(openers: Openers) -> str:
    """How this inbox wants to be opened. Which kinds it takes is no secret: a GET tells it too."""
    ways = [sentence for _, sentence in ways_in(openers)]
    return f"The key is missing or wrong: {', or '.join(ways)}."


def ways_in(openers: Openers) -> list[tuple[str, str]]:
    """(kind, what the sender has to do) for each kind that opens the inbox; keys are always possible, as API tokens."""
    ways = [("key", "send it in the header X-API-Key")]
    if openers.passwords:
        ways.append(("basic", "send user and password by HTTP Basic"))
    if openers.secrets:
        ways.append(("hmac", "sign the message by Standard Webhooks"))
    return ways


def _challenge(listening: Listening) -> str:
    """Some senders give their password only when they are asked for it."""
    return 'Basic realm="inbox", charset="UTF-8"' if listening.openers.passwords else "Bearer"
