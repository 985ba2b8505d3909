"""The tracker endpoints: import, jobs, and the export of the four kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openfn_platform.demo.standins.dhis2.fields import fields_from
from openfn_platform.demo.standins.dhis2.jobs import Jobs
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.metadata_api import body_object
from openfn_platform.demo.standins.dhis2.paging import Page
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.records import ENROLLMENT, EVENT, TRACKED_ENTITY, TYPES, Book, Type
from openfn_platform.demo.standins.dhis2.reports import ApiError, missing, told
from openfn_platform.demo.standins.dhis2.schemes import Schemes
from openfn_platform.demo.standins.dhis2.tracker_export import TrackerExport
from openfn_platform.demo.standins.dhis2.tracker_import import (
    REPORT_MODES,
    Options,
    TrackerImporter,
    reduced,
    status_of,
)
from openfn_platform.demo.standins.dhis2.tracker_shapes import Shapes
from openfn_platform.demo.standins.wire import Answer, Request

IMPORT_JOB = "TRACKER_IMPORT_JOB"
_OUTER = {
    TRACKED_ENTITY: "*,!relationships,!enrollments,!events,!programOwners",
    ENROLLMENT: "*,!relationships,!events,!attributes",
    EVENT: "*,!relationships",
}
_RELATIONSHIP = "relationship,relationshipType,createdAtClient,from,to"


class TrackerApi:
    """`/api/tracker` and everything below it."""

    def __init__(
        self,
        metadata: Metadata,
        book: Book,
        importer: TrackerImporter,
        jobs: Jobs,
        config: Mapping[str, Any],
    ) -> None:
        self._metadata, self._book, self._importer = metadata, book, importer
        self._jobs, self._config = jobs, config
        self._export = TrackerExport(metadata, book)

    def post(self, request: Request) -> Answer:
        """POST a payload: asynchronous unless `async=false`."""
        params, payload = Params.of(request), body_object(request)
        options = Options.of(params, self._config["default_strategy"])
        schemes, username = Schemes(self._metadata, params), self._config["username"]
        if not params.flag("async", True):
            report = self._importer.run(payload, options, schemes, username)
            mode = params.choice("reportMode", REPORT_MODES, "ERRORS")
            return Answer.json(status_of(report), reduced(report, mode))
        job = self._jobs.start(IMPORT_JOB, lambda: self._importer.run(payload, options, schemes, username))
        api = f"{request.origin}{request.path.rpartition('/tracker')[0]}"
        response = {
            "responseType": "TrackerJob",
            "id": job.uid,
            "location": f"{api}/tracker/jobs/{job.uid}",
        }
        return told(200, message="Tracker job added", response=response)

    def job(self, request: Request, uid: str) -> Answer:
        """GET jobs/{uid}: its log, newest first."""
        return Answer.json(200, self._jobs.log(IMPORT_JOB, uid))

    def job_report(self, request: Request, uid: str) -> Answer:
        """GET jobs/{uid}/report: 404 until it is done."""
        report = self._jobs.result(IMPORT_JOB, uid)
        if report is None:
            raise ApiError(404, f"Summary for job {uid} does not exist")
        mode = Params.of(request).choice("reportMode", REPORT_MODES, "ERRORS")
        return Answer.json(200, reduced(report, mode) if "validationReport" in report else report)

    def browse(self, request: Request, plural: str) -> Answer:
        """GET the objects of a kind that a query finds, by page."""
        type_, params = _type(plural), Params.of(request)
        page, found = Page.of(params), self._export.found(type_, params)
        fields = fields_from(",".join(params.all("fields")) or _OUTER.get(type_, _RELATIONSHIP))
        shapes = Shapes(self._metadata, self._book, Schemes(self._metadata, params))
        program = params.get("program") if type_ is TRACKED_ENTITY else None
        shown = [shapes.shown(type_, record, fields, program) for record in page.cut(found)]
        pager: dict[str, Any] = {"page": page.number, "pageSize": page.size}
        if params.flag("totalPages"):
            pager |= {"total": len(found), "pageCount": page.count(len(found))}
        if self._config["instances_key"]:
            return Answer.json(200, {**(pager if page.paged else {}), "instances": shown})
        return Answer.json(200, {**({"pager": pager} if page.paged else {}), plural: shown})

    def read(self, request: Request, plural: str, uid: str) -> Answer:
        """GET one object."""
        type_, params = _type(plural), Params.of(request)
        record = self._book.living(type_, uid)
        if record is None:
            raise missing(type_.label, uid)
        fields = fields_from(",".join(params.all("fields")) or _OUTER.get(type_, _RELATIONSHIP))
        shapes = Shapes(self._metadata, self._book, Schemes(self._metadata, params))
        return Answer.json(200, shapes.shown(type_, record, fields, params.get("program")))


def _type(plural: str) -> Type:
    found = next((type_ for type_ in TYPES if type_.plural == plural), None)
    if found is None:
        raise ApiError(404, f"HTTP 404 Not Found: /api/tracker/{plural}")
    return found
