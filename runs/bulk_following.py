"""Following the runs of bulk operations: which have ended and how, and whether the rest may still be begun.

Each item knows the newest attempt of each run that it made. What came of it is written down once, when these have
ended and no automatic attempt comes after them; so a look costs what is under way, however much was done before.
An operation is followed until the last of its runs has ended, also one that was stopped.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from django.db import connection, transaction
from django.db.models import Count
from django.db.models.functions import Now

from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.auditing import audit
from runs.incidents import failure_fingerprint
from runs.models import FAILED_STATES, BulkItem, BulkOperation, BulkState, Deed, Outcome, RunState
from runs.models.bulk import MOST_UNDER_WAY

MOST_EQUAL_FAILURES = 5
AT_ONCE = 100  # operations that one look finds
ACTIVE = (RunState.AVAILABLE, RunState.CLAIMED, RunState.STARTED)

# Those that may take up an item, and those with an item all of whose runs have ended. What waits is not found.
_READY = """
SELECT o.id FROM bulk_operation o
WHERE o.state IN ('waiting', 'running') AND o.done + o.failed < o.total AND o.runs_under_way < o.at_once
UNION
SELECT o.id FROM bulk_operation o
WHERE o.runs_under_way > 0 AND EXISTS (
    SELECT 1 FROM bulk_item i
    WHERE i.operation_id = o.id AND i.outcome = 'under_way' AND NOT EXISTS (
        SELECT 1 FROM unnest(i.runs) AS made(id) JOIN run r ON r.id = made.id
        WHERE r.state IN ('available', 'claimed', 'started')))
ORDER BY 1 LIMIT %s
"""

_UNDER_WAY = """
SELECT i.id, made.id, r.state, n.id, r.job_id, r.error_type, r.error_message, c.fingerprint
FROM bulk_item i CROSS JOIN LATERAL unnest(i.runs) WITH ORDINALITY AS made(id, place)
LEFT JOIN run r ON r.id = made.id
LEFT JOIN run n ON n.retry_of_id = r.id AND n.retry_kind = 'auto'
LEFT JOIN incident c ON c.id = r.incident_id
WHERE i.operation_id = %s AND i.outcome = 'under_way' ORDER BY i.position, made.place
"""


def operations_ready() -> list[uuid.UUID]:
    """Operations for which something can be done now, the oldest first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_READY, [AT_ONCE])
        return [row[0] for row in cursor.fetchall()]


def at_once_of(*, one_first: bool, runs_each: int) -> int:
    """How many items may have runs under way at the same time."""
    return 1 if one_first else max(1, MOST_UNDER_WAY // max(1, runs_each))


def operation_end(operation: BulkOperation, state: BulkState, note: str = "") -> None:
    BulkOperation.objects.filter(pk=operation.pk).update(
        state=state, note=one_line(note, 300), finished_at=Now()
    )


@transaction.atomic
def runs_follow(*, operation_id: uuid.UUID) -> bool:
    """Write down what came of its runs. False: nothing new, or another worker is busy with this operation."""
    operation = (
        BulkOperation.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .select_related("project")
        .filter(pk=operation_id, runs_under_way__gt=0)
        .first()
    )
    if operation is None:
        return False
    news = list(_news(operation))
    if not news:
        return False
    BulkItem.objects.bulk_update([each.item for each in news], ["runs", "outcome", "fingerprint"])
    _count(operation, Counter(each.item.outcome for each in news))
    if operation.is_open:
        _decide(operation, [each for each in news if each.item.outcome == Outcome.FAILED])
    return True


def stop_note(*, operation: BulkOperation, said: str = "") -> str:
    """Why it stopped by itself. `said`: the words of the run, for those who may read them there."""
    because = f": {said.rstrip('.')}." if said else "."
    again = "reprocess" if operation.deed == Deed.REPROCESS else "retry"
    if operation.tries_first:
        return f"Stopped: the run that was tried first failed{because} Mend that, then {again} them all."
    count = MOST_EQUAL_FAILURES
    return f"Stopped: {count} of the runs it started failed in the same way{because} Mend that, then {again} the rest."


# --- what came of them ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The newest attempt of one run that an item made, as it is now. Without a state: it is gone."""

    run_id: uuid.UUID
    state: str | None
    next_id: uuid.UUID | None = None  # the automatic attempt after it
    fingerprint: str = ""

    @property
    def has_ended(self) -> bool:
        return self.next_id is None and self.state not in ACTIVE


@dataclass(frozen=True, kw_only=True)
class News:
    """An item of which something new is known."""

    item: BulkItem
    failed: Attempt | None


def outcome_of(attempts: list[Attempt]) -> Outcome:
    """What came of an item: one run that failed is enough, and so is one that succeeded where none failed."""
    if not all(each.has_ended for each in attempts):
        return Outcome.UNDER_WAY
    states = {each.state for each in attempts}
    if states & FAILED_STATES:
        return Outcome.FAILED
    return Outcome.SUCCEEDED if RunState.SUCCESS in states else Outcome.CANCELLED


def _news(operation: BulkOperation) -> Iterator[News]:
    with connection.cursor() as cursor:
        cursor.execute(_UNDER_WAY, [operation.pk])
        rows = cursor.fetchall()
    for pk, group in groupby(rows, key=lambda row: row[0]):
        attempts = [_attempt(*row[1:]) for row in group]
        outcome = outcome_of(attempts)
        if outcome == Outcome.UNDER_WAY and not any(each.next_id for each in attempts):
            continue
        failed = next((each for each in attempts if each.state in FAILED_STATES), None)
        if outcome != Outcome.FAILED:
            failed = None  # its next attempt decides
        item = BulkItem(
            pk=pk,
            runs=[each.next_id or each.run_id for each in attempts],
            outcome=outcome,
            fingerprint=failed.fingerprint if failed else "",
        )
        yield News(item=item, failed=failed)


def _attempt(
    run_id: uuid.UUID,
    state: str | None,
    next_id: uuid.UUID | None,
    job_id: uuid.UUID,
    error_type: str,
    error_message: str,
    fingerprint: str | None,
) -> Attempt:
    """A failure that opened no incident, as of a test run, is compared as if it had."""
    if state in FAILED_STATES and fingerprint is None:
        fingerprint = failure_fingerprint(job_id=job_id, error_type=error_type, message=error_message)
    return Attempt(run_id=run_id, state=state, next_id=next_id, fingerprint=fingerprint or "")


def _count(operation: BulkOperation, came: Counter[str]) -> None:
    operation.runs_under_way -= came.total() - came[Outcome.UNDER_WAY]
    operation.runs_succeeded += came[Outcome.SUCCEEDED]
    operation.runs_failed += came[Outcome.FAILED]
    operation.runs_cancelled += came[Outcome.CANCELLED]
    operation.save(update_fields=["runs_under_way", "runs_succeeded", "runs_failed", "runs_cancelled"])


# --- what follows from it -------------------------------------------------------------------------


def _decide(operation: BulkOperation, failed: list[News]) -> None:
    """Go on, stop, or be done. Where nothing is left to begin there is nothing to stop."""
    if not operation.waiting:
        if not operation.runs_under_way:
            operation_end(operation, BulkState.DONE)
        return
    reason = failed[0] if failed and operation.tries_first else _failed_alike(operation, failed)
    if reason is not None:
        _stop(operation, reason)
    elif operation.one_first and operation.runs_succeeded:
        at_once = at_once_of(one_first=False, runs_each=len(operation.parameters.get("jobs", ())))
        BulkOperation.objects.filter(pk=operation.pk).update(at_once=at_once)


def _failed_alike(operation: BulkOperation, failed: list[News]) -> News | None:
    """One of those that failed just now, if enough have failed in the same way."""
    if not failed:
        return None
    marks = {each.item.fingerprint for each in failed}
    rows = BulkItem.objects.filter(operation=operation, outcome=Outcome.FAILED, fingerprint__in=marks)
    counts = rows.values_list("fingerprint").annotate(count=Count("pk"))
    many = {mark for mark, count in counts if count >= MOST_EQUAL_FAILURES}
    return next((each for each in failed if each.item.fingerprint in many), None)


def _stop(operation: BulkOperation, reason: News) -> None:
    """The rest is left as it is. The note has no words of the run: they are read where they can be erased."""
    run_id = reason.failed.run_id if reason.failed else None
    operation_end(operation, BulkState.STOPPED, stop_note(operation=operation))
    BulkOperation.objects.filter(pk=operation.pk).update(stopped_by=run_id)
    changes = {"worked": operation.worked, "left": operation.waiting, "run": run_id}
    audit("bulk operation stopped", PLATFORM, project=operation.project, target=operation, changes=changes)
