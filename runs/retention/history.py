"""History that goes: work orders with all their runs, then messages, slots, mails, incidents, refusals.

Children first, by the foreign keys. Nothing goes that has not ended, and nothing that somebody else holds.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from runs.payload_wiping import ACTIVE, states_held, words_forget
from runs.retention.batches import Batch, Slice, batch, column, execute, locked, page, rows

_ENDED = """
SELECT o.id FROM work_order o WHERE o.id = ANY(%(ids)s) AND o.last_activity_at < %(before)s
AND NOT EXISTS (SELECT FROM run r WHERE r.work_order_id = o.id AND r.state = ANY(%(active)s))
"""
_SENT_AGAIN = """
SELECT resend_of_id FROM work_order WHERE resend_of_id = ANY(%s) AND id <> ALL(%s)
"""
_RUNS = "SELECT id, input_id, final_id FROM run WHERE work_order_id = ANY(%s)"
_STATES = "DELETE FROM state WHERE id = ANY(%s) AND kind IN ('input', 'final', 'partial')"


def orders(given: Slice) -> Batch:
    """Work orders whose last sign of life is too old, with runs, states, logs, traces and marks."""
    looked = page("work_order", given)
    held = locked("work_order", looked)
    # In a snapshot of its own: a retry that was made before we had the lock is seen here.
    going = column(_ENDED, {"ids": held, "before": given.before, "active": list(ACTIVE)}) if held else []
    while going and (needed := set(column(_SENT_AGAIN, [going, going]))):
        going = [key for key in going if key not in needed]
    if going:
        _orders_delete(given, going)
    return batch(given, looked, set(going))


def _orders_delete(given: Slice, going: Sequence[uuid.UUID]) -> None:
    found = rows(_RUNS, [going])
    runs = [row[0] for row in found]
    states = {key for row in found for key in row[1:] if key}
    if given.project is not None:
        states -= states_held(projects=[given.project.pk], states=states)
    words_forget(runs)
    for sql in (
        "DELETE FROM log_line WHERE run_id = ANY(%s)",
        "DELETE FROM http_exchange WHERE run_id = ANY(%s)",
    ):
        execute(sql, [runs])
    execute(_STATES, [list(states)])
    execute("DELETE FROM once_mark WHERE work_order_id = ANY(%s)", [going])
    # A memory outlives the run that wrote it.
    execute("UPDATE memory_value SET run_id = NULL WHERE run_id = ANY(%s)", [runs])
    # All of a work order in one statement, as they point to each other.
    execute("DELETE FROM run WHERE work_order_id = ANY(%s)", [going])
    execute("DELETE FROM work_order WHERE id = ANY(%s)", [going])


_MESSAGES = """
SELECT m.id FROM message m WHERE m.id = ANY(%s) AND NOT EXISTS (SELECT FROM work_order o WHERE o.message_id = m.id)
"""


def messages(given: Slice) -> Batch:
    """Messages of which nothing is left, and those that never started anything."""
    looked = page("message", given)
    held = locked("message", looked)
    going = column(_MESSAGES, [held]) if held else []
    if going:
        words_forget(going)
        execute("DELETE FROM message_payload WHERE message_id = ANY(%s)", [going])
        execute("DELETE FROM message WHERE id = ANY(%s)", [going])
    return batch(given, looked, set(going))


# The newest slot of a schedule says from when on the next period counts.
_SLOTS = """
SELECT s.id FROM slot s WHERE s.id = ANY(%s)
AND NOT EXISTS (SELECT FROM work_order o WHERE o.slot_id = s.id)
AND EXISTS (SELECT FROM slot n WHERE n.trigger_id = s.trigger_id AND n.at > s.at)
"""


def slots(given: Slice) -> Batch:
    looked = page("slot", given)
    held = locked("slot", looked)
    going = column(_SLOTS, [held]) if held else []
    if going:
        execute("DELETE FROM slot WHERE id = ANY(%s)", [going])
    return batch(given, looked, set(going))


def mails(given: Slice) -> Batch:
    looked = page("notification", given)
    going = column(
        "DELETE FROM notification WHERE id = ANY(%s) AND state <> 'waiting' RETURNING id",
        [locked("notification", looked)],
    )
    words_forget(going)
    return batch(given, looked, set(going))


_INCIDENTS = """
SELECT i.id FROM incident i WHERE i.id = ANY(%s) AND i.closed_at < %s
AND NOT EXISTS (SELECT FROM run r WHERE r.incident_id = i.id)
AND NOT EXISTS (SELECT FROM notification n WHERE n.incident_id = i.id)
"""


def incidents(given: Slice) -> Batch:
    """Closed ones whose runs and mails are gone."""
    looked = page("incident", given)
    held = locked("incident", looked)
    going = column(_INCIDENTS, [held, given.before]) if held else []
    if going:
        execute("DELETE FROM incident WHERE id = ANY(%s)", [going])
    return batch(given, looked, set(going))


def refusals(given: Slice) -> Batch:
    return _by_time("refusal", "at", given)


def refusal_counts(given: Slice) -> Batch:
    return _by_time("refusal_count", "hour", given)


def _by_time(table: str, when: str, given: Slice) -> Batch:
    """Small tables: found by their project, which is indexed."""
    old = f"SELECT id FROM {table} WHERE project_id = %s AND {when} < %s LIMIT %s"  # noqa: S608
    done = execute(
        f"DELETE FROM {table} WHERE id IN ({old})",  # noqa: S608
        [given.project.pk if given.project else None, given.before, given.size],
    )
    return Batch(cursor="", done=done, more=done == given.size)
