"""Asynchronous imports: the work is done when its time has come, and only then anything of it can be seen.

There is no clock of its own: what is due is done before the next request is answered. As on the real server, jobs are
held in memory and are forgotten when it ends.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openfn_platform.demo.standins.dhis2.dates import now_text
from openfn_platform.demo.standins.dhis2.reports import ApiError, Report
from openfn_platform.demo.standins.dhis2.uids import fresh_uid

KEPT = 1000


@dataclass
class Job:
    """One import that goes on by itself."""

    uid: str
    kind: str
    due: float
    work: Callable[[], Report]
    created: str
    log: list[Report] = field(default_factory=list)
    result: Report | None = None

    def say(self, message: str, *, completed: bool = False, level: str = "INFO") -> None:
        """Put a line at the head of the log."""
        uid = fresh_uid()
        line = {
            "uid": uid,
            "level": level,
            "category": self.kind,
            "time": now_text(),
            "message": message,
            "completed": completed,
            "id": uid,
        }
        self.log.insert(0, line)


class Jobs:
    """All jobs since the server started."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def start(self, kind: str, work: Callable[[], Report]) -> Job:
        """Take work for later."""
        due = time.monotonic() + self._config["job_seconds"]
        job = Job(fresh_uid(), kind, due, work, now_text())
        job.say("Process started")
        self._jobs[job.uid] = job
        if len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        return job

    def run_due(self) -> None:
        """Do the work whose time has come, in the order in which it came."""
        now = time.monotonic()
        for job in [job for job in self._jobs.values() if job.result is None and job.due <= now]:
            try:
                job.result = job.work()
            except ApiError as error:
                job.result = {"status": "ERROR", "message": str(error)}
            level = "ERROR" if job.result.get("status") == "ERROR" else "INFO"
            job.say(_ending(job.result), completed=True, level=level)

    def log(self, kind: str, uid: str) -> list[Report]:
        """What a job has said, newest first; nothing of a job that is not known."""
        job = self._jobs.get(uid)
        return job.log if job and job.kind == kind else []

    def result(self, kind: str, uid: str) -> Report | None:
        """The report of a finished job."""
        job = self._jobs.get(uid)
        return job.result if job and job.kind == kind else None

    def clear(self) -> None:
        """Forget all jobs, also the unfinished."""
        self._jobs.clear()


def _ending(result: Report) -> str:
    counts = result.get("stats") or result.get("importCount") or {}
    told = ", ".join(f"{number} {name}" for name, number in counts.items() if name != "total")
    return f"Import complete with status {result.get('status')}" + (f", {told}" if told else "")
