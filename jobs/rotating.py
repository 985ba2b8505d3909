"""Encrypting stored secrets anew, after a new key was put first in CREDENTIAL_KEYS."""

from __future__ import annotations

from django.apps import apps
from django.db import transaction

from jobs.models import Sealed
from jobs.opening import cipher, credential_seal, unsealed
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.auditing import audit

BATCH = 200


def credentials_rotate(*, batch: int = BATCH) -> int:
    """Encrypt with the current key what another one encrypted; returns how many. Can be broken off and repeated."""
    done = sum(_rotate_all(kind, batch) for kind in apps.get_models() if issubclass(kind, Sealed))
    if done:
        audit("credentials encrypted anew", PLATFORM, changes={"values": done})
    return done


def _rotate_all(kind: type[Sealed], batch: int) -> int:
    done = 0
    while True:
        changed = _rotate_some(kind, batch)
        done += changed
        if changed < batch:
            return done


@transaction.atomic
def _rotate_some(kind: type[Sealed], batch: int) -> int:
    old = kind._default_manager.exclude(key_id=cipher().current).order_by("pk")
    # Locked: a value that is saved at the same moment must not be overwritten by the one before it.
    rows = list(old.select_for_update(no_key=True)[:batch])
    for row in rows:
        credential_seal(body=row, values=unsealed(row))
        row.save(update_fields=["ciphertext", "key_id"])
    return len(rows)
