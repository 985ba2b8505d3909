"""Waiting until work orders have ended, for senders that want to hear how it went.

Whoever waits holds a thread of the web server and nothing else: no connection, no transaction. One thread per process
asks the database for all that wait, by primary keys, often while somebody is new and seldom later: a tenth of a
millisecond each time. (NOTIFY would tell a few milliseconds sooner, but its commits take turns in the whole database:
measured, half as many small commits from 16 connections.) Only so many
may wait at once in a process, so that the other threads stay free; who finds no place is told to ask later.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)

# (younger than so many seconds, asks every so many seconds), by the youngest that waits.
PACE = ((1.0, 0.02), (5.0, 0.05), (20.0, 0.15), (float("inf"), 0.4))
AFTER_AN_ERROR = 0.5

_OPEN = "SELECT id FROM work_order WHERE id = ANY(%s) AND state IN ('pending', 'running')"


@dataclass(eq=False)
class _Waiter:
    orders: frozenset[uuid.UUID]
    since: float
    ended: threading.Event = field(default_factory=threading.Event)


class Waiting:
    """Everybody who waits in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiters: set[_Waiter] = set()
        self._pid = 0

    def until_ended(self, orders: Sequence[uuid.UUID], *, seconds: float) -> bool | None:
        """True: all have ended. False: not within that time. None: too many wait already.

        Work orders that are not there (any more) count as ended.
        """
        waiter = _Waiter(orders=frozenset(orders), since=time.monotonic())
        with self._changed:
            if len(self._waiters) >= settings.INBOX_WAITING_MOST:
                return None
            self._waiters.add(waiter)
            if self._pid != os.getpid():  # a forked process has no thread yet
                self._pid = os.getpid()
                threading.Thread(target=self._serve, name="waiting", daemon=True).start()
            self._changed.notify()
        if not connection.in_atomic_block:
            connection.close()  # back to the pool: others need it meanwhile
        try:
            return waiter.ended.wait(seconds)
        finally:
            with self._changed:
                self._waiters.discard(waiter)

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiters:
                    self._changed.wait()
                waiters = list(self._waiters)
            time.sleep(self._looked(waiters))

    def _looked(self, waiters: list[_Waiter]) -> float:
        try:
            return self._look(waiters)
        except Exception:  # whatever it was: without this thread everybody would wait in vain from now on
            logger.exception("action=waiting_failed")
            return AFTER_AN_ERROR

    def _look(self, waiters: list[_Waiter]) -> float:
        """Wake those whose work orders have all ended; returns how long to pause."""
        try:
            open_orders = self._open(frozenset().union(*(waiter.orders for waiter in waiters)))
        except (DatabaseError, InterfaceError) as error:
            logger.warning("action=waiting_blind error=%s", type(error).__name__)
            return AFTER_AN_ERROR
        finally:
            connection.close()
        now, youngest = time.monotonic(), float("inf")
        for waiter in waiters:
            if waiter.orders.isdisjoint(open_orders):
                waiter.ended.set()
            else:
                youngest = min(youngest, now - waiter.since)
        return next(pause for age, pause in PACE if youngest <= age)

    @staticmethod
    def _open(orders: frozenset[uuid.UUID]) -> set[uuid.UUID]:
        with connection.cursor() as cursor:
            cursor.execute(_OPEN, [list(orders)])
            return {row[0] for row in cursor.fetchall()}


waiting = Waiting()
