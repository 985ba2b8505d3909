"""The worker: what one Celery worker process owns besides its threads: zygote, leases, heartbeat, sweeper,
housekeeper.

It hangs on the Worker as a boot step of its own, not on the Consumer: so it is there without a broker too. All
children are forked by the zygote, which is started (and replaced) by a thread that lives as long as the worker:
a child dies with the *thread* that made its parent.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from runs.leases import SHUTDOWN, LeaseKeeper
from runs.logs import LogBuffer
from runs.models import WorkerHeartbeat
from runs.sandbox.client import ZygoteClient, ZygoteUnavailable
from runs.sandbox.kernel import make_undumpable

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
WITHOUT_BROKER_THREADS = 4
LOG_THREADS = 2


class Worker:
    """One worker process. `start` and `stop` are called by its boot step, or by a test."""

    def __init__(self, *, name: str, capacity: int, sweeps: bool = True) -> None:
        self.sweeps = sweeps
        self.name = name[:120]
        self.capacity = capacity
        self.stopping = False
        self.leases = LeaseKeeper(lease_seconds=settings.RUN_LEASE_SECONDS)
        self.zygote = ZygoteClient(job_uid=settings.JOB_UID, forbidden_ports=_own_ports())
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._keeper: threading.Thread | None = None
        self._sweeper: threading.Thread | None = None
        self._housekeeper: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(WITHOUT_BROKER_THREADS, thread_name_prefix="no-broker")
        self._log_pool = ThreadPoolExecutor(LOG_THREADS, thread_name_prefix="log")

    @property
    def confinement(self) -> str:
        return str(self.zygote.confinement)

    def may_claim(self) -> bool:
        """Whether job code may run here: with REQUIRE_SANDBOX not below a real level of confinement."""
        if self.zygote.pid is None:
            return False
        return not (settings.REQUIRE_SANDBOX and self.zygote.confinement.level == "none")

    def start(self) -> None:
        make_undumpable()
        self._keeper = threading.Thread(target=self._keep_zygote, name="zygote-keeper", daemon=True)
        self._keeper.start()
        self.leases.start()
        if self.sweeps:
            self._sweeper = threading.Thread(target=self._sweep, name="sweeper", daemon=True)
            self._sweeper.start()
            self._housekeeper = threading.Thread(target=self._keep_house, name="housekeeper", daemon=True)
            self._housekeeper.start()

    def wait_ready(self, timeout: float = 30) -> bool:
        return self._ready.wait(timeout)

    def write_log(self, log: LogBuffer) -> None:
        """Let lines reach the screen while the job runs, in a thread that may wait for the database."""
        with suppress(RuntimeError):  # the worker is gone; what is left is written with the run's end
            self._log_pool.submit(self._write_log, log)

    def _write_log(self, log: LogBuffer) -> None:
        try:
            if log.is_due:
                log.flush()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("action=log_kept_back error=%s", type(error).__name__)
        except Exception:  # the border of a helper thread
            logger.exception("action=log_kept_back")
        finally:
            connection.close()

    def stop(self, *, grace: float | None = None) -> None:
        """Take no more runs, give those that go on the grace period, then kill their children."""
        self.stopping = True
        deadline = time.monotonic() + (settings.RUN_GRACE_SECONDS if grace is None else grace)
        while self.leases.running and time.monotonic() < deadline:
            time.sleep(0.05)
        self.leases.stop_all(SHUTDOWN)
        deadline = time.monotonic() + 10
        while self.leases.running and time.monotonic() < deadline:
            time.sleep(0.02)
        self._stopped.set()
        self.zygote.attention.set()
        self.leases.stop()
        for thread in (self._keeper, self._sweeper, self._housekeeper):
            if thread is not None:
                thread.join(timeout=5)
        for pool in (self._pool, self._log_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        self._beat(stopped=True)

    def _keep_zygote(self) -> None:
        """Start the zygote, replace it when it died, write the heartbeat. Lives as long as the worker."""
        beat_at = -HEARTBEAT_SECONDS
        while not self._stopped.is_set():
            # A worker that cannot run jobs is none: it neither claims nor beats, but goes on trying.
            if self._has_zygote() and time.monotonic() - beat_at >= HEARTBEAT_SECONDS:
                beat_at = time.monotonic()
                self._beat()
            self.zygote.attention.wait(1.0)
        self.zygote.stop()

    def _has_zygote(self) -> bool:
        try:
            if self._ready.is_set():
                self.zygote.maintain()
            else:
                self.zygote.start()
                self._ready.set()
                logger.info("action=worker_ready name=%s confinement=%s", self.name, self.confinement)
        except (ZygoteUnavailable, OSError) as error:
            logger.error("action=zygote_unavailable name=%s error=%s", self.name, error)
            if not self._ready.is_set():
                self.zygote.stop()  # and what the attempt left behind
            self.zygote.attention.clear()  # the next attempt comes in a second
        return self.zygote.pid is not None

    def _beat(self, *, stopped: bool = False) -> None:
        fields: dict[str, Any] = {
            "host": socket.gethostname()[:120],
            "pid": os.getpid(),
            "beat_at": Now(),
            "stopped_at": Now() if stopped else None,
            "capacity": self.capacity,
            "running": self.leases.running,
            "confinement": self.confinement[:120],
        }
        try:
            if not WorkerHeartbeat.objects.filter(name=self.name).update(**fields):
                WorkerHeartbeat.objects.create(name=self.name, **fields)
        except Exception as error:  # whatever it is, this thread must live: the zygote dies with it
            logger.warning("action=heartbeat_unwritten error=%s", type(error).__name__)
        finally:
            connection.close()

    def _sweep(self) -> None:
        """The sweep, every few seconds and whatever the broker does; without a broker, run what waits."""
        from runs.firing import schedules_fire_due
        from runs.sweeping import sweep

        while not self._stopped.is_set():
            try:
                schedules_fire_due(rung_by=self.name)
                sweep(rung_by=self.name)
            except Exception:  # the border of a thread that must never end: the next round tries again
                logger.exception("action=sweep_failed")
            finally:
                connection.close()
            self._without_broker(settings.RUN_SWEEP_SECONDS)

    def _keep_house(self) -> None:
        """Retention, words, searches for persons: in a thread of its own, as nothing urgent may wait for it."""
        from runs.housekeeping import IDLE_SECONDS, housekeeping_round

        while not self._stopped.wait(IDLE_SECONDS):
            try:
                while housekeeping_round(pause=self._stopped.wait) and not self._stopped.is_set():
                    pass
            except Exception:  # the border of a thread that must never end: the next round tries again
                logger.exception("action=housekeeping_failed")
            finally:
                connection.close()

    def _without_broker(self, seconds: float) -> None:
        """Wait for the next sweep; while no broker answers, execute runs meanwhile."""
        from runs.permits import broker_answers

        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopped.is_set():
            if broker_answers():
                self._stopped.wait(min(1.0, max(0.0, end - time.monotonic())))
                continue
            busy = [self._pool.submit(self._drain) for _ in range(WITHOUT_BROKER_THREADS)]
            for future in busy:
                future.result()
            self._bulk()
            self._stopped.wait(0.5)

    def _bulk(self) -> None:
        """Without a broker nobody rings for the bulk operations whose runs have just been executed."""
        from runs.bulk import bulk_work

        try:
            bulk_work(seconds=1.0)
        except Exception:  # the border of a thread that must never end
            logger.exception("action=bulk_failed")
        finally:
            connection.close()

    def _drain(self) -> None:
        from runs.execution import run_execute_next

        try:
            while not self.stopping and run_execute_next(self):
                pass
        except Exception:  # the border of a helper thread
            logger.exception("action=drain_failed")
        finally:
            connection.close()


def _own_ports() -> list[int]:
    """TCP ports of the platform's own servers: no job may connect there, whatever its connections say."""
    ports = [urlsplit(settings.REDIS_URL).port, urlsplit(settings.DATABASE_URL).port]
    return [port for port in ports if port]


_current: Worker | None = None


def current_worker() -> Worker | None:
    """The worker of this process, if it is one."""
    return _current


def set_current_worker(worker: Worker | None) -> None:
    global _current
    _current = worker


@contextmanager
def working(*, name: str, capacity: int = 4, sweeps: bool = True) -> Iterator[Worker]:
    """A worker in this process, without Celery: for commands and tests."""
    worker = Worker(name=name, capacity=capacity, sweeps=sweeps)
    set_current_worker(worker)
    worker.start()
    try:
        if not worker.wait_ready():
            raise RuntimeError("The zygote did not start; the log says why.")
        yield worker
    finally:
        worker.stop(grace=0)
        set_current_worker(None)
