"""What came of a bulk operation: of each item, of all together, why it stopped, and what it waits for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from jobs.models import JobState
from openfn_platform.common.text import one_line, plural
from runs import words
from runs.bulk_following import ACTIVE, stop_note
from runs.models import BulkItem, BulkOperation, BulkState, ItemState, Outcome, Run, RunState
from runs.selectors.trees import light

MOST_REASONS = 20
MOST_RUNS_EACH = 5  # of one item, where it is shown
LONGEST_SAID = 150

LEFT_OUT = "left_out"
WAITING = "waiting"
# Of each thing that can have come of an item: its word, and which items these are.
CAME: dict[str, tuple[str, Q]] = {
    Outcome.SUCCEEDED: ("Succeeded", Q(outcome=Outcome.SUCCEEDED)),
    Outcome.FAILED: ("Failed", Q(outcome=Outcome.FAILED)),
    Outcome.UNDER_WAY: ("Under way", Q(outcome=Outcome.UNDER_WAY)),
    Outcome.CANCELLED: ("Cancelled", Q(outcome=Outcome.CANCELLED)),
    LEFT_OUT: ("Left out", Q(state=ItemState.FAILED)),
    WAITING: ("Not begun", Q(state=ItemState.WAITING)),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table: an item, and the newest attempts of what it made."""

    item: BulkItem
    came: str  # a key of CAME; nothing where no run was made or is known
    runs: tuple[Run, ...]
    more: int  # runs that are not shown


def reasons_of(operation: BulkOperation) -> list[dict[str, Any]]:
    """Why things failed, the commonest first: {reason, count}."""
    failed = BulkItem.objects.filter(operation=operation, state=ItemState.FAILED).values("reason")
    return [
        dict(row) for row in failed.annotate(count=Count("id")).order_by("-count", "reason")[:MOST_REASONS]
    ]


def came_of(item: BulkItem) -> str:
    """What came of it, as a key of CAME."""
    if item.state == ItemState.FAILED:
        return LEFT_OUT
    return WAITING if item.state == ItemState.WAITING else item.outcome


def counts_of(operation: BulkOperation) -> dict[str, int]:
    """How many items each thing has come of. No query."""
    return {
        Outcome.SUCCEEDED: operation.runs_succeeded,
        Outcome.FAILED: operation.runs_failed,
        Outcome.UNDER_WAY: operation.runs_under_way,
        Outcome.CANCELLED: operation.runs_cancelled,
        LEFT_OUT: operation.failed,
        WAITING: operation.waiting,
    }


def table(
    operation: BulkOperation, *, came: str = "", after: int = 0, most: int = 50
) -> tuple[list[Line], bool]:
    """The items behind a position, and whether there are more. Two queries."""
    rows = BulkItem.objects.filter(operation=operation, position__gt=after)
    if came:
        rows = rows.filter(CAME[came][1])
    items = list(rows.order_by("position")[: most + 1])
    shown = items[:most]
    keys = {item.pk: item.runs or ([item.result] if item.result else []) for item in shown}
    wanted = [run for each in keys.values() for run in each[:MOST_RUNS_EACH]]
    runs = _runs(operation, wanted).in_bulk() if wanted else {}
    lines = [
        Line(
            item=item,
            came=came_of(item),
            runs=tuple(runs[key] for key in keys[item.pk][:MOST_RUNS_EACH] if key in runs),
            more=max(0, len(keys[item.pk]) - MOST_RUNS_EACH),
        )
        for item in shown
    ]
    return lines, len(items) > most


def note_of(operation: BulkOperation, *, sees: bool) -> str:
    """Why it ended early; after a failure with the words of the run, which are read where they can be erased."""
    if operation.state != BulkState.STOPPED or operation.stopped_by is None:
        return operation.note
    run = _runs(operation, [operation.stopped_by]).first()
    said = one_line(words.outcome_of(run, sees=sees), LONGEST_SAID) if run is not None else ""
    return stop_note(operation=operation, said=said)


def waits_for(operation: BulkOperation, *, sees: bool) -> str:
    """What it waits for before it goes on or is over; nothing where workers are at it, or it has ended."""
    if not operation.is_open or operation.may_go_on or not operation.runs_under_way:
        return ""
    runs = _under_way(operation)
    if not runs:
        return ""  # they have just ended
    if operation.waiting and operation.tries_first:
        what = "One is tried first; the others follow when it has succeeded."
    elif operation.waiting:
        what = f"{plural(len(runs), 'run')} of it are under way; more are begun as these end."
    else:
        what = (
            f"All are begun; {plural(len(runs), 'run')} {'has' if len(runs) == 1 else 'have'} not ended yet."
        )
    return f"{what} {_why_they_wait(runs, sees=sees)}".strip()


def _under_way(operation: BulkOperation) -> list[Run]:
    rows = BulkItem.objects.filter(operation=operation, outcome=Outcome.UNDER_WAY)
    keys: list[uuid.UUID] = [run for runs in rows.values_list("runs", flat=True) for run in runs or ()]
    return list(_runs(operation, keys).filter(state__in=ACTIVE).order_by("lane", "attempt"))


def _runs(operation: BulkOperation, keys: list[uuid.UUID]) -> QuerySet[Run]:
    """Of its own project: the claim of a list of ids is no key that the database watches over."""
    return light(Run.objects.filter(pk__in=keys, project_id=operation.project_id)).select_related("job")


def _why_they_wait(runs: list[Run], *, sees: bool) -> str:
    """Why none of them is executed, where none is."""
    if any(run.state != RunState.AVAILABLE for run in runs):
        return ""
    stopped = next((run.job for run in runs if run.job.state != JobState.ON), None)
    if stopped is not None:
        return f"“{stopped.name}” is {stopped.state}; its runs wait until it is switched on."
    told = next((run for run in runs if run.waits_for), runs[0])
    return words.waiting_for(told, sees=sees)
