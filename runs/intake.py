"""The inbox as partner systems see it: `POST /inbox/<address>`, what a GET tells of it, the status of one's own message.

The view reads, asks `triggers.receiving` and `runs.accepting`, and answers. A refusal is counted per inbox and
hour and kept without its body, so that an expired key is seen by somebody.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from openfn_platform.common.errors import NotFound, PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.api.described import problem_of
from runs.accepting import message_accept
from runs.models import Run, WorkOrder
from runs.replying import answer_when_done, orders_told
from triggers.authenticating import Offer, knock, knock_in_vain, offer_of, ways_in
from triggers.bodies import CutShort, NotStorable, Refused, TooLarge
from triggers.listening import Key, Listening, listening_at
from triggers.models import Message
from triggers.models.inbox import InboxAccess
from triggers.noting import use_note
from triggers.receiving import receive
from triggers.refusals import refusal_count
from triggers.throttling import RateLimited, throttle

WAITING_CHECK_SECONDS = 5.0
DISCARDED_BYTES = 64_000_000
DISCARDED_AT_ONCE = 64_000
TAKEN = ("application/json", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data")


class BadLength(Refused):
    """Content-Length must be the number of bytes in the body."""

    code = "bad_length"


class TooBusy(Refused):
    """So many runs of this project wait already that nothing more is taken for the moment; send it again."""

    code = "too_busy"
    status = 429


_NO_INBOX: dict[Any, Any] = dict(problem_of(404, "There is no inbox, or no message, at this address."))
_SHUT: dict[Any, Any] = {
    **problem_of(401, "What should open it is missing, wrong, expired or revoked; `detail` says which."),
    **problem_of(403, "The token lacks the scope intake."),
}
_REFUSED: dict[Any, Any] = {
    **_SHUT,
    **_NO_INBOX,
    **problem_of(400, "The body or a header cannot be read; `detail` says where."),
    **problem_of(409, "The inbox is switched off."),
    **problem_of(413, "The body is larger than this inbox takes."),
    **problem_of(415, "The body is of a type or in an encoding that is not taken."),
    **problem_of(422, "It cannot be stored, does not fit the schema, or has the key of another message."),
    **problem_of(429, "Too many messages; send it again after Retry-After."),
    **problem_of(503, "Not now; nothing was stored, send it again after Retry-After."),
}


class InboxView(APIView):
    """Takes messages. It authenticates by the inbox's own keys, so DRF's authentication stays out of it."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="inbox_post",
        tags=["inbox"],
        summary="Post a message",
        description="Stored and matched before it is answered. Repeat it with the same Idempotency-Key when unsure. "
        "XML, forms and OpenRosa submissions are matched as JSON and kept as they came. An inbox answers 202 with the ids "
        "at once, or, where it is set so, when all that was started has ended: 200, 424 when a run failed, "
        "504 when that took too long.",
        request={kind: {} for kind in TAKEN},
        responses={**{code: {"type": "object"} for code in (200, 202, 424, 504)}, **_REFUSED},
    )
    def post(self, request: Request, address: str) -> HttpResponse:
        offer = offer_of(request.META)
        listening = _listening(address, offer)
        try:
            return self._take(request._request, listening, offer)
        except RateLimited as refusal:
            throttle.refused(project=listening.project_id, inbox=listening.inbox_id, refusal=refusal)
            raise
        except PlatformError as refusal:
            refusal_count(listening=listening, refusal=refusal, request=request._request)
            raise

    def _take(self, request: HttpRequest, listening: Listening, offer: Offer) -> HttpResponse:
        limit = listening.max_body_bytes
        length = _length(request)
        sender = knock(listening=listening, offer=offer)
        if sender.signed is None:
            _throttle(listening, sender.key)
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise NotStorable("The address has a character that cannot be stored: %00.")
        _check_waiting(listening)
        raw = _read(request, limit=limit, length=length)
        key = sender.opened(raw)
        if sender.signed is not None:
            _throttle(listening, key)  # only the body tells whose signature it is
        if key is not None:
            use_note(auth_id=key.id)
        received = receive(
            listening=listening,
            key=key,
            raw=raw,
            content_type=request.META.get("CONTENT_TYPE", ""),
            content_encoding=request.META.get("HTTP_CONTENT_ENCODING", ""),
            method=request.method or "POST",
            path=request.path,
            query={name: values if len(values) > 1 else values[0] for name, values in request.GET.lists()},
            headers={name.lower(): value for name, value in request.headers.items()},
            idempotency_key=request.META.get("HTTP_IDEMPOTENCY_KEY"),
            webhook_id=request.META.get("HTTP_WEBHOOK_ID"),
            secrets=offer.secrets,
        )
        accepted = message_accept(received=received)
        if listening.reply.when_done:
            return answer_when_done(listening=listening, accepted=accepted, request=request)
        headers = {"Idempotency-Replayed": "true"} if accepted.replayed else None
        return JsonResponse(accepted.answer, status=202, headers=headers)

    @extend_schema(
        operation_id="inbox_get",
        tags=["inbox"],
        summary="Whether there is an inbox, and how to post to it",
        responses={200: {"type": "object"}, **_NO_INBOX},
    )
    def get(self, request: Request, address: str) -> HttpResponse:
        return JsonResponse(_how_to_post(_listening(address, Offer())))

    @extend_schema(exclude=True)
    def head(self, request: Request, address: str) -> HttpResponse:
        """Programs for OpenRosa forms ask so before they post, and take 204 only for a yes."""
        listening = _listening(address, Offer())
        headers = {
            "X-OpenRosa-Version": "1.0",
            "X-OpenRosa-Accept-Content-Length": str(listening.max_body_bytes),
        }
        return HttpResponse(status=204, headers=headers)

    @extend_schema(exclude=True)
    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # as DRF has it
        """What DRF says of the methods; where there is no inbox, what a GET says."""
        _listening(kwargs["address"], Offer())
        return super().options(request, *args, **kwargs)


class MessageStatusView(APIView):
    """What became of one's own message: states only, no data."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="inbox_status",
        tags=["inbox"],
        summary="What became of my message",
        responses={200: {"type": "object"}, **_SHUT, **_NO_INBOX},
    )
    def get(self, request: Request, address: str, message: str) -> HttpResponse:
        offer = offer_of(request.META)
        listening = _listening(address, offer)
        key = knock(listening=listening, offer=offer).opened(b"")
        return JsonResponse(_status(listening=listening, key=key, message_id=as_uuid(message)))

    @extend_schema(exclude=True)
    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # as DRF has it
        """Of the methods only, and only where there is an inbox: nothing about the message."""
        _listening(kwargs["address"], Offer())
        return super().options(request, *args, **kwargs)


def _how_to_post(listening: Listening) -> dict[str, Any]:
    """Nothing about the project, its messages or who else posts here."""
    shut = listening.access != InboxAccess.NONE
    return {
        "message": "An inbox is here: POST your message to this address.",
        "content_types": list(TAKEN),
        "content_encodings": ["identity", "gzip"],
        "max_bytes": listening.max_body_bytes,
        "authentication": [kind for kind, _ in ways_in(listening.openers)] if shut else [],
        "how": [sentence for _, sentence in ways_in(listening.openers)] if shut else [],
        "duplicates": "Send a message again with the same Idempotency-Key or webhook-id and it is taken once.",
    }


def _listening(address: str, offer: Offer) -> Listening:
    known = as_uuid(address)
    listening = listening_at(address=known) if known is not None else None
    if listening is None:
        knock_in_vain(offer)
        raise NotFound("There is no inbox at this address.")
    return listening


def _throttle(listening: Listening, key: Key | None) -> None:
    if limits := listening.limits(key):
        throttle.take(limits)


def _length(request: HttpRequest) -> int:
    """What the sender says that the body measures; 0 for a chunked one."""
    text = request.META.get("CONTENT_LENGTH") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadLength()
    return int(text)


def _read(request: HttpRequest, *, limit: int, length: int) -> bytes:
    """The body, counted while it is read: a chunked one says no length beforehand."""
    source: Any = request
    if length > limit:
        _discard(source)
        raise TooLarge()
    if not length and isinstance(request, WSGIRequest) and request.META.get("HTTP_TRANSFER_ENCODING"):
        # Django reads nothing without a length; a server that says so ends its input where the body ends.
        if not request.environ.get("wsgi.input_terminated"):
            raise BadLength()
        source = request.environ["wsgi.input"]
    raw: bytes = source.read(limit + 1)
    if len(raw) > limit:
        _discard(source)
        raise TooLarge()
    if len(raw) < length:
        raise CutShort()
    return raw


def _discard(source: Any) -> None:
    """Let a sender finish: one that still sends when we hang up sees a broken connection and not the reason."""
    for _ in range(DISCARDED_BYTES // DISCARDED_AT_ONCE):
        if not source.read(DISCARDED_AT_ONCE):
            break


_waiting_until: dict[uuid.UUID, tuple[float, bool]] = {}


def _check_waiting(listening: Listening) -> None:
    """Back-pressure before anything is stored; looked up every few seconds per process."""
    checked_at, busy = _waiting_until.get(listening.project_id, (0.0, False))
    if time.monotonic() - checked_at > WAITING_CHECK_SECONDS:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM (SELECT 1 FROM run WHERE project_id = %s AND state = 'available' LIMIT %s) AS w",
                [listening.project_id, listening.max_waiting],
            )
            busy = cursor.fetchone()[0] >= listening.max_waiting
        _waiting_until[listening.project_id] = (time.monotonic(), busy)
    if busy:
        raise TooBusy(retry_after=30)


def _status(*, listening: Listening, key: Key | None, message_id: uuid.UUID | None) -> dict[str, Any]:
    message = Message.objects.filter(
        pk__in=[message_id], inbox_id=listening.inbox_id, intake=key.id if key else None
    ).first()
    if message is None:
        raise NotFound("There is no message of yours by that id.")
    orders = WorkOrder.objects.filter(message=message).select_related("workflow").order_by("id")
    runs = Run.objects.filter(work_order__in=orders).select_related("job").order_by("lane", "attempt")
    return {
        "message": str(message.pk),
        "received_at": message.created_at.isoformat(),
        "work_orders": orders_told(orders, runs),
    }
