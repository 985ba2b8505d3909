"""Which tracker objects a query finds, and in which order: the newest first unless another is asked for.

The last answers are remembered as long as nothing changes, so that the pages of one query do not each search anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from openfn_platform.demo.standins.dhis2.filters import sort_key
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.records import (
    ENROLLMENT,
    EVENT,
    RELATIONSHIP,
    TRACKED_ENTITY,
    Book,
    Type,
)
from openfn_platform.demo.standins.dhis2.reports import ApiError
from openfn_platform.demo.standins.dhis2.tracker_filters import (
    Test,
    chosen_units,
    referring,
    spans,
    value_tests,
)
from openfn_platform.demo.standins.store import Record

REMEMBERED = 16
NOT_OF_THE_QUERY = ("page", "pageSize", "totalPages", "paging", "skipPaging", "fields")
_SORTABLE = {
    TRACKED_ENTITY: ("createdAt", "updatedAt", "createdAtClient", "updatedAtClient", "trackedEntity", "inactive"),
    ENROLLMENT: ("createdAt", "updatedAt", "createdAtClient", "updatedAtClient", "enrolledAt", "completedAt"),
    EVENT: (
        "event", "program", "programStage", "enrollment", "trackedEntity", "orgUnit", "status", "occurredAt",
        "scheduledAt", "createdAt", "updatedAt", "createdAtClient", "updatedAtClient", "completedAt",
        "completedBy", "storedBy", "deleted", "followUp", "attributeOptionCombo",
    ),
    RELATIONSHIP: ("createdAt", "createdAtClient"),
}  # fmt: skip


class TrackerExport:
    """Answers queries over one book."""

    def __init__(self, metadata: Metadata, book: Book) -> None:
        self._metadata, self._book = metadata, book
        self._remembered: OrderedDict[Any, list[Record]] = OrderedDict()

    def found(self, type_: Type, params: Params) -> list[Record]:
        """All that a query finds, in order. The list is shared: do not change it."""
        versions = (self._book.version, self._metadata.version)
        key = (type_, versions, params.key(without=NOT_OF_THE_QUERY))
        if key not in self._remembered:
            self._remembered[key] = self._search(type_, params)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return self._remembered[key]

    def _search(self, type_: Type, params: Params) -> list[Record]:
        searches: dict[Type, Callable[[Params], tuple[list[Record], list[Test]]]] = {
            TRACKED_ENTITY: self._entities,
            ENROLLMENT: self._enrollments,
            EVENT: self._events,
            RELATIONSHIP: self._relationships,
        }
        rows, tests = searches[type_](params)
        if not params.flag("includeDeleted"):
            tests.append(lambda record: not record["deleted"])
        for test in tests:
            rows = [row for row in rows if test(row)]
        return self._ordered(type_, rows, params)

    def _ordered(self, type_: Type, rows: list[Record], params: Params) -> list[Record]:
        orders = [text for value in params.all("order") for text in value.split(",") if text]
        rows = rows[::-1]
        for text in reversed(orders):
            name, _, direction = text.partition(":")
            if direction.lower() not in ("", "asc", "desc"):
                raise ApiError(400, f"order parameter is invalid. Cannot order by '{text}'")
            rows = sorted(rows, key=self._sorting(type_, name), reverse=direction.lower() == "desc")
        return rows

    def _sorting(self, type_: Type, name: str) -> Callable[[Record], Any]:
        if name in _SORTABLE[type_]:
            return lambda record: sort_key(record.get(name))
        held, plural = _VALUES.get(type_, ("", ""))
        if held and self._metadata.find(plural, name):
            return lambda record: sort_key(record[held].get(name))
        known = ", ".join(_SORTABLE[type_])
        raise ApiError(400, f"order parameter is invalid. Cannot order by '{name}'. Supported are {known}")

    def _events(self, params: Params) -> tuple[list[Record], list[Test]]:
        program = referring(self._metadata, params, "programs", "program")
        units = chosen_units(self._metadata, params)
        uids, entity = params.uids("events", "event"), params.get("trackedEntity")
        enrollments = params.uids("enrollments")
        if not (program or units is not None or uids or entity or enrollments or _everywhere(params)):
            raise ApiError(400, "At least one of program, orgUnit, trackedEntity or events must be specified")
        stage = referring(self._metadata, params, "programStages", "programStage")
        tests = _equal(params, {"status": "status"})
        tests += [_one_of("programStage", [stage])] if stage else []
        tests += _all_of({"event": uids, "enrollment": enrollments, "orgUnit": units})
        tests += [_one_of("trackedEntity", [entity])] if entity else []
        tests += spans(params, {"occurred": "occurredAt", "scheduled": "scheduledAt", "updated": "updatedAt"})
        tests += self._enrolled_as(params)
        tests += value_tests(params, "filter", self._is("dataElements"), "values")
        return self._rows(EVENT, program), [*tests, *self._person_tests(params)]

    def _enrollments(self, params: Params) -> tuple[list[Record], list[Test]]:
        program = referring(self._metadata, params, "programs", "program")
        entity, uids = params.get("trackedEntity"), params.uids("enrollments", "enrollment")
        units = chosen_units(self._metadata, params)
        if units is None and not (entity or uids or _everywhere(params)):
            raise ApiError(400, "At least one organisation unit must be specified, or orgUnitMode=ALL")
        _needs_program(params, program, "programStatus", "enrolledAfter", "enrolledBefore")
        tests = _equal(params, {"status": "status", "programStatus": "status"})
        tests += _all_of({"enrollment": uids, "orgUnit": units})
        tests += [_one_of("trackedEntity", [entity])] if entity else []
        tests += spans(params, {"enrolled": "enrolledAt", "occurred": "occurredAt", "updated": "updatedAt"})
        return self._rows(ENROLLMENT, program), tests

    def _entities(self, params: Params) -> tuple[list[Record], list[Test]]:
        program = referring(self._metadata, params, "programs", "program")
        kind = referring(self._metadata, params, "trackedEntityTypes", "trackedEntityType")
        uids = params.uids("trackedEntities", "trackedEntity")
        if program and kind:
            raise ApiError(400, "Program and tracked entity type cannot be specified simultaneously")
        if not (program or kind or uids):
            raise ApiError(
                400, "Either `program`, `trackedEntityType` or `trackedEntities` should be specified"
            )
        units = chosen_units(self._metadata, params)
        if units is None and not (uids or _everywhere(params)):
            raise ApiError(400, "At least one organisation unit must be specified, or orgUnitMode=ALL")
        _needs_program(params, program, "enrollmentStatus", "programStatus", "enrollmentEnrolledAfter")
        tests = _all_of({"trackedEntity": uids, "orgUnit": units})
        tests += [_one_of("trackedEntityType", [kind])] if kind else []
        tests += spans(params, {"updated": "updatedAt"})
        tests += value_tests(params, "filter", self._is("trackedEntityAttributes"), "attributes")
        if program:
            of_enrollment = spans(
                params, {"enrollmentEnrolled": "enrolledAt", "enrollmentOccurred": "occurredAt"}
            )
            of_enrollment += _equal(params, {"enrollmentStatus": "status", "programStatus": "status"})
            tests.append(lambda entity: self._is_enrolled(entity, program, of_enrollment))
        return self._book.all(TRACKED_ENTITY), tests

    def _relationships(self, params: Params) -> tuple[list[Record], list[Test]]:
        given = [uid for name in ("trackedEntity", "enrollment", "event") if (uid := params.get(name))]
        if len(given) != 1:
            raise ApiError(400, "Exactly one of trackedEntity, enrollment or event must be specified")
        return self._book.relationships_of(given[0]), []

    def _rows(self, type_: Type, program: str | None) -> list[Record]:
        return self._book.of_program(type_, program) if program else self._book.all(type_)

    def _is(self, plural: str) -> Callable[[str], bool]:
        return lambda uid: self._metadata.find(plural, uid) is not None

    def _is_enrolled(self, entity: Record, program: str, tests: Sequence[Test]) -> bool:
        held = self._book.enrollments_of(entity["trackedEntity"])
        return any(e["program"] == program and all(test(e) for test in tests) for e in held)

    def _enrolled_as(self, params: Params) -> list[Test]:
        of_enrollment = _equal(params, {"enrollmentStatus": "status", "programStatus": "status"})
        of_enrollment += spans(
            params, {"enrollmentEnrolled": "enrolledAt", "enrollmentOccurred": "occurredAt"}
        )
        if not of_enrollment:
            return []

        def test(event: Record) -> bool:
            enrollment = self._book.living(ENROLLMENT, event["enrollment"])
            return enrollment is not None and all(each(enrollment) for each in of_enrollment)

        return [test]

    def _person_tests(self, params: Params) -> list[Test]:
        known = self._is("trackedEntityAttributes")
        tests = value_tests(params, "filterAttributes", known, "attributes")

        def test(event: Record) -> bool:
            person = self._book.living(TRACKED_ENTITY, event["trackedEntity"])
            return person is not None and all(each(person) for each in tests)

        return [test] if tests else []


_VALUES = {EVENT: ("values", "dataElements"), TRACKED_ENTITY: ("attributes", "trackedEntityAttributes")}


def _everywhere(params: Params) -> bool:
    """All units were asked for in so many words."""
    return (params.get("orgUnitMode", "ouMode") or "").upper() in ("ACCESSIBLE", "CAPTURE", "ALL")


def _equal(params: Params, names: dict[str, str]) -> list[Test]:
    return [
        _one_of(name, [value.upper()])
        for parameter, name in names.items()
        if (value := params.get(parameter)) is not None
    ]


def _one_of(name: str, values: Sequence[str]) -> Test:
    chosen = frozenset(values)
    return lambda record: record.get(name) in chosen


def _all_of(wanted: dict[str, Any]) -> list[Test]:
    """Tests of those that are restricted: an empty list or None is no restriction."""
    return [_one_of(name, list(values)) for name, values in wanted.items() if values]


def _needs_program(params: Params, program: str | None, *names: str) -> None:
    for name in names:
        if name in params and program is None:
            raise ApiError(400, f"`program` must be defined when `{name}` is specified")
