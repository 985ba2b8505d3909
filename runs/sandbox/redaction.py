"""Take secrets out of logs, error texts and stored bytes, in the forms that they really turn up in.

A password is found as it is, in URLs, in JSON, Python and XML text, in base64 (at any of its three alignments, so
also inside a Basic header), in any of these inside another, and line by line when it has several lines, as private
keys do. It is a safety net against accidents: a job that wants to write a secret in a form of its own making can.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from html.entities import codepoint2name
from typing import Any

MASK = "***"
SHORTEST = 6
SHORTEST_UNDER_A_SECRET_KEY = 4
SHORT = (
    8  # in a state, what is shorter counts only as a word of its own: 2024 is no part of a telephone number
)

_SECRET_KEY = re.compile(
    r"pass|pwd|secret|token|key|pin\b|auth|credential|private|bearer|signature|sid\b", re.I
)
_USER_KEY = re.compile(r"user|login|account|sid|client_?id|email", re.I)
_NUMBER = rb"-?\d[\d.eE+-]*"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|' + _NUMBER, re.DOTALL)


class Redactor:
    """Replaces every known form of the given secrets; call it with text, `data` with bytes."""

    def __init__(self, secrets: Any) -> None:
        self._known: set[str] = set()
        self.learn(secrets)

    def learn(self, secrets: Any) -> None:
        """More of them, as when a token arrives while the run goes on; what was known stays known."""
        self._known |= set(_values(secrets, key=""))
        values = sorted(self._known)
        forms = {form for value in values for form in _forms(value)}
        # Longest first: a secret that contains another one is replaced as a whole.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        spelled = [_spelled(form) for form in ordered]
        self._numbers = {form.encode() for form in values if form.isascii() and form.isdigit()}
        self._text = re.compile("|".join(spelled)) if spelled else None
        self._words = re.compile("|".join(map(_alone, ordered, spelled))) if spelled else None
        self._data = re.compile("|".join(spelled).encode("utf-8", "surrogatepass")) if spelled else None

    def __call__(self, text: str) -> str:
        return self._text.sub(MASK, text) if self._text else text

    def data(self, data: bytes) -> bytes:
        """The same for a state's bytes; the same object comes back when there was nothing to replace.

        JSON stays JSON: what is inside a text is masked there, and a number that is a secret becomes a text.
        """
        if self._data is None or self._data.search(data) is None:
            return data
        if data.lstrip()[:1] in (b"{", b"[", b'"'):
            return _TOKEN.sub(self._token, data)
        return self._data.sub(MASK.encode(), data)

    def _token(self, found: re.Match[bytes]) -> bytes:
        token = found[0]
        if token[:1] != b'"':
            return b'"' + MASK.encode() + b'"' if token in self._numbers else token
        if self._data is None or self._words is None or self._data.search(token) is None:
            return token
        try:
            text = json.loads(token)
        except ValueError:  # the child did not write it with our encoder
            return b'"' + self._data.sub(MASK.encode(), token[1:-1]) + b'"'
        masked = self._words.sub(MASK, text)
        return token if masked == text else json.dumps(masked).encode()


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
    """A value, its lines, and its base64."""
    yield value
    yield from _long_lines(value)
    yield from _base64(value.encode("utf-8", "surrogatepass"))


def _long_lines(value: str) -> Iterable[str]:
    lines = value.splitlines()
    if len(lines) < 2:
        return ()
    return (line.strip() for line in lines if len(line.strip()) >= 8 and not line.startswith("-----"))


def _base64(raw: bytes) -> Iterator[str]:
    """What is certain of the value's base64 wherever it begins inside a longer text."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        for before in range(3):
            bits = 8 * (before + len(raw))
            certain = encode(bytes(before) + raw)[-(-before * 8 // 6) : bits // 6].decode()
            if len(certain) >= SHORTEST:
                yield certain


# --- spellings ------------------------------------------------------------------------------------

# How other programs write one character, each form also inside another: `"` becomes `\"` in JSON, `\\\"` in JSON
# inside JSON, `%5C%22` when that goes into a URL, `\&quot;` on an error page. Counts are bounded, so that a text
# full of backslashes costs no more than any other.
_PERCENT = "%(?:25){0,3}"
_BACKSLASH = rf"(?:\\|{_PERCENT}5[Cc]|&(?:amp;){{0,3}}#(?:92|[xX]5[cC]);)"
_AMPERSAND = f"(?:&|{_PERCENT}26)(?:amp(?:;|{_PERCENT}3[Bb])){{0,3}}"
_HASH = f"(?:#|{_PERCENT}23)"
_SEMICOLON = f"(?:;|{_PERCENT}3[Bb])"
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_NAMES = {"'": "apos", **{chr(code): name for code, name in codepoint2name.items()}}


def _spelled(text: str) -> str:
    """A pattern for `text`, however much of it was escaped."""
    return "".join(map(_character, text))


def _character(character: str) -> str:
    if character.isascii() and (character.isalnum() or character in "-_"):
        return character
    # The longest first: what is escaped begins like what is not, and would leave its second half behind.
    spellings = "|".join([*_in_markup(character), *_in_urls(character), *_in_texts(character)])
    escape = f"{_BACKSLASH}{{0,7}}" if character in "\"'/" else ""
    return f"{escape}(?:{spellings})"


def _in_markup(character: str) -> Iterator[str]:
    code = ord(character)
    names = [f"{_HASH}[xX]0{{0,4}}(?i:{code:x})", f"{_HASH}0{{0,4}}{code}"]
    names += [_NAMES[character]] if character in _NAMES else []
    yield f"{_AMPERSAND}(?:{'|'.join(names)}){_SEMICOLON}"


def _in_urls(character: str) -> Iterator[str]:
    raw = character.encode("utf-8", "surrogatepass")
    yield "".join(f"{_PERCENT}(?i:{byte:02x})" for byte in raw)
    if character == " ":
        yield rf"\+|{_PERCENT}2[Bb]"


def _in_texts(character: str) -> Iterator[str]:
    code = ord(character)
    if character == "\\":
        yield f"{_BACKSLASH}{{1,8}}"
        return
    units = character.encode("utf-16-be", "surrogatepass").hex()
    pieces = [units[at : at + 4] for at in range(0, len(units), 4)]
    yield "".join(f"{_BACKSLASH}{{1,8}}u(?i:{piece})" for piece in pieces)
    yield f"{_BACKSLASH}{{1,8}}" + (f"x(?i:{code:02x})" if code < 256 else f"U(?i:{code:08x})")
    if character in _LETTERS:
        yield f"{_BACKSLASH}{{1,8}}{_LETTERS[character]}"
    yield re.escape(character)


def _alone(form: str, spelled: str) -> str:
    return spelled if len(form) >= SHORT else rf"(?<![^\W_]){spelled}(?![^\W_])"
