"""Answering the sender when everything that its message started has ended.

    200   all succeeded (or nothing was started): how each run ended, or what the job says
    424   a run failed and nothing caught it; an inbox can choose another status
    504   not within the inbox's time: the ids, and the address that tells how it goes on
    202   too many senders wait in this process (or the database went away): the ids and that address

Whatever is answered, the message is stored by then, so nothing is lost when the sender hangs up. One that sends the
message again under the same id waits and is answered as the first one was.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse

from openfn_platform.common.drf import problem
from runs.accepting import Accepted
from runs.jobreply import BadReply, JobReply, reply_checked, said_by
from runs.models import Run, State, StateKind, WorkOrder, WorkOrderState
from runs.states import StateGone, state_read
from runs.waiting import waiting
from triggers.listening import Listening

logger = logging.getLogger(__name__)

LOOKED_AT = 20  # final states, at most, in search of a reply
MOST_STATE = 20_000_000  # bytes of one that is searched
# What comes back is data for a program; should a browser show it, it does nothing.
HARMLESS = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store"}


def answer_when_done(*, listening: Listening, accepted: Accepted, request: HttpRequest) -> HttpResponse:
    """Wait, then answer."""
    told = accepted.answer
    orders = [uuid.UUID(order["id"]) for order in told["work_orders"]]
    ended = waiting.until_ended(orders, seconds=listening.reply.seconds) if orders else True
    where = f"{settings.PUBLIC_URL}{request.path}/messages/{told['message']}"
    answer: HttpResponse | None = None
    if ended:
        answer = _final_answer_or_none(listening, told)
    elif ended is False:
        answer = problem(
            status=504,
            code="still_running",
            detail=f"It was stored, but not done within {listening.reply.seconds} s. Do not send it again: "
            "`status_url` tells how it goes on.",
            **told,
            status_url=where,
        )
    if answer is None:
        answer = JsonResponse({**told, "waited": False, "status_url": where}, status=202)
    if answer.status_code in (202, 504):
        answer.setdefault("Location", where)
    if accepted.replayed:
        answer["Idempotency-Replayed"] = "true"
    for name, value in HARMLESS.items():
        answer[name] = value
    return answer


def _final_answer_or_none(listening: Listening, told: dict[str, Any]) -> HttpResponse | None:
    """None when the database went away meanwhile: an error would tell the sender that nothing was stored."""
    try:
        return _final_answer(listening, told)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("action=reply_unread error=%s", type(error).__name__)
        return None


def _final_answer(listening: Listening, told: dict[str, Any]) -> HttpResponse:
    orders = list(
        WorkOrder.objects.filter(pk__in=[order["id"] for order in told["work_orders"]])
        .select_related("workflow")
        .order_by("id")
    )
    runs = list(
        Run.objects.filter(work_order__in=[order.pk for order in orders])
        .select_related("job")
        .order_by("lane", "attempt")
    )
    state = _state_of(orders, told)
    body = {
        "message": told["message"],
        "state": state,
        "matched": told["matched"],
        "work_orders": orders_told(orders, runs),
    }
    usual = listening.reply.failed_status if state == WorkOrderState.FAILED else 200
    content = listening.reply.content
    if content == "states" or not runs:
        return JsonResponse(body, status=usual)
    try:
        speaking = in_order(told, runs)
        reply = _from_data(speaking, body) if content == "data" else _from_job(speaking)
    except BadReply as error:
        body["reply_problem"] = error.message
        return JsonResponse(body, status=usual)
    return _as_response(reply, body, usual)


def _as_response(reply: JobReply | None, body: dict[str, Any], usual: int) -> HttpResponse:
    if reply is None:
        return JsonResponse(body, status=usual)
    content = json.dumps(body).encode() if reply.content is None else reply.content
    answer = HttpResponse(content, status=reply.status or usual, content_type=reply.content_type)
    for name, value in reply.headers.items():
        answer[name] = value
    return answer


def orders_told(orders: Iterable[WorkOrder], runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Work orders with their runs as a sender is told of them: states, no data."""
    by_order: dict[uuid.UUID, list[dict[str, Any]]] = {}
    for run in runs:
        by_order.setdefault(run.work_order_id, []).append(
            {"id": str(run.pk), "job": run.job.key, "state": run.state, "attempt": run.attempt}
        )
    return [
        {
            "id": str(order.pk),
            "workflow": order.workflow.key,
            "state": order.state,
            "runs": by_order.get(order.pk, []),
        }
        for order in orders
    ]


def _state_of(orders: Sequence[WorkOrder], told: dict[str, Any]) -> str:
    """One word for all: the worst."""
    states = {order.state for order in orders}
    for word in (WorkOrderState.FAILED, WorkOrderState.CANCELLED, WorkOrderState.SUCCESS):
        if word in states:
            return str(word)
    return "forgotten" if told["work_orders"] else "unmatched"


# --- which run speaks, and what it says -------------------------------------------------------------


def in_order(told: dict[str, Any], runs: Sequence[Run]) -> list[Run]:
    """The runs with a state, in the order in which they may speak for the message.

    First those that come of the first run that the message started, then of its second, …; among these the
    latest follow-up first, because it had the last word; of attempts only the last.
    """
    known = {run.pk: run for run in runs}
    tried_again = {run.retry_of_id for run in runs}
    first = [uuid.UUID(run) for order in told["work_orders"] for run in order["runs"]]
    place = {run: number for number, run in enumerate(first)}

    def key(run: Run) -> tuple[int, int, int]:
        top = run
        while top.parent_id in known:
            top = known[top.parent_id]
        return place.get(top.root_id or top.pk, len(place)), -run.depth, run.lane

    return sorted((run for run in runs if run.final_id and run.pk not in tried_again), key=key)[:LOOKED_AT]


def _from_job(runs: Iterable[Run]) -> JobReply | None:
    for run in runs:
        said = said_by(_final_state(run))
        if said is not None:
            return reply_checked(said)
    return None


def _from_data(runs: Iterable[Run], body: dict[str, Any]) -> JobReply | None:
    """The data of the first run that succeeded, beside the states; as in OpenFn's `after_completion`."""
    succeeded = next((run for run in runs if run.state == "success"), None)
    if succeeded is None:
        return None
    state = _final_state(succeeded)
    return reply_checked({"body": {"data": state.get("data"), **body}})


def _final_state(run: Run) -> dict[str, Any]:
    size = State.objects.filter(pk__in=[run.final_id], kind__in=(StateKind.FINAL, StateKind.PARTIAL))
    measured = size.values_list("size", flat=True).first()
    if measured is None:
        return {}
    if measured > MOST_STATE:
        raise BadReply(
            f"The job's final state has more than {MOST_STATE:,} bytes, so no reply is looked for in it."
        )
    try:
        state = json.loads(state_read(state_id=run.final_id))
    except StateGone:
        return {}
    except (ValueError, RecursionError):
        raise BadReply("The job's final state cannot be read, so no reply is found in it.") from None
    return state if isinstance(state, dict) else {}
