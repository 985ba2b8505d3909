"""The state of a work order, computed from its runs whenever one of them ends or begins."""

from __future__ import annotations

import uuid

from django.db import connection

# The last attempt of each chain counts: a run that a later attempt replaced says nothing any more. A failure
# that a flow trigger caught, or that a person dismissed, does not make the work order fail.
_REFRESH = """
UPDATE work_order SET last_activity_at = clock_timestamp(), state = CASE
    WHEN sum.open > 0 THEN CASE WHEN sum.begun > 0 THEN 'running' ELSE 'pending' END
    WHEN sum.bad > 0 THEN 'failed' WHEN sum.cancelled > 0 THEN 'cancelled' ELSE 'success' END
FROM (
    SELECT
        count(*) FILTER (WHERE r.state IN ('available', 'claimed', 'started')) AS open,
        count(*) FILTER (WHERE r.state = 'started' OR r.finished_at IS NOT NULL) AS begun,
        count(*) FILTER (WHERE r.state IN ('failed', 'crashed', 'killed', 'exception', 'lost')
                         AND NOT r.handled AND r.dismissed_at IS NULL AND later.id IS NULL) AS bad,
        count(*) FILTER (WHERE r.state = 'cancelled' AND later.id IS NULL) AS cancelled
    FROM run r LEFT JOIN LATERAL (
        SELECT n.id FROM run n WHERE n.retry_of_id = r.id AND n.project_id = r.project_id LIMIT 1) later ON true
    WHERE r.work_order_id = %s) AS sum
WHERE work_order.id = %s RETURNING work_order.state
"""


def work_order_begin(*, work_order_id: uuid.UUID) -> None:
    """Its first run has started."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE work_order SET state = 'running', last_activity_at = clock_timestamp() "
            "WHERE id = %s AND state = 'pending'",
            [work_order_id],
        )


def work_order_lock(*, work_order_id: uuid.UUID) -> None:
    """Finishing runs of one work order take turns, so that the last one sees all the others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM work_order WHERE id = %s FOR NO KEY UPDATE", [work_order_id])


def work_order_lock_at_end(*, work_order_id: uuid.UUID, run_id: uuid.UUID) -> bool:
    """The same, for a run that has just ended. True: somebody has cancelled it, so that nothing follows from it.

    Its row is held by then: whoever cancels it later finds that it has ended, and after this what followed from it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.cancel_requested_at IS NOT NULL FROM work_order w JOIN run r ON r.id = %s WHERE w.id = %s "
            "FOR NO KEY UPDATE OF w",
            [run_id, work_order_id],
        )
        return bool(cursor.fetchone()[0])


def work_order_refresh(*, work_order_id: uuid.UUID) -> str:
    """Write and return the state that its runs add up to. Call it with the row locked."""
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH, [work_order_id, work_order_id])
        row = cursor.fetchone()
    return str(row[0])
