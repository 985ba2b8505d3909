"""`Idempotency-Key` in the API: which calls are the same, and how the schema says that they may be repeated."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

from django.db.models import Model
from drf_spectacular.utils import OpenApiParameter

from openfn_platform.projects.api.base import TokenView
from runs.repeating import once


def repeat_header() -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        str,
        OpenApiParameter.HEADER,
        description="A value of your own. Repeating the call with it within a week does nothing new and gives the "
        "first result, with `Idempotency-Replayed: true`; with another body it is refused.",
    )


def repeated(view: TokenView, do: Callable[[], Model]) -> tuple[uuid.UUID, bool]:
    """The id of what `do` made, and whether that was at an earlier call with the same key."""
    request = view.request
    body = json.dumps(request.data, sort_keys=True, default=str)
    call = f"{request.method} {request.path}\n{body}".encode("utf-8", "surrogatepass")
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    return once(project_id=view.project.pk, key=key, call=call, do=do)
