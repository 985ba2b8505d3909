"""Turning what a job passes into request bodies, and what comes back into Python values."""

from __future__ import annotations

import base64
import json
from datetime import date, time
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import httpx

from jobs.adaptors.errors import AdaptorError, ValidationError
from openfn_platform.common.http import Answer

ContentType = Literal["json", "form", "multipart", "xml", "text"]
ParseAs = Literal["auto", "json", "text", "bytes", "base64"]

MIME = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
TEXTUAL = ("xml", "javascript", "html", "csv", "urlencoded", "yaml", "graphql", "ndjson")


def encode(data: Any, content_type: str | None = None) -> tuple[bytes | None, str | None]:
    """The bytes to send and their content type; None sends no body.

    Without a `content_type` text and bytes go as they are, everything else as JSON.
    """
    if data is None:
        return None, None
    if content_type == "multipart":
        return _multipart(data)
    if content_type == "form":
        return urlencode(_pairs(data), errors="replace").encode(), MIME["form"]
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), MIME.get(content_type or "", content_type)
    if isinstance(data, str) and content_type != "json":
        return data.encode("utf-8", "replace"), MIME.get(content_type or "text", content_type)
    mime = MIME["json"] if content_type in (None, "json") else MIME.get(str(content_type), content_type)
    return to_json(data), mime


def to_json(data: Any) -> bytes:
    """JSON in UTF-8; dates as ISO text, decimals as numbers."""
    try:
        return json.dumps(data, default=_plain, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: only the escaped spelling can carry it
        return json.dumps(data, default=_plain, allow_nan=False).encode("ascii")
    except TypeError as error:
        raise ValidationError(f"The data cannot be sent as JSON: {error}.", sent=False) from None
    except ValueError:
        raise ValidationError(
            "The data cannot be sent as JSON: it holds NaN, an infinite number, or itself.", sent=False
        ) from None


def decode(answer: Answer, parse_as: ParseAs, *, system: str) -> Any:
    """The answer's body; None when there is none."""
    content = answer.content
    if parse_as == "bytes":
        return content
    if parse_as == "base64":
        return base64.b64encode(content).decode("ascii")
    if not content or answer.status == 204:
        return None
    kind = answer.headers.get("content-type", "").lower()
    if parse_as == "json" or (parse_as == "auto" and "json" in kind and "ndjson" not in kind):
        return _from_json(answer, system)
    if parse_as == "text" or kind.startswith("text/") or any(word in kind for word in TEXTUAL):
        return text_of(answer)
    if not kind:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return content
    return content


def text_of(answer: Answer) -> str:
    """The body as text, in the encoding that the partner names."""
    kind = answer.headers.get("content-type", "")
    _, _, named = kind.lower().partition("charset=")
    try:
        return answer.content.decode(named.split(";")[0].strip(" \"'") or "utf-8", "replace")
    except LookupError:
        return answer.content.decode("utf-8", "replace")


def _from_json(answer: Answer, system: str) -> Any:
    try:
        return _parsed(answer)
    except (ValueError, RecursionError):
        if answer.status >= 400:
            return text_of(answer)  # a proxy's page behind the wrong label must not hide the status
        raise AdaptorError(
            f"{system} answered with something that is not valid JSON.",
            status=answer.status,
            body=text_of(answer)[:2000],
            hint="Is the address right, or does a log-in page or a proxy stand in between?",
            sent=True,
        ) from None


def _parsed(answer: Answer) -> Any:
    try:
        return json.loads(answer.content)
    except UnicodeDecodeError:
        # JSON is UTF-8, but some partners write it in another encoding and say so.
        if "charset=" not in answer.headers.get("content-type", "").lower():
            raise
        return json.loads(text_of(answer))


def _plain(value: Any) -> Any:
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _pairs(data: Any) -> list[tuple[str, str]]:
    if not isinstance(data, dict):
        raise ValidationError("A form needs named values.", sent=False)
    return [
        (str(name), _field(each))
        for name, value in data.items()
        for each in (value if isinstance(value, (list, tuple)) else [value])
        if each is not None
    ]


def _field(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return to_json(value).decode("utf-8")
    plain = value if isinstance(value, (str, int, float, Decimal)) else _plain(value)
    return str(plain)


def _multipart(data: Any) -> tuple[bytes, str]:
    """Bytes become files; `(name, bytes)` or `(name, bytes, type)` gives them a file name."""
    files: list[tuple[str, Any]] = []
    for name, value in data.items():
        if isinstance(value, (bytes, bytearray)):
            files.append((name, (name, bytes(value))))
        elif isinstance(value, tuple):
            files.append((name, value))
        elif value is not None:
            files.append((name, (None, _field(value).encode("utf-8", "replace"))))
    request = httpx.Request("POST", "http://form.invalid", files=files)
    return request.read(), request.headers["content-type"]
