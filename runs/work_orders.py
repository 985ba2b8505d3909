"""The state of a work order, computed from its runs whenever one of them ends or begins."""

from __future__ import annotations

import uuid

from django.db import connection

# The last attempt of each chain counts: a run that a later attempt replaced says nothing any more. A failure
# that a flow trigger caught, or that a person dismissed, does not make the work order fail.
_STATE = """
SELECT
    count(*) FILTER (WHERE r.state IN ('available', 'claimed', 'started')) AS open,
    count(*) FILTER (WHERE r.state = 'started' OR r.finished_at IS NOT NULL) AS begun,
    count(*) FILTER (WHERE r.state IN ('failed', 'crashed', 'killed', 'exception', 'lost')
                     AND NOT r.handled AND r.dismissed_at IS NULL AND later.id IS NULL) AS bad,
    count(*) FILTER (WHERE r.state = 'cancelled' AND later.id IS NULL) AS cancelled
FROM run r
LEFT JOIN LATERAL (SELECT n.id FROM run n WHERE n.retry_of_id = r.id AND n.project_id = r.project_id LIMIT 1) later ON true
WHERE r.work_order_id = %s
"""


def work_order_lock(*, work_order_id: uuid.UUID) -> None:
    """Finishing runs of one work order take turns, so that the last one sees all the others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM work_order WHERE id = %s FOR NO KEY UPDATE", [work_order_id])


def work_order_refresh(*, work_order_id: uuid.UUID) -> str:
    """Write and return the state that its runs add up to. Call it with the row locked."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [work_order_id])
        waiting, begun, bad, stopped = cursor.fetchone()
        if waiting:
            state = "running" if begun else "pending"
        elif bad:
            state = "failed"
        elif stopped:
            state = "cancelled"
        else:
            state = "success"
        cursor.execute(
            "UPDATE work_order SET state = %s, last_activity_at = clock_timestamp() WHERE id = %s",
            [state, work_order_id],
        )
    return state
