"""The bodies in which DHIS2 reports: web messages, object reports, import reports and import summaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from openfn_platform.demo.standins.wire import Answer

Report = dict[str, Any]
COUNTS = ("created", "updated", "deleted", "ignored", "total")
SUCCESSFUL = "Import was successful."
CONFLICTS = "One more conflicts encountered, please check import summary."
FAILED = "An error occurred, please check import summary."
METADATA_FAILED = "One or more errors occurred, please see full details in import report."


class ApiError(Exception):
    """DHIS2 says no with a plain web message."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    def answer(self) -> Answer:
        """The error body."""
        body = web_message(self.status, status="ERROR", message=str(self), code=self.code)
        return Answer.json(self.status, body, **self.headers)


def web_message(
    http_status: int,
    *,
    status: str = "OK",
    message: str | None = None,
    response: Report | None = None,
    code: str | None = None,
) -> Report:
    """The envelope of most answers to a write."""
    body: Report = {
        "httpStatus": HTTPStatus(http_status).phrase,
        "httpStatusCode": http_status,
        "status": status,
        "message": message,
        "errorCode": code,
        "response": response,
    }
    return {name: value for name, value in body.items() if value is not None}


def told(http_status: int, **parts: Any) -> Answer:
    """A web message as an answer."""
    return Answer.json(http_status, web_message(http_status, **parts))


def missing(label: str, uid: str) -> ApiError:
    """404 of an object."""
    return ApiError(404, f"{label} with id {uid} could not be found.", "E1005")


def stats(**counts: int) -> dict[str, int]:
    """Counts with their total."""
    full = {name: counts.get(name, 0) for name in COUNTS[:-1]}
    return {**full, "total": sum(full.values())}


def object_report(klass: str, uid: str, errors: Sequence[Report], *, kind: str = "ObjectReport") -> Report:
    """What became of one piece of metadata."""
    return {"responseType": kind, "klass": klass, "uid": uid, "errorReports": list(errors)}


def error_reports(errors: Sequence[Report]) -> Report:
    """Errors without an object."""
    return {"responseType": "ErrorReports", "errorReports": list(errors)}


def error_report(code: str, message: str, klass: str, name: str | None = None) -> Report:
    """One error of metadata."""
    report: Report = {"message": message, "mainKlass": klass, "errorCode": code}
    if name is not None:
        report |= {"errorProperty": name, "errorProperties": [name]}
    return report


def import_summary(
    counts: Mapping[str, int], conflicts: Sequence[Report], *, status: str, options: Report, **more: Any
) -> Report:
    """What became of data values or of one event or entity."""
    return {
        "responseType": "ImportSummary",
        "status": status,
        "importOptions": options,
        "description": "Import process completed successfully" if status != "ERROR" else "Import failed",
        "importCount": {name: counts.get(name, 0) for name in ("imported", "updated", "ignored", "deleted")},
        "conflicts": list(conflicts),
        **more,
    }


def import_summaries(summaries: Sequence[Report]) -> Report:
    """What became of several events or entities."""
    names = ("imported", "updated", "deleted", "ignored")
    counts = {name: sum(s["importCount"][name] for s in summaries) for name in names}
    return {
        "responseType": "ImportSummaries",
        "status": worst(summary["status"] for summary in summaries),
        **counts,
        "total": sum(counts.values()),
        "importSummaries": list(summaries),
    }


def worst(statuses: Iterable[str]) -> str:
    """The status of a whole from those of its parts."""
    found = set(statuses)
    return next((status for status in ("ERROR", "WARNING") if status in found), "SUCCESS")


def summary_answer(summary: Report, *, plain: bool) -> Answer:
    """An import summary around which newer servers put a web message and 409 for anything but success."""
    if plain:
        return Answer.json(200, summary)
    status = summary["status"]
    if status == "SUCCESS":
        return told(200, message=SUCCESSFUL, response=summary)
    return told(409, status=status, message=FAILED if status == "ERROR" else CONFLICTS, response=summary)
