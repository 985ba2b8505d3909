"""Taking secrets out of what people get to read: URLs, headers, bodies, error texts.

Known values are replaced in every spelling in which they travel; unknown ones are recognised by the name of
the header or parameter that carries them. Pure.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

MASK = "***"
SHORTEST_SECRET = 6  # anything shorter would blot out ordinary words
_TELLING = re.compile(
    r"authorization|cookie|passw|pwd|secret|token|signature|credential|session|api[-_]?key|access[-_]?key"
    r"|private[-_]?key|auth[-_]?key|(^|[-_])(key|sig|auth|pat|pin|jwt)$",
    re.IGNORECASE,
)
# In a body fewer names tell: a "session" is often a day of vaccinations, and a "key" the name of something.
_TELLING_MEMBER = re.compile(
    r"authorization|cookie|passw|pwd|secret|(token|jwt)$|(api|access|private|auth)[-_]?key", re.IGNORECASE
)
_MEMBER = re.compile(
    r"authorization|cookie|passw|pwd|secret|token$|api[-_]?key|access[-_]?key|private[-_]?key|auth[-_]?key|jwt$",
    re.IGNORECASE | re.MULTILINE,
)
_MEMBER = re.compile(r'(?<=")([^"\\]{1,60})("\s*:\s*")((?:[^"\\]|\\.)+)("?)', re.DOTALL)
_FIELD = re.compile(r"(?<![^&\n])([\w.%\[\]-]{1,60})(=)([^&\s]+)()")


def tells_a_secret(name: str) -> bool:
    """Whether a header or parameter of that name carries something that nobody may read."""
    return _TELLING.search(name) is not None


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the values of the telling ones masked."""
    return {name: MASK if tells_a_secret(name) else value for name, value in headers.items()}


def redact_query(query: str, *, also: Iterable[str] = ()) -> str:
    """A query string with the values of telling parameters masked, everything else left as it was."""
    named = set(also)
    parts = []
    for part in query.split("&"):
        name, equals, _value = part.partition("=")
        plain = unquote_plus(name)
        parts.append(f"{name}={MASK}" if equals and (plain in named or tells_a_secret(plain)) else part)
    return "&".join(parts)


def redact_members(text: str) -> str:
    """A body with the values of its telling members masked, in JSON and in forms: a partner hands out new secrets."""
    return _FIELD.sub(_masked, _MEMBER.sub(_masked, text))


def _masked(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{MASK}{found[4]}" if _TELLING_MEMBER.search(found[1]) else found[0]


class Redactor:
    """Replaces known secrets, longest first, in every spelling that an HTTP exchange gives them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """More of them, as when a token is renewed; what was known stays known."""
        self._known |= {each for each in secrets if len(each) >= SHORTEST_SECRET}
        kept = sorted(self._known, key=len, reverse=True)
        spellings = [
            spelling for secret in kept for spelling in (_spelled(secret), re.escape(_base64(secret)))
        ]
        self._pattern = re.compile("|".join(spellings)) if spellings else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def __repr__(self) -> str:
        return "Redactor()"


def _spelled(secret: str) -> str:
    """A pattern for the secret as it is, in a URL, in a form or in JSON, however much of it was escaped."""
    return "".join(
        each if each.isascii() and each.isalnum() else f"(?:{'|'.join(_character_spellings(each))})"
        for each in secret
    )


def _character_spellings(each: str) -> list[str]:
    escaped = "".join(f"%{byte:02x}" for byte in each.encode("utf-8", "replace"))
    in_json = {json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1]}
    plus = [r"\+"] if each == " " else []
    # The longest first: what is escaped begins like what is not, and would leave its second half behind.
    plain = sorted({each, *in_json}, key=len, reverse=True)
    return [f"(?i:{re.escape(escaped)})", *map(re.escape, plain), *plus]


def _base64(secret: str) -> str:
    return base64.b64encode(secret.encode("utf-8", "replace")).decode("ascii")
