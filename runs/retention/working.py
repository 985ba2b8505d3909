"""Doing the chores: one small transaction after the other, and a rest after each that is longer than it took.

Any of them may be killed half-way: a batch and how far it came are written together. Who is in the way is passed
over (SKIP LOCKED), and whoever waits for one of our rows waits for one batch.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from django.db import OperationalError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Now
from django.utils import timezone

from runs.models import Housekeeping
from runs.retention.batches import Batch, Slice
from runs.retention.chores import Chore, chores

logger = logging.getLogger(__name__)

MOST = 500  # rows that a batch looks at
LEAST = 10
LONGEST = 0.08  # seconds that a batch should take
SHARE = 0.25  # of the time in which pruning works
AGAIN = timedelta(hours=12)  # until rows that had to stay are looked at again
_BOUNDS = (
    "SET LOCAL lock_timeout = '100ms'",
    "SET LOCAL statement_timeout = '10s'",
    # What is lost in a power cut is pruned once more; nobody waits for the disk meanwhile.
    "SET LOCAL synchronous_commit = off",
)

Pause = Callable[[float], bool]
"""Waits so many seconds; True: stop, the process ends."""


def retention_work(*, pause: Pause, seconds: float = 5.0) -> bool:
    """Every chore for at most `seconds`. True: there is more of it, go on soon.

    A project's chores wait for the one before: messages go when their work orders are gone.
    """
    more = False
    behind: set[uuid.UUID | None] = set()
    for chore in chores():
        whose = chore.project.pk if chore.project else None
        if whose in behind:
            continue
        try:
            if chore_work(chore=chore, pause=pause, seconds=seconds):
                more = True
                behind.add(whose)
        except Stopped:
            return False
        except Exception:  # the border of each chore: one that fails must not keep the others from theirs
            logger.exception("action=chore_failed task=%s", chore.task.name)
    return more


class Stopped(Exception):
    """The process ends."""


def chore_work(*, chore: Chore, pause: Pause, seconds: float) -> bool:
    """One chore, batch by batch. True: it is not at its end."""
    until = time.monotonic() + seconds
    size = MOST // 10
    while True:
        began = time.monotonic()
        try:
            done = chore_batch(chore=chore, size=size)
        except OperationalError as error:
            # Somebody holds a table for longer than we wait, or the batch was too big for its time.
            logger.info("action=chore_stepped_aside task=%s error=%s", chore.task.name, type(error).__name__)
            if size == LEAST:
                return False
            done, size = Batch(cursor="", more=True), max(LEAST, size // 4)
        took = time.monotonic() - began
        if not done.more:
            return False
        if pause(took * (1 - SHARE) / SHARE):
            raise Stopped
        if time.monotonic() > until:
            return True
        size = _fitting(size, took)


def _fitting(size: int, took: float) -> int:
    if took > LONGEST:
        return max(LEAST, int(size * LONGEST / took))
    return min(MOST, size * 2) if took < LONGEST / 2 else size


@transaction.atomic
def chore_batch(*, chore: Chore, size: int) -> Batch:
    """One transaction."""
    with connection.cursor() as cursor:
        for bound in _BOUNDS:
            cursor.execute(bound)
    row, _ = Housekeeping.objects.get_or_create(project=chore.project, task=chore.task.name)
    again = row.again_from if row.again_from and row.again_at <= timezone.now() else ""
    done = chore.task.batch(
        Slice(
            project=chore.project,
            before=chore.before(now=timezone.now()),
            cursor=again or row.cursor,
            size=size,
        )
    )
    _remember(row, done, again=bool(again))
    return done


def _remember(row: Housekeeping, done: Batch, *, again: bool) -> None:
    changes: dict[str, object] = {}
    if done.cursor != row.cursor:
        changes["cursor"] = done.cursor
    if again or (done.held and not row.again_from):
        changes |= {"again_from": done.held, "again_at": Now() + Value(AGAIN)}
    if done.done:
        same_day = row.last_at is not None and row.last_at.date() == timezone.now().date()
        changes |= {
            "rows": F("rows") + done.done,
            "last_rows": F("last_rows") + done.done if same_day else done.done,
            "last_at": Now(),
        }
    if changes:
        Housekeeping.objects.filter(pk=row.pk).update(**changes)
