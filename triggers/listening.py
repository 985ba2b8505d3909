"""What an inbox needs to know to take a message: what opens it, and which triggers listen with which jobs.

Cached per process. Each request reads one number, `project.config_version`, which the database itself counts up
on every change of an inbox, a key, a trigger or a job's switch; so a change holds from the next message on, in
every process.
"""

from __future__ import annotations

import base64
import logging
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from jobs.opening import unsealed
from openfn_platform.common.crypto import CannotDecrypt
from triggers.limits import Limit, limit_of
from triggers.matching import Criteria
from triggers.models import Inbox, InboxAuth, InboxSecret, Trigger, TriggerKind
from triggers.models.inbox import AuthKind, Reply
from triggers.schemas import Schema

logger = logging.getLogger(__name__)

CACHED_AT_MOST = 2_000  # inboxes per process
REVOKED_REMEMBERED = 20  # of each inbox: looked through only when a message is refused


@dataclass(frozen=True, kw_only=True)
class ListeningJob:
    id: uuid.UUID
    key: str
    name: str
    outcome: str  # run | paused | off | archived: what a match would mean for it


@dataclass(frozen=True, kw_only=True)
class Listener:
    """One enabled message trigger."""

    trigger_id: uuid.UUID
    trigger_key: str
    trigger_name: str
    revision: int
    workflow_id: uuid.UUID
    workflow_key: str
    criteria: tuple[Criteria, ...]
    jobs: tuple[ListeningJob, ...]


@dataclass(frozen=True, kw_only=True)
class Key:
    id: uuid.UUID
    digest: bytes
    prefix: str
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Password:
    """A user with a password: its digest where the platform made it, Argon2 where a person chose it."""

    id: uuid.UUID
    username: bytes
    digest: bytes | None
    hashed: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SigningSecret:
    id: uuid.UUID
    secret: bytes = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Openers:
    """What opens an inbox, or did."""

    keys: tuple[Key, ...] = ()
    passwords: tuple[Password, ...] = ()
    secrets: tuple[SigningSecret, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReplyMode:
    """What an inbox answers."""

    when_done: bool
    seconds: int  # waits at most
    content: str  # states | job | data
    failed_status: int


@dataclass(frozen=True, kw_only=True)
class Listening:
    """One inbox with everything around it, as of `config_version`."""

    config_version: int
    project_id: uuid.UUID
    inbox_id: uuid.UUID
    access: str
    duplicate_path: str
    open: bool
    max_body_bytes: int
    max_waiting: int
    openers: Openers  # expired ones as well: time passes without a change of the configuration
    revoked: Openers  # those that had worked, so that their senders are told apart from strangers
    listeners: tuple[Listener, ...]
    schema: Schema | None
    reply: ReplyMode
    project_limit: Limit | None
    key_per_minute: int | None
    key_burst: int | None

    def limits(self, key: Key | None) -> list[Limit]:
        """What counts a message that came with this key; mostly nothing."""
        if self.key_per_minute is None:
            return [] if self.project_limit is None else [self.project_limit]
        own = limit_of(
            owner=key.id if key else self.inbox_id,
            per_minute=self.key_per_minute,
            burst=self.key_burst,
            whose="this key" if key else "this inbox",
        )
        return [limit for limit in (own, self.project_limit) if limit is not None]


_cache: dict[uuid.UUID, Listening] = {}

_VERSION = """
SELECT p.config_version, p.archived_at IS NULL AND i.archived_at IS NULL
FROM inbox i JOIN project p ON p.id = i.project_id WHERE i.address = %s
"""


def listening_at(*, address: uuid.UUID) -> Listening | None:
    """The inbox behind an address; None when there is none (any more)."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSION, [address])
        row = cursor.fetchone()
    if row is None or not row[1]:
        _cache.pop(address, None)
        return None
    known = _cache.get(address)
    if known is not None and known.config_version == row[0]:
        return known
    fresh = _load(address=address, config_version=row[0])
    if len(_cache) >= CACHED_AT_MOST:
        _cache.clear()
    _cache[address] = fresh
    return fresh


def _load(*, address: uuid.UUID, config_version: int) -> Listening:
    inbox = Inbox.objects.select_related("project").get(address=address)
    return Listening(
        config_version=config_version,
        project_id=inbox.project_id,
        inbox_id=inbox.pk,
        access=inbox.access,
        duplicate_path=inbox.duplicate_path,
        open=inbox.enabled,
        max_body_bytes=inbox.max_body_bytes or inbox.project.max_body_bytes,
        max_waiting=inbox.project.max_waiting,
        openers=_openers(InboxAuth.objects.filter(inbox=inbox, revoked_at=None)),
        revoked=_openers(
            InboxAuth.objects.filter(
                inbox=inbox, revoked_at__isnull=False, last_used_at__isnull=False
            ).order_by("-revoked_at")[:REVOKED_REMEMBERED]
        ),
        listeners=tuple(listener_of(trigger) for trigger in message_triggers(inbox).filter(enabled=True)),
        schema=Schema(inbox.schema) if inbox.schema is not None else None,
        reply=ReplyMode(
            when_done=inbox.reply == Reply.DONE,
            seconds=inbox.reply_seconds,
            content=inbox.reply_content,
            failed_status=inbox.failed_status,
        ),
        project_limit=limit_of(
            owner=inbox.project_id,
            per_minute=inbox.project.messages_per_minute,
            burst=inbox.project.messages_burst,
            whose="this project",
        ),
        key_per_minute=inbox.key_per_minute,
        key_burst=inbox.key_burst,
    )


def _openers(rows: QuerySet[InboxAuth]) -> Openers:
    by_kind: dict[str, list[InboxAuth]] = {}
    for auth in rows:
        by_kind.setdefault(auth.kind, []).append(auth)
    return Openers(
        keys=tuple(
            Key(id=auth.pk, digest=bytes(auth.digest or b""), prefix=auth.prefix, expires_at=auth.expires_at)
            for auth in by_kind.get(AuthKind.KEY, ())
        ),
        passwords=tuple(
            Password(
                id=auth.pk,
                username=auth.username.encode(),
                digest=None if auth.digest is None else bytes(auth.digest),
                hashed=auth.password_hash,
                expires_at=auth.expires_at,
            )
            for auth in by_kind.get(AuthKind.BASIC, ())
        ),
        secrets=_secrets(by_kind.get(AuthKind.HMAC, [])),
    )


def _secrets(auths: list[InboxAuth]) -> tuple[SigningSecret, ...]:
    """Decrypted here, once, and kept in this process only."""
    if not auths:
        return ()
    found = []
    for row in InboxSecret.objects.filter(auth__in=auths).select_related("auth"):
        try:
            secret = secret_open(row)
        except CannotDecrypt:  # the others still open the inbox; its page says which one cannot be read
            logger.error("action=inbox_secret_unreadable inbox_auth=%s", row.auth_id)
            continue
        found.append(SigningSecret(id=row.auth_id, secret=secret, expires_at=row.auth.expires_at))
    return tuple(found)


def secret_open(row: InboxSecret) -> bytes:
    """The bytes to sign with. Raises CannotDecrypt."""
    return base64.b64decode(unsealed(row)["secret"])


def message_triggers(inbox: Inbox) -> QuerySet[Trigger]:
    """Those that the inbox feeds, with their jobs, whether they are on or off."""
    triggers = (
        Trigger.objects.filter(
            project_id=inbox.project_id,
            kind=TriggerKind.MESSAGE,
            archived_at=None,
            workflow__archived_at=None,
        )
        .select_related("workflow")
        .prefetch_related("trigger_jobs__job")
        .order_by("id")
    )
    return triggers.filter(pk=inbox.trigger_id) if inbox.trigger_id is not None else triggers


def listener_of(trigger: Trigger) -> Listener:
    return Listener(
        trigger_id=trigger.pk,
        trigger_key=trigger.key,
        trigger_name=trigger.name,
        revision=trigger.revision,
        workflow_id=trigger.workflow_id,
        workflow_key=trigger.workflow.key,
        criteria=criteria_of(trigger.criteria),
        jobs=tuple(
            ListeningJob(id=link.job_id, key=link.job.key, name=link.job.name, outcome=_outcome(link.job))
            for link in trigger.trigger_jobs.all()
        ),
    )


def criteria_of(stored: list[dict[str, object]]) -> tuple[Criteria, ...]:
    """The pairs as values. No pair at all matches nothing; `{}` as an inclusion matches everything."""
    return tuple(Criteria(pair.get("inclusion", {}), pair.get("exclusion")) for pair in stored)


def _outcome(job: object) -> str:
    if getattr(job, "archived_at", None) is not None:
        return "archived"
    return {"on": "run", "paused": "paused"}.get(str(getattr(job, "state", "")), "off")
