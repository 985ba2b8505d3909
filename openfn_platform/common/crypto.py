"""Encryption at rest: AES-256-GCM, bound to the row that owns the ciphertext, with key ids for rotation.

Stored form: `v1` + one byte length of the key id + key id + 12 byte nonce + ciphertext with tag. The caller's
`owner` goes in as associated data, so a ciphertext that is copied to another row does not decrypt there.
Keys come from CREDENTIAL_KEYS (`id:base64`, newest first): the first encrypts, all decrypt. Never derived from
SECRET_KEY, which is rotated for other reasons.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from openfn_platform.common.errors import PlatformError

_MAGIC = b"v1"
_NONCE = 12


class CannotDecrypt(PlatformError):
    """This secret cannot be read: its key is missing from CREDENTIAL_KEYS, or the row was tampered with."""

    code = "cannot_decrypt"
    status = 500


class BadKeys(PlatformError):
    """CREDENTIAL_KEYS must be a list of id:key, where a key is 32 bytes in base64."""

    code = "bad_keys"


def new_key() -> str:
    """A fresh `id:key` for CREDENTIAL_KEYS."""
    return f"k{os.urandom(3).hex()}:{base64.b64encode(os.urandom(32)).decode()}"


class Cipher:
    """Encrypts with the first of the given keys, decrypts with whichever the ciphertext names."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys: dict[str, AESGCM] = {}
        for item in keys:
            key_id, _, encoded = item.partition(":")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise BadKeys() from None
            if not key_id or len(key_id) > 32 or len(raw) != 32:
                raise BadKeys()
            self._keys[key_id] = AESGCM(raw)
        if not self._keys:
            raise BadKeys()
        self.current = next(iter(self._keys))

    def encrypt(self, plain: bytes, *, owner: str) -> bytes:
        nonce = os.urandom(_NONCE)
        sealed = self._keys[self.current].encrypt(nonce, plain, owner.encode())
        key_id = self.current.encode()
        return _MAGIC + bytes([len(key_id)]) + key_id + nonce + sealed

    def decrypt(self, stored: bytes, *, owner: str) -> bytes:
        key = self._keys.get(self.key_id(stored))
        if key is None:
            raise CannotDecrypt()
        body = stored[len(_MAGIC) + 1 + stored[len(_MAGIC)] :]
        try:
            return key.decrypt(body[:_NONCE], body[_NONCE:], owner.encode())
        except (InvalidTag, ValueError):  # the latter when not even the nonce is whole
            raise CannotDecrypt() from None

    @staticmethod
    def key_id(stored: bytes) -> str:
        """Which key encrypted it; rotation looks for rows whose id is not `current`."""
        if not stored.startswith(_MAGIC) or len(stored) < len(_MAGIC) + 1:
            raise CannotDecrypt()
        length = stored[len(_MAGIC)]
        return stored[len(_MAGIC) + 1 : len(_MAGIC) + 1 + length].decode("ascii", "replace")
