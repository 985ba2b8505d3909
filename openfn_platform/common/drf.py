"""Errors of the API and the inbox as RFC 9457 problem+json, in one place; views never catch them.

Whatever a program sends, it gets a sentence that somebody can act on, and never a 500 for bad input. A database
that is away is a 503 with `Retry-After`: the sender keeps its message and tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions

from openfn_platform.common.errors import PlatformError

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
# Instead of the framework's own, which only say what is not.
SENTENCES = {
    "not_authenticated": "Send a token of the project with it, in the header `Authorization: Bearer ofp_…`.",
    "method_not_allowed": "This cannot be done at this address; the header Allow of this answer says what can.",
    "unsupported_media_type": "A body of this Content-Type is not read here; JSON is sent as `application/json`.",
}


def problem(
    *, status: int, code: str, detail: str, headers: dict[str, str] | None = None, **extra: Any
) -> HttpResponse:
    """One problem document."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return JsonResponse(
        {**body, **extra}, status=status, content_type="application/problem+json", headers=headers
    )


def problem_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's exception handler. None lets a real mistake of ours become a 500 with a log entry."""
    return problem_of(exc)


def problem_of(exc: Exception) -> HttpResponse | None:
    if isinstance(exc, PlatformError):
        return _platform_problem(exc)
    if isinstance(exc, Http404):
        return problem(status=404, code="not_found", detail="There is nothing here by that name.")
    if isinstance(exc, PermissionDenied):
        return problem(
            status=403, code="not_allowed", detail="Your role in this project does not allow that."
        )
    if isinstance(exc, exceptions.APIException):
        return _api_problem(exc)
    if isinstance(exc, ValidationError):
        return problem(status=422, code="invalid", detail=" ".join(exc.messages), errors=_fields(exc))
    if isinstance(exc, RequestDataTooBig):
        return problem(status=413, code="too_large", detail="The body is too large.")
    if isinstance(exc, OperationalError | InterfaceError):
        logger.warning("action=database_unavailable error=%s", exc)
        return unavailable()
    if isinstance(exc, DataError | RecursionError | UnicodeError):
        return problem(
            status=400, code="not_storable", detail="The request holds something that cannot be stored."
        )
    return None


def unavailable() -> HttpResponse:
    return problem(
        status=503,
        code="unavailable",
        detail="The database cannot be reached at the moment. Nothing was stored; send it again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _platform_problem(exc: PlatformError) -> HttpResponse:
    extra: dict[str, Any] = {}
    field = exc.context.get("field")
    if isinstance(field, str):
        extra["field"] = field
    findings = exc.context.get("findings")  # of code: each with its line
    if isinstance(findings, list):
        extra["findings"] = findings
    errors = exc.context.get("errors")
    if isinstance(errors, list):  # several places at once, as [{path, detail}]
        extra["errors"] = errors
    # A partner's status, which an adaptor's error carries, is not the status of our answer.
    status = int(getattr(exc, "api_status", exc.status))
    headers = {"WWW-Authenticate": str(exc.context.get("challenge", "Bearer"))} if status == 401 else {}
    if status in (429, 503):
        headers["Retry-After"] = str(exc.context.get("retry_after", RETRY_AFTER_SECONDS))
    return problem(status=status, code=exc.code, detail=exc.message, headers=headers, **extra)


def _api_problem(exc: exceptions.APIException) -> HttpResponse:
    headers: dict[str, str] = {}
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = str(getattr(exc, "auth_header", ""))
    wait = getattr(exc, "wait", None)  # of Throttled
    if wait:
        headers["Retry-After"] = str(int(wait) + 1)
    status = exc.status_code
    if isinstance(exc, exceptions.NotAuthenticated):
        status = 401
        headers.setdefault("WWW-Authenticate", "Bearer")
    if isinstance(exc.detail, dict | list):
        found = list(_sentences(exc.detail))
        extra = {"field": found[0][0]} if found and found[0][0] else {}
        return problem(
            status=status,
            code="invalid",
            detail=" ".join(f"{path}: {said}" if path else said for path, said in found),
            headers=headers,
            errors=exc.detail,
            **extra,
        )
    code = str(exc.detail.code)
    return problem(status=status, code=code, detail=SENTENCES.get(code, str(exc.detail)), headers=headers)


def _fields(exc: ValidationError) -> dict[str, list[str]]:
    return exc.message_dict if hasattr(exc, "error_dict") else {"": exc.messages}


def _sentences(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Where, and what is wrong there: `connections.1.alias`."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            inner = path if key == "non_field_errors" else f"{path}.{key}" if path else str(key)
            yield from _sentences(value, inner)
    elif isinstance(detail, list):
        for number, value in enumerate(detail):
            # Errors of a list's items come as objects in their places, errors of one field as texts.
            nested = isinstance(value, dict | list) and path
            yield from _sentences(value, f"{path}.{number}" if nested else path)
    else:
        yield path, str(detail)
