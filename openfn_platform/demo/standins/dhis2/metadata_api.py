"""`/api/dataElements` and its like: list, read, create, replace, patch, delete."""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.dhis2 import metadata_checks as checks
from openfn_platform.demo.standins.dhis2.catalogue import COMMON, KINDS, Kind
from openfn_platform.demo.standins.dhis2.fields import cut, fields_from
from openfn_platform.demo.standins.dhis2.filters import condition, ordering, sort_key
from openfn_platform.demo.standins.dhis2.jsonpatch import BadPatch, patched
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.metadata_shapes import well_shaped
from openfn_platform.demo.standins.dhis2.paging import Page
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.reports import (
    METADATA_FAILED,
    ApiError,
    Report,
    error_report,
    error_reports,
    object_report,
    told,
)
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request

LIST_FIELDS, SINGLE_FIELDS = "id,displayName", "*"
PATCH_TYPE = "application/json-patch+json"


class MetadataApi:
    """The endpoints of all kinds of metadata."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def resources(self, request: Request) -> Answer:
        """GET /api/resources: which kinds there are."""
        api = f"{request.origin}{request.path.removesuffix('/resources')}"
        found = [
            {
                "displayName": kind.plural,
                "singular": kind.singular,
                "plural": kind.plural,
                "href": f"{api}/{kind.plural}",
            }
            for kind in KINDS.values()
        ]
        return Answer.json(200, {"resources": found})

    def browse(self, request: Request, plural: str) -> Answer:
        """GET a list, by page."""
        params, kind = Params.of(request), self._metadata.kind(plural)
        found = self._ordered(kind, self._matching(kind, params), params)
        fields = fields_from(",".join(params.all("fields")) or LIST_FIELDS)
        page = Page.of(params).within(len(found))
        shown = [self._shown(kind, record, fields) for record in page.cut(found)]
        answer: dict[str, Any] = {"pager": page.pager(request, len(found))} if page.paged else {}
        return Answer.json(200, {**answer, plural: shown})

    def read(self, request: Request, plural: str, uid: str) -> Answer:
        """GET one."""
        kind = self._metadata.kind(plural)
        record = self._metadata.read(plural, uid)
        fields = fields_from(",".join(Params.of(request).all("fields")) or SINGLE_FIELDS)
        return Answer.json(200, self._shown(kind, record, fields))

    def create(self, request: Request, plural: str) -> Answer:
        """POST one."""
        kind, values = self._metadata.kind(plural), well_shaped(body_object(request))
        found = self._metadata.find(plural, values.get("id"))
        if found is not None:
            return _refused(kind, found["id"], [checks.exists_already(kind, found)])
        errors = checks.problems(self._metadata, kind, values, incoming={})
        if errors:
            return _refused(kind, str(values.get("id", "")), errors)
        record = self._metadata.save(plural, values)
        answer = told(201, response=object_report(kind.klass, record["id"], []))
        location = f"{request.origin}{request.path}/{record['id']}"
        return Answer(201, answer.body, {**answer.headers, "Location": location})

    def replace(self, request: Request, plural: str, uid: str) -> Answer:
        """PUT one: what is not sent is gone."""
        kind = self._metadata.kind(plural)
        self._metadata.read(plural, uid)
        return self._saved(kind, uid, {**body_object(request), "id": uid}, "ObjectReport")

    def patch(self, request: Request, plural: str, uid: str) -> Answer:
        """PATCH one with a list of JSON Patch operations."""
        kind = self._metadata.kind(plural)
        record = self._metadata.read(plural, uid)
        if request.content_type != PATCH_TYPE:
            raise ApiError(415, f"Content-Type '{request.content_type}' is not supported")
        try:
            values = patched(record, body_json(request))
        except BadPatch as error:
            if error.path is None:
                raise ApiError(400, str(error)) from None
            report = error_report("E4032", str(error), kind.klass, error.path)
            return _failed(error_reports([report]))
        return self._saved(kind, uid, {**values, "id": uid}, "ErrorReports")

    def delete(self, request: Request, plural: str, uid: str) -> Answer:
        """DELETE one that nothing refers to."""
        kind = self._metadata.kind(plural)
        self._metadata.read(plural, uid)
        user = next(checks.users_of(self._metadata, uid), None)
        if user is not None:
            why = f"Object could not be deleted because it is associated with another object: {user.label}"
            raise ApiError(409, why, "E4030")
        self._metadata.remove(plural, uid)
        return told(200, response=object_report(kind.klass, uid, []))

    def _saved(self, kind: Kind, uid: str, values: Record, report: str) -> Answer:
        well_shaped(values)
        errors = checks.problems(self._metadata, kind, values, incoming={})
        if errors:
            return _refused(kind, uid, errors, report)
        self._metadata.save(kind.plural, values)
        return told(200, response=object_report(kind.klass, uid, []))

    def _matching(self, kind: Kind, params: Params) -> list[Record]:
        rows = list(self._metadata.rows(kind.plural).values())
        known = self._known(kind)

        def reach(record: Record, path: str) -> list[Any]:
            return self._metadata.reach(kind.plural, record, path)

        tests = [condition(text, known, reach) for text in params.all("filter")]
        joined = any if params.choice("rootJunction", ("AND", "OR"), "AND") == "OR" else all
        if tests:
            rows = [row for row in rows if joined(test(row) for test in tests)]
        if words := params.get("query"):
            rows = [row for row in rows if _mentions(row, words.lower())]
        return rows

    def _ordered(self, kind: Kind, rows: list[Record], params: Params) -> list[Record]:
        known = self._known(kind)
        orders = [text for value in params.all("order") for text in value.split(",") if text]
        for name, greatest_first in reversed([ordering(text, known) for text in orders or ["name"]]):
            rows = sorted(rows, key=lambda r: sort_key(self._plain(kind, r, name)), reverse=greatest_first)
        return rows

    def _plain(self, kind: Kind, record: Record, name: str) -> Any:
        return record.get("name") if name == "displayName" else record.get(name)

    def _known(self, kind: Kind) -> set[str]:
        rows = self._metadata.rows(kind.plural).values()
        held = {name for row in rows for name in row}
        derived = set(self._metadata.full(kind.plural, next(iter(rows)))) if rows else set()
        return {*COMMON, *kind.required, *held, *derived}

    def _shown(self, kind: Kind, record: Record, fields: Any) -> Any:
        return cut(self._metadata.full(kind.plural, record), fields, self._metadata.resolve)


def body_json(request: Request) -> Any:
    """The body of a write; 400 when it is no JSON."""
    try:
        return request.json()
    except ValueError as error:
        raise ApiError(400, f"Unexpected input: {error}") from None


def body_object(request: Request) -> dict[str, Any]:
    """The body of a write: JSON and an object."""
    if request.content_type != "application/json":
        raise ApiError(415, f"Content-Type '{request.headers.get('content-type', '')}' is not supported")
    values = body_json(request)
    if not isinstance(values, dict):
        raise ApiError(400, "Unexpected input: an object was expected")
    return values


def _mentions(record: Record, words: str) -> bool:
    return any(words in str(record.get(name, "")).lower() for name in ("name", "code", "id", "shortName"))


def _refused(kind: Kind, uid: str, errors: list[Report], report: str = "ObjectReport") -> Answer:
    if report == "ErrorReports":
        return _failed(error_reports(errors))
    return _failed(object_report(kind.klass, uid, errors))


def _failed(response: Report) -> Answer:
    return told(409, status="ERROR", message=METADATA_FAILED, response=response)
