"""Waiting for imports that DHIS2 does in the background."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from jobs.adaptors.dhis2.connection import Connection
from jobs.adaptors.dhis2.imports import BETWEEN_NOTES, warn_of
from jobs.adaptors.dhis2.refusals import refusal
from jobs.adaptors.dhis2.reports import ImportReport, parsed
from jobs.adaptors.errors import AdaptorError, NotFound, Timeout, ValidationError

TRACKER = "TRACKER"
SHORTEST = 0.1  # seconds before the first look; it doubles up to what was asked for
PATIENCE = 15.0  # seconds in which a job may be unknown yet, or done without its report
PATIENCE_AFTER_FAILURE = 1.0


def wait_for(
    connection: Connection, job: Mapping[str, Any] | str, *, end: float, every: float
) -> ImportReport:
    """The report of one job, once it is done; `end` is by the monotonic clock."""
    if connection.context.dry_run:
        return ImportReport(message="(dry run)")
    waiting = _Waiting(connection, job, end=end, every=every)
    waiting.until_done()
    return waiting.report()


def judge(connection: Connection, report: ImportReport) -> ImportReport:
    """As an import that was waited for at once."""
    if report.refused:
        raise refusal(report, connection.redact, noun="records")
    warn_of(connection, report, "records")
    return report


class _Waiting:
    """One job under observation."""

    def __init__(
        self, connection: Connection, job: Mapping[str, Any] | str, *, end: float, every: float
    ) -> None:
        self._id, self._type = _named(job)
        self._connection = connection
        self._end, self._every = end, every
        self._pause = min(SHORTEST, every)
        self._noted, self._said = time.monotonic(), ""
        self._failure = ""

    def until_done(self) -> None:
        path = f"tracker/jobs/{self._id}" if self._is_tracker else f"system/tasks/{self._type}/{self._id}"
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._connection.call("GET", path, errors={404: False})
            if answer.status == 404 and time.monotonic() >= min(until, self._end):
                raise NotFound(f"DHIS2 knows no job {self._id}.", status=404, body=answer.body)
            notes = _notes(answer.body) if answer.ok else []
            done = next((each for each in notes if each.get("completed") is True), None)
            if done is not None:
                self._failure = str(done.get("message") or "") if done.get("level") == "ERROR" else ""
                return
            if notes:
                self._tell(str(notes[0].get("message") or ""))
            self._rest()

    def report(self) -> ImportReport:
        """What the job came to; it may take the server a moment to have it."""
        path = (
            f"tracker/jobs/{self._id}/report"
            if self._is_tracker
            else f"system/taskSummaries/{self._type}/{self._id}"
        )
        until = min(time.monotonic() + (PATIENCE_AFTER_FAILURE if self._failure else PATIENCE), self._end)
        while True:
            # Judged by the caller, so a report of a failure is no error of this request.
            answer = self._connection.call("GET", path, errors={200: False, 404: False, 409: False})
            report = parsed(answer.body) if answer.status in (200, 409) else None
            if report is not None and not _is_bare(answer.body):
                return report
            if time.monotonic() >= until:
                reason = self._failure or f"the job {self._id} ended without a report"
                raise AdaptorError(f"DHIS2: {self._connection.redact(reason)}", body=answer.body, sent=True)
            self._rest()

    @property
    def _is_tracker(self) -> bool:
        return self._type.startswith(TRACKER)

    def _tell(self, text: str) -> None:
        if time.monotonic() - self._noted >= BETWEEN_NOTES or (
            text and text != self._said and not self._said
        ):
            self._noted, self._said = time.monotonic(), text
            self._connection.context.log(
                "info", self._connection.redact(f"DHIS2 works on job {self._id}: {text or 'not done yet'}")
            )

    def _rest(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise Timeout(
                f"DHIS2 has not finished job {self._id} in the time allowed; it goes on there.",
                hint="Allow more time with timeout=…, or look at it later with dhis2.wait.",
                retryable=False,
                sent=True,
            )
        time.sleep(min(self._pause, left))
        self._pause = min(self._pause * 2, self._every)


def _named(job: Mapping[str, Any] | str) -> tuple[str, str]:
    uid = job if isinstance(job, str) else job.get("id")
    kind = TRACKER if isinstance(job, str) else str(job.get("type") or TRACKER)
    if not isinstance(uid, str) or not uid.isalnum() or not kind.replace("_", "").isalnum():
        raise ValidationError(
            "dhis2.wait needs what an asynchronous import answered, or the identifier of its job.", sent=False
        )
    return uid, kind


def _is_bare(body: dict[str, Any]) -> bool:
    """A sentence only, as for a summary that is not there yet."""
    return "httpStatus" in body and "response" not in body


def _notes(body: Any) -> list[dict[str, Any]]:
    """What the job has said, the newest first."""
    return [each for each in body if isinstance(each, dict)] if isinstance(body, list) else []
