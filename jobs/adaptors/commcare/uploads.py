"""What the status pages of uploads say. Cases and lookup tables have pages of different kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobs.adaptors.errors import ValidationError

STARTED, DONE, FAILED = 1, 2, 3
WARNED = 402  # stored, but something was odd


@dataclass(frozen=True)
class Progress:
    """How far an upload is; `result` once it is done."""

    percent: int | None
    result: dict[str, Any] | None = None


def progress(body: Any) -> Progress:
    """Read a status page. Raises in CommCare's words when the file was not imported."""
    page = body if isinstance(body, dict) else {}
    if page.get("state") == FAILED or page.get("error"):
        raise ValidationError(f"CommCare could not import the file: {_reason(page)}", body=body, sent=True)
    if page.get("state") == DONE:
        return Progress(100, dict(page.get("result") or {}))
    if page.get("complete"):
        return Progress(100, {"message": _line(page.get("message"))})
    told = page.get("progress")
    return Progress(told.get("percent") if isinstance(told, dict) else told)


def _reason(page: dict[str, Any]) -> str:
    """A page of cases has the reason in `error`; one of tables says `true` there and has it in `message`."""
    error, errors = page.get("error"), (page.get("result") or {}).get("errors") or []
    if isinstance(error, str):
        return _line(error)
    titles = [str(each.get("title") or each) if isinstance(each, dict) else str(each) for each in errors]
    return _line(page.get("message")) or "; ".join(titles) or "it gave no reason."


def _line(text: Any) -> str:
    return " ".join(str(text or "").split())
