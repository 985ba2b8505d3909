"""The only writer of a run's state: the table of legal moves, and one conditional update per move.

Every move names the states it may come from and, once a worker holds the run, the token of that worker. An
update that finds no row means that somebody else was faster or the lease is gone; it is never an error here,
the caller decides. Times are the database's. A trigger in the database refuses to leave a final state even to
code that goes round this module.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from openfn_platform.common.errors import Conflict
from runs.models import FINAL_STATES, Run, RunState

S = RunState

# From -> where it may go. Final states lead nowhere: a retry is a new run.
MOVES: dict[RunState, frozenset[RunState]] = {
    S.AVAILABLE: frozenset({S.CLAIMED, S.CANCELLED, S.SKIPPED, S.EXCEPTION}),
    S.CLAIMED: frozenset({S.STARTED, S.AVAILABLE, S.CANCELLED, S.SKIPPED, S.EXCEPTION}),
    S.STARTED: frozenset(
        {
            S.SUCCESS,
            S.FAILED,
            S.CRASHED,
            S.KILLED,
            S.EXCEPTION,
            S.CANCELLED,
            S.SKIPPED,
            S.LOST,
        }
    ),
    **dict.fromkeys(FINAL_STATES, frozenset()),
}


class IllegalMove(Conflict):
    """A run cannot go from that state to this one."""

    code = "illegal_move"


def may_move(source: str, target: str) -> bool:
    return RunState(target) in MOVES[RunState(source)]


def sources_of(target: RunState) -> list[RunState]:
    """The states from which `target` can be reached."""
    return [source for source, targets in MOVES.items() if target in targets]


def run_move(
    *,
    run_id: uuid.UUID,
    to: RunState,
    source: RunState | None = None,
    token: uuid.UUID | None = None,
    **fields: Any,
) -> bool:
    """Move one run if it is where the move begins (and, with a token, still this worker's).

    False: it is not, and nothing changed. Raises IllegalMove for a pair that is not in the table.
    """
    if source is not None and not may_move(source, to):
        raise IllegalMove(f"A run cannot go from {source} to {to}.")
    begins = [source] if source is not None else sources_of(to)
    if not begins:
        raise IllegalMove(f"No run can be moved to {to}.")
    rows = Run.objects.filter(pk=run_id, state__in=begins)
    if token is not None:
        rows = rows.filter(token=token)
    changes: dict[str, Any] = {"state": to, **fields}
    if to in FINAL_STATES:
        changes.setdefault("finished_at", Now())
        changes.update(token=None, lease_until=None, waits_for="", probe=False)
    if to == S.AVAILABLE:
        changes.update(token=None, lease_until=None, worker="", claimed_at=None)
    return rows.update(**changes) == 1


_START = """
UPDATE run SET state = 'started', started_at = clock_timestamp(), job_version_id = %s, input_id = %s, confinement = %s
WHERE id = %s AND token = %s AND state = 'claimed'
"""


def run_start(
    *,
    run_id: uuid.UUID,
    token: uuid.UUID,
    version_id: uuid.UUID,
    input_id: uuid.UUID | None,
    confinement: str,
) -> bool:
    """claimed -> started. In plain SQL: one of the few statements that every run pays for."""
    with connection.cursor() as cursor:
        cursor.execute(_START, [version_id, input_id, confinement, run_id, token])
        return bool(cursor.rowcount == 1)
