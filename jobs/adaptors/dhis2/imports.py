"""Sending what DHIS2 answers with a report, and judging by the report rather than by the status alone.

Under 409 the server may have taken most of it, and under 200 nothing at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.adaptors.dhis2.connection import DRY_UID, Connection
from jobs.adaptors.dhis2.refusals import interrupted, refusal
from jobs.adaptors.dhis2.reports import ImportReport, parsed
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AdaptorError

LONGEST = 280.0  # seconds for one import: they take longer than other calls
BETWEEN_NOTES = 5.0  # seconds between two lines of progress
BY_REPORT = {200: False, 201: False, 202: False, 409: False}
Forgiven = Callable[[Response, ImportReport], bool]


def never(response: Response, report: ImportReport) -> bool:
    """A refusal is a refusal."""
    return False


def nothing_wrong(response: Response, report: ImportReport) -> bool:
    """A mere check takes nothing, and the server may count that as ignored."""
    return report.status != "ERROR" and not report.conflicts


@dataclass(frozen=True, kw_only=True)
class Import:
    """How a kind of import is sent."""

    path: str
    params: Mapping[str, Any]
    noun: str = "objects"  # what it consists of, in sentences
    repeatable: Callable[[Any], bool] = lambda body: False  # whether this body may be sent twice without harm
    stops: bool = False  # whether a refused request ends it, or the others are tried all the same
    forgiven: Forgiven = field(default=never)  # a refusal that only says that an earlier try went well


def send(
    connection: Connection,
    method: str,
    path: str,
    data: Any = None,
    *,
    params: Mapping[str, Any] | None = None,
    repeatable: bool | None = None,
    noun: str = "objects",
    forgiven: Forgiven = never,
    **options: Any,
) -> Response:
    """One request; raises when nothing was taken, warns when something was not."""
    options["errors"] = {**BY_REPORT, **options.get("errors", {})}
    response = connection.call(method, path, data, params=params, repeatable=repeatable, **options)
    report = parsed(response.body)
    if response.status not in BY_REPORT:  # the caller has an answer to that status
        return response
    if report is None:
        if response.status == 409:
            raise connection.error_of(response)
        return response
    _judge(connection, report, response, noun=noun, forgiven=forgiven)
    return response


def send_all(connection: Connection, kind: Import, bodies: Iterable[tuple[Any, int]]) -> ImportReport:
    """Several requests of one import, with what became of all of it. Each body comes with its count of records."""
    whole, offset, noted = ImportReport(), 0, time.monotonic()
    response: Response | None = None
    for body, count in bodies:
        try:
            response, report = _sent(connection, kind, body)
        except AdaptorError as error:
            raise interrupted(error, whole, noun=kind.noun) from None
        if kind.stops and report.refused and not kind.forgiven(response, report):
            raise refusal(report, connection.redact, noun=kind.noun, status=response.status, before=whole)
        whole = whole.plus(report, offset=offset) if offset else report
        offset += count
        if time.monotonic() - noted >= BETWEEN_NOTES:
            noted = time.monotonic()
            connection.context.log("info", f"{offset:,} {kind.noun} sent, {whole.accepted:,} taken so far.")
    if response is not None:
        _judge(connection, whole, response, noun=kind.noun, forgiven=kind.forgiven)
    return whole


def start_all(
    connection: Connection, kind: Import, bodies: Iterable[tuple[Any, int]], *, job_type: str
) -> list[dict[str, str]]:
    """Hand the requests over to be worked on later; answers the jobs that the server makes of them."""
    jobs: list[dict[str, str]] = []
    for body, _count in bodies:
        try:
            jobs.append(_started(connection, kind, body, job_type))
        except AdaptorError as error:
            if jobs:  # they go on there, so the log must say which
                names = ", ".join(each["id"] for each in jobs)
                connection.context.log("warning", f"DHIS2 had begun these jobs before the error: {names}.")
                error.sent = True
            raise
    return jobs


def warn_of(connection: Connection, report: ImportReport, noun: str) -> None:
    """A partial success and remarks of the server are said aloud."""
    if report.partial:
        taken = f"{report.accepted:,} taken"
        connection.context.log("warning", connection.redact(f"DHIS2: {report.sentence(noun)}; {taken}."))
    if report.warnings:
        more = f" and {len(report.warnings) - 1:,} more" if len(report.warnings) > 1 else ""
        connection.context.log(
            "warning", connection.redact(f"DHIS2 took it with a remark: {report.warnings[0]}{more}.")
        )


def _sent(connection: Connection, kind: Import, body: Any) -> tuple[Response, ImportReport]:
    response = connection.call(
        "POST",
        kind.path,
        body,
        params=kind.params,
        repeatable=kind.repeatable(body),
        errors=BY_REPORT,
        timeout=LONGEST,
    )
    report = parsed(response.body)
    if report is not None:
        return response, report
    if not response.ok:
        raise connection.error_of(response)
    raise AdaptorError(
        "DHIS2 answered an import without a report of it.",
        status=response.status,
        body=response.body,
        sent=True,
    )


def _judge(
    connection: Connection, report: ImportReport, response: Response, *, noun: str, forgiven: Forgiven
) -> None:
    # A repeat of something that had arrived after all changes nothing, and that is no refusal.
    unchanged = response.attempt > 1 and nothing_wrong(response, report)
    if report.refused or (response.status == 409 and not report.accepted):
        if unchanged or forgiven(response, report):
            return
        raise refusal(report, connection.redact, noun=noun, status=response.status)
    warn_of(connection, report, noun)


def _started(connection: Connection, kind: Import, body: Any, job_type: str) -> dict[str, str]:
    answer = send(
        connection,
        "POST",
        kind.path,
        body,
        params=kind.params,
        repeatable=kind.repeatable(body),
        noun=kind.noun,
        timeout=LONGEST,
    )
    return _job(connection, answer.body, job_type)


def _job(connection: Connection, body: Any, job_type: str) -> dict[str, str]:
    told = body.get("response") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    if connection.context.dry_run:
        told = {"id": DRY_UID}
    if not isinstance(told.get("id"), str):
        raise AdaptorError(
            "DHIS2 took the import without naming the job that will do it.", body=body, sent=True
        )
    return {"id": told["id"], "type": str(told.get("jobType") or job_type)}
