"""Permits: argument-free Celery tasks, each of which lets one worker execute one run.

Which run that is, the database decides; a permit that is lost, doubled, late or out of order changes nothing.
Publishing never slows or fails what was just committed: no retries, short socket timeouts, and a breaker that
stops asking a broker for ten seconds after it did not answer. The sweep makes up for what was not published.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from runs.envelopes import Envelopes

logger = logging.getLogger(__name__)

BREAKER_SECONDS = 10.0
BATCH = 500  # permits per round trip
BULK_EXPIRES = 60  # seconds: by then the sweep has looked
BULK_SOON = 0.1  # seconds in which ends of runs are gathered
WAITING_AT_MOST = 20_000  # more than that nobody works off before the sweep looks again


class Breaker:
    """Open (do not ask) for a while after a failure. Per process; races only cost one more try."""

    def __init__(self, seconds: float = BREAKER_SECONDS) -> None:
        self.seconds = seconds
        self._closed_at = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._closed_at

    def failed(self) -> None:
        self._closed_at = time.monotonic() + self.seconds

    def worked(self) -> None:
        self._closed_at = 0.0


breaker = Breaker()


class Bell:
    """Publishes what was rung for, from a thread of its own: whoever rings does not wait for the broker.

    What is rung for while a batch is on its way goes out together in the next one, in one round trip.
    """

    def __init__(self) -> None:
        self._wanted = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def ring(self, count: int) -> None:
        with self._changed:
            if self._thread is None or self._pid != os.getpid():  # a forked process has no thread yet
                self._pid, self._wanted = os.getpid(), 0
                self._thread = threading.Thread(target=self._serve, name="bell", daemon=True)
                self._thread.start()
            self._wanted = min(self._wanted + count, WAITING_AT_MOST)
            self._changed.notify()

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._wanted:
                    self._changed.wait()
                count, self._wanted = self._wanted, 0
            publish(count)


bell = Bell()
_envelopes: Envelopes | None = None


def publish(count: int = 1) -> int:
    """Publish so many permits now; returns how many the broker took. Never raises."""
    global _envelopes
    if not settings.REDIS_URL or breaker.is_open or count < 1:
        return 0
    try:
        with _redis() as client:
            if _envelopes is None:
                _envelopes = Envelopes()
            for begin in range(0, count, BATCH):
                client.lpush(_envelopes.queue, *_envelopes.permits(min(BATCH, count - begin)))
    except Exception as error:  # whatever kombu, redis or the socket raise: the run is safe in the database
        breaker.failed()
        logger.warning("action=permits_unpublished count=%s error=%s", count, type(error).__name__)
        return 0
    breaker.worked()
    return count


@contextmanager
def _redis() -> Iterator[Any]:
    """The client behind kombu's own pooled connection: its address, its time-outs, its TLS."""
    from openfn_platform.celery import app

    with app.producer_pool.acquire(block=True, timeout=2) as producer:
        # Once, and not for six seconds as kombu does: in that time the sweep would execute nothing.
        link: Any = producer.connection
        link.ensure_connection(max_retries=0)
        channel: Any = producer.channel
        with channel.conn_or_acquire() as client:
            yield client


def broker_answers() -> bool:
    """Whether a broker is configured and answered lately (asked again when the breaker is closed)."""
    if not settings.REDIS_URL:
        return False
    if breaker.is_open:
        return False
    return queue_length() is not None


def queue_length() -> int | None:
    """How many permits lie in the broker's queue; None when it does not answer."""
    from openfn_platform.celery import app

    if not settings.REDIS_URL or breaker.is_open:
        return None
    try:
        with _redis() as client:
            return int(client.llen(app.conf.task_default_queue))
    except Exception as error:  # see publish: whatever it is, the broker is not to be had now
        breaker.failed()
        logger.warning("action=broker_silent error=%s", type(error).__name__)
        return None


def bulk_ring() -> None:
    """Ask a worker to look at the bulk operations now; the sweep would only do so in some seconds. Never raises."""
    from runs.tasks import bulk_work

    if not settings.REDIS_URL or breaker.is_open:
        return
    try:
        bulk_work.apply_async(retry=False, expires=BULK_EXPIRES)
    except Exception as error:  # see publish: what is to be done stands in the database
        breaker.failed()
        logger.warning("action=bulk_unpublished error=%s", type(error).__name__)


class BulkBell:
    """Asks a worker to look at the bulk operations soon: at most so often, however often it is pressed."""

    def __init__(self, seconds: float = BULK_SOON) -> None:
        self.seconds = seconds
        self._pressed = threading.Event()
        self._lock = threading.Lock()
        self._pid = 0

    def press(self) -> None:
        if not settings.REDIS_URL:
            return
        with self._lock:
            if self._pid != os.getpid():  # none yet, or a forked process, which has no thread
                self._pid = os.getpid()
                threading.Thread(target=self._serve, name="bulk-bell", daemon=True).start()
        self._pressed.set()

    def _serve(self) -> None:
        while self._pressed.wait():
            time.sleep(self.seconds)
            self._pressed.clear()  # before the ring: who presses from now on is heard by the next one
            bulk_ring()


bulk_bell = BulkBell()


def bulk_ring_soon_on_commit() -> None:
    """A run of a bulk operation ends: the operation may go on, but not at every single one."""
    transaction.on_commit(bulk_bell.press, robust=True)


def bulk_ring_on_commit() -> None:
    """From a thread of its own: who begins an operation does not wait for the broker."""

    def ring() -> None:
        threading.Thread(target=bulk_ring, name="bulk-bell", daemon=True).start()

    transaction.on_commit(ring, robust=True)


def publish_on_commit(count: int) -> None:
    """Ring when the transaction is committed; outside of one, at once."""
    if count > 0:
        transaction.on_commit(partial(bell.ring, count), robust=True)
