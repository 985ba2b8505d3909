"""A table as CSV, written page by page while somebody downloads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import connection

from jobs.models import Table
from jobs.rows import rows_page
from jobs.sheets import MOST_COLUMNS, csv_lines
from openfn_platform.common.errors import NotAllowed
from openfn_platform.projects.actors import By, as_actor, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role

AT_ONCE = 1_000

Line = Callable[[str, Any], Sequence[str]]


def sheet_write(*, table: Table, by: By, prefix: str = "") -> Iterator[bytes]:
    """All rows, or those with keys that begin so. Audited before the first byte."""
    require(by, table.project_id, Role.VIEWER)
    if not as_actor(by).may_see_data(table.project_id):
        raise NotAllowed("Only somebody who may see data can have the rows of a table.")
    audit("table exported", by, project=table.project, target=table, changes={"rows": table.row_count})
    names, line = _layout(table)
    return _written(table, prefix, names, line)


def _written(table: Table, prefix: str, names: Sequence[str], line: Line) -> Iterator[bytes]:
    yield csv_lines([names])
    after = ""
    while True:
        # Page after page: no cursor of the database is held while somebody downloads slowly.
        rows = rows_page(table=table, prefix=prefix, after=after, size=AT_ONCE)
        if rows:
            yield csv_lines([line(row.key, row.value) for row in rows])
        if len(rows) < AT_ONCE:
            return
        after = rows[-1].key


_KINDS = "SELECT DISTINCT jsonb_typeof(value) FROM table_row WHERE table_id = %s"
_NAMES = """
SELECT DISTINCT ARRAY(SELECT jsonb_object_keys(value) AS name ORDER BY name)
FROM table_row WHERE table_id = %s LIMIT 2
"""
_ONLY_TEXTS = """
SELECT NOT EXISTS (SELECT FROM table_row r, jsonb_each(r.value) AS e
                   WHERE r.table_id = %s AND jsonb_typeof(e.value) <> 'string')
"""


def _layout(table: Table) -> tuple[Sequence[str], Line]:
    """The plainest form from which reading makes the same values again."""
    kinds = {kind for (kind,) in _asked(_KINDS, table)}
    if kinds <= {"string"}:
        return ("key", "value"), lambda key, value: (key, str(value))
    if kinds == {"object"}:
        found = _asked(_NAMES, table)
        names: list[str] = found[0][0] if len(found) == 1 else []
        if _fit_for_columns(names) and _asked(_ONLY_TEXTS, table)[0][0]:
            return ("key", *names), lambda key, value: (key, *_cells(value, names))
    return ("key", "json"), lambda key, value: (key, json.dumps(value, ensure_ascii=False))


def _fit_for_columns(names: list[str]) -> bool:
    plain = all(name == name.strip() != "" and name != "key" for name in names)
    return 0 < len(names) < MOST_COLUMNS and plain and names not in (["value"], ["json"])


def _asked(sql: str, table: Table) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [table.pk])
        found: list[Any] = cursor.fetchall()
        return found


def _cells(value: Any, names: Sequence[str]) -> list[str]:
    """A row may have changed its form while others were written."""
    return [str(value.get(name, "")) if isinstance(value, dict) else "" for name in names]
