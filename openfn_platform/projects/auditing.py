"""Writing down who did what. Entries are only ever added; names are copied, secrets never.

`audit` is for deeds: one entry each, in the transaction that does it. `payload_opened` is for looking at personal
data: one entry per person, object and part in ten minutes, because pages ask again and again while one looks on.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from django.db import connection, models, transaction

from openfn_platform.common.redaction import MASK, tells_a_secret
from openfn_platform.common.text import one_line, storable
from openfn_platform.projects.actors import By, as_actor
from openfn_platform.projects.models import AuditEntry, Project

OPENED_AGAIN_AFTER = 600  # seconds, by the clock: looking on for an hour is six entries
REMEMBERED = 20_000
_ONCE = uuid.UUID("8f2a5a0e-6d0b-4a55-9d0c-6c1f5f3c7a11")
_written: set[uuid.UUID] = set()
LONGEST = 2000
DEEPEST = 8
# Ours, in the sense of a short name and of a thing that has a name; everything else called so is a secret.
_HARMLESS = frozenset({"key", "credential", "credentials", "token", "tokens", "keys"})
_OUR_KEYS = re.compile(r"\bof[pk]_[A-Za-z0-9_-]{20,}")


def audit(
    action: str,
    by: By,
    project: Project | None = None,
    target: models.Model | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    opened: bool = False,
) -> AuditEntry:
    """Record one deed, in the transaction that does it. `opened`: it showed or handed out personal data."""
    entry = _entry(action, by, project, target, changes, opened=opened)
    entry.save(force_insert=True)
    return entry


def payload_opened(
    by: By,
    *,
    project: Project | None,
    target: models.Model,
    part: str,
    name: Callable[[], str] | None = None,
) -> None:
    """Somebody was shown personal data: `part` of `target`. `name`, where the target's own says too much."""
    actor = as_actor(by)
    who = actor.token.pk if actor.token else actor.user.pk if actor.user else actor.name
    window = int(time.time() // OPENED_AGAIN_AFTER)
    mark = _mark(f"opened:{who}:{target._meta.model_name}:{target.pk}:{part}:{window}")
    if mark in _written:
        return
    entry = _entry("payload opened", actor, project, target, {"part": part}, opened=True)
    if name is not None:
        entry.object_name = one_line(name(), 200)
    _write_once(entry, mark)


def audit_once(
    mark: str,
    action: str,
    by: By,
    project: Project | None = None,
    target: models.Model | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Record a deed unless one of the same `mark` was recorded before."""
    if _mark(mark) not in _written:
        _write_once(_entry(action, by, project, target, changes), _mark(mark))


def _mark(text: str) -> uuid.UUID:
    return uuid.uuid5(_ONCE, text)


# One statement and not a transaction around one: a page waits for it.
_INSERT = """
INSERT INTO audit_entry (project_id, actor_id, actor_name, token_id, address, action, object_type, object_id,
                         object_name, changes, opened, once)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def _write_once(entry: AuditEntry, mark: uuid.UUID) -> None:
    """Write the entry unless there is one of that mark; two processes at the same moment write one."""
    values = (
        entry.project_id,
        entry.actor_id,
        entry.actor_name,
        entry.token_id,
        entry.address,
        entry.action,
        entry.object_type,
        entry.object_id,
        entry.object_name,
        json.dumps(entry.changes),
        entry.opened,
        mark,
    )
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
    transaction.on_commit(partial(_remember, mark))


def _remember(mark: uuid.UUID) -> None:
    """Spares this process the question; what it forgets the database still knows."""
    if len(_written) >= REMEMBERED:
        _written.clear()
    _written.add(mark)


def _entry(
    action: str,
    by: By,
    project: Project | None,
    target: models.Model | None,
    changes: Mapping[str, Any] | None,
    *,
    opened: bool = False,
) -> AuditEntry:
    actor = as_actor(by)
    return AuditEntry(
        project=project,
        actor=actor.user,
        actor_name=one_line(actor.name, 254),
        token=actor.token,
        address=actor.address,
        action=action,
        object_type=target._meta.model_name or "" if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=one_line(str(target), 200) if target is not None else "",
        changes=_shown(dict(changes or {}), depth=0),
        opened=opened,
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What changed, as `{field: [before, after]}`."""
    names = dict.fromkeys([*before, *after])
    return {
        name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)
    }


def _shown(value: Any, *, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            storable(str(name)): _masked(str(name), item, depth=depth + 1) for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(item, depth=depth + 1) for item in value]
    text = _OUR_KEYS.sub(MASK, storable(str(value)))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _masked(name: str, value: Any, *, depth: int) -> Any:
    if tells_a_secret(name) and name not in _HARMLESS and value is not None and not isinstance(value, bool):
        return MASK
    return _shown(value, depth=depth)
