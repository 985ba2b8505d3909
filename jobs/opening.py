"""Opening credentials: the only place that decrypts them, for a run that is about to start or a connection test.

The decrypted configuration goes to the child through a sealed memory file, never into a log, a state or an
environment. Which body is used is decided by the project's environment; a missing one is said, not guessed.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.conf import settings

from jobs.models import Credential, CredentialBody, Sealed
from openfn_platform.common.crypto import Cipher
from openfn_platform.common.errors import PlatformError


class CredentialLoadError(PlatformError):
    """A credential of this job cannot be loaded."""

    code = "credential_load_error"
    status = 409


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> Cipher:
    return Cipher(keys)


def cipher() -> Cipher:
    return _cipher(tuple(settings.CREDENTIAL_KEYS))


def owner(row: Sealed) -> str:
    """What the ciphertext is bound to."""
    return f"{row._meta.db_table}:{row.pk}"


def credential_open(*, credential: Credential, environment: str) -> dict[str, Any]:
    """The stored values for `environment`. Raises CredentialLoadError with a sentence."""
    body = body_of(credential=credential, environment=environment)
    try:
        return unsealed(body)
    except PlatformError as error:
        raise CredentialLoadError(
            f"The credential “{credential.name}” cannot be read: {error.message}"
        ) from None


def body_of(*, credential: Credential, environment: str) -> CredentialBody:
    """The row with the values for `environment`."""
    if credential.archived_at is not None:
        raise CredentialLoadError(f"The credential “{credential.name}” was archived.")
    body = next((b for b in credential.bodies.all() if b.environment == environment), None)
    if body is None:
        raise CredentialLoadError(f"The credential “{credential.name}” has no values for “{environment}”.")
    return body


def credential_seal(*, body: Sealed, values: dict[str, Any]) -> None:
    """Put `values` encrypted into `body` (which is not saved here)."""
    body.ciphertext = cipher().encrypt(json.dumps(values).encode(), owner=owner(body))
    body.key_id = cipher().current


def unsealed(row: Sealed) -> dict[str, Any]:
    """What stands encrypted in a row. Raises CannotDecrypt."""
    return dict(json.loads(cipher().decrypt(bytes(row.ciphertext), owner=owner(row))))
