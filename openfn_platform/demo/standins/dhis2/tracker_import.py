"""The tracker importer: what is to be done with each object, whether it may be, and the report of it.

With `atomicMode=ALL` one error keeps everything out; with `OBJECT` what is right goes in, and the status is still
`ERROR`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openfn_platform.demo.standins.dhis2 import event_checks, tracker_checks
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.records import (
    ENROLLMENT,
    EVENT,
    RELATIONSHIP,
    TRACKED_ENTITY,
    TYPES,
    Book,
    Type,
    ends_of,
)
from openfn_platform.demo.standins.dhis2.reports import Report, stats
from openfn_platform.demo.standins.dhis2.schemes import Schemes
from openfn_platform.demo.standins.dhis2.tracker_checks import Bundle, existence
from openfn_platform.demo.standins.dhis2.tracker_commit import Committing
from openfn_platform.demo.standins.dhis2.tracker_payload import Item, Problem, flattened

STRATEGIES = ("CREATE", "UPDATE", "CREATE_AND_UPDATE", "DELETE")
REPORT_MODES = ("ERRORS", "WARNINGS", "FULL")
DONE = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted"}
Check = Callable[[Bundle, Item], Iterator[Problem]]
_CHECKS: Mapping[Type, Check] = {
    TRACKED_ENTITY: tracker_checks.entity_problems,
    ENROLLMENT: tracker_checks.enrollment_problems,
    EVENT: event_checks.event_problems,
    RELATIONSHIP: event_checks.relationship_problems,
}


@dataclass(frozen=True)
class Options:
    """How an import is to be done."""

    strategy: str
    atomic: str
    commits: bool
    validation: str

    @classmethod
    def of(cls, params: Params, default_strategy: str) -> Options:
        """As the parameters say; 400 for a word that DHIS2 does not know."""
        params.choice("reportMode", REPORT_MODES, "ERRORS")
        return cls(
            params.choice("importStrategy", STRATEGIES, default_strategy),
            params.choice("atomicMode", ("ALL", "OBJECT"), "ALL"),
            params.choice("importMode", ("COMMIT", "VALIDATE"), "COMMIT") == "COMMIT",
            params.choice("validationMode", ("FULL", "FAIL_FAST", "SKIP"), "FULL"),
        )


class TrackerImporter:
    """Imports into one book."""

    def __init__(self, metadata: Metadata, book: Book, told: Callable[[str, Item], None]) -> None:
        self._metadata, self._book, self._told = metadata, book, told

    def run(self, payload: Mapping[str, Any], options: Options, schemes: Schemes, username: str) -> Report:
        """Import a payload; the report is the full one."""
        items = flattened(payload, schemes)
        bundle = Bundle(self._metadata, self._book, items)
        for item in items:
            item.strategy = self._strategy(item, options.strategy)
        for item in items:
            self._check(bundle, item)
            if item.errors and options.validation == "FAIL_FAST":
                break
        wrong = any(item.errors for item in items)
        good = [] if wrong and options.atomic == "ALL" else [i for i in items if not i.errors]
        if not options.commits:
            return _report(items, [], ignored=0 if not wrong else None)
        committing = Committing(self._metadata, self._book, username)
        for item in good:
            committing.put(item)
            self._told(DONE[item.strategy], item)
        return _report(items, good)

    def _strategy(self, item: Item, wanted: str) -> str:
        if wanted != "CREATE_AND_UPDATE":
            return wanted
        return "UPDATE" if self._book.find(item.type, item.uid) else "CREATE"

    def _check(self, bundle: Bundle, item: Item) -> None:
        item.errors += existence(bundle, item)
        if item.errors or item.strategy == "DELETE":
            return
        item.errors += _CHECKS[item.type](bundle, item)
        item.warnings += event_checks.event_warnings(bundle, item)
        for parent in _parents(bundle, item):
            if parent.errors and not item.errors:
                told = f'"{item.type.key}" `{item.uid}` cannot be persisted because "{parent.type.key}"'
                item.errors.append(
                    Problem("E5000", f"{told} `{parent.uid}` referenced by it cannot be persisted.")
                )


def reduced(report: Report, mode: str) -> Report:
    """The report without what the mode leaves out."""
    validation = report["validationReport"]
    if mode == "ERRORS":
        report = {**report, "validationReport": {**validation, "warningReports": []}}
    return {**report, "timingsStats": {"timers": {}}} if mode == "FULL" else report


def status_of(report: Report) -> int:
    """The status with which a synchronous import is answered."""
    return 409 if report["status"] == "ERROR" else 200


def _parents(bundle: Bundle, item: Item) -> Iterator[Item]:
    ends = list(ends_of(item.values)) if item.type is RELATIONSHIP else []
    if item.type is ENROLLMENT:
        ends = [(TRACKED_ENTITY, str(item.values.get("trackedEntity")))]
    elif item.type is EVENT:
        ends = [(ENROLLMENT, str(item.values.get("enrollment")))]
    for type_, uid in ends:
        if found := bundle.coming(type_, uid):
            yield found


def _report(items: list[Item], good: list[Item], ignored: int | None = None) -> Report:
    errors = [_problem(item, problem) for item in items for problem in item.errors]
    warnings = [_problem(item, problem) for item in items for problem in item.warnings]
    types = {type_.name: _type_report(type_, good) for type_ in TYPES}
    counts = {name: sum(one["stats"][name] for one in types.values()) for name in DONE.values()}
    left_out = len(items) - len(good) if ignored is None else ignored
    return {
        "status": "ERROR" if errors else "WARNING" if warnings else "OK",
        "validationReport": {"errorReports": errors, "warningReports": warnings},
        "stats": stats(**counts, ignored=left_out),
        "bundleReport": {"typeReportMap": types},
    }


def _type_report(type_: Type, good: list[Item]) -> Report:
    own = [item for item in good if item.type is type_]
    counts = {name: sum(i.strategy == strategy for i in own) for strategy, name in DONE.items()}
    objects = [{"trackerType": type_.name, "uid": item.uid, "errorReports": []} for item in own]
    return {"trackerType": type_.name, "stats": stats(**counts), "objectReports": objects}


def _problem(item: Item, problem: Problem) -> Report:
    return {
        "message": problem.message,
        "errorCode": problem.code,
        "trackerType": item.type.name,
        "uid": item.uid,
    }
