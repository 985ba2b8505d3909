"""The operations that every database adaptor has. Values always travel apart from the statement.

Each operation is a transaction of its own, unless it stands inside `with db.transaction():`. A write whose answer got
lost may have happened, so it is never repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Any, ClassVar, NoReturn

from jobs.adaptors.common.lists import chunks
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    ConfigurationError,
    Timeout,
    Unavailable,
    ValidationError,
)
from jobs.adaptors.exchanges import Exchanges, Told
from jobs.adaptors.spec import operation
from jobs.adaptors.sql.dialect import Dialect, checked_operator, checked_type
from openfn_platform.common.addresses import AddressRefused
from openfn_platform.common.failures import HttpError

READS = re.compile(r"^\s*(select|with|values|show|explain|describe|table)\b", re.IGNORECASE)
CHANGES = re.compile(
    r"\b(update|delete|drop|alter|create|grant|revoke|copy|call|do|merge|exec|execute|into"
    r"|(insert|replace|truncate)(?!\s*\())\b",  # with a bracket these are functions that only reckon
    re.IGNORECASE,
)
ROWS_AT_ONCE = 500
SHOWN_ROWS = 50  # of the values of a write, in the trace
Values = Sequence[Any] | Mapping[str, Any] | None


class SqlClient:
    """One database. A subclass connects and says what its driver's errors mean."""

    system: ClassVar[str]
    dialect: ClassVar[Dialect]
    schema: ClassVar[dict[str, Any]]
    usual_port: ClassVar[int]

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self.context = context
        self._configuration = configuration
        self.host = str(configuration["host"])
        self.port = int(configuration.get("port") or self.usual_port)
        self._where = f"{self.dialect.name}://{self.host}:{self.port}/{configuration['database']}"
        password = str(configuration.get("password") or "")
        self._exchanges = Exchanges(context, protocol="sql", secrets=(password,) if password else ())
        self._open: Any = None
        self._inside = False

    # ---- hooks

    def driver_connect(self) -> Any:
        """A connection by the driver, with autocommit off."""
        raise ConfigurationError(f"{self.system} cannot be connected to.")

    def driver_error(self, error: Exception) -> type[AdaptorError] | None:
        """What a driver's error stands for; None when it is none of the driver's."""
        return None

    def driver_words(self, error: Exception) -> str:
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

    def adapted(self, value: Any) -> Any:
        """A value as the driver takes it: objects and lists as JSON text."""
        return (
            json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else value
        )

    # ---- operations

    @operation(example='rows = db.query("select * from visits where at >= %s", [start])')
    def query(self, statement: str, values: Values = None) -> list[dict[str, Any]]:
        """The rows that a statement answers, as objects. Values take the place of `%s` or `%(name)s`.

        It is meant for reading; use `execute` for what changes something, or a dry run would do it.
        """
        if self._is_write(statement):
            return self.execute(statement, values)["rows"]  # type: ignore[no-any-return]
        with self._session("SELECT") as (cursor, told):
            self._run(cursor, statement, values)
            rows = self._rows(cursor)
            told.outcome = _rows_in_words(len(rows))
        return rows

    @operation(example='for row in db.each("select * from visits order by id"): print(row["id"])')
    def each(self, statement: str, values: Values = None, *, size: int = 1_000) -> Iterator[dict[str, Any]]:
        """The rows of a long query one by one, by a cursor on the server, so that they are never all in memory.

        Other operations may stand in the loop: the rows come over a connection of their own. Only inside a
        `transaction` they come over its connection.
        """
        if self._inside:
            yield from self._streamed(statement, values, size)
            return
        # A commit of what stands in the loop would end the cursor.
        reader = type(self)(self._configuration, self.context)
        try:
            yield from reader._streamed(statement, values, size)
        finally:
            reader.close()

    def _streamed(self, statement: str, values: Values, size: int) -> Iterator[dict[str, Any]]:
        with self._session("SELECT", stream=True) as (cursor, told):
            self._run(cursor, statement, values)
            names, count = self._names(cursor), 0
            while part := cursor.fetchmany(size):
                for row in part:
                    count += 1
                    yield dict(zip(names, row, strict=True))
            told.outcome = _rows_in_words(count)

    @operation(example='db.execute("update visits set done = true where id = %s", [7])', writes=True)
    def execute(self, statement: str, values: Values = None) -> dict[str, Any]:
        """Run a statement that changes something; answers `{count, rows}`, the rows of its RETURNING."""
        word = (statement.split() or ["SQL"])[0].upper()
        shown = self._shown(statement, [values] if values else [])
        if self._exchanges.held(word, self._where, body=shown):
            return {"count": 0, "rows": []}
        with self._session(word, body=shown) as (cursor, told):
            self._run(cursor, statement, values)
            rows = self._rows(cursor) if cursor.description else []
            count = max(int(cursor.rowcount), 0)
            told.outcome = _rows_in_words(count)
        return {"count": count, "rows": rows}

    @operation(example='uid = db.find_value("uid", "clinics", {"code": "KG-1"})')
    def find_value(self, column: str, table: str, where: Mapping[str, Any], *, operators: Any = None) -> Any:
        """One value of the first row with these values, or None. `operators` names other comparisons than `=`."""
        terms, values = self._terms(where, dict(operators or {}))
        top = "TOP 1 " if self.dialect.name == "mssql" else ""
        end = "" if top else " LIMIT 1"
        condition = f" WHERE {' AND '.join(terms)}" if terms else ""
        name = self.dialect.identifier
        found = self.query(f"SELECT {top}{name(column)} AS value FROM {name(table)}{condition}{end}", values)  # noqa: S608
        return found[0]["value"] if found else None

    @operation(example='db.insert("visits", {"patient": "7", "weight": 71.5})', writes=True)
    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Insert one row; answers 1."""
        return self.insert_many(table, [row])

    @operation(example='db.insert_many("visits", rows)', writes=True)
    def insert_many(self, table: str, rows: Iterable[Mapping[str, Any]], *, size: int = ROWS_AT_ONCE) -> int:
        """Insert many rows, all or none; answers how many. A key that a row lacks is NULL."""
        parts = _parts(rows, size)
        return self._many(parts, lambda names: self.dialect.insert(table, names), "INSERT", table)

    @operation(example='db.upsert("patients", {"nid": "7", "name": "Ama"}, key="nid")', writes=True)
    def upsert(self, table: str, row: Mapping[str, Any], *, key: str | Sequence[str]) -> int:
        """Insert a row, or change the one that has the key already."""
        return self.upsert_many(table, [row], key=key)

    @operation(example='db.upsert_if(value("form.name", None), "patients", row, key="nid")', writes=True)
    def upsert_if(
        self, condition: Any, table: str, row: Mapping[str, Any], *, key: str | Sequence[str]
    ) -> int:
        """The same, only if the condition holds; answers 0 otherwise."""
        return self.upsert(table, row, key=key) if condition else 0

    @operation(example='db.upsert_many("patients", rows, key="nid")', writes=True)
    def upsert_many(
        self,
        table: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        key: str | Sequence[str],
        size: int = ROWS_AT_ONCE,
    ) -> int:
        """Insert rows, or change those that have the key already; all or none; answers how many were given.

        A column that a row lacks stays as it is.
        """
        keys = [key] if isinstance(key, str) else list(key)
        parts = (list(alike) for part in _parts(rows, size) for _, alike in groupby(part, key=frozenset))
        return self._many(parts, lambda names: self.dialect.upsert(table, names, keys), "UPSERT", table)

    @operation(example='columns = db.describe_table("visits")')
    def describe_table(self, table: str) -> list[dict[str, Any]]:
        """Columns of a table with type and whether they may be empty."""
        schema, _, name = table.rpartition(".")
        more = " AND table_schema = %s" if schema else ""
        return [
            {"name": row["n"], "type": row["t"], "nullable": row["e"] == "YES"}
            for row in self.query(
                "SELECT column_name AS n, data_type AS t, is_nullable AS e FROM information_schema.columns"  # noqa: S608
                f" WHERE table_name = %s{more} ORDER BY ordinal_position",
                [name, schema] if schema else [name],
            )
        ]

    @operation(
        example='db.create_table("visits", {"id": "integer primary key", "note": "text"})', writes=True
    )
    def create_table(self, table: str, columns: Mapping[str, str]) -> None:
        """Make a table."""
        named = ", ".join(
            f"{self.dialect.identifier(name)} {checked_type(kind)}" for name, kind in columns.items()
        )
        self.execute(f"CREATE TABLE {self.dialect.identifier(table)} ({named})")

    @operation(example='db.add_columns("visits", {"weight": "numeric"})', writes=True)
    def add_columns(self, table: str, columns: Mapping[str, str]) -> None:
        """Add columns to a table."""
        word = "ADD" if self.dialect.name == "mssql" else "ADD COLUMN"
        for name, kind in columns.items():
            statement = (
                f"ALTER TABLE {self.dialect.identifier(table)} {word} {self.dialect.identifier(name)} "
            )
            self.execute(statement + checked_type(kind))

    @operation(example='with db.transaction(): db.insert("a", one); db.insert("b", other)', writes=True)
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens together or not at all."""
        if self._inside:
            raise ValidationError("A transaction inside a transaction is not possible.", sent=False)
        self._inside = True
        try:
            yield
            self._finish(commit=True)
        except BaseException:
            self._finish(commit=False)
            raise
        finally:
            self._inside = False

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        self.query("SELECT 1 AS one")
        return f"{self.system} accepts the credential for the database {self._configuration['database']}."

    def close(self) -> None:
        if self._open is not None:
            connection, self._open = self._open, None
            connection.close()

    def __repr__(self) -> str:
        return f"<connection to {self.system}>"

    # ---- inside

    def _is_write(self, statement: str) -> bool:
        plain = re.sub(
            r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", " ", statement, flags=re.DOTALL
        )
        return not READS.match(plain) or CHANGES.search(plain) is not None

    def _many(
        self,
        parts: Iterable[list[Mapping[str, Any]]],
        statement: Callable[[list[str]], str],
        word: str,
        table: str,
    ) -> int:
        total = 0
        where = f"{self._where}/{table}"
        outer = self._inside
        self._inside = True
        try:
            for part in parts:
                names = list(dict.fromkeys(name for row in part for name in row))
                text = statement(names)
                shown = self._shown(text, part)
                if not self._exchanges.held(word, where, body=shown):
                    with self._session(word, body=shown, where=where) as (cursor, told):
                        cursor.executemany(
                            text, [[self.adapted(row.get(name)) for name in names] for row in part]
                        )
                        told.outcome = _rows_in_words(len(part))
                total += len(part)
            if not outer:
                self._finish(commit=True)
        except BaseException:
            if not outer:
                self._finish(commit=False)
            raise
        finally:
            self._inside = outer
        return total

    def _terms(self, where: Mapping[str, Any], operators: Mapping[str, str]) -> tuple[list[str], list[Any]]:
        terms, values = [], list[Any]()
        for name, value in where.items():
            operator = checked_operator(operators.get(name, "="))
            if value is None and operator in ("=", "is", "is not", "<>", "!="):
                terms.append(
                    f"{self.dialect.identifier(name)} IS {'NOT ' if operator in ('is not', '<>', '!=') else ''}NULL"
                )
            elif operator in ("in", "not in"):
                terms.append(f"{self.dialect.identifier(name)} {operator} ({', '.join(['%s'] * len(value))})")
                values += value
            elif operator == "between":
                terms.append(f"{self.dialect.identifier(name)} BETWEEN %s AND %s")
                values += value
            else:
                terms.append(f"{self.dialect.identifier(name)} {operator} %s")
                values.append(value)
        return terms, values

    def _shown(self, statement: str, rows: Sequence[Any]) -> str:
        """What the trace keeps of a write: the statement and the values of its first rows."""
        values = [list(row.values()) if isinstance(row, Mapping) else list(row) for row in rows[:SHOWN_ROWS]]
        lines = [json.dumps(each, default=str, ensure_ascii=False) for each in values]
        more = [f"… and {len(rows) - SHOWN_ROWS} more rows"] if len(rows) > SHOWN_ROWS else []
        return "\n".join([statement, *lines, *more])

    def _run(self, cursor: Any, statement: str, values: Values) -> None:
        if values is None:
            cursor.execute(statement)  # as it is: a per cent sign is no placeholder here
        elif isinstance(values, Mapping):
            cursor.execute(statement, {name: self.adapted(value) for name, value in values.items()})
        else:
            cursor.execute(statement, tuple(self.adapted(value) for value in values))

    def _names(self, cursor: Any) -> list[str]:
        names = [column[0] for column in cursor.description or ()]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValidationError(
                f"The query answers two columns called {twice}; give one another name.", sent=False
            )
        return names

    def _rows(self, cursor: Any) -> list[dict[str, Any]]:
        names = self._names(cursor)
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def _session(
        self, word: str, *, body: str = "", where: str = "", stream: bool = False
    ) -> Iterator[tuple[Any, Told]]:
        """A cursor, traced; committed at the end unless inside a transaction."""
        around = (
            self._exchanges.write(word, where or self._where, body=body)
            if body
            else self._exchanges.read(word, self._where)
        )
        with self._told(write=bool(body)), around as told:
            connection = self._connected()
            cursor = self._cursor(connection, stream=stream)
            try:
                yield cursor, told
            except Exception as error:
                if self.driver_error(error) not in (None, Unavailable, Timeout):
                    told.outcome = "refused"
                raise
            finally:
                _quietly(cursor.close)
            if not self._inside:
                connection.commit()

    def _cursor(self, connection: Any, *, stream: bool) -> Any:
        return connection.cursor()

    def _connected(self) -> Any:
        if self._open is None:
            self._open = self.driver_connect()
        return self._open

    def _finish(self, *, commit: bool) -> None:
        if self._open is None:
            return
        if commit:
            with self._told(write=True):
                self._open.commit()
        else:
            _quietly(self._open.rollback)

    @contextmanager
    def _told(self, *, write: bool) -> Iterator[None]:
        try:
            yield
        except (AdaptorError, GeneratorExit):
            self._broken()
            raise
        except AddressRefused as error:
            raise ConfigurationError(str(error), kind="partner") from None
        except HttpError as error:
            kind = Timeout if "in time" in str(error) else Unavailable
            raise kind(f"{self.system} did not answer: {error}", sent=False) from None
        except Exception as error:
            self._broken()
            self._raise(error, write=write)

    def _broken(self) -> None:
        """After an error nothing of an unfinished transaction may stay, and the connection may be of no use."""
        if self._open is not None and not self._inside:
            _quietly(self._open.rollback)

    def _raise(self, error: Exception, *, write: bool) -> NoReturn:
        kind = self.driver_error(error)
        if isinstance(error, UnicodeEncodeError):
            raise ValidationError(
                f"A text for {self.system} holds half a character, which it cannot store.", sent=False
            ) from None
        if kind is None:
            raise error
        said = f"{self.system}: {self._exchanges.redact(self.driver_words(error))}"
        if kind in (Unavailable, Timeout):
            connection, self._open = self._open, None
            if connection is not None:
                _quietly(connection.close)
            raise kind(said, sent=write and connection is not None, retryable=not write) from None
        raise kind(said, sent=False) from None


def _parts(rows: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    if isinstance(rows, Mapping):
        raise ValidationError("Rows are a list; for a single one use insert() or upsert().", sent=False)
    return chunks(rows, size)


def _rows_in_words(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _quietly(action: Callable[[], Any]) -> None:
    """Tidying up a connection that may be broken already."""
    with suppress(Exception):  # what went wrong before is told instead
        action()
