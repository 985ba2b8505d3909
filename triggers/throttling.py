"""How many messages a minute: token buckets of projects and of keys, asked before a body is read.

Each web process decides by itself, from memory, so that a message waits for nobody. Twice a second it tells the
database in one statement what it let through and hears what is left in all; no Redis is needed. In the long run
the limit is exact. At any moment it can be exceeded by what the *other* processes let through since they last
told: at most half a second's arrivals, which is then paid back, because a bucket may owe as much as it holds. A process that
has just started believes each bucket full until it has asked once. While the database cannot be asked (and so
nothing can be stored), each process goes on with what it knows.

What is refused here is counted in memory too and written along: a flood of refusals costs two statements a second.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from triggers.bodies import Refused
from triggers.limits import Limit
from triggers.refusals import refusals_add

logger = logging.getLogger(__name__)

SYNC_SECONDS = 0.5
KEPT_AT_MOST = 20_000  # buckets per process

_SYNC = """
INSERT INTO rate_bucket AS b (id, capacity, per_second, tokens)
SELECT u.id, u.capacity, u.per_second, u.capacity - u.used
FROM unnest(%s::uuid[], %s::float8[], %s::float8[], %s::float8[]) AS u(id, capacity, per_second, used) ORDER BY u.id
ON CONFLICT (id) DO UPDATE SET
    capacity = EXCLUDED.capacity, per_second = EXCLUDED.per_second, at = clock_timestamp(),
    tokens = GREATEST(-EXCLUDED.capacity, EXCLUDED.tokens - EXCLUDED.capacity + LEAST(EXCLUDED.capacity,
        b.tokens + EXCLUDED.per_second * GREATEST(0, extract(epoch FROM clock_timestamp() - b.at))))
RETURNING id, tokens
"""


class RateLimited(Refused):
    """More messages came in a minute than are taken."""

    code = "rate_limited"
    status = 429


class Bucket:
    """What is left, as far as this process knows."""

    __slots__ = ("at", "capacity", "per_second", "tokens", "used")

    def __init__(self, limit: Limit, now: float) -> None:
        self.per_second = limit.per_minute / 60
        self.capacity = float(limit.burst)
        self.tokens = self.capacity
        self.at = now
        self.used = 0.0  # taken and not yet told

    def refill(self, limit: Limit, now: float) -> float:
        self.per_second = limit.per_minute / 60
        self.capacity = float(limit.burst)
        self.tokens = min(self.capacity, self.tokens + self.per_second * max(0.0, now - self.at))
        self.at = max(self.at, now)
        return self.tokens


class Throttle:
    """All buckets of this process."""

    def __init__(self, *, by_itself: bool = True) -> None:
        self._by_itself = by_itself  # a thread tells the database; tests call `sync`
        self._lock = threading.Lock()
        self._buckets: dict[uuid.UUID, Bucket] = {}
        self._refused: dict[tuple[uuid.UUID, uuid.UUID, str], int] = {}
        self._news = threading.Event()
        self._pid = 0

    def take(self, limits: Sequence[Limit], *, now: float | None = None) -> None:
        """One message under all of these limits, or none of it. Raises RateLimited."""
        now = time.monotonic() if now is None else now
        with self._lock:
            for limit in limits:
                missing = 1 - self._bucket(limit, now).refill(limit, now)
                if missing > 0:
                    wait = max(1, math.ceil(missing * 60 / limit.per_minute))
                    raise RateLimited(
                        f"More messages came than the {limit.per_minute:,} a minute that {limit.whose} may send; "
                        f"send it again in {wait:,} s.",
                        retry_after=wait,
                    )
            for limit in limits:
                bucket = self._buckets[limit.id]
                bucket.tokens -= 1
                bucket.used += 1
        self._tell()

    def refused(self, *, project: uuid.UUID, inbox: uuid.UUID, refusal: RateLimited) -> None:
        """Count it, to be written down with the next sync."""
        key = (project, inbox, refusal.message.partition(";")[0] + ".")
        with self._lock:
            self._refused[key] = self._refused.get(key, 0) + 1
        self._tell()

    def _bucket(self, limit: Limit, now: float) -> Bucket:
        bucket = self._buckets.get(limit.id)
        if bucket is None:
            if len(self._buckets) >= KEPT_AT_MOST:
                self._buckets = {key: each for key, each in self._buckets.items() if each.used}
            bucket = self._buckets[limit.id] = Bucket(limit, now)
        return bucket

    # --- the others -------------------------------------------------------------------------------------

    def _tell(self) -> None:
        if not self._by_itself:
            return
        if self._pid != os.getpid():  # a forked process has no thread yet
            with self._lock:
                if self._pid != os.getpid():
                    self._pid = os.getpid()
                    threading.Thread(target=self._serve, name="throttle", daemon=True).start()
        if not self._news.is_set():
            self._news.set()

    def _serve(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            try:
                self.sync()
                connection.close()  # back to the pool
            except Exception:  # whatever it was: without this thread the processes would lose touch for good
                logger.exception("action=throttle_failed")
            time.sleep(SYNC_SECONDS)

    def sync(self) -> None:
        """Tell what was let through and refused, hear what is left. Never raises."""
        try:
            self._sync_buckets()
            self._sync_refused()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("action=throttle_untold error=%s", type(error).__name__)

    def _sync_buckets(self) -> None:
        with self._lock:
            told = {key: bucket.used for key, bucket in self._buckets.items() if bucket.used}
            shapes = [(self._buckets[key].capacity, self._buckets[key].per_second) for key in told]
        left = self._exchange(told, shapes)
        now = time.monotonic()
        with self._lock:
            for key, tokens in left.items():
                bucket = self._buckets.get(key)
                if bucket is not None:
                    bucket.used -= told[key]
                    bucket.tokens, bucket.at = tokens - bucket.used, now

    def _sync_refused(self) -> None:
        while self._refused:
            with self._lock:
                key, count = self._refused.popitem()
            project, inbox, reason = key
            try:
                refusals_add(project=project, inbox=inbox, refusal=RateLimited(reason), count=count)
            except (DatabaseError, InterfaceError):
                with self._lock:  # to be tried with the next
                    self._refused[key] = self._refused.get(key, 0) + count
                raise

    @staticmethod
    def _exchange(told: dict[uuid.UUID, float], shapes: list[tuple[float, float]]) -> dict[uuid.UUID, float]:
        if not told:
            return {}
        capacities, rates = [shape[0] for shape in shapes], [shape[1] for shape in shapes]
        values: list[Any] = [list(told), capacities, rates, list(told.values())]
        with connection.cursor() as cursor:
            cursor.execute(_SYNC, values)
            return {key: float(tokens) for key, tokens in cursor.fetchall()}


throttle = Throttle()
