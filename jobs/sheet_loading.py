"""Bringing a CSV into a table: what would change, and then all of it in one transaction.

The rows are put into a temporary table first and compared there, so that a million of them take some statements and
no loop. Bad lines keep everything out unless one says that they shall be left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connection, transaction

from jobs.models import Table
from jobs.models.table import HISTORY_KEPT
from jobs.rows import count_move, who
from jobs.sheets import BadLine, BadSheet, Reading, sheet_rows
from jobs.tables import table_locked
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import By, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role

SAMPLES = 20
MANY = 20_000  # changed rows


class SheetMode(StrEnum):
    MERGE = "merge"  # rows that are not in the CSV stay
    REPLACE = "replace"  # rows that are not in the CSV are removed


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row that changes, as an example."""

    kind: str  # made | changed | removed
    key: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What a CSV changed, or in a dry run would change."""

    lines: int
    made: int
    changed: int
    same: int
    removed: int
    bad_count: int = 0
    bad: list[BadLine] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    dry: bool = False

    @property
    def nothing(self) -> bool:
        return not (self.made or self.changed or self.removed)


@transaction.atomic
def sheet_bring_in(
    *,
    table: Table,
    chunks: Iterable[bytes],
    by: By,
    mode: SheetMode = SheetMode.MERGE,
    dry: bool = False,
    leave_out_bad: bool = False,
) -> Brought:
    """Raises BadSheet when it is no CSV, has bad lines that were not to be left out, or would make too many rows."""
    require(by, table.project_id, Role.EDITOR)
    reading = Reading(table=table)
    _stage(reading, chunks)
    table = table_locked(table)
    facts = {"table": table.pk, "project": table.project_id, "replace": mode is SheetMode.REPLACE}
    brought = _compared(facts, reading, dry=dry)
    if dry:
        return brought
    if reading.bad_count and not leave_out_bad:
        raise BadSheet(_bad_sentence(reading), bad=reading.bad, field="csv")
    if not brought.nothing:
        changed = brought.made + brought.changed + brought.removed
        _apply(table, {**facts, **who(by)}, changed=changed)
    changes = {"mode": mode, "made": brought.made, "changed": brought.changed, "removed": brought.removed}
    audit("table brought in", by, project=table.project, target=table, changes=changes)
    return brought


def _bad_sentence(reading: Reading) -> str:
    first = reading.bad[0]
    others = reading.bad_count - 1
    more = f"Neither can {plural(others, 'other line')}. " if others else ""
    return (
        f"Nothing was brought in. Line {first.line} cannot be: {first.reason} {more}"
        f"Correct {'them' if others else 'it'}, or say that bad lines shall be left out."
    )


def _stage(reading: Reading, chunks: Iterable[bytes]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.table_intake")
        cursor.execute(
            'CREATE TEMPORARY TABLE table_intake (key text COLLATE "C", value jsonb, size int) ON COMMIT DROP'
        )
        with cursor.copy("COPY table_intake (key, value, size) FROM STDIN") as copy:
            for _line, key, text in sheet_rows(reading, chunks):
                copy.write_row((key, text, len(key.encode()) + len(text.encode())))
        cursor.execute("CREATE INDEX ON table_intake (key)")
        cursor.execute("ANALYZE table_intake")


_THERE = "r.table_id = %(table)s AND (r.expires_at IS NULL OR r.expires_at > statement_timestamp())"
_COMPARED = f"""
SELECT count(*) FILTER (WHERE r.id IS NULL), count(*) FILTER (WHERE r.value IS DISTINCT FROM g.value AND r.id IS NOT NULL),
       count(*) FILTER (WHERE r.value = g.value)
FROM table_intake g LEFT JOIN table_row r ON r.key = g.key AND {_THERE}
"""  # noqa: S608  # our own text
_REMOVED = f"SELECT count(*) FROM table_row r WHERE {_THERE} AND NOT EXISTS (SELECT FROM table_intake g WHERE g.key = r.key)"  # noqa: S608
_SAMPLES = f"""
(SELECT 'made', g.key, NULL::jsonb, g.value FROM table_intake g
 WHERE NOT EXISTS (SELECT FROM table_row r WHERE r.key = g.key AND {_THERE}) ORDER BY 2 LIMIT {SAMPLES})
UNION ALL
(SELECT 'changed', g.key, r.value, g.value FROM table_intake g JOIN table_row r ON r.key = g.key AND {_THERE}
 WHERE r.value IS DISTINCT FROM g.value ORDER BY 2 LIMIT {SAMPLES})
UNION ALL
(SELECT 'removed', r.key, r.value, NULL FROM table_row r
 WHERE %(replace)s AND {_THERE} AND NOT EXISTS (SELECT FROM table_intake g WHERE g.key = r.key) ORDER BY 2 LIMIT {SAMPLES})
"""  # noqa: S608


def _compared(facts: dict[str, Any], reading: Reading, *, dry: bool) -> Brought:
    with connection.cursor() as cursor:
        cursor.execute(_COMPARED, facts)
        made, changed, same = cursor.fetchone()
        removed = 0
        if facts["replace"]:
            cursor.execute(_REMOVED, facts)
            (removed,) = cursor.fetchone()
        samples = []
        if dry:
            cursor.execute(_SAMPLES, facts)
            samples = [
                Sample(kind=kind, key=key, before=_plain(before), after=_plain(after))
                for kind, key, before, after in cursor.fetchall()
            ]
    return Brought(
        lines=reading.lines,
        made=made,
        changed=changed,
        same=same,
        removed=removed,
        bad_count=reading.bad_count,
        bad=reading.bad,
        samples=samples,
        dry=dry,
    )


def _plain(value: Any) -> Any:
    """Django leaves jsonb of plain SQL as text."""
    return json.loads(value) if isinstance(value, str) else value


# A row whose time is over is made anew; one that gets a value by hand or by file is there for good.
_APPLY = (
    """
    INSERT INTO table_change (project_id, table_id, key, kind, by_id, by_name, before)
    SELECT %(project)s, %(table)s, r.key, 'removed', %(by)s, %(by_name)s, r.value FROM table_row r
    WHERE %(replace)s AND r.table_id = %(table)s AND NOT EXISTS (SELECT FROM table_intake g WHERE g.key = r.key)
    """,
    """
    DELETE FROM table_row r
    WHERE %(replace)s AND r.table_id = %(table)s AND NOT EXISTS (SELECT FROM table_intake g WHERE g.key = r.key)
    """,
    f"""
    INSERT INTO table_change (project_id, table_id, key, kind, by_id, by_name, before)
    SELECT %(project)s, %(table)s, g.key, CASE WHEN r.id IS NULL THEN 'made' ELSE 'changed' END,
           %(by)s, %(by_name)s, r.value
    FROM table_intake g LEFT JOIN table_row r ON r.key = g.key AND {_THERE}
    WHERE r.id IS NULL OR r.value IS DISTINCT FROM g.value
    """,  # noqa: S608
    """
    INSERT INTO table_row AS r (project_id, table_id, key, value, size, updated_at, updated_by_id)
    SELECT %(project)s, %(table)s, key, value, size, statement_timestamp(), %(by)s FROM table_intake
    ON CONFLICT (table_id, key) DO UPDATE SET value = EXCLUDED.value, size = EXCLUDED.size, expires_at = NULL,
        updated_at = EXCLUDED.updated_at, updated_by_id = EXCLUDED.updated_by_id, run_id = NULL, chain_id = NULL,
        version = EXCLUDED.version
    WHERE r.value IS DISTINCT FROM EXCLUDED.value OR r.expires_at IS NOT NULL
    """,
)
_FORGET = """
DELETE FROM table_change WHERE id IN (SELECT id FROM (
    SELECT c.id, row_number() OVER (PARTITION BY c.key ORDER BY c.id DESC) AS place
    FROM table_change c WHERE c.table_id = %(table)s
    AND c.key IN (SELECT key FROM table_change WHERE table_id = %(table)s GROUP BY key HAVING count(*) > %(kept)s)
) AS placed WHERE place > %(kept)s)
"""


def _apply(table: Table, facts: dict[str, Any], *, changed: int) -> None:
    with connection.cursor() as cursor:
        for statement in _APPLY:
            cursor.execute(statement, facts)
        cursor.execute(_FORGET, {**facts, "kept": HISTORY_KEPT})
        cursor.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM table_row WHERE table_id = %s", [table.pk]
        )
        rows, size = cursor.fetchone()
    count_move(table=table, rows=rows - table.row_count, size=int(size) - table.byte_count)
    if changed > MANY:
        with connection.cursor() as cursor:
            # Until the database looks by itself it would plan as if there were few rows, and sort them for each page.
            cursor.execute("ANALYZE table_row, table_change")
