"""Passwords that a person chose for an inbox: hashed slowly at rest, checked quickly at the door.

Argon2 takes some 20 ms of a core, ten times what a whole message costs. So a password that was right once is known
in this process by a keyed digest of its own, and so are the last wrong ones: a sender with a wrong password repeats
it, as fast as it can. New ones are tried a few at a time, so that nobody can guess quickly or keep the server busy.
Passwords that the platform makes need none of this: 256 random bits cannot be tried out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from triggers.bodies import Refused

TRIES_AT_ONCE = 5
SECONDS_PER_TRY = 2.0
REMEMBERED = 2_000  # right ones, and wrong ones, per process

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # what OWASP asks for at least
_process_key = os.urandom(32)
_right: dict[str, bytes] = {}
_wrong: set[tuple[str, bytes]] = set()
_tries: dict[str, tuple[float, float]] = {}  # hash: (tries left, when that was)


class TooManyTries(Refused):
    """Too many wrong passwords came in the last seconds, so this one was not tried; send it again in a moment."""

    code = "too_many_tries"
    status = 429


def password_hash(password: str) -> str:
    """What is stored of a password that a person chose."""
    return _hasher.hash(password.encode())


def password_fits(*, hashed: str, offered: bytes) -> bool:
    """Whether it is the one. Raises TooManyTries when it would have to be tried and too many were."""
    mark = hashlib.blake2b(offered, key=_process_key).digest()
    if hmac.compare_digest(_right.get(hashed, b""), mark):
        return True
    if (hashed, mark) in _wrong:
        return False
    if not _may_try(hashed):
        raise TooManyTries(retry_after=5)
    fits = _verified(hashed, offered)
    known: dict[str, bytes] | set[tuple[str, bytes]] = _right if fits else _wrong
    if len(known) >= REMEMBERED:
        known.clear()
    if fits:
        _right[hashed] = mark
        _tries.pop(hashed, None)
    else:
        _wrong.add((hashed, mark))
    return fits


def _verified(hashed: str, offered: bytes) -> bool:
    try:
        return _hasher.verify(hashed, offered)
    except (VerificationError, InvalidHashError):
        return False


def _may_try(hashed: str) -> bool:
    now = time.monotonic()
    left, at = _tries.get(hashed, (float(TRIES_AT_ONCE), now))
    left = min(float(TRIES_AT_ONCE), left + (now - at) / SECONDS_PER_TRY)
    if len(_tries) >= REMEMBERED:
        _tries.clear()
    _tries[hashed] = (left - 1 if left >= 1 else left, now)
    return left >= 1
