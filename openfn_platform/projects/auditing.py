"""Writing down who did what. Entries are only ever added; names are copied, secrets never."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import models

from openfn_platform.common.redaction import MASK, tells_a_secret
from openfn_platform.common.text import one_line, storable
from openfn_platform.projects.actors import By, as_actor
from openfn_platform.projects.models import AuditEntry, Project

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
) -> AuditEntry:
    """Record one deed, in the transaction that does it."""
    actor = as_actor(by)
    return AuditEntry.objects.create(
        project=project,
        actor=actor.user,
        actor_name=one_line(actor.name, 254),
        token=actor.token,
        action=action,
        object_type=target._meta.model_name or "" if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=one_line(str(target), 200) if target is not None else "",
        changes=_shown(dict(changes or {}), depth=0),
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
