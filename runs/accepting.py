"""Accepting a message: it is stored with its work orders and all the runs that it starts, or not at all.

One statement in plain SQL, so one round trip and one commit: the inbox is the platform's hottest path. Its first
part takes the sender's own id; where that exists already, nothing else of the statement happens and the first
answer is given again. Only after the commit are permits published.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from openfn_platform.common.ids import uuid7
from openfn_platform.common.prepared import fetch_prepared
from runs.models import StateKind
from runs.permits import publish_on_commit
from runs.states import packed
from triggers.initial import BOM, initial_state
from triggers.receiving import OtherBody, Received

_STORE = """
WITH mark AS (
    INSERT INTO idempotency_key (project_id, inbox_id, source, key, digest, message_id, answer)
    SELECT %(project)s, %(inbox)s, %(key_source)s::text, %(key)s::text, %(digest)s, %(message)s, %(answer)s::jsonb
    WHERE %(key)s::text <> ''
    ON CONFLICT (inbox_id, source, key) DO NOTHING RETURNING 1),
go AS (SELECT 1 WHERE %(key)s::text = '' OR EXISTS (SELECT 1 FROM mark)),
stored AS (
    INSERT INTO message (id, project_id, inbox_id, content_type, size, digest, sender_key, intake, matched, matching)
    SELECT %(message)s, %(project)s, %(inbox)s, %(content_type)s::text, %(size)s::int, %(digest)s, %(key)s::text,
           %(intake)s::uuid, %(matched)s, %(matching)s::jsonb
    FROM go RETURNING 1),
payload AS (
    INSERT INTO message_payload (message_id, method, path, query, headers, raw, body)
    SELECT %(message)s, %(method)s::text, %(path)s::text, %(query)s::jsonb, %(headers)s::jsonb, %(raw)s,
           %(body)s::jsonb FROM go)
"""
_START = """,
input AS (
    INSERT INTO state (id, project_id, kind, codec, body, size, digest)
    SELECT %(state)s, %(project)s, %(input)s::text, %(codec)s::text, %(state_body)s, %(state_size)s::int,
           %(state_digest)s FROM go),
orders AS (
    INSERT INTO work_order (id, project_id, workflow_id, cause, message_id)
    SELECT o.id, %(project)s, o.workflow, 'message', %(message)s
    FROM go, unnest(%(orders)s::uuid[], %(workflows)s::uuid[]) AS o(id, workflow)),
started AS (
    INSERT INTO run (id, project_id, workflow_id, work_order_id, job_id, trigger_id, matched_triggers, input_id)
    SELECT r.id, %(project)s, r.workflow, r.work_order, r.job, r.trigger,
           ARRAY(SELECT jsonb_array_elements_text(r.matched))::uuid[], %(state)s
    FROM go, unnest(%(runs)s::uuid[], %(run_workflows)s::uuid[], %(run_orders)s::uuid[], %(run_jobs)s::uuid[],
                    %(run_triggers)s::uuid[], %(run_matched)s::jsonb[]) AS r(id, workflow, work_order, job, trigger, matched))
"""
_END = "SELECT count(*) FROM stored"


@dataclass(kw_only=True)
class StartedRun:
    id: uuid.UUID
    job: uuid.UUID
    triggers: list[uuid.UUID]


@dataclass(kw_only=True)
class StartedOrder:
    """One workflow that the message starts, with one run per job, whichever triggers named it."""

    id: uuid.UUID
    workflow: uuid.UUID
    workflow_key: str
    runs: dict[uuid.UUID, StartedRun] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What the sender is told."""

    answer: dict[str, Any]
    replayed: bool  # the same message had been here before; these are the first one's ids


def message_accept(*, received: Received) -> Accepted:
    """Store a received message and everything that it must start. Raises OtherBody for a reused key."""
    message_id = uuid7()
    orders = _orders(received)
    answer = {
        "message": str(message_id),
        "work_orders": [
            {
                "id": str(order.id),
                "workflow": order.workflow_key,
                "runs": [str(run.id) for run in order.runs.values()],
            }
            for order in orders
        ],
        "matched": sum(match.matched for match in received.matches),
    }
    values = _message_values(received, message_id, answer, orders)
    sql = _STORE
    if orders:
        sql += _START
        values |= _start_values(received, orders)
    if not fetch_prepared(sql + _END, values)[0][0]:
        return _first_answer(received)
    publish_on_commit(sum(len(order.runs) for order in orders))
    return Accepted(answer=answer, replayed=False)


def _orders(received: Received) -> list[StartedOrder]:
    orders: dict[uuid.UUID, StartedOrder] = {}
    for match in received.matches:
        if not match.matched:
            continue
        listener = match.listener
        for job in listener.jobs:
            if job.outcome not in ("run", "paused"):
                continue
            order = orders.setdefault(
                listener.workflow_id,
                StartedOrder(id=uuid7(), workflow=listener.workflow_id, workflow_key=listener.workflow_key),
            )
            run = order.runs.setdefault(job.id, StartedRun(id=uuid7(), job=job.id, triggers=[]))
            run.triggers.append(listener.trigger_id)
    return list(orders.values())


def _message_values(
    received: Received, message_id: uuid.UUID, answer: dict[str, Any], orders: list[StartedOrder]
) -> dict[str, Any]:
    return {
        "project": received.listening.project_id,
        "inbox": received.listening.inbox_id,
        "key_source": received.key_source,
        "key": received.key,
        "digest": received.digest,
        "message": message_id,
        "answer": json.dumps(answer),
        "content_type": received.content_type,
        "size": len(received.raw),
        "intake": received.intake,
        "matched": bool(orders),
        "matching": json.dumps(_matching(received)),
        "method": received.method,
        "path": received.path,
        "query": json.dumps(received.query),
        "headers": json.dumps(received.headers),
        "raw": received.raw,
        "body": received.text.removeprefix(BOM).decode(),  # parsed before; PostgreSQL reads the same text
    }


def _matching(received: Received) -> list[dict[str, Any]]:
    return [
        {
            "trigger": str(match.listener.trigger_id),
            "revision": match.listener.revision,
            "matched": match.matched,
            "jobs": [{"job": str(job.id), "outcome": job.outcome} for job in match.listener.jobs]
            if match.matched
            else [],
        }
        for match in received.matches
    ]


def _start_values(received: Received, orders: list[StartedOrder]) -> dict[str, Any]:
    raw = initial_state(
        text=received.text,
        method=received.method,
        path=received.path,
        query=received.query,
        headers=received.headers,
    )
    codec, body = packed(raw)
    runs = [(order, run) for order in orders for run in order.runs.values()]
    return {
        "state": uuid7(),
        "input": StateKind.INPUT.value,
        "codec": codec,
        "state_body": body,
        "state_size": len(raw),
        "state_digest": hashlib.sha256(raw).digest(),
        "orders": [order.id for order in orders],
        "workflows": [order.workflow for order in orders],
        "runs": [run.id for _, run in runs],
        "run_workflows": [order.workflow for order, _ in runs],
        "run_orders": [order.id for order, _ in runs],
        "run_jobs": [run.job for _, run in runs],
        "run_triggers": [run.triggers[0] for _, run in runs],
        "run_matched": [json.dumps([str(trigger) for trigger in run.triggers]) for _, run in runs],
    }


def _first_answer(received: Received) -> Accepted:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT digest, answer FROM idempotency_key WHERE inbox_id = %s AND source = %s AND key = %s",
            [received.listening.inbox_id, received.key_source, received.key],
        )
        digest, answer = cursor.fetchone()
    # A sender that repeats its own id with another body made a mistake; one whose *body* carries the id may
    # send the same form with a new header or time stamp, and means the first one.
    if received.key_source == "header" and bytes(digest) != received.digest:
        raise OtherBody()
    return Accepted(answer=json.loads(answer) if isinstance(answer, str) else answer, replayed=True)
