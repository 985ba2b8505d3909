"""Batch queries: a job waits, runs and ends by the clock.

Nobody can look into the database but through the stand-in, so the SQL of a job is executed when the job is due and
somebody calls; until then it can be cancelled without a trace.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openfn_platform.demo.standins.carto.errors import Refused, told
from openfn_platform.demo.standins.store import Record, Store

MOST_BYTES = 16 * 1024
MOST_WAITING = 64
SHOWN = ("job_id", "user", "query", "status", "created_at", "updated_at", "failed_reason")
UNFINISHED = ("pending", "running")


class Jobs:
    """The jobs of one account; `run` executes a text of SQL with the rights of the owner."""

    def __init__(
        self, store: Store, config: Callable[[], Mapping[str, Any]], run: Callable[[str], None]
    ) -> None:
        self._store, self._config, self._run = store, config, run

    def check_size(self, body: Mapping[str, Any]) -> None:
        """Batch queries are for long work, not for much data."""
        size = len(told(body))
        if size > MOST_BYTES:
            raise Refused(
                f"Your payload is too large: {size} bytes. Max size allowed is {MOST_BYTES} bytes (16kb)."
                " Are you trying to import data?. Please, check out import api"
                " http://docs.cartodb.com/cartodb-platform/import-api/"
            )

    def create(self, query: Any) -> Record:
        """A new job: one statement or several, one after the other."""
        if not query:
            raise Refused("You must indicate a valid SQL")
        if isinstance(query, list) and all(isinstance(each, str) for each in query):
            query = [{"query": each, "status": "pending"} for each in query]
        elif not isinstance(query, str):
            raise Refused("there is no job class for the provided query")
        if sum(job["status"] in UNFINISHED for job in self._store.table("job").values()) >= MOST_WAITING:
            raise Refused(f"Failed to create job. Max number of jobs ({MOST_WAITING}) queued reached")
        job_id, now = str(uuid.uuid4()), _now()
        job = {
            "job_id": job_id,
            "user": self._config()["account"],
            "query": query,
            "status": "pending",
            "created_at": now,
            "updated_at": now,
            "due": time.time() + self._config()["job_starts_after"],
        }
        return self._shown(self._store.put("job", job_id, job))

    def read(self, job_id: str) -> Record:
        """A job as it is now."""
        return self._shown(self._job(job_id))

    def cancel(self, job_id: str) -> Record:
        """End a job that has not ended yet."""
        job = self._job(job_id)
        if job["status"] not in UNFINISHED:
            raise Refused(f"Cannot set status from {job['status']} to cancelled")
        return self._shown(self._moved(job, "cancelled"))

    def all(self) -> list[Record]:
        """All jobs, oldest first."""
        return [self._shown(job) for job in self._store.table("job").values()]

    def advance(self) -> None:
        """Let time pass for all jobs."""
        for job_id in list(self._store.table("job")):
            job = self._job(job_id)
            while job["status"] in UNFINISHED and job["due"] <= time.time():
                job = self._step(job)

    def _step(self, job: Record) -> Record:
        if job["status"] == "pending":
            due = job["due"] + self._config()["job_takes"]
            return self._moved({**job, "due": due}, "running")
        try:
            self._run(f"/* {job['job_id']} */ {_next_query(job)}")
        except Refused as refusal:
            return self._moved(job, "failed", str(refusal))
        return self._moved(job, "done")

    def _moved(self, job: Record, status: str, reason: str | None = None) -> Record:
        """The job in its new state. Of several statements the present one moves, and the job with the last."""
        failed = {"failed_reason": reason} if reason else {}
        changed = {**job, "updated_at": _now()}
        if isinstance(job["query"], list):
            at = next(n for n, each in enumerate(job["query"]) if each["status"] in UNFINISHED)
            changed["query"] = [
                {**each, "status": status, **failed} if n == at else each
                for n, each in enumerate(job["query"])
            ]
            if status == "done" and at + 1 < len(job["query"]):
                return self._store.put("job", job["job_id"], {**changed, "status": "pending"})
        return self._store.put("job", job["job_id"], {**changed, "status": status, **failed})

    def _job(self, job_id: str) -> Record:
        job = self._store.get("job", job_id)
        if job is None:
            raise Refused(f"Job with id {job_id} not found")
        return job

    def _shown(self, job: Record) -> Record:
        return {name: job[name] for name in SHOWN if name in job}


def _next_query(job: Record) -> str:
    if isinstance(job["query"], str):
        return job["query"]
    return str(next(each["query"] for each in job["query"] if each["status"] == "running"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
