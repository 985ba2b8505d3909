"""Housekeeping: what nobody waits for. Words to find by, searches for persons, erasures, retention.

Every worker offers to do it, one at a time does: who has the lock. A round is short, so that another takes over soon
when that one ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection

from runs.erasing import erasures_work
from runs.finding.filling import words_fill
from runs.finding.searching import searches_work
from runs.retention.working import Pause, retention_work

logger = logging.getLogger(__name__)

IDLE_SECONDS = 3.0
FILL_SECONDS = 5.0
RETENTION_SECONDS = 60.0  # between two looks at what has grown too old
_LOCK = 4_713

_looked_at = -RETENTION_SECONDS


def housekeeping_round(*, pause: Pause) -> bool:
    """One round. True: there is more to do at once."""
    with only_one() as mine:
        if not mine:
            return False
        filled = words_fill(seconds=FILL_SECONDS, pause=pause)
        worked = searches_work(filled=filled) + erasures_work()
        return _retention_round(pause) or not filled or bool(worked)


def _retention_round(pause: Pause) -> bool:
    global _looked_at
    if time.monotonic() - _looked_at < RETENTION_SECONDS:
        return False
    more = retention_work(pause=pause)
    if not more:
        _looked_at = time.monotonic()
    return more


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether we are the one process of the installation that keeps house now. Ends with the connection at the latest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            _give_back()


def _give_back() -> None:
    """A session that cannot, does not go back to the pool: there it would keep the lock, and nobody kept house."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    except (DatabaseError, InterfaceError):
        if connection.connection is not None:
            connection.connection.close()
        connection.close()
