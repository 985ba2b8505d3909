"""Stored bytes as an answer: exactly as they were kept, in pieces, with a fingerprint to save the next transfer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from rest_framework.request import Request

from runs.models import State
from runs.states import StateGone, state_chunks


def state_answer(*, request: Request, project_id: uuid.UUID, state_id: uuid.UUID) -> HttpResponseBase:
    """The JSON text of a stored state. Raises StateGone when it was erased or pruned."""
    about = State.objects.filter(pk=state_id, project_id=project_id, body__isnull=False)
    known = about.values_list("digest", "size").first()  # a client that has it already costs no body
    if known is None:
        raise StateGone()
    digest, size = bytes(known[0]), known[1]
    unchanged = not_modified(request=request, digest=digest)
    if unchanged is not None:
        return unchanged
    row = about.values_list("codec", "body").first()
    if row is None:
        raise StateGone()
    return raw_answer(
        chunks=state_chunks(codec=row[0], body=row[1] or b""),
        size=size,
        digest=digest,
        content_type="application/json",
    )


def not_modified(*, request: Request, digest: bytes) -> HttpResponseBase | None:
    """304 when the client has these bytes (If-None-Match)."""
    answer = get_conditional_response(request._request, etag=quote_etag(digest.hex()))
    return _private(answer) if isinstance(answer, HttpResponse) else None


def raw_answer(
    *, chunks: Iterable[bytes], size: int, digest: bytes, content_type: str
) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(chunks, content_type=content_type)
    answer["Content-Length"] = str(size)
    answer["ETag"] = quote_etag(digest.hex())
    answer["Content-Disposition"] = (
        "attachment"  # no browser shall show what a partner sent as a page of ours
    )
    _private(answer)
    return answer


def _private(answer: HttpResponseBase) -> HttpResponseBase:
    answer["Cache-Control"] = "private, no-cache"
    return answer
