"""Encrypting stored credentials anew, after a new key was put first in CREDENTIAL_KEYS."""

from __future__ import annotations

import json

from django.db import transaction

from jobs.models import CredentialBody
from jobs.opening import cipher, credential_seal, owner

BATCH = 200


def credentials_rotate(*, batch: int = BATCH) -> int:
    """Encrypt with the current key what another one encrypted; returns how many. Can be broken off and repeated."""
    done = 0
    while True:
        changed = _rotate_some(batch)
        done += changed
        if changed < batch:
            return done


@transaction.atomic
def _rotate_some(batch: int) -> int:
    old = CredentialBody.objects.exclude(key_id=cipher().current).order_by("pk")
    # Locked: a value that is saved at the same moment must not be overwritten by the one before it.
    rows = list(old.select_for_update(no_key=True)[:batch])
    for body in rows:
        credential_seal(
            body=body, values=json.loads(cipher().decrypt(bytes(body.ciphertext), owner=owner(body)))
        )
        body.save(update_fields=["ciphertext", "key_id", "updated_at"])
    return len(rows)
