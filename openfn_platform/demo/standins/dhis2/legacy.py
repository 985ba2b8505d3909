"""The endpoints before the new tracker: `/api/events` and `/api/trackedEntityInstances`, gone in DHIS2 42.

They take and show the same records under older names, import each object for itself, and answer with summaries of
summaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openfn_platform.demo.standins.dhis2.fields import cut, fields_from
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.metadata_api import body_object
from openfn_platform.demo.standins.dhis2.paging import Page
from openfn_platform.demo.standins.dhis2.params import Params, objects_in
from openfn_platform.demo.standins.dhis2.records import EVENT, TRACKED_ENTITY, Book, Type
from openfn_platform.demo.standins.dhis2.reports import (
    Report,
    import_summaries,
    import_summary,
    missing,
    summary_answer,
)
from openfn_platform.demo.standins.dhis2.schemes import Schemes
from openfn_platform.demo.standins.dhis2.tracker_export import TrackerExport
from openfn_platform.demo.standins.dhis2.tracker_import import STRATEGIES, Options, TrackerImporter
from openfn_platform.demo.standins.dhis2.tracker_shapes import Shapes
from openfn_platform.demo.standins.dhis2.uids import fresh_uid
from openfn_platform.demo.standins.wire import Answer, Request

PLURALS: Mapping[str, Type] = {"events": EVENT, "trackedEntityInstances": TRACKED_ENTITY}
_TO_NEW = {
    "trackedEntityInstance": "trackedEntity",
    "eventDate": "occurredAt",
    "incidentDate": "occurredAt",
    "dueDate": "scheduledAt",
    "enrollmentDate": "enrolledAt",
    "completedDate": "completedAt",
}
_TO_OLD = {
    "trackedEntity": "trackedEntityInstance",
    "occurredAt": "eventDate",
    "scheduledAt": "dueDate",
    "enrolledAt": "enrollmentDate",
    "completedAt": "completedDate",
    "createdAt": "created",
    "updatedAt": "lastUpdated",
}
_PARAMETERS = {
    "ou": "orgUnit",
    "ouMode": "orgUnitMode",
    "startDate": "occurredAfter",
    "endDate": "occurredBefore",
    "lastUpdatedStartDate": "updatedAfter",
    "lastUpdatedEndDate": "updatedBefore",
    "trackedEntityInstance": "trackedEntity",
}
_UNIT, _ATTRIBUTE, _ELEMENT = "OrganisationUnit", "Attribute.attribute", "DataElement"
_OBJECTS = {
    **dict.fromkeys(("E1011", "E1029", "E1049", "E1070"), _UNIT),
    **dict.fromkeys(("E1006", "E1007", "E1018", "E1019", "E1064", "E1090"), _ATTRIBUTE),
    **dict.fromkeys(("E1087", "E1302", "E1303", "E1305"), _ELEMENT),
}


class Legacy:
    """The older tracker endpoints."""

    def __init__(
        self, metadata: Metadata, book: Book, importer: TrackerImporter, config: Mapping[str, Any]
    ) -> None:
        self._metadata, self._book, self._importer, self._config = metadata, book, importer, config
        self._export = TrackerExport(metadata, book)

    def post(self, request: Request, plural: str) -> Answer:
        """POST one object or a list of them."""
        params, body = Params.of(request), body_object(request)
        strategy = params.choice("importStrategy", STRATEGIES, "CREATE_AND_UPDATE")
        objects = objects_in(body, plural) if plural in body else [body]
        found = [self._import(PLURALS[plural], one, strategy, params) for one in objects]
        return summary_answer(import_summaries(found), plain=False)

    def put(self, request: Request, plural: str, uid: str) -> Answer:
        """PUT one object that is there."""
        type_, values = PLURALS[plural], body_object(request)
        self._read(type_, uid)
        own = {**values, _TO_OLD.get(type_.key, type_.key): uid}
        return summary_answer(self._import(type_, own, "UPDATE", Params.of(request)), plain=False)

    def delete(self, request: Request, plural: str, uid: str) -> Answer:
        """DELETE one object."""
        type_ = PLURALS[plural]
        self._read(type_, uid)
        own = {_TO_OLD.get(type_.key, type_.key): uid}
        return summary_answer(self._import(type_, own, "DELETE", Params.of(request)), plain=False)

    def browse(self, request: Request, plural: str) -> Answer:
        """GET what a query finds."""
        type_, given = PLURALS[plural], Params.of(request)
        params = given.renamed(_PARAMETERS)
        page, found = Page.of(params), self._export.found(type_, params)
        shown = [self._shown(type_, record, given) for record in page.cut(found)]
        pager = {"page": page.number, "pageSize": page.size}
        if params.flag("totalPages"):
            pager |= {"total": len(found), "pageCount": page.count(len(found))}
        return Answer.json(200, {**({"pager": pager} if page.paged else {}), plural: shown})

    def read(self, request: Request, plural: str, uid: str) -> Answer:
        """GET one object."""
        type_ = PLURALS[plural]
        return Answer.json(200, self._shown(type_, self._read(type_, uid), Params.of(request)))

    def _read(self, type_: Type, uid: str) -> Any:
        record = self._book.living(type_, uid)
        if record is None:
            raise missing(type_.label, uid)
        return record

    def _shown(self, type_: Type, record: Any, params: Params) -> Any:
        shapes = Shapes(self._metadata, self._book, Schemes(self._metadata, params))
        inner = "*,!relationships" if type_ is EVENT else "*,!relationships,!enrollments,!programOwners"
        shown = shapes.shown(type_, record, fields_from(inner), params.get("program"))
        wanted = ",".join(params.all("fields"))
        old = _renamed(shown, _TO_OLD)
        return cut(old, fields_from(wanted)) if wanted else old

    def _import(self, type_: Type, given: Any, strategy: str, params: Params) -> Report:
        values = _renamed(given, _TO_NEW)
        values.setdefault(type_.key, fresh_uid())
        if isinstance(place := values.pop("coordinate", None), dict):
            pair = [place.get("longitude"), place.get("latitude")]
            values["geometry"] = {"type": "Point", "coordinates": pair}
        options = Options(strategy, "ALL", not params.flag("dryRun"), "FULL")
        schemes = Schemes(self._metadata, params)
        payload = {type_.plural: [values]}
        return _summary(
            type_, values, self._importer.run(payload, options, schemes, self._config["username"])
        )


def _summary(type_: Type, values: Any, report: Report) -> Report:
    errors = report["validationReport"]["errorReports"]
    counts = report["bundleReport"]["typeReportMap"][type_.name]["stats"]
    named = {**counts, "imported": counts["created"], "ignored": int(bool(errors))}
    conflicts = [
        {"object": _OBJECTS.get(error["errorCode"], type_.label), "value": error["message"]}
        for error in errors
    ]
    status = "ERROR" if errors else "SUCCESS"
    uid = str(values[type_.key])
    plural = next(name for name, known in PLURALS.items() if known is type_)
    where = {} if errors else {"href": f"/api/{plural}/{uid}"}
    return import_summary(named, conflicts, status=status, options={}, reference=uid, **where)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    if isinstance(value, dict):
        return {names.get(name, name): _renamed(inner, names) for name, inner in value.items()}
    return value
