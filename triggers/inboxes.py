"""Inboxes as people edit them, and the keys that open them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid, NotFound
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import By, require
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Project, Role
from openfn_platform.projects.tokens import SHOWN, secret_digest, secret_make
from triggers.models import Inbox, InboxAuth, Trigger, TriggerKind
from triggers.models.inbox import FAILED_STATUS, InboxAccess, Reply, ReplyContent
from triggers.schemas import schema_checked

PREFIX = "ofk_"
PROJECT_INBOX = "Project inbox"
_PATH = re.compile(r"\A[^.\[\]\s]+(\.[^.\[\]\s]+)*\Z")


class InboxModes(TypedDict, total=False):
    """How an inbox answers, what it takes and how much of it."""

    reply: Reply
    reply_seconds: int
    reply_content: ReplyContent
    failed_status: int
    schema: dict[str, Any] | None
    max_body_bytes: int | None
    key_per_minute: int | None
    key_burst: int | None


class InboxValues(InboxModes, total=False):
    """What can be changed about an inbox. Its address stays."""

    name: str
    access: InboxAccess
    duplicate_path: str
    enabled: bool


class InboxArchived(Conflict):
    """This inbox was archived."""

    code = "inbox_archived"


@transaction.atomic
def inbox_create(
    *,
    project: Project,
    name: str,
    by: By,
    access: InboxAccess = InboxAccess.KEY,
    trigger: Trigger | None = None,
    duplicate_path: str = "",
    **modes: Unpack[InboxModes],
) -> Inbox:
    """A new address: for all message triggers of the project, or for one of them only."""
    require(by, project, Role.ADMIN)
    project_lock(project)
    if trigger is not None:
        _check_trigger(project, trigger)
    elif Inbox.objects.filter(project=project, trigger=None, archived_at=None).exists():
        raise Conflict("The project has its inbox already; another one must belong to a trigger.")
    inbox = Inbox(
        project=project,
        trigger=trigger,
        name=clean_name(name),
        access=access,
        duplicate_path=_path_checked(duplicate_path),
        **_modes_checked(dict(modes)),
    )
    _check_burst(inbox)
    row_save(inbox)
    made = {"access": str(access), **{field: _for_audit(field, value) for field, value in modes.items()}}
    audit("inbox made", by, project=project, target=inbox, changes=made)
    return inbox


def project_inbox(*, project: Project) -> Inbox:
    """The inbox that feeds all message triggers of the project."""
    inbox = Inbox.objects.filter(project=project, trigger=None, archived_at=None).first()
    if inbox is None:
        raise NotFound(
            "The project's inbox was archived; an administrator of the project can make a new one."
        )
    return inbox


@transaction.atomic
def inbox_change(*, inbox: Inbox, by: By, **values: Unpack[InboxValues]) -> Inbox:
    """Change what is given."""
    require(by, inbox.project_id, Role.ADMIN)
    inbox = _locked(inbox)
    unknown = set(values) - set(InboxValues.__annotations__)
    if unknown:
        raise Invalid(f"An inbox has no “{min(unknown)}”.", field=min(unknown))
    wanted: dict[str, Any] = _modes_checked(dict(values))
    if "name" in wanted:
        wanted["name"] = clean_name(wanted["name"])
    if "duplicate_path" in wanted:
        wanted["duplicate_path"] = _path_checked(wanted["duplicate_path"])
    before = {field: getattr(inbox, field) for field in wanted}
    for field, value in wanted.items():
        setattr(inbox, field, value)
    changes = differences(before, wanted)
    if changes:
        _check_burst(inbox)
        row_save(inbox, only=changes)
        told = {field: [_for_audit(field, value) for value in pair] for field, pair in changes.items()}
        audit("inbox changed", by, project=inbox.project, target=inbox, changes=told)
    return inbox


@transaction.atomic
def inbox_archive(*, inbox: Inbox, by: By) -> None:
    """Nobody gets an answer at its address any more; the messages are kept."""
    require(by, inbox.project_id, Role.ADMIN)
    inbox = _locked(inbox)
    inbox.archived_at = timezone.now()
    inbox.save(update_fields=["archived_at"])
    audit("inbox archived", by, project=inbox.project, target=inbox)


@transaction.atomic
def inbox_key_add(
    *, inbox: Inbox, name: str, by: By, expires_at: datetime | None = None
) -> tuple[InboxAuth, str]:
    """One more key and its text, which is not kept. Others stay valid, so that partners can change over."""
    require(by, inbox.project_id, Role.ADMIN)
    inbox = _locked(inbox)
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("The key would be expired from the start; choose a later time.", field="expires_at")
    plaintext = secret_make(PREFIX)
    key = InboxAuth(
        project_id=inbox.project_id,
        inbox=inbox,
        name=clean_name(name),
        prefix=plaintext[:SHOWN],
        digest=secret_digest(plaintext),
        expires_at=expires_at,
    )
    row_save(key)
    audit("inbox key made", by, project=inbox.project, target=key, changes={"inbox": inbox.name})
    return key, plaintext


@transaction.atomic
def inbox_key_revoke(*, key: InboxAuth, by: By) -> None:
    """From the next message on it opens nothing, of whichever kind it is."""
    require(by, key.project_id, Role.ADMIN)
    if key.revoked_at is not None:
        raise Conflict("This key was revoked before.")
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at"])
    audit(
        "inbox key revoked",
        by,
        project=key.project,
        target=key,
        changes={"inbox": key.inbox.name, "kind": str(key.kind)},
    )


def _locked(inbox: Inbox) -> Inbox:
    project_lock(inbox.project_id)
    fresh = Inbox.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    inbox.refresh_from_db(from_queryset=fresh)
    if inbox.archived_at is not None:
        raise InboxArchived()
    return inbox


def _check_trigger(project: Project, trigger: Trigger) -> None:
    if trigger.project_id != project.pk:
        raise Invalid("That trigger belongs to another project.", field="trigger")
    if trigger.kind != TriggerKind.MESSAGE:
        raise Invalid("Only a trigger for messages can have an address of its own.", field="trigger")
    if trigger.archived_at is not None:
        raise Conflict("That trigger was archived.")


def _modes_checked(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("schema") is not None:
        values["schema"] = schema_checked(values["schema"])
    status = values.get("failed_status", FAILED_STATUS)
    if not isinstance(status, int) or not (200 <= status <= 299 or 400 <= status <= 499):
        raise Invalid(
            "The answer when a run failed must be from 200 to 299, or from 400 to 499: "
            "500 and more would say that the message was not taken.",
            field="failed_status",
        )
    return values


def _check_burst(inbox: Inbox) -> None:
    if inbox.key_burst is not None and inbox.key_per_minute is None:
        raise Invalid(
            "Without a number of messages a minute, none of them can come at once; fill in both or none.",
            field="key_burst",
        )


def _for_audit(field: str, value: Any) -> Any:
    """A schema is told by its size: it is long, and its own page shows it."""
    if field == "schema" and value is not None:
        return f"a schema of {len(json.dumps(value)):,} characters"
    return value


def _path_checked(path: str) -> str:
    path = path.strip()
    if path and not _PATH.match(path):
        raise Invalid(
            "Write the names from the outside in, with dots between, for example form.meta.instanceID.",
            field="duplicate_path",
        )
    return path
