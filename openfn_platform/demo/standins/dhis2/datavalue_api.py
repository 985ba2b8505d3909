"""The endpoints of data values: sets in and out, and single values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openfn_platform.demo.standins.dhis2.datavalues import (
    DEFAULT_COMBO,
    TABLE,
    DataValues,
    elements_of,
)
from openfn_platform.demo.standins.dhis2.dates import day_of, first_moment, moment_before
from openfn_platform.demo.standins.dhis2.jobs import Jobs
from openfn_platform.demo.standins.dhis2.metadata import UNITS
from openfn_platform.demo.standins.dhis2.metadata_api import body_object
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.periods import period_from
from openfn_platform.demo.standins.dhis2.reports import ApiError, summary_answer, told
from openfn_platform.demo.standins.dhis2.values import stored
from openfn_platform.demo.standins.store import Record
from openfn_platform.demo.standins.wire import Answer, Request

IMPORT_JOB = "DATAVALUE_IMPORT"
_SHOWN = (
    "dataElement", "period", "orgUnit", "categoryOptionCombo", "attributeOptionCombo", "value", "storedBy",
    "created", "lastUpdated", "comment", "followup",
)  # fmt: skip
_SINGLE = {
    "dataElement": ("de", "dataElements", "E1100", "Data element not found or not accessible"),
    "orgUnit": ("ou", UNITS, "E1102", "Organisation unit not found or not accessible"),
    "categoryOptionCombo": (
        "co",
        "categoryOptionCombos",
        "E1103",
        "Category option combo not found or not accessible",
    ),
}


class DataValueApi:
    """`/api/dataValueSets`, `/api/dataValues` and the tasks of their imports."""

    def __init__(self, values: DataValues, jobs: Jobs, config: Mapping[str, Any]) -> None:
        self._values, self._jobs, self._config = values, jobs, config
        self._metadata = values.metadata

    def import_set(self, request: Request, *, plain: bool) -> Answer:
        """POST dataValueSets."""
        params, payload = Params.of(request), body_object(request)
        username = self._config["username"]
        if not params.flag("async"):
            return summary_answer(self._values.import_set(payload, params, username), plain=plain)
        job = self._jobs.start(IMPORT_JOB, lambda: self._values.import_set(payload, params, username))
        response = {
            "responseType": "JobConfigurationWebMessageResponse",
            "name": "dataValueImport",
            "id": job.uid,
            "created": job.created,
            "jobType": IMPORT_JOB,
            "relativeNotifierEndpoint": f"/api/system/tasks/{IMPORT_JOB}/{job.uid}",
        }
        return told(200, message="Initiated dataValueImport", response=response)

    def export(self, request: Request) -> Answer:
        """GET dataValueSets."""
        params = Params.of(request)
        tests = [self._elements(params), self._times(params), self._units(params)]
        if not params.flag("includeDeleted"):
            tests.append(lambda value: not value["deleted"])
        found = [v for v in self._values.store.table(TABLE).values() if all(test(v) for test in tests)]
        limit = params.get("limit")
        names = self._names(params)
        shown = [_shown(value, names) for value in found[: int(limit) if limit else None]]
        return Answer.json(200, {**_common(params), "dataValues": shown})

    def save(self, request: Request) -> Answer:
        """POST dataValues: one value, in the query, as a form or (then 201) as JSON."""
        params = Params.of(request)
        as_json = request.content_type == "application/json" and bool(request.body)
        if as_json:
            given = body_object(request)
            long = {"de": "dataElement", "ou": "orgUnit", "pe": "period", "co": "categoryOptionCombo"}
            named = {short: [str(given[name])] for short, name in long.items() if given.get(name)}
            rest = {n: [str(given[n])] for n in ("value", "comment") if given.get(n) is not None}
            params = Params({**named, **rest})
        value = self._single(params)
        period = period_from(value["period"])
        assert period is not None  # noqa: S101  (`_single` has looked)
        text = {"value": params.get("value") or "", "comment": params.get("comment")}
        if conflict := self._values.conflict_in({**value, **text}, period):
            raise ApiError(409, conflict.text, _SINGLE_CODES.get(conflict.code, conflict.code))
        element = self._metadata.read("dataElements", value["dataElement"])
        kept = {
            **value,
            **text,
            "value": stored(element["valueType"], text["value"] or ""),
            "followup": False,
        }
        self._values.put(kept, self._config["username"])
        return Answer(201 if as_json else 200)

    def read(self, request: Request) -> Answer:
        """GET dataValues: the value in a list of one."""
        found = self._values.find(self._single(Params.of(request)))
        if found is None:
            raise ApiError(409, "Data value does not exist", "E2032")
        return Answer.json(200, [found["value"]])

    def delete(self, request: Request) -> Answer:
        """DELETE dataValues."""
        value = self._single(Params.of(request))
        if self._values.find(value) is None:
            raise ApiError(409, "Data value does not exist", "E2032")
        self._values.delete(value)
        return Answer(204)

    def tasks(self, request: Request, kind: str, uid: str) -> Answer:
        """GET system/tasks: what a job has said so far, newest first."""
        return Answer.json(200, self._jobs.log(kind, uid))

    def summary(self, request: Request, kind: str, uid: str) -> Answer:
        """GET system/taskSummaries: the summary, nothing while the job runs."""
        return Answer.json(200, self._jobs.result(kind, uid) or {})

    def _single(self, params: Params) -> Record:
        value: Record = {"attributeOptionCombo": DEFAULT_COMBO}
        for name, (short, plural, code, label) in _SINGLE.items():
            given = params.get(short) or (DEFAULT_COMBO if short == "co" else "")
            if self._metadata.find(plural, given) is None:
                raise ApiError(409, f"{label}: `{given}`", code)
            value[name] = given
        period = period_from(params.get("pe") or "")
        if period is None:
            raise ApiError(409, f"Period is invalid: `{params.get('pe') or ''}`", "E1101")
        return {**value, "period": period.text}

    def _elements(self, params: Params) -> Callable[[Record], bool]:
        sets, single = params.uids("dataSet"), params.uids("dataElement")
        groups = params.uids("dataElementGroup")
        if not (sets or single or groups):
            raise ApiError(
                409, "At least one data element, data set or data element group must be specified", "E2001"
            )
        wanted = set(single)
        for uid in sets:
            found = self._metadata.find("dataSets", uid)
            if found is None:
                raise ApiError(409, f"Data set not found or not accessible: `{uid}`", "E1105")
            wanted |= elements_of(found)
        for uid in groups:
            group = self._metadata.read("dataElementGroups", uid)
            wanted |= {each["id"] for each in group.get("dataElements") or []}
        return lambda value: value["dataElement"] in wanted

    def _times(self, params: Params) -> Callable[[Record], bool]:
        texts = params.uids("period")
        start, end = params.get("startDate"), params.get("endDate")
        since, duration = params.get("lastUpdated"), params.get("lastUpdatedDuration")
        try:
            if texts:
                wanted = {p.text for p in map(period_from, texts) if p is not None}
                return lambda value: value["period"] in wanted
            if start and end:
                first, last = day_of(start), day_of(end)
                if first > last:
                    raise ApiError(409, "Start date must be before end date", "E2004")
                return lambda value: _lies_within(value["period"], first, last)
            if since or duration:
                moment = first_moment(since) if since else moment_before(duration or "")
                return lambda value: bool(value["lastUpdated"] >= moment)
        except ValueError as error:
            raise ApiError(400, str(error)) from None
        told = "At least one period, start/end dates, last updated or last updated duration must be specified"
        raise ApiError(409, told, "E2002")

    def _units(self, params: Params) -> Callable[[Record], bool]:
        units = params.uids("orgUnit")
        if not units:
            told = "At least one organisation unit or organisation unit group must be specified"
            raise ApiError(409, told, "E2006")
        codes = self._metadata.by(UNITS, "CODE") if params.get("inputOrgUnitIdScheme") == "code" else {}
        chosen = {codes.get(unit, unit) for unit in units}
        for unit in chosen:
            if self._metadata.find(UNITS, unit) is None:
                raise ApiError(409, f"Organisation unit not found or not accessible: `{unit}`", "E1102")
        if params.flag("children"):
            chosen = set().union(*(self._metadata.below(unit) for unit in chosen))
        return lambda value: value["orgUnit"] in chosen

    def _names(self, params: Params) -> dict[str, dict[str, str]]:
        """By property what to show instead of identifiers."""
        names = {}
        for name, plural in (("dataElement", "dataElements"), ("orgUnit", UNITS)):
            scheme = params.get(f"{name}IdScheme", "idScheme") or "UID"
            names[name] = {uid: text for text, uid in self._metadata.by(plural, scheme).items()}
        return names


_SINGLE_CODES = {"E7619": "E2030", "E7621": "E2029", "E7641": "E2022"}


def _lies_within(text: str, first: Any, last: Any) -> bool:
    period = period_from(text)
    return period is not None and first <= period.start and period.end <= last


def _shown(value: Record, names: Mapping[str, Mapping[str, str]]) -> Record:
    shown = {name: value[name] for name in _SHOWN if value.get(name) is not None}
    for name, known in names.items():
        shown[name] = known.get(shown[name], shown[name])
    return {**shown, "deleted": True} if value["deleted"] else shown


def _common(params: Params) -> Record:
    """A set of one data set, period and unit says so at its head."""
    parts = {n: params.uids(n) for n in ("dataSet", "period", "orgUnit")}
    return {name: found[0] for name, found in parts.items() if len(found) == 1}
