"""Executing a text of SQL as the SQL API does: all statements in one go, rows as they come, then perhaps an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq import DiagnosticField as Part
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from openfn_platform.demo.standins.carto import values
from openfn_platform.demo.standins.carto.errors import Refused
from openfn_platform.demo.standins.carto.sessions import without_restrictions

Row = dict[str, Any]
EWKB = re.compile(r"0[0-9A-F]*\Z")
WITH_ROWS = (ExecStatus.SINGLE_TUPLE, ExecStatus.TUPLES_OK)


@dataclass
class Outcome:
    """What came back; of several statements all rows, but the columns and the count of the last one."""

    rows: list[Row] = field(default_factory=list)
    columns: list[tuple[str, int, int]] = field(default_factory=list)
    affected: int | None = None
    error: Refused | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The columns as the API describes them."""
        return {name: values.field(name, oid, modifier) for name, oid, modifier in self.columns}


def execute(connection: psycopg.Connection[Any], sql: str) -> Outcome:
    """Execute; an error before the first row is raised, one after it is part of the outcome."""
    outcome = Outcome()
    pgconn = connection.pgconn
    pgconn.send_query(without_restrictions(sql).replace("\0", "").encode())
    # Row by row, so that those before an error are known.
    pgconn.set_single_row_mode()
    loaders: list[tuple[str, Callable[[str], Any]]] = []
    while (result := pgconn.get_result()) is not None:
        status = ExecStatus(result.status)
        if status in WITH_ROWS:
            if not loaders:
                outcome.columns, loaders = _described(result)
            outcome.rows += _rows(result, loaders)
        elif status == ExecStatus.COPY_IN:
            pgconn.put_copy_end(b"No source stream defined")
        elif status == ExecStatus.COPY_OUT:
            while pgconn.get_copy_data(0)[0] > 0:
                pass
        elif status == ExecStatus.FATAL_ERROR:
            outcome.error = refusal(result)
        if status != ExecStatus.SINGLE_TUPLE:
            loaders = []
            counted = result.command_tuples
            outcome.affected = outcome.affected if counted is None else counted
    if outcome.error and not outcome.rows:
        raise outcome.error
    _spell_geometries(connection, outcome)
    return outcome


def refusal(result: PGresult) -> Refused:
    """PostgreSQL's error in the API's form."""

    def part(name: Part) -> str | None:
        text = result.error_field(name)
        return text.decode("utf-8", "replace") if text is not None else None

    message = part(Part.MESSAGE_PRIMARY) or result.get_error_message()
    return Refused(message, detail=part(Part.MESSAGE_DETAIL), hint=part(Part.MESSAGE_HINT))


def refusal_of(error: psycopg.Error) -> Refused:
    """The same from an exception."""
    if error.pgresult is not None:
        return refusal(error.pgresult)
    return Refused(str(error))


def _described(result: PGresult) -> tuple[list[tuple[str, int, int]], list[tuple[str, Callable[[str], Any]]]]:
    columns = [
        ((result.fname(n) or b"").decode(), result.ftype(n), result.fmod(n)) for n in range(result.nfields)
    ]
    return columns, [(name, values.converter(oid)) for name, oid, _ in columns]


def _rows(result: PGresult, loaders: Sequence[tuple[str, Callable[[str], Any]]]) -> list[Row]:
    rows = []
    for at in range(result.ntuples):
        row = {}
        for column, (name, load) in enumerate(loaders):
            value = result.get_value(at, column)
            row[name] = None if value is None else load(value.decode())
        rows.append(row)
    return rows


def _spell_geometries(connection: psycopg.Connection[Any], outcome: Outcome) -> None:
    """A geometry that was stored as text (`POINT(1 2)`) is shown as PostGIS shows all of them."""
    shown_types = {name: (oid, modifier) for name, oid, modifier in outcome.columns}
    for name, (oid, modifier) in shown_types.items():
        if outcome.error or values.geometry_srid(oid, modifier) is None:
            continue
        odd = [row for row in outcome.rows if not EWKB.match(row.get(name) or "0")]
        if odd:
            shown = connection.execute(
                "SELECT cartodb._ewkb(given) FROM unnest(%s::text[]) WITH ORDINALITY g(given, n) ORDER BY n",
                [[row[name] for row in odd]],
            )
            for row, (text,) in zip(odd, shown, strict=True):
                row[name] = text
