"""Projects that keep no payloads: what their runs need is there while they need it, and then it is erased.

A work order and its message are wiped together, with everything that came of them:

- succeeded or cancelled: at the next sweep;
- failed: when it was retried with success or dismissed, and after three days at the latest;
- test and dry runs: after an hour, in which somebody looks at what they did;
- a message that started nothing: after three days, in which it can be reprocessed.

Rows, counts, states, times and the hash of a body stay. Of exchanges with partners only the system and the outcome
are written in the first place. The end of a run notes its work order (`wipe_note`); what nobody noted, because the
project kept payloads then, is found by going through its history, which the sweep does bit by bit.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from openfn_platform.common.ids import uuid7_first
from openfn_platform.projects.models import PayloadDue, PayloadMark, Project
from runs.models import Cause, Incident, LogLine, Run, State, StateKind, WorkOrder, WorkOrderState
from runs.payload_wiping import words_forget
from triggers.models import Message, MessagePayload

logger = logging.getLogger(__name__)

NOT_KEPT = "Not kept by this project."
REPAIRABLE = timedelta(days=3)
LOOKED_AT = timedelta(hours=1)
SOONEST = timedelta(seconds=30)  # what is not ready is looked at again after a tenth of its age, or this
AT_ONCE = 50
STEP = 500  # orders or messages of the history, each round
ROUND_SECONDS = 2.0
FROM_RUNS = (StateKind.INPUT, StateKind.FINAL, StateKind.PARTIAL)
OVER = (WorkOrderState.SUCCESS, WorkOrderState.CANCELLED)


def wipe_note(*, project: Project, work_order_id: uuid.UUID) -> None:
    """One of its runs has ended: look whether its payloads are still needed. For every project; few are noted."""
    if project.keeps_payloads:
        return
    PayloadDue.objects.bulk_create(
        [PayloadDue(work_order_id=work_order_id, project_id=project.pk)],
        update_conflicts=True,
        unique_fields=["work_order_id"],
        update_fields=["look_at"],
    )


def payloads_wipe() -> int:
    """The duty of the sweep: some of what is due, in short transactions. Returns how many orders were wiped."""
    projects = list(Project.objects.filter(keeps_payloads=False))
    for project in projects:
        _go_through_history(project)
    if not projects and not PayloadDue.objects.exists():
        return 0
    keeping, done, end = {project.pk for project in projects}, 0, time.monotonic() + ROUND_SECONDS
    while time.monotonic() < end:
        looked_at, wiped = _some(keeping)
        done += wiped
        if looked_at < AT_ONCE:
            break
    if done:
        logger.info("action=payloads_wiped orders=%s", done)
    return done


@dataclass(frozen=True, kw_only=True)
class _Together:
    """A message with all that it started, or an order of its own."""

    orders: tuple[WorkOrder, ...]
    complete: bool  # False: somebody is at work on one of them

    def wait(self, now: datetime) -> timedelta:
        """How long its payloads are needed at least from now on; nothing: they can go."""
        if not self.complete:
            return SOONEST
        return max(_needed(order, now) for order in self.orders)


def _needed(order: WorkOrder, now: datetime) -> timedelta:
    age = now - order.last_activity_at
    if order.state in OVER:
        return max(LOOKED_AT - age, timedelta(0)) if order.cause == Cause.TRIAL else timedelta(0)
    if order.state == WorkOrderState.FAILED:
        left = (LOOKED_AT if order.cause == Cause.TRIAL else REPAIRABLE) - age
        return min(left, max(SOONEST, age / 10)) if left > timedelta(0) else timedelta(0)
    return max(SOONEST, age / 10)


@transaction.atomic
def _some(without: set[uuid.UUID]) -> tuple[int, int]:
    """A few of those that are due: (how many were looked at, how many were wiped)."""
    rows = PayloadDue.objects.select_for_update(skip_locked=True).filter(look_at__lte=Now())
    due = list(rows.order_by("look_at")[:AT_ONCE])
    wanted = [row.work_order_id for row in due if row.project_id in without]
    again: dict[timedelta, list[uuid.UUID]] = defaultdict(list)
    ready: list[WorkOrder] = []
    now = timezone.now()
    for together in _groups(wanted):
        wait = together.wait(now)
        if wait > timedelta(0):
            again[wait] += [order.pk for order in together.orders]
        else:
            ready += together.orders
    for wait, orders in again.items():
        PayloadDue.objects.filter(work_order_id__in=orders).update(look_at=now + wait)
    if ready:
        _wipe(ready)
    waiting = {order for orders in again.values() for order in orders}
    settled = {row.work_order_id for row in due} - waiting | {order.pk for order in ready}
    PayloadDue.objects.filter(work_order_id__in=settled).delete()
    return len(due), len(ready)


def _groups(wanted: Sequence[uuid.UUID]) -> list[_Together]:
    """The orders with their fellows of the same message, locked: whoever starts or retries one waits for us."""
    first = dict(WorkOrder.objects.filter(pk__in=wanted).values_list("pk", "message_id"))
    messages = set(filter(None, first.values()))
    free = set(
        Message.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(pk__in=messages)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    rows = WorkOrder.objects.filter(Q(pk__in=wanted) | Q(message__in=messages))
    everyone = list(rows.order_by("pk"))
    locked = {
        order.pk: order
        for order in rows.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("pk")
    }
    found: dict[uuid.UUID, list[WorkOrder]] = defaultdict(list)
    for order in everyone:
        found[order.message_id or order.pk].append(order)
    return [
        _Together(
            orders=tuple(locked.get(order.pk, order) for order in orders),
            complete=all(order.pk in locked for order in orders)
            and (orders[0].message_id is None or orders[0].message_id in free),
        )
        for orders in found.values()
    ]


# --- erasing --------------------------------------------------------------------------------------

_RUNS = """
UPDATE run SET wiped_at = now(), note = CASE WHEN state = 'cancelled' THEN note ELSE '' END, problems = '[]', order_key = '',
    error_message = CASE WHEN error_message = '' THEN '' ELSE %(said)s END,
    failure = CASE WHEN failure IS NULL THEN NULL
                   ELSE failure - 'hint' - 'code_line' || jsonb_build_object('message', %(said)s::text) END
WHERE id = ANY(%(runs)s)
"""

# As `selectors.exchanges.origin` tells those who may not see data.
_EXCHANGES = """
UPDATE http_exchange SET request_body = NULL, response_body = NULL, words = NULL,
    url = coalesce(substring(url from '^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*'), ''),
    error = CASE WHEN error = '' THEN '' ELSE %(said)s END
WHERE run_id = ANY(%(runs)s)
"""

_STEPS = (
    "UPDATE once_mark SET key = 'erased ' || id::text, result = 'null' WHERE work_order_id = ANY(%(orders)s)"
)


def _wipe(orders: Sequence[WorkOrder]) -> None:
    """Everything that tells what these orders were about."""
    keys = [order.pk for order in orders]
    runs = list(
        Run.objects.filter(work_order_id__in=keys).values_list("pk", "input_id", "final_id", "incident_id")
    )
    run_keys = [run[0] for run in runs]
    states = set(filter(None, (state for run in runs for state in run[1:3])))
    State.objects.filter(pk__in=states, kind__in=FROM_RUNS, body__isnull=False).update(
        body=None, wiped_at=Now()
    )
    LogLine.objects.filter(run_id__in=run_keys).delete()
    words_forget(run_keys)
    incidents = set(filter(None, (run[3] for run in runs)))
    Incident.objects.filter(pk__in=incidents).exclude(message="").update(message=NOT_KEPT)
    values: dict[str, Any] = {"runs": run_keys, "orders": keys, "said": NOT_KEPT}
    with connection.cursor() as cursor:
        for statement in (_RUNS, _EXCHANGES, _STEPS):
            cursor.execute(statement, values)
    _wipe_messages(set(filter(None, (order.message_id for order in orders))))


def _wipe_messages(messages: set[uuid.UUID]) -> None:
    words_forget(list(messages))
    MessagePayload.objects.filter(message_id__in=messages).update(raw=b"", body=None, headers={}, query={})
    Message.objects.filter(pk__in=messages, body_wiped_at=None).update(body_wiped_at=Now())


# --- history --------------------------------------------------------------------------------------

_STILL_THERE = """
INSERT INTO payload_due (work_order_id, project_id)
SELECT w.id, w.project_id FROM work_order w
WHERE w.id = ANY(%s) AND EXISTS (
    SELECT 1 FROM run r JOIN state s ON s.id IN (r.input_id, r.final_id)
    WHERE r.work_order_id = w.id AND s.body IS NOT NULL AND s.kind IN ('input', 'final', 'partial'))
ON CONFLICT DO NOTHING
"""


@transaction.atomic
def _go_through_history(project: Project) -> None:
    """The next few orders and unmatched messages that are old enough for anything to go. One sweep at a time."""
    start = uuid.UUID(int=0)
    PayloadMark.objects.get_or_create(
        project=project, defaults={"orders_until": start, "messages_until": start}
    )
    mark = PayloadMark.objects.select_for_update(skip_locked=True).filter(project=project).first()
    if mark is None:
        return
    bound = uuid7_first(datetime.now(UTC) - REPAIRABLE)
    orders = list(
        WorkOrder.objects.filter(project=project, pk__gt=mark.orders_until, pk__lt=bound)
        .order_by("pk")
        .values_list("pk", flat=True)[:STEP]
    )
    messages = list(
        Message.objects.filter(project=project, matched=False, pk__gt=mark.messages_until, pk__lt=bound)
        .order_by("pk")
        .values_list("pk", flat=True)[:STEP]
    )
    if orders:
        with connection.cursor() as cursor:
            cursor.execute(_STILL_THERE, [orders])
        mark.orders_until = orders[-1]
    if messages:
        _wipe_messages(set(messages))
        mark.messages_until = messages[-1]
    if orders or messages:
        mark.save()
