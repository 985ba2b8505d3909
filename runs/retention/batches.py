"""What one batch of a task looks at, and the few statements that all of them share.

A batch takes the next rows by their id, which tells the age; locks those that nobody else holds; lets go what may go;
and says which was the oldest that had to stay, so that it is looked at again another day.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import connection

from openfn_platform.projects.models import Project
from runs.retention.policy import floor

Ids = Sequence[uuid.UUID]
BEGINNING = uuid.UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Where a batch begins, where the task ends, and how many rows it may look at."""

    project: Project | None
    before: datetime
    cursor: str
    size: int

    @property
    def low(self) -> uuid.UUID:
        return uuid.UUID(self.cursor) if self.cursor else BEGINNING

    @property
    def high(self) -> uuid.UUID:
        return floor(self.before)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What came of it."""

    cursor: str  # where the next one begins
    done: int = 0
    held: str = ""  # the oldest that could not go yet
    more: bool = False  # there may be more rows that are old enough


def batch(given: Slice, looked: Ids, gone: Collection[uuid.UUID], *, done: int | None = None) -> Batch:
    """Of these rows those are gone now; the others are held back."""
    if not looked:
        return Batch(cursor=given.cursor)
    held = next((key for key in looked if key not in gone), None)
    return Batch(
        cursor=str(uuid.UUID(int=looked[-1].int + 1)),
        done=len(gone) if done is None else done,
        held=str(held) if held else "",
        more=len(looked) == given.size,
    )


def rows(sql: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def execute(sql: str, values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def column(sql: str, values: Any) -> list[Any]:
    return [row[0] for row in rows(sql, values)]


def page(table: str, given: Slice) -> list[uuid.UUID]:
    """The next ids of the project in this table, in order. Tables come from this package alone."""
    whose = "project_id IS NULL" if given.project is None else "project_id = %(project)s"
    values = {
        "project": given.project.pk if given.project else None,
        "low": given.low,
        "high": given.high,
        "size": given.size,
    }
    return column(
        f"SELECT id FROM {table} WHERE {whose} AND id >= %(low)s AND id < %(high)s"  # noqa: S608
        " ORDER BY id LIMIT %(size)s",
        values,
    )


def locked(table: str, ids: Ids, strength: Literal["UPDATE", "NO KEY UPDATE"] = "UPDATE") -> list[uuid.UUID]:
    """Those that nobody else holds. What somebody works on is not waited for."""
    if not ids:
        return []
    sql = f"SELECT id FROM {table} WHERE id = ANY(%s) FOR {strength} SKIP LOCKED"  # noqa: S608
    return column(sql, [list(ids)])
