"""The lease keeper: one thread per worker that extends the leases of all its runs and hears of cancellations.

Never from job code, which could lie or hang. A run whose row is no longer ours, or a database out of reach until
shortly before the lease ends, means: kill the child (self-fencing), another worker may have the run by then. The
clock for that is read by each run's own supervisor: this thread may hang together with the database.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from runs.claiming import Claim

logger = logging.getLogger(__name__)

FENCED = "its lease ran out"
CANCELLED = "somebody cancelled it"
SHUTDOWN = "the worker was shut down"

_EXTEND = """
UPDATE run SET lease_until = clock_timestamp() + make_interval(secs => %s)
FROM unnest(%s::uuid[], %s::uuid[]) AS held(id, token)
WHERE run.id = held.id AND run.token = held.token AND run.state IN ('claimed', 'started')
RETURNING run.id, run.cancel_requested_at IS NOT NULL
"""


@dataclass
class Held:
    """One run in this worker's hands."""

    claim: Claim
    until: float  # monotonic; until then our lease surely holds
    margin: float  # seconds before that in which the child must be gone
    stop: str | None = None  # why the child must go

    def must_stop(self) -> str | None:
        """Why the child must go now, or None. Asked several times a second by the run's supervisor."""
        if self.stop is None and time.monotonic() > self.until - self.margin:
            self.stop = FENCED
        return self.stop


class LeaseKeeper:
    def __init__(self, *, lease_seconds: float) -> None:
        self._lease = lease_seconds
        self._held: dict[uuid.UUID, Held] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing: str | None = None

    @property
    def running(self) -> int:
        return len(self._held)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def hold(self, claim: Claim) -> Held:
        """Keep the lease of a run that was just claimed; after `stop_all` it is told to stop at once."""
        held = Held(claim=claim, until=time.monotonic() + self._lease, margin=self._lease / 4)
        with self._lock:
            held.stop = self._closing
            self._held[claim.run_id] = held
        return held

    def drop(self, held: Held) -> None:
        with self._lock:
            self._held.pop(held.claim.run_id, None)

    def stop_all(self, reason: str) -> None:
        """Make every supervisor kill its child, also of a run that is being claimed at this moment."""
        with self._lock:
            self._closing = reason
        for held in self._all():
            held.stop = held.stop or reason

    def _all(self) -> list[Held]:
        with self._lock:
            return list(self._held.values())

    def _keep(self) -> None:
        pause = min(1.5, self._lease / 5)
        link = _own_connection()
        while not self._done.wait(pause):
            held = self._all()
            if not held:
                continue
            try:
                self._extend(link, held)
            except DatabaseError as error:
                logger.warning("action=lease_not_extended error=%s runs=%s", type(error).__name__, len(held))
                link.close()
        link.close()

    def _extend(self, link: BaseDatabaseWrapper, held: list[Held]) -> None:
        asked_at = time.monotonic()
        with link.cursor() as cursor:
            cursor.execute(
                _EXTEND,
                [
                    self._lease,
                    [h.claim.run_id for h in held],
                    [h.claim.token for h in held],
                ],
            )
            ours = dict(cursor.fetchall())
        for one in held:
            if one.claim.run_id not in ours:
                # Either finished by its own supervisor a moment ago, or taken away from us.
                one.stop = one.stop or FENCED
                continue
            one.until = asked_at + self._lease
            if ours[one.claim.run_id]:
                one.stop = one.stop or CANCELLED


def _own_connection() -> BaseDatabaseWrapper:
    """Outside of the pool: leases must not wait for a free place in it, nor for its patience after an outage."""
    link = connections["default"].copy()
    link.settings_dict["OPTIONS"].pop("pool", None)
    return link
