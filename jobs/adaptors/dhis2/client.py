"""The operations of `dhis2`. Paths are those behind /api: `dataElements`, `organisationUnits/<id>`.

Every operation that takes other names as parameters also takes `api_version`, for that call alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from jobs.adaptors.context import Context
from jobs.adaptors.dhis2 import resources, waiting
from jobs.adaptors.dhis2 import values as aggregate
from jobs.adaptors.dhis2.connection import Connection
from jobs.adaptors.dhis2.lists import everything, one_by_one
from jobs.adaptors.dhis2.plain import Plain
from jobs.adaptors.dhis2.reports import ImportReport
from jobs.adaptors.dhis2.tracked import is_tracked
from jobs.adaptors.dhis2.tracker import Job, Tracker, import_one, with_uid
from jobs.adaptors.dhis2.util import Util, uid_of
from jobs.adaptors.errors import AuthError, ValidationError
from jobs.adaptors.spec import operation

PAGE = 500
PICKED = ("organisationUnits", "trackedEntityTypes", "trackedEntityAttributes")


class Client:
    """One DHIS2 server."""

    schema = Connection.schema
    groups: ClassVar[Mapping[str, type]] = {"tracker": Tracker, "http": Plain, "util": Util}

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self._connection = Connection(configuration, context)
        self.tracker = Tracker(self._connection)
        self.http = Plain(self._connection)
        self.util = Util()

    @operation(example='units = dhis2.get("organisationUnits", filter="level:eq:4", fields="id,name")')
    def get(self, path: str, *, max: int | None = None, page_size: int | None = None, **params: Any) -> Any:
        """A list of records, page by page to its end, or the object that the path names as it is.

        At most `max` records come (10,000 unless told). With `page=` only that page is read, with `paging=False` all
        at once. Lists as values repeat the parameter. The tracker's types are read from /api/tracker.
        """
        size = page_size or (PAGE if is_tracked(path) else None)
        return everything(self._connection, path, params, max=max, page_size=size)

    @operation(example='for unit in dhis2.each("organisationUnits", fields="id,name,code"): print(unit)')
    def each(
        self, path: str, *, max: int | None = None, page_size: int = PAGE, **params: Any
    ) -> Iterator[Any]:
        """Every record of a list, one after the other; however many, only one page is held at a time."""
        return one_by_one(self._connection, path, params, max=max, page_size=page_size)

    @operation(example='unit = dhis2.find_one("organisationUnits", code="OU_4711", fields="id,name")')
    def find_one(self, path: str, *, filter: str | list[str] | None = None, **equal: Any) -> Any:
        """The one record that matches, or None. Several raise AmbiguousError.

        `filter` is DHIS2's own, as in `"name:ilike:clinic"`. Other names must be equal: `code="X"`. For the tracker's
        types they are its parameters instead: `program=…, orgUnit=…`. `fields` says what shall come.
        """
        return resources.find_one(self._connection, path, filter, equal)

    @operation(example='dhis2.create("events", {"program": program, "orgUnit": unit, ...: ...})', writes=True)
    def create(self, path: str, data: Any, **params: Any) -> Any:
        """Make a record, or several of a tracker type; answers what the server says about it.

        The new identifier of metadata is at `["response"]["uid"]`.
        """
        if path.strip("/") == "tracker":
            raise ValidationError("Use dhis2.tracker.import_ to send a tracker payload.", sent=False)
        if is_tracked(path):
            return import_one(self._connection, _kind(path), data, strategy="CREATE", params=params)
        return resources.create(self._connection, path, data, params)

    @operation(example='dhis2.update("dataElements", "fbfJHSPpUQD", data_element)', writes=True)
    def update(self, path: str, id: str, data: Any, **params: Any) -> Any:
        """Replace a record; `data` must be complete, or what it lacks is lost. See `patch` for a part of it."""
        if is_tracked(path):
            kind = _kind(path)
            return import_one(
                self._connection, kind, with_uid(kind, id, data), strategy="UPDATE", params=params
            )
        return resources.replace(self._connection, path, id, data, params)

    @operation(example='dhis2.patch("dataElements", "fbfJHSPpUQD", {"shortName": "ANC 1"})', writes=True)
    def patch(self, path: str, id: str, data: Any, **params: Any) -> Any:
        """Change part of a record: named values, or the operations of a JSON patch."""
        return resources.patch(self._connection, path, id, data, params)

    @operation(example='dhis2.upsert("organisationUnits", {"code": "OU_4711"}, unit)', writes=True)
    def upsert(self, path: str, query: Mapping[str, Any] | None, data: Any, **params: Any) -> Any:
        """Update the one record that the query finds, or create it. Several matches raise AmbiguousError.

        `data` must be complete. The tracker's types need no query: the identifiers in `data` decide.
        """
        if is_tracked(path):
            kind = _kind(path)
            return import_one(self._connection, kind, data, strategy="CREATE_AND_UPDATE", params=params)
        return resources.upsert(self._connection, path, query or {}, data, params)

    @operation(example='dhis2.destroy("events", "ck7DzdxqLqA")', writes=True)
    def destroy(self, path: str, id: str, **params: Any) -> Any:
        """Delete a record."""
        if is_tracked(path):
            kind = _kind(path)
            return import_one(self._connection, kind, with_uid(kind, id), strategy="DELETE", params=params)
        return resources.destroy(self._connection, path, id, params)

    @operation(example="report = dhis2.send_values(values, data_set=data_set)", writes=True)
    def send_values(
        self,
        values: Iterable[Mapping[str, Any]],
        *,
        data_set: str | None = None,
        period: str | None = None,
        org_unit: str | None = None,
        dry_run: bool = False,
        import_strategy: str = "CREATE_AND_UPDATE",
        asynchronous: bool = False,
        chunk: int = 5_000,
        **params: Any,
    ) -> ImportReport | Job | list[Job]:
        """Send data values: `{"dataElement": …, "orgUnit": …, "period": …, "value": …}` each.

        Answers a report: `accepted`, `ignored`, `created`, `updated`, `deleted`, `total`, `status` and `conflicts`, each
        with `object`, `message`, `code`, `property` and `indexes` into what was sent. Refused values do not stop the
        others; only when nothing is taken does it raise. `dry_run` has the server check them without keeping them.
        A long list, or a generator, goes in pieces of `chunk`. `asynchronous` answers a job for `dhis2.wait`.
        """
        sent = aggregate.send_values(
            self._connection,
            values,
            header={"dataSet": data_set, "period": period, "orgUnit": org_unit},
            strategy=import_strategy,
            dry_run=dry_run,
            asynchronous=asynchronous,
            chunk=chunk,
            params=params,
        )
        return sent[0] if isinstance(sent, list) and len(sent) == 1 else sent

    @operation(example='values = dhis2.get_values(data_set=data_set, period="202505", org_unit=unit)')
    def get_values(
        self,
        *,
        data_set: str | list[str] | None = None,
        period: str | list[str] | None = None,
        org_unit: str | list[str] | None = None,
        **params: Any,
    ) -> list[dict[str, Any]]:
        """Data values as a list. Other names are passed on: `startDate`, `endDate`, `children`, `lastUpdated`."""
        named = {"dataSet": data_set, "period": period, "orgUnit": org_unit}
        return aggregate.get_values(self._connection, named | params)

    @operation(example="report = dhis2.wait(job)")
    def wait(self, job: Job | list[Job] | str, *, timeout: float = 240, every: float = 2.0) -> ImportReport:
        """The report of an asynchronous import, once it is done; its progress goes to the log.

        Waits at most `timeout` seconds and looks each `every` seconds. Raises as the import itself would have.
        """
        end = time.monotonic() + timeout
        jobs = job if isinstance(job, list) else [job]
        reports = [waiting.wait_for(self._connection, each, end=end, every=every) for each in jobs]
        whole = reports[0] if reports else ImportReport()
        for report in reports[1:]:
            whole = whole.plus(report, offset=whole.total)
        return waiting.judge(self._connection, whole)

    @operation(example='lists = dhis2.metadata("organisationUnits", "dataElements")')
    def metadata(self, *types: str, max: int = 10_000) -> dict[str, list[dict[str, Any]]]:
        """Names and identifiers to pick from: organisation units, tracked entity types and attributes unless told."""
        return {kind: resources.picked(self._connection, kind, max=max) for kind in types or PICKED}

    @operation(example='event["event"] = dhis2.uid("anc", patient, visit)')
    def uid(self, *parts: Any) -> str:
        """A DHIS2 identifier made from a text, always the same: what is sent again is then the same record."""
        return uid_of(*parts)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        me = self._connection.call("GET", "me", params={"fields": "id,username"}).body
        name = (me.get("username") or me.get("id")) if isinstance(me, dict) else None
        if not name:
            raise AuthError("DHIS2 does not say who is logged in.", sent=False)
        return f"DHIS2 accepts the credential; logged in as {name}."

    def close(self) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return repr(self._connection)


def _kind(path: str) -> str:
    kind, _, more = path.strip("/").partition("?")
    if more:
        raise ValidationError("Give parameters by name, not in the path.", sent=False)
    return kind
