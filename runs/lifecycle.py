"""The only writer of a run's state: the table of legal moves, and one conditional update per move.

Every move names the states it may come from and, once a worker holds the run, the token of that worker. An
update that finds no row means that somebody else was faster or the lease is gone; it is never an error here,
the caller decides. Times are the database's. A trigger in the database refuses to leave a final state even to
code that goes round this module.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import JSONField, Model, TextChoices
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

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
    changes: dict[str, Any] = {"state": to, **fields}
    if to in FINAL_STATES:
        changes.setdefault("finished_at", Now())
        changes.update(token=None, lease_until=None, waits_for="", probe=False)
    if to == S.AVAILABLE:
        changes.update(token=None, lease_until=None, worker="", claimed_at=None)
    return _update(run_id=run_id, begins=begins, token=token, changes=changes)


_FIELDS = {name: field for field in Run._meta.concrete_fields for name in (field.name, field.attname)}


def _update(
    *, run_id: uuid.UUID, begins: list[RunState], token: uuid.UUID | None, changes: dict[str, Any]
) -> bool:
    """The conditional update, in plain SQL: every run pays for it twice, and composing it by the ORM costs more
    than executing it."""
    sets: list[str] = []
    values: list[Any] = []
    for name, value in changes.items():
        field = _FIELDS[name]
        if isinstance(value, Now):
            sets.append(f'"{field.column}" = clock_timestamp()')
            continue
        sets.append(f'"{field.column}" = %s')
        if isinstance(field, JSONField):
            value = None if value is None else Jsonb(value)
        elif isinstance(value, Model):
            value = value.pk
        values.append(str(value) if isinstance(value, StrEnum | TextChoices) else value)
    where = "id = %s AND state = ANY(%s)"
    values += [run_id, [str(state) for state in begins]]
    if token is not None:
        where += " AND token = %s"
        values.append(token)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE run SET {', '.join(sets)} WHERE {where}", values)  # noqa: S608  # names of fields
        return bool(cursor.rowcount == 1)


_START = """
UPDATE run SET state = 'started', started_at = clock_timestamp(), job_version_id = %s, input_id = %s, confinement = %s,
    library = %s
WHERE id = %s AND token = %s AND state = 'claimed' AND cancel_requested_at IS NULL
"""


def run_start(
    *,
    run_id: uuid.UUID,
    token: uuid.UUID,
    version_id: uuid.UUID,
    input_id: uuid.UUID | None,
    confinement: str,
    library: dict[str, int] | None = None,
) -> bool:
    """claimed -> started, unless somebody has cancelled it. In plain SQL: every run pays for this statement."""
    with connection.cursor() as cursor:
        taken: Any = Jsonb(library) if library else None
        cursor.execute(_START, [version_id, input_id, confinement, taken, run_id, token])
        return bool(cursor.rowcount == 1)
