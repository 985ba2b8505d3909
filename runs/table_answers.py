"""What a running job may ask about the tables of its project, and what it writes there.

Everything is looked up by the run's own project, so a key of a neighbour's table is as unknown as one that never was.
Values pass through as the text that the database gives: nobody here decodes them. What a job writes has its secrets taken
out first, as everything that the platform keeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import OperationalError, connection

from jobs.models import Table, TableKind
from jobs.models.table import KEY_CHARACTERS
from jobs.rows import RunAuthor, rows_remove, rows_set
from jobs.table_values import key_clean, value_text
from jobs.tables import table_keys
from openfn_platform.common.errors import Conflict, Invalid
from runs.models import Run, RunMode
from runs.sandbox.redaction import Redactor

PAGE_BYTES = 150_000  # below what any run may be answered, also with one value more
PAGE_ROWS = 2_000
MOST_KEYS = 500
MOST_QUESTIONS = 200_000
MOST_WRITES = 100_000  # rows
WHOLE_ROWS = 200_000
WHOLE_BYTES = 8_000_000  # of a lookup table that a run takes as a whole; less where it has little memory

Answer = dict[str, Any] | bytes


class TableAnswers:
    """Answers for one run."""

    def __init__(self, run: Run, *, redactor: Redactor, memory_bytes: int) -> None:
        self._run = run
        self._redactor = redactor
        self._tables: dict[str, Table | None] = {}
        self._whole = min(WHOLE_BYTES, memory_bytes // 50)  # objects take some times what their text takes
        self._asked = 0
        self._written = 0
        self.questions: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "table.open": self._counted(self._open),
            "table.page": self._counted(self._page),
            "table.get": self._counted(self._get),
            "table.set": self._counted(self._set),
            "table.delete": self._counted(self._delete),
        }

    def _counted(self, answer: Callable[[dict[str, Any]], Answer]) -> Callable[[dict[str, Any]], Answer]:
        def counted(body: dict[str, Any]) -> Answer:
            self._asked += 1
            if self._asked > MOST_QUESTIONS:
                raise Invalid(
                    f"A run can ask {MOST_QUESTIONS:,} times about tables; get_many() asks for many."
                )
            return answer(body)

        return counted

    def _named(self, body: dict[str, Any]) -> Table | None:
        key = str(body.get("table", ""))[:KEY_CHARACTERS].replace("\0", "")
        if key not in self._tables:
            rows = Table.objects.filter(project_id=self._run.project_id, key=key, archived_at=None)
            self._tables[key] = rows.first()
        return self._tables[key]

    def _table(self, body: dict[str, Any]) -> Table:
        table = self._named(body)
        if table is None:
            raise Invalid("There is no such table in this project.")
        return table

    def _open(self, body: dict[str, Any]) -> Answer:
        table = self._named(body)
        if table is None:
            return {"known": False, "tables": table_keys(self._run.project_id)}
        head = {"known": True, "kind": table.kind, "count": table.row_count}
        if table.kind != TableKind.LOOKUP:
            return head
        if table.row_count > WHOLE_ROWS or table.byte_count > self._whole:
            return {**head, "rows": [], "next": None, "cut": True}
        return self._paged(table, head=head)

    def _page(self, body: dict[str, Any]) -> Answer:
        table = self._table(body)
        after, prefix = (_searched(body.get(name, "")) for name in ("after", "prefix"))
        if body.get("whole"):
            self._whole -= PAGE_BYTES
            if self._whole < 0:
                return {"rows": [], "next": None, "cut": True}
        return self._paged(table, after=after, prefix=prefix)

    def _paged(
        self, table: Table, *, after: str = "", prefix: str = "", head: dict[str, Any] | None = None
    ) -> Answer:
        rows = _asked(_PAGE, {"table": table.pk, "after": after, "prefix": prefix, "rows": PAGE_ROWS})
        taken = _fitting(rows)
        more = len(taken) < len(rows) or len(rows) == PAGE_ROWS
        following = taken[-1][0] if taken and more else None
        return _answer(taken, {**(head or {}), "next": following})

    def _get(self, body: dict[str, Any]) -> Answer:
        keys = [key for key in body.get("keys", ()) if isinstance(key, str)]
        if len(keys) > MOST_KEYS:
            raise Invalid(f"At most {MOST_KEYS} keys can be asked for at once.")
        table = self._table(body)
        rows = _asked(_GET, {"table": table.pk, "keys": [key for key in keys if _may_be_there(key)]})
        taken = _fitting(rows)
        return _answer(taken, {"left": [key for key, _text in rows[len(taken) :]]})

    def _set(self, body: dict[str, Any]) -> Answer:
        table = self._writable(body)
        rows = [(key_clean(row[0]), row[1]) for row in body.get("rows", ()) if len(row) == 2]
        self._count_writes(len(rows))
        ttl = body.get("ttl")
        safe = {self._redactor(key): self._safe(value, table) for key, value in rows}
        with _patiently(table):
            written = rows_set(
                table=table,
                rows=safe,
                by=self._author(),
                ttl=None if ttl is None else _span(ttl),
                if_absent=body.get("if_absent") is True,
            )
        return {"done": [each.done for each in written]}

    def _delete(self, body: dict[str, Any]) -> Answer:
        table = self._writable(body)
        keys = [self._redactor(key) for key in body.get("keys", ()) if isinstance(key, str)]
        self._count_writes(len(keys))
        with _patiently(table):
            removed = rows_remove(
                table=table, keys=[key for key in keys if _may_be_there(key)], by=self._author()
            )
        return {"removed": removed}

    def _writable(self, body: dict[str, Any]) -> Table:
        if self._run.mode != RunMode.LIVE:
            raise Conflict("Only live runs write to tables.")
        return self._table(body)

    def _count_writes(self, rows: int) -> None:
        self._written += rows
        if self._written > MOST_WRITES:
            raise Invalid(f"A run can write {MOST_WRITES:,} rows to tables.")

    def _safe(self, value: Any, table: Table) -> Any:
        """Judged before its secrets are taken out, so that a sentence is about what the job gave."""
        text = value_text(value, most=table.value_bytes)
        return json.loads(self._redactor.data(text.encode()))

    def _author(self) -> RunAuthor:
        return RunAuthor(run_id=self._run.pk, chain_id=self._run.root_id or self._run.pk)


_ALIVE = "table_id = %(table)s AND (expires_at IS NULL OR expires_at > statement_timestamp())"
_PAGE = f"""
SELECT key, value::text FROM table_row WHERE {_ALIVE} AND key > %(after)s
AND (%(prefix)s = '' OR (key >= %(prefix)s AND key < %(prefix)s || chr(1114111))) ORDER BY key LIMIT %(rows)s
"""  # noqa: S608  # our own text
_GET = f"SELECT key, value::text FROM table_row WHERE {_ALIVE} AND key = ANY(%(keys)s)"  # noqa: S608


def _asked(sql: str, facts: dict[str, Any]) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, facts)
        found: list[tuple[str, str]] = cursor.fetchall()
        return found


def _fitting(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first of them, as many as one answer has room for; always one."""
    size = 0
    for place, (key, text) in enumerate(rows):
        size += len(json.dumps(key)) + len(text.encode())
        if size > PAGE_BYTES and place:
            return rows[:place]
    return rows


def _answer(rows: Iterable[tuple[str, str]], rest: dict[str, Any]) -> bytes:
    told = ",".join(f"[{json.dumps(key)},{text}]" for key, text in rows)
    more = json.dumps(rest)[1:-1]
    return f'{{"rows":[{told}]{"," if more else ""}{more}}}'.encode()


def _may_be_there(key: str) -> bool:
    """Whether a key could have been stored at all; one that could not is simply not there."""
    try:
        return key_clean(key) == key
    except Invalid:
        return False


def _searched(text: object) -> str:
    found = str(text)[:KEY_CHARACTERS].replace("\0", "")
    return found.encode("utf-8", "replace").decode()


def _span(seconds: object) -> timedelta:
    try:
        return timedelta(seconds=float(seconds))  # type: ignore[arg-type]  # the next line is for all else
    except (TypeError, ValueError, OverflowError):
        raise Invalid("The time to live is a number of seconds.") from None


@contextmanager
def _patiently(table: Table) -> Iterator[None]:
    """A table that is being filled makes a run wait, but not for long."""
    try:
        yield
    except OperationalError as error:
        if "lock timeout" not in str(error):
            raise
        raise Conflict(f"“{table.name}” is being filled by somebody at the moment.") from None
