"""What a job says that the sender shall be answered, read from its final state and checked.

    state.reply = {"status": 201, "body": {"id": 7}, "headers": {"Location": "https://…"}}

Each part may be left out. `webhookResponse`, OpenFn's word for it, is understood too. A job is trusted with the answer
to its own messages and with nothing else: no cookies, no framing, no answer that a browser would run as a page of
this platform, no status that calls the platform broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openfn_platform.common.errors import PlatformError

KEYS = ("reply", "webhookResponse")
MOST_BYTES = 1_000_000
MOST_HEADERS = 20
HEADERS = frozenset(
    {
        "content-type",
        "content-language",
        "location",
        "link",
        "retry-after",
        "x-request-id",
        "x-correlation-id",
    }
)
TEXTS = frozenset({"text/plain", "text/xml", "application/xml"})
JSON = "application/json"

_VALUE = re.compile(r"[\x20-\x7e]{1,1000}")
_PARTS = ("status", "body", "headers")


class BadReply(PlatformError):
    """The job's reply cannot be sent."""

    code = "bad_reply"


@dataclass(frozen=True, kw_only=True)
class JobReply:
    """A reply that can be sent."""

    status: int | None = None  # None: by how the runs ended
    content: bytes | None = None  # None: the usual body
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def said_by(state: Any) -> Any:
    """The reply in a final state, unchecked; None when there is none."""
    if not isinstance(state, dict):
        return None
    return next((state[key] for key in KEYS if state.get(key) is not None), None)


def reply_checked(said: Any) -> JobReply:
    """Raises BadReply with a sentence that has no values in it."""
    if not isinstance(said, dict):
        raise BadReply("The job's reply must be an object with status, body and headers.")
    unknown = set(said) - set(_PARTS)
    if unknown:
        raise BadReply("The job's reply has a part that is not known; there are status, body and headers.")
    status = _status(said.get("status"))
    headers = _headers(said.get("headers"))
    content_type = headers.pop("content-type", None)
    content, content_type = _content(said.get("body"), content_type)
    if status in (204, 205):
        content = b""
    return JobReply(status=status, content=content, content_type=content_type, headers=headers)


def status_allowed(status: int) -> bool:
    """Success or the sender's business. From 500 on it is the platform that speaks."""
    return 200 <= status <= 299 or 400 <= status <= 499


def _status(status: Any) -> int | None:
    if status is None:
        return None
    if not isinstance(status, int) or isinstance(status, bool) or not status_allowed(status):
        raise BadReply("The status of the job's reply must be a number from 200 to 299 or from 400 to 499.")
    return status


def _headers(headers: Any) -> dict[str, str]:
    if headers is None:
        return {}
    if not isinstance(headers, dict) or len(headers) > MOST_HEADERS:
        raise BadReply(f"The headers of the job's reply must be an object of at most {MOST_HEADERS} texts.")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if name.lower() not in HEADERS:
            raise BadReply(
                f"The job's reply has a header that it may not set; it may set: {', '.join(sorted(HEADERS))}."
            )
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise BadReply(
                "A header of the job's reply must be a text of at most 1,000 visible ASCII characters."
            )
        checked[name.lower()] = value
    return checked


def _content(body: Any, content_type: str | None) -> tuple[bytes | None, str]:
    if body is None:
        return None, JSON
    kind = (content_type or JSON).partition(";")[0].strip().lower()
    if kind == JSON or (kind.startswith("application/") and kind.endswith("+json")):
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
    elif kind in TEXTS and isinstance(body, str):
        content = body.encode("utf-8", "replace")
    else:
        raise BadReply(
            "The body of the job's reply must be JSON, or a text with the Content-Type text/plain, text/xml or application/xml."
        )
    if len(content) > MOST_BYTES:
        raise BadReply(f"The body of the job's reply has more than {MOST_BYTES:,} bytes.")
    return content, kind if kind == JSON else f"{kind}; charset=utf-8"
