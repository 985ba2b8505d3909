"""The operations of `carto`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jobs.adaptors.carto.connection import Connection
from jobs.adaptors.carto.literals import bound, columns, identifier, literal
from jobs.adaptors.common.lists import chunks
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, Timeout, ValidationError
from jobs.adaptors.spec import operation

READS = re.compile(r"^\s*(select|with|values|show|explain)\b", re.IGNORECASE)
CHANGES = re.compile(
    r"\b(insert|update|delete|drop|alter|create|truncate|grant|revoke|copy|call|do|merge)\b|;\s*\S",
    re.IGNORECASE,
)
STATEMENT_BYTES = 1_000_000
ROWS_AT_ONCE = 500
LONGEST_JOB = 16_384
ENDED = frozenset({"done", "failed", "canceled", "cancelled", "unknown"})
TYPES = {
    "text",
    "numeric",
    "integer",
    "bigint",
    "double precision",
    "boolean",
    "date",
    "timestamp",
    "timestamptz",
    "jsonb",
    "geometry",
}
Row = Mapping[str, Any]


class Client:
    """One CARTO account."""

    schema = Connection.schema

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self._connection = Connection(configuration, context)
        self._context = context

    @operation(
        example='rows = carto.sql("select * from clinics where district = %s", ["Kigoma"])', writes=True
    )
    def sql(self, query: str, values: Sequence[Any] | Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run a query; answers its rows, or the number of rows that it changed.

        Values take the place of `%s` or `%(name)s`, safely quoted. `format="geojson"` or `"csv"` answers that
        instead. A query that changes something is never sent twice by itself.
        """
        text = bound(query, values)
        write = not (READS.match(text) and not CHANGES.search(_without_texts(text)))
        body = self._connection.ask_sql(text, write=write, repeatable=not write, **options).body
        if options.get("format", "json") != "json":
            return body
        if write and not self._connection.part(body).get("rows"):
            return body.get("total_rows", 0)
        return self._connection.part(body, "rows", list)

    @operation(example='for row in carto.each("select * from visits order by cartodb_id"): print(row)')
    def each(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] | None = None, *, page_size: int = 1_000
    ) -> Iterator[dict[str, Any]]:
        """The rows of a long query, page by page. Give it an order, or rows may come twice or not at all."""
        text, page = bound(query, values), 0
        while True:
            answer = self._connection.ask_sql(
                text, write=False, repeatable=True, rows_per_page=page_size, page=page
            )
            rows = self._connection.part(answer.body, "rows", list)
            yield from rows
            if len(rows) < page_size:
                return
            page += 1

    @operation(
        example='carto.add_row("visits", {"patient": "7", "the_geom": {"type": "Point", "coordinates": [30, -4]}})',
        writes=True,
    )
    def add_row(self, table: str, row: Row) -> int:
        """Insert one row; answers 1. Values are quoted, so `O'Brien` is only a name."""
        return self.add_rows(table, [row])

    @operation(example='carto.add_rows("visits", rows)', writes=True)
    def add_rows(self, table: str, rows: Iterable[Row], *, size: int = ROWS_AT_ONCE) -> int:
        """Insert many rows, so many at a time; answers how many."""
        return self._written(table, rows, size=size, tail="", repeatable=False)

    @operation(example='carto.upsert_rows("visits", rows, key="event")', writes=True)
    def upsert_rows(
        self, table: str, rows: Iterable[Row], *, key: str | Sequence[str], size: int = ROWS_AT_ONCE
    ) -> int:
        """Insert rows, or change those whose `key` is there already; sending them twice changes nothing more.

        The table needs a unique index on the key; `publish` makes one. A column that a row lacks stays as it is.
        Answers how many rows were written.
        """
        keys = [key] if isinstance(key, str) else list(key)
        return self._written(table, _with_keys(rows, keys), size=size, tail=keys, repeatable=True)

    @operation(example='carto.delete_rows("visits", {"district": "Kigoma"})', writes=True)
    def delete_rows(self, table: str, where: Row) -> int:
        """Delete the rows that have these values; answers how many. Without any condition nothing is deleted."""
        if not where:
            raise ValidationError("delete_rows() needs a condition; to empty a table use sql().", sent=False)
        terms = [
            f"{identifier(name)} is null"
            if value is None
            else f"{identifier(name)} = {literal(value, where=name)}"
            for name, value in where.items()
        ]
        query = f"DELETE FROM {identifier(table)} WHERE {' AND '.join(terms)}"  # noqa: S608  (all quoted)
        body = self._connection.ask_sql(query, write=True, repeatable=True).body
        return int(self._connection.part(body, "total_rows", int))

    @operation(
        example='carto.publish("visits", {"event": "text", "at": "timestamptz"}, key="event")', writes=True
    )
    def publish(
        self, table: str, columns: Mapping[str, str], *, key: str | Sequence[str] = (), public: bool = False
    ) -> None:
        """Make a table that maps can show, unless it is there: with `the_geom`, registered with CARTO.

        `columns` maps names to types. With `key` it gets a unique index for `upsert_rows`. `public=True` lets
        everybody read it; without it nobody else may, also where CARTO makes new tables public by itself.
        """
        unknown = sorted(set(columns.values()) - TYPES)
        if unknown:
            raise ValidationError(
                f"CARTO tables have no type {unknown[0]}; there are: {', '.join(sorted(TYPES))}.", sent=False
            )
        named = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
        statements = [
            f"CREATE TABLE IF NOT EXISTS {identifier(table)} ({named})",
            # The schema is the user's in an organisation and `public` elsewhere.
            f"SELECT CDB_CartodbfyTable(current_schema()::text, {literal(identifier(table))})",
        ]
        keys = [key] if isinstance(key, str) else list(key)
        if keys:
            index = identifier(f"{table.rpartition('.')[2][:50]}_key")
            listed = ", ".join(map(identifier, keys))
            statements.append(f"CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {identifier(table)} ({listed})")
        # Some plans make every new table public, so that has to be taken back where it is not meant.
        verb = "GRANT SELECT ON {} TO publicuser" if public else "REVOKE SELECT ON {} FROM publicuser"
        statements.append(verb.format(identifier(table)))
        # Each statement leaves a table that exists as it is, so all may be sent again.
        self._connection.ask_sql("; ".join(statements), write=True, repeatable=True)

    @operation(example='carto.copy_rows("visits", rows)', writes=True)
    def copy_rows(self, table: str, rows: Iterable[Row], *, size: int = 10_000) -> int:
        """Insert very many rows by COPY, which is fastest; answers how many. No geometries as objects here."""
        total = 0
        for part in _parts(rows, size):
            names = columns(part)
            if not names:
                raise ValidationError("A row needs at least one value.", sent=False)
            listed = ", ".join(map(identifier, names))
            query = f"COPY {identifier(table)} ({listed}) FROM STDIN WITH (FORMAT csv, HEADER true)"
            with _begun(total, repeatable=False):
                answer = self._connection.part(self._connection.copy_in(query, _csv(part, names)).body)
            total += len(part) if self._context.dry_run else int(answer.get("total_rows") or 0)
        return total

    @operation(example='job = carto.job("update visits set district = upper(district)")', writes=True)
    def job(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] | None = None, *, wait: float = 0
    ) -> dict[str, Any]:
        """Run a long query in the background; with `wait` (seconds) its end is awaited, a failure raises."""
        text = bound(query, values)
        if len(text.encode()) > LONGEST_JOB:
            raise ValidationError("CARTO takes at most 16 kB as a background query.", sent=False)
        made: dict[str, Any] = self._connection.part(
            self._connection.ask_job("POST", data={"query": text}).body
        )
        return self.wait_for(made["job_id"], seconds=wait) if wait and not self._context.dry_run else made

    @operation(example='carto.wait_for(job["job_id"], seconds=300)')
    def wait_for(self, job_id: str, *, seconds: float = 300) -> dict[str, Any]:
        """A background query when it has ended; raises when it failed."""
        end, pause = time.monotonic() + seconds, 0.2
        while True:
            found: dict[str, Any] = self._connection.part(self._connection.ask_job("GET", f"/{job_id}").body)
            if found.get("status") == "done":
                return found
            if found.get("status") in ENDED:
                why = found.get("failed_reason") or found["status"]
                raise AdaptorError(f"CARTO: the background query ended as {why}.", body=found, sent=True)
            if time.monotonic() + pause > end:
                raise Timeout(
                    f"CARTO's background query had not ended after {seconds:g} seconds.",
                    body=found,
                    sent=True,
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        self._connection.ask_sql("select 1 as one", write=False, repeatable=True)
        return f"CARTO accepts the key for the account {self._connection.account}."

    def close(self) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return repr(self._connection)

    def _written(
        self, table: str, rows: Iterable[Row], *, size: int, tail: str | Sequence[str], repeatable: bool
    ) -> int:
        total = 0
        for part in _alike(_parts(rows, size)) if tail else _parts(rows, size):
            names = columns(part)
            for statement, count in _statements(table, part, names, tail):
                with _begun(total, repeatable=repeatable):
                    answer = self._connection.ask_sql(statement, write=True, repeatable=repeatable)
                    body = self._connection.part(answer.body)
                total += count if self._context.dry_run else int(body.get("total_rows") or 0)
        return total


@contextmanager
def _begun(total: int, *, repeatable: bool) -> Iterator[None]:
    """An error half-way must not hide what has been written already."""
    try:
        yield
    except AdaptorError as error:
        if not total:
            raise
        raise type(error)(
            f"{error.message.rstrip('.')}. {total:,} row{'s' if total > 1 else ''} had been written before.",
            status=error.status,
            body=error.body,
            hint=error.hint,
            kind=error.kind,
            retryable=error.retryable and repeatable,
            retry_after=error.retry_after,
            sent=True,
        ) from None


def _statements(
    table: str, rows: list[Row], names: list[str], keys: str | Sequence[str]
) -> Iterator[tuple[str, int]]:
    """INSERTs of at most a megabyte each."""
    if not names:
        raise ValidationError("A row needs at least one value.", sent=False)
    head = f"INSERT INTO {identifier(table)} ({', '.join(map(identifier, names))}) VALUES "  # noqa: S608  (all quoted)
    tail = _on_conflict(names, keys) if keys else ""
    part: list[str] = []
    size = 0
    for row in rows:
        text = f"({', '.join(literal(row.get(name), where=name) for name in names)})"
        if part and size + len(text) > STATEMENT_BYTES:
            yield head + ", ".join(part) + tail, len(part)
            part, size = [], 0
        part.append(text)
        size += len(text)
    yield head + ", ".join(part) + tail, len(part)


def _on_conflict(names: list[str], keys: str | Sequence[str]) -> str:
    listed = ", ".join(map(identifier, keys))
    changed = [f"{identifier(name)} = EXCLUDED.{identifier(name)}" for name in names if name not in keys]
    return f" ON CONFLICT ({listed}) DO " + (f"UPDATE SET {', '.join(changed)}" if changed else "NOTHING")


def _parts(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    if isinstance(rows, Mapping):
        raise ValidationError("Rows are a list; for a single one use add_row().", sent=False)
    return chunks(rows, size)


def _with_keys(rows: Iterable[Row], keys: Sequence[str]) -> Iterator[Row]:
    """The rows, each of which must say which one it is: without a key it would be another one every time."""
    if isinstance(rows, Mapping):
        raise ValidationError("Rows are a list; put a single one in brackets.", sent=False)
    for number, row in enumerate(rows):
        lacking = next((key for key in keys if row.get(key) is None), None)
        if lacking is not None:
            raise ValidationError(
                f"Row {number} (counted from 0) has nothing in {lacking}, the key of the table.", sent=False
            )
        yield row


def _alike(parts: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """The rows of each part by their columns: what a row lacks must not be set to NULL because another has it."""
    for part in parts:
        by_columns: dict[frozenset[str], list[Row]] = {}
        for row in part:
            by_columns.setdefault(frozenset(row), []).append(row)
        yield from by_columns.values()


def _csv(rows: list[Row], names: list[str]) -> bytes:
    lines = [",".join(map(_cell, names))]
    lines += [",".join(_cell(row.get(name)) for name in names) for row in rows]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")


def _cell(value: Any) -> str:
    """In quotes, for COPY takes nothing at all for NULL, and what is quoted for a text, be it an empty one."""
    if value is None:
        return ""
    if isinstance(value, (Mapping, list, tuple)):
        text = json.dumps(value, default=str, ensure_ascii=False)
    else:
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return '"' + text.replace('"', '""') + '"'


def _without_texts(query: str) -> str:
    """The query without quoted parts and comments, whose words are no commands."""
    return re.sub(r"E?'(?:[^'\\]|''|\\.)*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", " ", query, flags=re.DOTALL)
