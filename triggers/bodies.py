"""Reading what a partner posted: bytes to a JSON document, or a refusal with a sentence. Pure.

The rules answer the list of bad inputs that real partners send: nothing that PostgreSQL or a job would choke on
later gets past here, and nothing is changed silently (no last-key-wins, no infinite numbers, no guessed charset).
XML and forms become JSON in `triggers.parsing`.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from math import isinf
from typing import Any, NoReturn

from openfn_platform.common.errors import PlatformError

MAX_DEPTH = 100
MAX_KEY = 10_000  # characters
BOM = b"\xef\xbb\xbf"

_GZIP = frozenset({"gzip", "x-gzip"})
_ENCODINGS = _GZIP | {"", "identity"}
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.I)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.S)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Kind(StrEnum):
    """In which of the languages that an inbox reads a body is written."""

    JSON = "JSON"
    XML = "XML"
    FORM = "form"
    MULTIPART = "multipart"


_KINDS = {
    "text/xml": Kind.XML,
    "application/xml": Kind.XML,
    "application/x-www-form-urlencoded": Kind.FORM,
    "multipart/form-data": Kind.MULTIPART,
}


class Refused(PlatformError):
    """The message was not taken."""

    code = "refused"
    status = 400


class NotJSON(Refused):
    """The body is not JSON."""

    code = "not_json"


class EmptyBody(Refused):
    """The body is empty; a JSON object or list was expected."""

    code = "empty_body"


class NotADocument(Refused):
    """The body must be a JSON object or list, not a single value."""

    code = "not_a_document"


class TooDeep(Refused):
    """The body is nested more than 100 levels deep."""

    code = "too_deep"


class NotStorable(Refused):
    """The body has a character that cannot be stored: \\u0000 or half of a surrogate pair."""

    code = "not_storable"
    status = 422


class UnsupportedType(Refused):
    """This inbox takes JSON, XML and forms in UTF-8; say which by the Content-Type, for example application/json."""

    code = "unsupported_type"
    status = 415


class TooLarge(Refused):
    """The body is larger than this inbox takes."""

    code = "too_large"
    status = 413


class NotGzip(Refused):
    """Content-Encoding says that the body is compressed with gzip, but it is not."""

    code = "not_gzip"


class CutShort(Refused):
    """The body ended before its Content-Length; nothing was done. Send it again."""

    code = "cut_short"


def kind_of(content_type: str) -> Kind | None:
    """What a Content-Type promises; None for what no inbox reads."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind == "application/json":
        return Kind.JSON
    if kind.startswith("application/") and kind.endswith("+json"):
        return Kind.JSON
    if kind.startswith("application/") and kind.endswith("+xml"):
        return Kind.XML
    return _KINDS.get(kind)


def checked_content_type(content_type: str, content_encoding: str) -> Kind:
    """Only what can be read, in UTF-8, plain or gzipped. Raises UnsupportedType."""
    kind = kind_of(content_type)
    if kind is None:
        raise UnsupportedType()
    charset = _CHARSET.search(content_type)
    if charset and charset.group(1).lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedType("The body must be in UTF-8.")
    if content_encoding and content_encoding.strip().lower() not in _ENCODINGS:
        raise UnsupportedType("The body may be compressed with gzip, and with nothing else.")
    return kind


def is_packed(content_encoding: str) -> bool:
    return content_encoding.strip().lower() in _GZIP


def parsed(raw: bytes) -> Any:
    """The JSON document in `raw`. Raises a `Refused` that says what is wrong and where, never the content."""
    body = raw.removeprefix(BOM)
    if not body.strip():
        raise EmptyBody()
    text = decoded(body, NotJSON)
    if _depth(body) > MAX_DEPTH:
        raise TooDeep()
    try:
        value = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_without_doubles
        )
    except json.JSONDecodeError as error:
        raise NotJSON(
            f"The body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except ValueError:  # an integer of more digits than Python converts
        raise NotJSON("The body has a number of more than 4,300 digits.") from None
    if not isinstance(value, dict | list):
        raise NotADocument()
    if "\\u" in text and has_unstorable(value):
        raise NotStorable()
    return value


def decoded(body: bytes, refusal: type[Refused]) -> str:
    """The text of a body without its byte order mark."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusal(f"The body is not UTF-8: byte {error.start + 1} does not belong there.") from None


def _depth(body: bytes) -> int:
    """The deepest nesting, without parsing: a parser would run out of stack on a hostile body."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    for byte in _STRING.sub(b"", body):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _no_constant(name: str) -> NoReturn:
    raise NotJSON(f"The body has {name}, which is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise NotJSON("The body has a number that is too large.")
    return number


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotJSON("The body has an object in which a key stands twice.")
    if any(len(key) > MAX_KEY for key in value):
        raise NotJSON(f"The body has a key of more than {MAX_KEY:,} characters.")
    return value


def has_unstorable(value: Any) -> bool:
    """Whether any text holds U+0000 or a lone surrogate. At most 100 deep by now."""
    if isinstance(value, str):
        return "\0" in value or _SURROGATE.search(value) is not None
    if isinstance(value, dict):
        return any(has_unstorable(k) or has_unstorable(v) for k, v in value.items())
    if isinstance(value, list):
        return any(map(has_unstorable, value))
    return False
