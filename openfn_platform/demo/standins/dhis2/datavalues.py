"""`POST /api/dataValueSets`: one value after the other is checked, and what is right is kept.

So an import is never all or nothing: the summary counts what went in and names each value that did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openfn_platform.demo.standins.dhis2.dates import now_text
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.params import Params, objects_in
from openfn_platform.demo.standins.dhis2.periods import Period, latest_open, period_from
from openfn_platform.demo.standins.dhis2.reports import Report, import_summary
from openfn_platform.demo.standins.dhis2.values import is_zero, stored, value_problem
from openfn_platform.demo.standins.store import Record, Store

TABLE = "dataValues"
DEFAULT_COMBO = "HllvX50cXC0"
STRATEGIES = ("CREATE", "UPDATE", "CREATE_AND_UPDATE", "DELETE")
_SCHEMES = {
    "dataElement": ("dataElements", "dataElementIdScheme"),
    "orgUnit": ("organisationUnits", "orgUnitIdScheme"),
    "categoryOptionCombo": ("categoryOptionCombos", "categoryOptionComboIdScheme"),
    "attributeOptionCombo": ("categoryOptionCombos", "categoryOptionComboIdScheme"),
    "dataSet": ("dataSets", "dataSetIdScheme"),
}


@dataclass(frozen=True)
class Conflict:
    """Why a value is refused."""

    object: str
    text: str
    code: str
    property: str


class DataValues:
    """The aggregate data of the server."""

    def __init__(self, store: Store, metadata: Metadata) -> None:
        self.store, self.metadata = store, metadata

    def import_set(self, payload: Mapping[str, Any], params: Params, username: str) -> Report:
        """Import a data value set and tell what became of it."""
        return _Import(self, payload, params, username).run()

    def key(self, value: Record) -> str:
        """What makes a value the same value."""
        names = ("dataElement", "period", "orgUnit", "categoryOptionCombo", "attributeOptionCombo")
        return "|".join(value[name] for name in names)

    def find(self, value: Record) -> Record | None:
        """The present value, None when there is none or it was deleted."""
        found = self.store.get(TABLE, self.key(value))
        return None if found is None or found["deleted"] else found

    def put(self, value: Record, username: str) -> None:
        """Keep a value, new or changed."""
        key, moment = self.key(value), now_text()
        old = self.store.get(TABLE, key)
        created = old["created"] if old else moment
        kept = {**value, "storedBy": username, "created": created, "lastUpdated": moment, "deleted": False}
        self.store.put(TABLE, key, kept)

    def delete(self, value: Record) -> None:
        """Mark a value as deleted, which is how DHIS2 tells other systems."""
        found = self.store.get(TABLE, self.key(value))
        if found is not None:
            self.store.put(TABLE, self.key(value), {**found, "deleted": True, "lastUpdated": now_text()})

    def data_sets_of(self, element: str) -> list[Record]:
        """The data sets that ask for an element."""
        rows = self.metadata.rows("dataSets").values()
        return [row for row in rows if element in elements_of(row)]

    def conflict_in(self, value: Record, period: Period) -> Conflict | None:
        """What is wrong with a value whose element, unit and combos exist."""
        element = self.metadata.read("dataElements", value["dataElement"])
        text, uid = value.get("value"), element["id"]
        if text in (None, "") and not value.get("comment"):
            told = f"Data value or comment not specified for data element: `{uid}`"
            return Conflict(uid, told, "E7618", "value")
        if text and (why := value_problem(element["valueType"], text)):
            told = f"Value must match data element's `{uid}` type constraints: {why}"
            return Conflict(text, told, "E7619", "value")
        codes = self.metadata.option_codes(element)
        if text and codes is not None and text not in codes:
            told = f"Data value is not a valid option of the data element option set: `{uid}`"
            return Conflict(text, told, "E7621", "value")
        return self._misplaced(value, period)

    def _misplaced(self, value: Record, period: Period) -> Conflict | None:
        uid, unit = value["dataElement"], value["orgUnit"]
        sets = self.data_sets_of(uid)
        if not any(unit in units_of(each) for each in sets):
            told = f"Data element: `{uid}` must be assigned through data sets to organisation unit: `{unit}`"
            return Conflict(unit, told, "E7636", "orgUnit")
        fitting = [each for each in sets if each["periodType"] == period.kind]
        if not fitting:
            told = f"Period type of period: `{period.text}` not valid for data element: `{uid}`"
            return Conflict(period.text, told, "E7632", "period")
        latest = latest_open(
            period.kind, max(int(each["openFuturePeriods"]) for each in fitting), datetime.now(UTC).date()
        )
        if period.start > latest.start:
            told = f"Period: `{period.text}` is after latest open future period: `{latest.text}`"
            return Conflict(period.text, f"{told} for data element: `{uid}`", "E7641", "period")
        return None


class _Import:
    """One import: the schemes that it uses, its counts and its conflicts."""

    def __init__(self, values: DataValues, payload: Mapping[str, Any], params: Params, username: str) -> None:
        self.values, self.payload, self.params, self.username = values, payload, params, username
        self.strategy = params.choice("importStrategy", STRATEGIES, "CREATE_AND_UPDATE")
        self.dry = params.flag("dryRun")
        self.known = {name: self._known(name) for name in _SCHEMES}
        self.counts = {"imported": 0, "updated": 0, "deleted": 0}
        self.conflicts: dict[Conflict, list[int]] = {}

    def run(self) -> Report:
        """All values, or none when the set as a whole is wrong."""
        rows = objects_in(self.payload, "dataValues")
        aborted = self._wrong_set()
        if aborted is not None:
            self.conflicts[aborted] = []
        else:
            for index, row in enumerate(rows):
                conflict = self._take(row)
                if conflict is not None:
                    self.conflicts.setdefault(conflict, []).append(index)
        status = "ERROR" if aborted else "WARNING" if self.conflicts else "SUCCESS"
        rejected = sorted({index for indexes in self.conflicts.values() for index in indexes})
        counts = {**self.counts, "ignored": len(rows) - sum(self.counts.values())}
        return import_summary(
            counts,
            [_told(conflict, indexes) for conflict, indexes in self.conflicts.items()],
            status=status,
            options=self._options(),
            rejectedIndexes=rejected,
            dataSetComplete=str(self.payload.get("completeDate") or "false"),
        )

    def _take(self, row: Record) -> Conflict | None:
        value, conflict = self._referring(row)
        if conflict is not None:
            return conflict
        period = period_from(value["period"])
        if period is None:
            return Conflict(value["period"], f"Period not valid: `{value['period']}`", "E7611", "period")
        value["period"] = period.text
        deletes = self.strategy == "DELETE" or str(row.get("deleted", "false")).lower() == "true"
        if not deletes and (conflict := self.values.conflict_in(value, period)):
            return conflict
        self._keep(value, deletes)
        return None

    def _keep(self, value: Record, deletes: bool) -> None:
        element = self.values.metadata.read("dataElements", value["dataElement"])
        found = self.values.find(value) is not None
        if deletes:
            done = "deleted" if found else None
        elif is_zero(element["valueType"], value.get("value") or "") and not element["zeroIsSignificant"]:
            done = None
        else:
            done = "updated" if found else "imported"
        refused = {"CREATE": "updated", "UPDATE": "imported"}.get(self.strategy)
        if done is None or done == refused:
            return  # counted as ignored, and nobody is told why
        self.counts[done] += 1
        if self.dry:
            return
        if deletes:
            self.values.delete(value)
        else:
            text = stored(element["valueType"], value.get("value") or "")
            self.values.put({**value, "value": text}, self.username)

    def _referring(self, row: Record) -> tuple[Record, Conflict | None]:
        """The value with identifiers instead of what the client calls things."""
        value: Record = {
            "period": str(row.get("period") or self.payload.get("period") or ""),
            "value": None if row.get("value") is None else _plain(row["value"]),
            "comment": row.get("comment"),
            "followup": bool(row.get("followup", False)),
        }
        for name, (label, code) in _MISSING.items():
            given = row.get(name) or self.payload.get(name)
            if given is None and name.endswith("OptionCombo"):
                value[name] = DEFAULT_COMBO
                continue
            found = self.known[name].get(str(given))
            if found is None:
                return value, Conflict(str(given), f"{label}: `{given}`", code, name)
            value[name] = found
        return value, None

    def _wrong_set(self) -> Conflict | None:
        for name, code, label in (
            ("dataSet", "E7600", "Data set not found or not accessible"),
            ("orgUnit", "E7603", "Org unit not found or not accessible"),
            ("attributeOptionCombo", "E7604", "Attribute option combo not found or not accessible"),
        ):
            given = self.payload.get(name)
            if given is not None and str(given) not in self.known[name]:
                return Conflict(str(given), f"{label}: `{given}`", code, name)
        return None

    def _known(self, name: str) -> dict[str, str]:
        plural, parameter = _SCHEMES[name]
        given = [self.payload.get(p) or self.params.get(p) for p in (parameter, "idScheme")]
        return self.values.metadata.by(plural, next((str(s) for s in given if s), "UID"))

    def _options(self) -> Report:
        return {
            "idSchemes": {},
            "dryRun": self.dry,
            "async": self.params.flag("async"),
            "importStrategy": self.strategy,
            "skipExistingCheck": False,
            "force": self.params.flag("force"),
        }


_MISSING = {
    "dataElement": ("Data element not found or not accessible", "E7610"),
    "orgUnit": ("Organisation unit not found or not accessible", "E7612"),
    "categoryOptionCombo": ("Category option combo not found or not accessible for writing data", "E7613"),
    "attributeOptionCombo": ("Attribute option combo not found or not accessible for writing data", "E7615"),
}


def elements_of(data_set: Record) -> set[str]:
    """The data elements of a data set."""
    return {each["dataElement"]["id"] for each in data_set.get("dataSetElements") or []}


def units_of(data_set: Record) -> set[str]:
    """The organisation units that report a data set."""
    return {each["id"] for each in data_set.get("organisationUnits") or []}


def _plain(value: Any) -> str:
    """JSON booleans and numbers are taken for the text that they look like."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _told(conflict: Conflict, indexes: list[int]) -> Report:
    return {
        "object": conflict.object,
        "objects": {conflict.property: conflict.object},
        "value": conflict.text,
        "errorCode": conflict.code,
        "property": conflict.property,
        "indexes": indexes,
    }
