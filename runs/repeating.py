"""Calls that may be repeated: with the same `Idempotency-Key` a deed is done once, and each call gets its result."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Model
from django.db.models.functions import Now

from openfn_platform.common.errors import Invalid, PlatformError
from openfn_platform.common.ids import uuid7
from runs.models import RepeatKey

KEPT = timedelta(days=7)
FORGOTTEN_AT_ONCE = 1_000
_VISIBLE = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")  # a comma means that the header came twice


class BadRepeatKey(PlatformError):
    """Idempotency-Key must be one value of 1 to 255 visible ASCII characters."""

    code = "bad_idempotency_key"


class OtherCall(Invalid):
    """This Idempotency-Key was used before, for another call."""

    code = "idempotency_mismatch"


def once(
    *, project_id: uuid.UUID, key: str | None, call: bytes, do: Callable[[], Model]
) -> tuple[uuid.UUID, bool]:
    """The id of what `do` made, and whether that was an earlier time. `call` tells calls from each other."""
    if key is None:
        return do().pk, False
    if not _VISIBLE.fullmatch(key):
        raise BadRepeatKey()
    digest = hashlib.sha256(call).digest()
    with transaction.atomic():
        if not _taken(project_id, key, digest):
            return _earlier(project_id, key, digest), True
        made: uuid.UUID = do().pk
        RepeatKey.objects.filter(project_id=project_id, key=key).update(made=made)
        return made, False


def _taken(project_id: uuid.UUID, key: str, digest: bytes) -> bool:
    """Whether the key is ours. Waits for another call with the same key that goes on at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO repeat_key (id, project_id, key, digest) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (project_id, key) DO NOTHING",
            [uuid7(), project_id, key, digest],
        )
        return bool(cursor.rowcount == 1)


def _earlier(project_id: uuid.UUID, key: str, digest: bytes) -> uuid.UUID:
    known = RepeatKey.objects.get(project_id=project_id, key=key)
    if bytes(known.digest) != digest:
        raise OtherCall()
    assert known.made is not None  # noqa: S101  # for the type checker: committed rows have it
    return known.made


def keys_forget() -> int:
    """For the sweep: keys that are too old to be meant."""
    old = RepeatKey.objects.filter(created_at__lt=Now() - KEPT).order_by("created_at")
    return RepeatKey.objects.filter(
        pk__in=list(old.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    ).delete()[0]
