"""DHIS2's identifiers: eleven letters and digits, a letter first."""

from __future__ import annotations

import hashlib
import random
import re
import secrets
import string

_LETTERS = string.ascii_letters
_SIGNS = string.ascii_letters + string.digits
_FORM = re.compile(r"[A-Za-z][A-Za-z0-9]{10}", re.ASCII)


def is_uid(value: object) -> bool:
    """Whether this could be the identifier of something."""
    return isinstance(value, str) and _FORM.fullmatch(value) is not None


def fresh_uid() -> str:
    """A new one."""
    return secrets.choice(_LETTERS) + "".join(secrets.choice(_SIGNS) for _ in range(10))


def drawn_uid(source: random.Random) -> str:
    """A new one from a source that repeats itself."""
    return source.choice(_LETTERS) + "".join(source.choices(_SIGNS, k=10))


def derived_uid(text: str) -> str:
    """Always the same one for the same text."""
    return drawn_uid(random.Random(hashlib.sha256(text.encode()).digest()))  # noqa: S311  (no secret)
