"""Receiving a message at an inbox: is it well formed, was it here before. Nothing is stored yet.

Who sends it was asked before (`triggers.authenticating`). What is refused is refused in this order: limits,
authentication, form, body. What comes out is a `Received`; `runs.accepting` stores it with all that it starts.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from triggers.bodies import Kind, Refused, checked_content_type, is_packed, parsed
from triggers.inflating import inflated
from triggers.listening import Key, Listener, Listening
from triggers.matching import matches_any
from triggers.parsing import document
from triggers.redacting import kept_headers, kept_query

KEY_LENGTH = 255

_VISIBLE = re.compile(r"\A[\x21-\x2b\x2d-\x7e]{1,255}\Z")  # a comma means that the header came twice


class InboxOff(Refused):
    """This inbox is switched off at the moment."""

    code = "inbox_off"
    status = 409


class BadIdempotencyKey(Refused):
    """Idempotency-Key must be one value of 1 to 255 visible ASCII characters."""

    code = "bad_idempotency_key"


class TwoIds(Refused):
    """Idempotency-Key and webhook-id say different things; send one of them, or the same in both."""

    code = "two_ids"


class OtherBody(Refused):
    """This Idempotency-Key or webhook-id was used before, with another body."""

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
    webhook_id: str | None = None,
    secrets: Sequence[str] = (),
) -> Received:
    """Check and parse one request of an authenticated sender, and match it. Raises a `Refused`.

    `secrets`: what the sender proved itself with, which must not be stored.
    """
    if not listening.open:
        raise InboxOff()
    kind = checked_content_type(content_type, content_encoding)
    if idempotency_key is not None or webhook_id is not None:
        idempotency_key = _one_id(idempotency_key, webhook_id)
    if content_encoding and is_packed(content_encoding):
        # Kept as it was before it was packed: the same body packed anew is the same message, and can be read.
        raw = inflated(raw, limit=listening.max_body_bytes)
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
        query=kept_query(query, secrets=secrets) if query else query,
        headers=kept_headers(headers, secrets=secrets),
        key_source=source,
        key=value,
        matches=tuple(
            Match(listener=listener, matched=matches_any(body, listener.criteria))
            for listener in listening.listeners
        ),
    )


def _one_id(idempotency_key: str | None, webhook_id: str | None) -> str:
    """The id in the headers: `webhook-id` is what Standard Webhooks call an Idempotency-Key."""
    if webhook_id is not None and (not _VISIBLE.match(webhook_id) or "." in webhook_id):
        raise BadIdempotencyKey(
            "webhook-id must be one value of 1 to 255 visible ASCII characters without dots."
        )
    if idempotency_key is None:
        return webhook_id or ""
    if not _VISIBLE.match(idempotency_key):
        raise BadIdempotencyKey()
    if webhook_id is not None and webhook_id != idempotency_key:
        raise TwoIds()
    return idempotency_key


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
