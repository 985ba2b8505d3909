"""Telling a refused import from one that went well in part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs.adaptors.dhis2.reports import ImportReport
from jobs.adaptors.errors import AdaptorError, Conflict, ValidationError

LONGEST_MESSAGE = 400
# It is there already: the object itself, an enrollment, or a value that must be unique.
THERE_ALREADY = frozenset({"E1002", "E1015", "E1016", "E1030", "E1064", "E1080", "E4015", "E4018", "E5003"})
# It is not there, or was deleted before.
GONE_ALREADY = frozenset({"E1032", "E1063", "E1081", "E1082", "E1113", "E1114", "E4016", "E4017"})


class ImportRefused(ValidationError):
    """DHIS2 took nothing of what was sent."""

    report: ImportReport

    def __init__(self, message: str, *, report: ImportReport, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.report = report


class ImportConflict(Conflict):
    """DHIS2 has it already."""

    report: ImportReport

    def __init__(self, message: str, *, report: ImportReport, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.report = report


def refusal(
    report: ImportReport,
    redact: Callable[[str], str],
    *,
    noun: str = "objects",
    status: int | None = None,
    before: ImportReport | None = None,
) -> AdaptorError:
    """The error that stands for a report; `before` is what earlier requests of the same import came to."""
    codes = {each.code for each in report.conflicts}
    there = bool(codes) and codes <= THERE_ALREADY
    kind = ImportConflict if there or (status == 409 and not report.conflicts) else ImportRefused
    words = " ".join(redact(report.sentence(noun)).split())
    sentence = f"DHIS2: {words[:LONGEST_MESSAGE]}{'…' if len(words) > LONGEST_MESSAGE else ''}"
    taken = before.accepted if before is not None else 0
    if taken:
        sentence = _continued(sentence, taken, noun)
    whole = report if before is None or before.total == 0 else before.plus(report)
    return kind(sentence, report=whole, status=status, body=report.raw, sent=bool(taken or report.accepted))


def interrupted(error: AdaptorError, before: ImportReport, *, noun: str) -> AdaptorError:
    """An error half-way must not hide what has been taken already."""
    if not before.accepted:
        return error
    return type(error)(
        _continued(error.message, before.accepted, noun),
        status=error.status,
        body=before.to_json(),
        hint=error.hint,
        kind=error.kind,
        retryable=error.retryable,
        retry_after=error.retry_after,
        sent=True,
    )


def _continued(sentence: str, taken: int, noun: str) -> str:
    counted = f"{taken:,} {noun}" if taken != 1 else f"1 {noun.removesuffix('s')}"
    return f"{sentence.rstrip('.')}. {counted} had been taken before."
