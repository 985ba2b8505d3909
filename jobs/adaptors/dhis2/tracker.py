"""`dhis2.tracker`: tracked entities, enrollments, events and relationships."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from jobs.adaptors.dhis2.connection import Connection, clean, record_path
from jobs.adaptors.dhis2.imports import Import, never, nothing_wrong, send, send_all, start_all
from jobs.adaptors.dhis2.lists import everything, one_by_one
from jobs.adaptors.dhis2.refusals import GONE_ALREADY
from jobs.adaptors.dhis2.reports import ImportReport
from jobs.adaptors.dhis2.tracked import TYPES, Payload, checked_strategy, identified, pieces
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import ValidationError
from jobs.adaptors.spec import operation

PAGE = 500
Job = dict[str, str]


class Tracker:
    """Operations under `dhis2.tracker`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @operation(example='report = dhis2.tracker.import_({"events": events}, atomic="OBJECT")', writes=True)
    def import_(
        self,
        payload: Payload,
        *,
        strategy: str = "CREATE_AND_UPDATE",
        asynchronous: bool = False,
        atomic: Literal["ALL", "OBJECT"] = "ALL",
        chunk: int | None = None,
        **params: Any,
    ) -> ImportReport | Job | list[Job]:
        """Import records: `{"events": […]}`, with several types if need be, or `("events", records)`.

        Answers a report with `accepted`, `ignored`, `conflicts` and more. With `atomic="ALL"` one bad record refuses
        all, which raises; with `"OBJECT"` the good ones are taken and the report says which were not. `chunk` sends
        so many records per request, so that a generator of many thousands is never held as a whole; *all* then means
        each request, and the first refused one ends it. `asynchronous` answers a job for `dhis2.wait`.
        Records with identifiers of their own (see `dhis2.uid`) can safely be sent again.
        Other names are passed on, as in `importMode="VALIDATE"`, `reportMode="ERRORS"`.
        """
        if atomic not in ("ALL", "OBJECT"):
            raise ValidationError("dhis2.tracker.import_ knows atomic='ALL' and atomic='OBJECT'.", sent=False)
        query = _query(strategy, params) | {"async": asynchronous, "atomicMode": atomic}
        kind = _kind(strategy, query, stops=atomic == "ALL")
        bodies = (
            (body, sum(map(len, body.values())))
            for body in pieces(payload, size=chunk, backwards=strategy == "DELETE")
        )
        if not asynchronous:
            return send_all(self._connection, kind, bodies)
        jobs = start_all(self._connection, kind, bodies, job_type="TRACKER")
        return jobs[0] if len(jobs) == 1 else jobs

    @operation(example='events = dhis2.tracker.export("events", program=program, orgUnit=unit, max=500)')
    def export(
        self, path: str, *, max: int | None = None, page_size: int | None = PAGE, **params: Any
    ) -> Any:
        """Records of a type as a list, page by page to the end, at most `max` (10,000 unless told).

        A path with an identifier gives that record. With `page=` only that page is read, with `paging=False` all
        at once. Other names are passed on: `filter`, `order`, `updatedAfter`, `fields`, `totalPages`.
        """
        return everything(self._connection, _under(path), params, max=max, page_size=page_size)

    @operation(
        example='for event in dhis2.tracker.each("events", program=program, orgUnit=unit): print(event)'
    )
    def each(
        self, path: str, *, max: int | None = None, page_size: int = PAGE, **params: Any
    ) -> Iterator[Any]:
        """Every record of a type, one after the other; however many, only one page is held at a time."""
        return one_by_one(self._connection, _under(path), params, max=max, page_size=page_size)

    @operation(example='entity = dhis2.tracker.get("trackedEntities", uid, fields="*")')
    def get(self, path: str, uid: str, **params: Any) -> Any:
        """One record by its identifier; NotFound is raised when there is none."""
        return self._connection.call("GET", record_path(_under(path), uid), params=params).body


def import_one(
    connection: Connection, kind: str, records: Any, *, strategy: str, params: dict[str, Any]
) -> Any:
    """Records of one type, with the tracker's answer as it is: what create, update, upsert and destroy are here."""
    body = next(pieces((kind, records), size=None), None)
    if body is None:
        raise ValidationError(f"There is nothing to send to {kind}.", sent=False)
    query = _query(strategy, params) | {"async": False}
    how = _kind(strategy, query, stops=True)
    sent = send(
        connection,
        "POST",
        how.path,
        body,
        params=query,
        repeatable=how.repeatable(body),
        noun=kind if kind != "trackedEntities" else "tracked entities",
        forgiven=how.forgiven,
    )
    return sent.body


def with_uid(kind: str, uid: str, data: Any = None) -> dict[str, Any]:
    """A record that names itself."""
    if not uid:
        raise ValidationError("DHIS2 needs the identifier of the record.", sent=False)
    return {**(data or {}), TYPES[kind]: uid}


def _query(strategy: str, params: dict[str, Any]) -> dict[str, Any]:
    return {**params, "importStrategy": checked_strategy(strategy)}


def _kind(strategy: str, query: dict[str, Any], *, stops: bool) -> Import:
    check = query.get("importMode") == "VALIDATE"
    return Import(
        path="tracker",
        params=query,
        noun="records",
        repeatable=partial(_is_repeatable, harmless=check or strategy != "CREATE"),
        stops=stops,
        forgiven=nothing_wrong if check else _gone if strategy == "DELETE" else never,
    )


def _is_repeatable(body: Any, *, harmless: bool) -> bool:
    return harmless and identified(body)


def _gone(response: Response, report: ImportReport) -> bool:
    """Nothing left to delete is what was wanted, if the answer to an earlier try got lost."""
    codes = {each.code for each in report.conflicts}
    return response.attempt > 1 and bool(codes) and codes <= GONE_ALREADY


def _under(path: str) -> str:
    return f"tracker/{clean(path).removeprefix('tracker/')}"
