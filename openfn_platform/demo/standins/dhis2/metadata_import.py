"""`POST /api/metadata`: many objects of several kinds in one go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openfn_platform.demo.standins.dhis2 import metadata_checks as checks
from openfn_platform.demo.standins.dhis2.catalogue import KINDS, Kind
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.metadata_shapes import well_shaped
from openfn_platform.demo.standins.dhis2.params import Params, objects_in
from openfn_platform.demo.standins.dhis2.reports import Report, error_report, stats
from openfn_platform.demo.standins.dhis2.uids import fresh_uid

STRATEGIES = ("CREATE", "UPDATE", "CREATE_AND_UPDATE", "DELETE")
DONE = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted"}


def metadata_import(metadata: Metadata, payload: Mapping[str, Any], params: Params) -> Report:
    """Import, or only validate, and report by kind; with `atomicMode=ALL` one error keeps everything out."""
    strategy = params.choice("importStrategy", STRATEGIES, "CREATE_AND_UPDATE")
    all_or_nothing = params.choice("atomicMode", ("ALL", "NONE"), "ALL") == "ALL"
    commits = params.choice("importMode", ("COMMIT", "VALIDATE"), "COMMIT") == "COMMIT"
    given = {
        plural: [
            {**well_shaped(one), "id": one.get("id") or fresh_uid()} for one in objects_in(payload, plural)
        ]
        for plural in KINDS
        if payload.get(plural) is not None
    }
    incoming = {plural: {one["id"] for one in objects} for plural, objects in given.items()}
    checked = [
        _Object(metadata, KINDS[plural], one, strategy, incoming)
        for plural, objects in given.items()
        for one in objects
    ]
    _repeated(checked)
    wrong = any(one.errors for one in checked)
    counted = [one for one in checked if not one.errors and not (wrong and all_or_nothing)]
    if commits:
        for one in counted:
            one.commit(metadata)
    reports = [_type_report(KINDS[p], [o for o in checked if o.kind.plural == p], counted) for p in given]
    totals = {name: sum(r["stats"][name] for r in reports) for name in (*DONE.values(), "ignored")}
    status = "OK" if not wrong else "WARNING" if counted else "ERROR"
    return {
        "responseType": "ImportReport",
        "status": status,
        "typeReports": reports,
        "stats": stats(**totals),
    }


class _Object:
    """One object with what is to be done and what is wrong."""

    def __init__(
        self,
        metadata: Metadata,
        kind: Kind,
        values: dict[str, Any],
        strategy: str,
        incoming: Mapping[str, set[str]],
    ) -> None:
        self.kind, self.values = kind, values
        found = metadata.find(kind.plural, values["id"])
        self.action = ("UPDATE" if found else "CREATE") if strategy == "CREATE_AND_UPDATE" else strategy
        self.errors: list[Report] = []
        if self.action == "CREATE" and found:
            self.errors.append(checks.exists_already(kind, found))
        elif self.action != "CREATE" and not found:
            self.errors.append(checks.exists_not(kind, values))
        elif self.action != "DELETE":
            self.errors += checks.problems(metadata, kind, values, incoming=incoming)

    def commit(self, metadata: Metadata) -> None:
        """Do it."""
        if self.action == "DELETE":
            metadata.remove(self.kind.plural, self.values["id"])
        else:
            metadata.save(self.kind.plural, self.values)


def _repeated(objects: list[_Object]) -> None:
    """What must be unique must be so within one payload, too."""
    seen: set[tuple[str, str, str]] = set()
    for one in objects:
        for name in one.kind.unique if one.action != "DELETE" else ():
            value = one.values.get(name)
            key = (one.kind.plural, name, str(value))
            if value is not None and key in seen:
                what = (
                    f"Properties `{name}` in objects `{one.values['id']}` must be unique within the payload"
                )
                one.errors.append(error_report("E5005", what, one.kind.klass, name))
            seen.add(key)


def _type_report(kind: Kind, objects: list[_Object], counted: list[_Object]) -> Report:
    counts = dict.fromkeys(DONE.values(), 0)
    for one in objects:
        if one in counted:
            counts[DONE[one.action]] += 1
    ignored = len(objects) - sum(counts.values())
    wrong = [one for one in objects if one.errors]
    reports = [
        {
            "klass": kind.klass,
            "index": objects.index(one),
            "uid": one.values["id"],
            "errorReports": one.errors,
        }
        for one in wrong
    ]
    return {"klass": kind.klass, "stats": stats(**counts, ignored=ignored), "objectReports": reports}
