"""What DHIS2 says about an import, in one shape whatever it was that it imported.

It has five ways of saying it: the tracker's report, an import summary (inside an envelope or, on old servers,
without one), several summaries, error reports about one object, and a report over a whole metadata file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

# The report of a many-thousand-row import has an entry for each row that went well: not kept when several are joined.
BULKY = "bundleReport"
SEVERITY = {"OK": 0, "WARNING": 1, "ERROR": 2}


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One thing that was refused, and why."""

    object: str  # what it is about: an identifier
    message: str
    code: str = ""  # `E7641`
    property: str = ""
    indexes: tuple[int, ...] = ()  # which of the values that were sent, counted from 0
    type: str = ""  # `EVENT`, `DataElement`

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"indexes": list(self.indexes)}

    def __str__(self) -> str:
        about = f"{self.object}: " if self.object and self.object not in self.message else ""
        return f"{about}{self.message or 'refused'}{f' ({self.code})' if self.code else ''}"


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of an import."""

    status: str = "OK"  # OK, WARNING, ERROR
    created: int = 0
    updated: int = 0
    deleted: int = 0
    ignored: int = 0
    total: int = 0
    message: str = ""
    conflicts: list[Conflict] = field(default_factory=list)
    warnings: list[Conflict] = field(default_factory=list)  # taken, but with a remark
    raw: Any = field(default=None, repr=False)  # the answer as it came; a list of them after several requests

    @property
    def accepted(self) -> int:
        """How many were taken."""
        return self.created + self.updated + self.deleted

    @property
    def refused(self) -> bool:
        """Nothing was taken although something was sent."""
        return self.accepted == 0 and (self.status == "ERROR" or self.ignored > 0)

    @property
    def partial(self) -> bool:
        """Something was taken, but not all of it."""
        return self.accepted > 0 and (self.ignored > 0 or self.status == "ERROR" or bool(self.conflicts))

    def sentence(self, noun: str = "objects") -> str:
        """What was refused, with the first reason."""
        reason = str(self.conflicts[0]) if self.conflicts else self.message
        others = len(self.conflicts) - 1
        more = f", and {others:,} more reason{'s' if others > 1 else ''}" if others > 0 else ""
        if self.ignored or self.total:
            refused = f"{self.ignored or self.total - self.accepted:,} of {self.total:,} {noun} refused"
            return f"{refused}: {reason}{more}" if reason else refused
        return f"{reason}{more}" or "the import failed without a reason given"

    def plus(self, other: ImportReport, *, offset: int = 0) -> ImportReport:
        """Both together; `offset` is how many values had been sent before those of the other."""
        moved = [
            replace(each, indexes=tuple(index + offset for index in each.indexes)) for each in other.conflicts
        ]
        return ImportReport(
            status=max(self.status, other.status, key=lambda each: SEVERITY.get(each, 1)),
            message=self.message or other.message,
            conflicts=self.conflicts + moved,
            warnings=self.warnings + other.warnings,
            raw=[*_raws(self), *_raws(other)],
            created=self.created + other.created,
            updated=self.updated + other.updated,
            deleted=self.deleted + other.deleted,
            ignored=self.ignored + other.ignored,
            total=self.total + other.total,
        )

    def to_json(self) -> dict[str, Any]:
        """What can be kept in a state: without the raw answer, which may be large."""
        return {
            "status": self.status,
            "accepted": self.accepted,
            "created": self.created,
            "updated": self.updated,
            "deleted": self.deleted,
            "ignored": self.ignored,
            "total": self.total,
            "message": self.message,
            "conflicts": [each.to_json() for each in self.conflicts],
            "warnings": [each.to_json() for each in self.warnings],
        }


def parsed(body: Any) -> ImportReport | None:
    """The report in an answer, or None when there is none in it."""
    if not isinstance(body, dict):
        return None
    inner = body.get("response")
    summary = inner if isinstance(inner, dict) else body
    enveloped = "httpStatus" in body or "httpStatusCode" in body
    report = _of(summary)
    if report is None:
        if not enveloped:
            return None
        report = ImportReport()
    status = _status(summary.get("status") or body.get("status"))
    if enveloped and summary is not body and _status(body.get("status")) == "ERROR":
        status = "ERROR"
    said = report.message or _text(body.get("message"))
    return replace(report, status=status, message=said, raw=body)


def _of(summary: Mapping[str, Any]) -> ImportReport | None:
    if isinstance(summary.get("validationReport"), dict) or "bundleReport" in summary:
        return _of_tracker(summary)
    if isinstance(summary.get("importSummaries"), list):
        return _of_summaries(summary)
    if isinstance(summary.get("importCount"), dict) or _is_list_with_status(summary, "conflicts"):
        return _of_summary(summary)
    if isinstance(summary.get("typeReports"), list) and "stats" in summary:
        return _of_metadata(summary)
    if isinstance(summary.get("errorReports"), list):
        return _of_errors(summary)
    if isinstance(summary.get("stats"), dict) and "status" in summary:
        return _counted(ImportReport(), summary["stats"])
    return None


def _of_tracker(summary: Mapping[str, Any]) -> ImportReport:
    found = summary.get("validationReport") or {}
    report = ImportReport(
        conflicts=[_tracker_conflict(each) for each in _dicts(found.get("errorReports"))],
        warnings=[_tracker_conflict(each) for each in _dicts(found.get("warningReports"))],
        message=_text(summary.get("message")),
    )
    return _counted(report, summary.get("stats"))


def _of_summary(summary: Mapping[str, Any]) -> ImportReport:
    report = ImportReport(
        conflicts=[_summary_conflict(each, summary) for each in _dicts(summary.get("conflicts"))],
        message=_text(summary.get("description")),
    )
    return _counted(report, summary.get("importCount"))


def _of_summaries(summary: Mapping[str, Any]) -> ImportReport:
    """One summary per object, each of which may have more inside (enrollments, events)."""
    whole = ImportReport()
    for each in _summaries(summary):
        report = _of_summary(each)
        if not report.conflicts and _status(each.get("status")) == "ERROR":
            reason = report.message or "refused"
            report = replace(
                report, conflicts=[Conflict(object=_text(each.get("reference")), message=reason)]
            )
        whole = whole.plus(report)
    whole = replace(whole, message=_text(summary.get("description")))
    return _counted(whole, summary) if "imported" in summary or "ignored" in summary else whole


def _summaries(summary: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in _dicts(summary.get("importSummaries")):
        yield each
        for nested in ("enrollments", "events", "relationships"):
            inner = each.get(nested)
            if isinstance(inner, dict):
                yield from _summaries(inner)


def _of_metadata(summary: Mapping[str, Any]) -> ImportReport:
    objects = [each for kind in _dicts(summary["typeReports"]) for each in _dicts(kind.get("objectReports"))]
    report = ImportReport(conflicts=[conflict for each in objects for conflict in _object_conflicts(each)])
    return _counted(report, summary["stats"])


def _of_errors(summary: Mapping[str, Any]) -> ImportReport:
    conflicts = _object_conflicts(summary)
    return ImportReport(
        conflicts=conflicts, ignored=1 if conflicts else 0, total=1 if conflicts or "uid" in summary else 0
    )


def _tracker_conflict(found: Mapping[str, Any]) -> Conflict:
    return Conflict(
        object=_text(found.get("uid")),
        message=_text(found.get("message")),
        code=_text(found.get("errorCode") or found.get("warningCode")),
        type=_text(found.get("trackerType")),
    )


def _summary_conflict(found: Mapping[str, Any], summary: Mapping[str, Any]) -> Conflict:
    indexes = found.get("indexes")
    return Conflict(
        object=_text(found.get("object") or summary.get("reference")),
        message=_text(found.get("value")),
        code=_text(found.get("errorCode")),
        property=_text(found.get("property")),
        indexes=tuple(each for each in indexes if isinstance(each, int)) if isinstance(indexes, list) else (),
    )


def _object_conflicts(found: Mapping[str, Any]) -> list[Conflict]:
    index = found.get("index")
    return [
        Conflict(
            object=_text(found.get("uid") or each.get("mainId")),
            message=_text(each.get("message")),
            code=_text(each.get("errorCode")),
            property=_text(each.get("errorProperty")),
            indexes=(index,) if isinstance(index, int) else (),
            type=_text(each.get("mainKlass") or found.get("klass")).rpartition(".")[2],
        )
        for each in _dicts(found.get("errorReports"))
    ]


def _counted(report: ImportReport, found: Any) -> ImportReport:
    counts = found if isinstance(found, dict) else {}
    created, imported, updated, deleted, ignored = (
        _number(counts.get(name)) for name in ("created", "imported", "updated", "deleted", "ignored")
    )
    created = created or imported
    total = _number(counts.get("total")) or created + updated + deleted + ignored
    return replace(report, created=created, updated=updated, deleted=deleted, ignored=ignored, total=total)


def _number(found: Any) -> int:
    return found if isinstance(found, int) and found > 0 else 0


def _status(said: Any) -> str:
    text = str(said or "OK").upper()
    return text if text in ("WARNING", "ERROR") else "OK"


def _is_list_with_status(summary: Mapping[str, Any], name: str) -> bool:
    return isinstance(summary.get(name), list) and "status" in summary


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(found: Any) -> str:
    return "" if found is None else str(found)


def _raws(report: ImportReport) -> list[Any]:
    raws = report.raw if isinstance(report.raw, list) else [report.raw]
    return [
        {name: value for name, value in each.items() if name != BULKY} if isinstance(each, dict) else each
        for each in raws
        if each is not None
    ]
