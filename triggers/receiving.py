"""Receiving a message at an inbox: who sends it, is it well formed, was it here before. Nothing is stored yet.

Everything that can be refused is refused here, in this order: limits, authentication, form, body. What comes out
is a `Received`; `runs.accepting` stores it with all that it starts.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openfn_platform.projects.models import Scope
from openfn_platform.projects.tokens import PREFIX, token_find
from triggers.bodies import Kind, Refused, checked_content_type, parsed
from triggers.listening import Key, Listener, Listening
from triggers.matching import matches_any
from triggers.models.inbox import InboxAccess
from triggers.parsing import document

KEY_LENGTH = 255

_VISIBLE = re.compile(r"\A[\x21-\x2b\x2d-\x7e]{1,255}\Z")  # a comma means that the header came twice
_SECRET_HEADER = re.compile(r"auth|cookie|secret|signature|token|api-?key|password|session", re.I)


class NotAuthenticated(Refused):
    """The key is missing or wrong: send it in the header X-API-Key."""

    code = "not_authenticated"
    status = 401


class NotForPosting(Refused):
    """This token may not post messages; an administrator can make one with the scope “intake”."""

    code = "scope_missing"
    status = 403


class InboxOff(Refused):
    """This inbox is switched off at the moment."""

    code = "inbox_off"
    status = 409


class BadIdempotencyKey(Refused):
    """Idempotency-Key must be one value of 1 to 255 visible ASCII characters."""

    code = "bad_idempotency_key"


class OtherBody(Refused):
    """This Idempotency-Key was used before, with another body."""

    code = "idempotency_mismatch"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Match:
    """One listening trigger and whether the message matched it."""

    listener: Listener
    matched: bool


@dataclass(frozen=True, kw_only=True)
class Received:
    """A message that may be stored."""

    listening: Listening
    intake: uuid.UUID | None  # the key it came with
    raw: bytes
    text: bytes  # the body as JSON: `raw` itself, unless it came as XML or as a form
    body: Any
    digest: bytes
    content_type: str
    method: str
    path: str
    query: dict[str, Any]
    headers: dict[str, str]
    key_source: str  # "" | header | body
    key: str
    matches: tuple[Match, ...]


def sender_key(*, listening: Listening, offered: str | None) -> Key | None:
    """The inbox key or API token that was offered, or None where none is needed. Raises NotAuthenticated.

    All keys are compared, on digests and in constant time: how long it takes tells nothing.
    """
    if listening.access == InboxAccess.NONE:
        return None
    digest = hashlib.sha256((offered or "").encode("utf-8", "surrogateescape")).digest()
    now = datetime.now(UTC)
    found = None
    for key in listening.keys:
        if hmac.compare_digest(key.digest, digest) and (key.expires_at is None or key.expires_at > now):
            found = key
    if found is None and offered and offered.startswith(PREFIX):  # only tokens cost a query
        found = _token_key(listening=listening, offered=offered)
    if found is None or not offered:
        raise NotAuthenticated()
    return found


def _token_key(*, listening: Listening, offered: str) -> Key | None:
    """An API token of the inbox's project, as a key. One of another project is as good as none."""
    token = token_find(offered)
    if token is None or token.project_id != listening.project_id:
        return None
    if Scope.INTAKE not in token.scopes:
        raise NotForPosting()
    return Key(id=token.pk, digest=bytes(token.digest), prefix=token.prefix, expires_at=token.expires_at)


def receive(
    *,
    listening: Listening,
    key: Key | None,
    raw: bytes,
    content_type: str,
    content_encoding: str,
    method: str,
    path: str,
    query: dict[str, Any],
    headers: dict[str, str],
    idempotency_key: str | None,
) -> Received:
    """Check and parse one request of an authenticated sender, and match it. Raises a `Refused`."""
    if not listening.open:
        raise InboxOff()
    kind = checked_content_type(content_type, content_encoding)
    if idempotency_key is not None and not _VISIBLE.match(idempotency_key):
        raise BadIdempotencyKey()
    if kind is Kind.JSON:  # nearly always, so it is not asked to take the longer way
        body, text = parsed(raw), raw
    else:
        read = document(raw, kind=kind, content_type=content_type)
        body, text = read.body, read.text
    if listening.schema is not None:
        listening.schema.check(body)
    source, value = own_id(listening=listening, idempotency_key=idempotency_key, body=body)
    return Received(
        listening=listening,
        intake=key.id if key else None,
        raw=raw,
        text=text,
        body=body,
        digest=hashlib.sha256(raw).digest(),
        content_type=content_type[:100],
        method=method,
        path=path[:500],
        query=query,
        headers={name: text for name, text in headers.items() if not _SECRET_HEADER.search(name)},
        key_source=source,
        key=value,
        matches=tuple(
            Match(listener=listener, matched=matches_any(body, listener.criteria))
            for listener in listening.listeners
        ),
    )


def own_id(*, listening: Listening, idempotency_key: str | None, body: Any) -> tuple[str, str]:
    """(source, value) of the id that the sender gave the message itself."""
    if idempotency_key is not None:
        return "header", idempotency_key
    if listening.duplicate_path:
        found = at_path(body, listening.duplicate_path)
        if isinstance(found, str | int | float) and not isinstance(found, bool) and str(found) != "":
            text = str(found)
            return "body", text if len(text) <= KEY_LENGTH else hashlib.sha256(text.encode()).hexdigest()
    return "", ""


def at_path(body: Any, path: str) -> Any:
    """The value at `form.meta.instanceID`, or None."""
    for part in path.split("."):
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        else:
            return None
    return body
