"""Payloads that go while their rows stay: of runs, messages, mails and closed incidents."""

from __future__ import annotations

from runs.payload_wiping import ACTIVE, payload_wipe, words_forget
from runs.retention.batches import Batch, Slice, batch, column, execute, locked, page

_WHOLE = "SELECT id FROM run WHERE id = ANY(%s) AND wiped_at IS NULL"
_BUSY = """
SELECT r.id FROM run r WHERE r.id = ANY(%s)
AND EXISTS (SELECT FROM run o WHERE o.work_order_id = r.work_order_id AND o.state = ANY(%s))
"""


def runs(given: Slice) -> Batch:
    """Runs of work orders that have ended: a retry or follow-up that waits may ask for what went before it."""
    looked = page("run", given)
    whole = column(_WHOLE, [looked]) if looked else []
    free = locked("run", whole, "NO KEY UPDATE")
    going = set(free) - set(column(_BUSY, [free, list(ACTIVE)]) if free else [])
    done = payload_wipe(runs=sorted(going)).runs if going else 0
    return batch(given, looked, going | (set(looked) - set(whole)), done=done)


_MESSAGES = "SELECT id FROM message WHERE id = ANY(%s) AND body_wiped_at IS NULL"
_MESSAGES_BUSY = """
SELECT m.id FROM message m WHERE m.id = ANY(%s)
AND EXISTS (SELECT FROM work_order o JOIN run r ON r.work_order_id = o.id
            WHERE o.message_id = m.id AND r.state = ANY(%s))
"""


def messages(given: Slice) -> Batch:
    looked = page("message", given)
    whole = column(_MESSAGES, [looked]) if looked else []
    free = locked("message", whole, "NO KEY UPDATE")
    going = set(free) - set(column(_MESSAGES_BUSY, [free, list(ACTIVE)]) if free else [])
    done = payload_wipe(messages=sorted(going)).messages if going else 0
    return batch(given, looked, going | (set(looked) - set(whole)), done=done)


def mails(given: Slice) -> Batch:
    """Texts of mails: where the project lets them quote an error, they say more than that there was one."""
    looked = page("notification", given)
    waiting = column("SELECT id FROM notification WHERE id = ANY(%s) AND state = 'waiting'", [looked])
    going = set(looked) - set(waiting)
    done = execute(
        "UPDATE notification SET text = '' WHERE id = ANY(%s) AND text <> ''",
        [locked("notification", sorted(going), "NO KEY UPDATE")],
    )
    words_forget(sorted(going))
    return batch(given, looked, going, done=done)


def incidents(given: Slice) -> Batch:
    """The sentence of the newest error. What is open keeps it: somebody has still to act on it."""
    looked = page("incident", given)
    going = column("SELECT id FROM incident WHERE id = ANY(%s) AND closed_at < %s", [looked, given.before])
    done = execute(
        "UPDATE incident SET message = '' WHERE id = ANY(%s) AND message <> ''",
        [locked("incident", going, "NO KEY UPDATE")],
    )
    return batch(given, looked, set(going), done=done)
