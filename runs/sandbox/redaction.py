"""Take secrets out of logs, error texts and stored bytes, in the forms that they really turn up in.

A password is found as it is, in base64 (at any of its three alignments, so also inside a Basic header), in URLs,
in JSON, Python and XML text, and line by line when it has several lines, as private keys do. It is a safety net
against accidents: a job that wants to write a secret in a form of its own making can.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 6
SHORTEST_UNDER_A_SECRET_KEY = 4

_SECRET_KEY = re.compile(
    r"pass|pwd|secret|token|key|pin\b|auth|credential|private|bearer|signature|sid\b", re.I
)
_USER_KEY = re.compile(r"user|login|account|sid|client_?id|email", re.I)


class Redactor:
    """Replaces every known form of the given secrets; call it with text, `data` with bytes."""

    def __init__(self, secrets: Any) -> None:
        values = set(_values(secrets, key=""))
        forms = {form for value in values for form in _forms(value)}
        # Longest first: a secret that contains another one is replaced as a whole.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._text = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        encoded = [form.encode("utf-8", "surrogatepass") for form in ordered]
        self._data = re.compile(b"|".join(map(re.escape, encoded))) if encoded else None

    def __call__(self, text: str) -> str:
        return self._text.sub(MASK, text) if self._text else text

    def data(self, data: bytes) -> bytes:
        """The same for a state's bytes; the same object comes back when there was nothing to replace."""
        if self._data is None or self._data.search(data) is None:
            return data
        return self._data.sub(MASK.encode(), data)


def _values(node: Any, *, key: str) -> Iterator[str]:
    """Every text worth hiding, and user:password pairs as a Basic header joins them."""
    if isinstance(node, dict):
        yield from _pairs(node)
        for name, item in node.items():
            yield from _values(item, key=str(name))
    elif isinstance(node, list | tuple | set | frozenset):
        for item in node:
            yield from _values(item, key=key)
    elif isinstance(node, str):
        shortest = SHORTEST_UNDER_A_SECRET_KEY if _SECRET_KEY.search(key) else SHORTEST
        if len(node.strip()) >= shortest:
            yield node.strip()
    elif isinstance(node, int) and not isinstance(node, bool) and _SECRET_KEY.search(key):
        yield from _values(str(node), key=key)  # a PIN that was typed as a number


def _pairs(node: dict[Any, Any]) -> Iterator[str]:
    texts = {str(name): item for name, item in node.items() if isinstance(item, str)}
    users = {name: text for name, text in texts.items() if _USER_KEY.search(name)}
    secrets = {name: text for name, text in texts.items() if _SECRET_KEY.search(name) and len(text) >= 4}
    for name, user in users.items():
        yield from (f"{user}:{secret}" for other, secret in secrets.items() if other != name)


def _forms(value: str) -> Iterator[str]:
    """A value the way other programs write it."""
    for text in {value, *_long_lines(value)}:
        yield text
        yield from _quoted(text)
        yield from _base64(text.encode("utf-8", "surrogatepass"))


def _long_lines(value: str) -> Iterable[str]:
    lines = value.splitlines()
    if len(lines) < 2:
        return ()
    return (line.strip() for line in lines if len(line.strip()) >= 8 and not line.startswith("-----"))


def _quoted(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once)[1:-1]  # JSON inside a JSON text
        yield once.replace("/", "\\/")
    yield repr(text)[1:-1]
    raw = text.encode("utf-8", "surrogatepass")
    for safe in ("", "/"):
        yield quote(raw, safe=safe)
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(raw, safe=safe))
    yield quote_plus(raw)
    escaped = html.escape(text, quote=False)
    yield escaped
    yield html.escape(text)
    yield escaped.replace('"', "&quot;").replace("'", "&apos;")
    yield escaped.replace('"', "&#34;").replace("'", "&#39;")


def _base64(raw: bytes) -> Iterator[str]:
    """What is certain of the value's base64 wherever it begins inside a longer text."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        for before in range(3):
            bits = 8 * (before + len(raw))
            certain = encode(bytes(before) + raw)[-(-before * 8 // 6) : bits // 6].decode()
            if len(certain) >= SHORTEST:
                yield certain
