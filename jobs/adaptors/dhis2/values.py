"""Aggregate data: data values by data element, period and organisation unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobs.adaptors.common.lists import chunks
from jobs.adaptors.dhis2.connection import Connection
from jobs.adaptors.dhis2.imports import Import, never, nothing_wrong, send_all, start_all
from jobs.adaptors.dhis2.reports import ImportReport
from jobs.adaptors.dhis2.tracked import checked_strategy
from jobs.adaptors.errors import ValidationError

PATH = "dataValueSets"
JOB_TYPE = "DATAVALUE_IMPORT"
# A value has no identifier but what it is about, so setting it twice changes nothing; these two say so aloud.
AGAIN = ("CREATE_AND_UPDATE", "UPDATE")


def send_values(
    connection: Connection,
    values: Iterable[Mapping[str, Any]],
    *,
    header: Mapping[str, Any],
    strategy: str,
    dry_run: bool,
    asynchronous: bool,
    chunk: int,
    params: Mapping[str, Any],
) -> ImportReport | list[dict[str, str]]:
    query = {**params, "importStrategy": checked_strategy(strategy), "async": asynchronous}
    if dry_run:
        query["dryRun"] = True
    kind = Import(
        path=PATH,
        params=query,
        noun="values",
        repeatable=lambda body: dry_run or strategy in AGAIN,
        forgiven=nothing_wrong if dry_run else never,
    )
    bodies = _bodies(values, {name: value for name, value in header.items() if value is not None}, chunk)
    if asynchronous:
        return start_all(connection, kind, bodies, job_type=JOB_TYPE)
    return send_all(connection, kind, bodies)


def get_values(connection: Connection, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    body = connection.call("GET", PATH, params=params).body
    values = connection.part(body).get("dataValues")
    return values if isinstance(values, list) else []


def is_repeatable(strategy: Any) -> bool:
    """Whether data values may be sent again; servers differ in what they do without a strategy."""
    return strategy in AGAIN


def _bodies(
    values: Iterable[Mapping[str, Any]], header: Mapping[str, Any], chunk: int
) -> Iterator[tuple[dict[str, Any], int]]:
    if isinstance(values, Mapping):
        raise ValidationError(
            "dhis2.send_values needs a list of values; put a single one in brackets.", sent=False
        )
    for piece in chunks(values, chunk):
        yield {**header, "dataValues": piece}, len(piece)
