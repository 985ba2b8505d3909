"""What stands in a table: reading, setting, removing rows, in pages and in bulk.

A row whose time is over is absent at once, for everybody, whether or not the sweep has been there. Every change is
remembered in the history of its key. Values travel as JSON text: nobody here decodes those that only pass through.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import Table, TableRow
from jobs.models.table import HISTORY_KEPT, PROJECT_BYTES
from jobs.table_values import key_clean, value_text
from jobs.tables import table_locked
from openfn_platform.common.errors import Conflict, Invalid, NotFound
from openfn_platform.common.text import one_line, plural
from openfn_platform.projects.actors import By, as_actor, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role

MOST_AT_ONCE = 1_000  # rows of one bulk change
LONGEST_TTL = timedelta(days=3_660)


class RowMissing(NotFound):
    """This table has no such key."""

    code = "row_missing"


class RowChanged(Conflict):
    """Somebody else changed this row in the meantime; look at it again."""

    code = "row_changed"
    status = 412


class TableFull(Conflict):
    """This table has no room for more rows."""

    code = "table_full"


@dataclass(frozen=True, kw_only=True)
class RunAuthor:
    """A run that writes; it needs no role, because its job was made by those who have one."""

    run_id: uuid.UUID
    chain_id: uuid.UUID  # of the first attempt


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of one key."""

    key: str
    version: int
    made: bool = False
    done: bool = True  # False: it was there, and should only be set if absent


def rows_alive(table: Table | uuid.UUID) -> QuerySet[TableRow]:
    """The rows of a table that are there for its readers."""
    key = table.pk if isinstance(table, Table) else table
    return TableRow.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), table_id=key)


def row_get(*, table: Table, key: str) -> TableRow:
    """Raises RowMissing."""
    row = None if "\0" in key else rows_alive(table).filter(key=key).select_related("updated_by").first()
    if row is None:
        raise RowMissing()
    return row


def rows_page(*, table: Table, prefix: str = "", after: str = "", size: int = 50) -> list[TableRow]:
    """Rows by key, those behind `after`. A prefix is compared character by character."""
    rows = rows_alive(table).select_related("updated_by")
    if prefix:
        rows = rows.filter(**prefix_range(prefix))
    if after:
        rows = rows.filter(key__gt=after)
    return list(rows.order_by("key")[:size])


def prefix_range(prefix: str) -> dict[str, str]:
    """All keys with that beginning are one stretch of the index."""
    return {"key__gte": prefix, "key__lt": prefix + "\U0010ffff"}


def row_set(
    *,
    table: Table,
    key: str,
    value: Any,
    by: By | RunAuthor,
    ttl: timedelta | None = None,
    if_absent: bool = False,
    version: int | None = None,
) -> Written:
    """Make or replace one row. With `version` only if it is still that; else RowChanged."""
    found = rows_set(
        table=table, rows={key: value}, by=by, ttl=ttl, if_absent=if_absent, versions={key: version}
    )
    return found[0]


@transaction.atomic
def rows_set(
    *,
    table: Table,
    rows: Mapping[str, Any],
    by: By | RunAuthor,
    ttl: timedelta | None = None,
    if_absent: bool = False,
    versions: Mapping[str, int | None] | None = None,
) -> list[Written]:
    """Make or replace rows, all of them or, when something is wrong with one, none."""
    _allowed(table, by)
    if len(rows) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE:,} rows can be set at once; bring in more as CSV.")
    if ttl is not None and not timedelta(0) < ttl <= LONGEST_TTL:
        raise Invalid("The time to live must be more than nothing and at most ten years.", field="ttl")
    texts = texts_of(rows, most=table.value_bytes)
    table = _locked(table, by)
    before = _before(table, list(texts))
    _still_as_expected(before, versions or {})
    chain = by.chain_id if isinstance(by, RunAuthor) else None
    kept = {key for key, old in before.items() if if_absent and old.there}
    wanted = {key: text for key, text in texts.items() if key not in kept}
    written = _write(table, wanted, by=by, ttl=ttl)
    _counted(table, [(before.get(key), _size(key, texts[key])) for key in written])
    changes_forget(table=table, keys=list(written))
    if written and not isinstance(by, RunAuthor):
        audit("table rows set", by, project=table.project, target=table, changes=_told(written))
    return [_written(key, before.get(key), written.get(key), kept=key in kept, chain=chain) for key in texts]


def _written(
    key: str, old: _Old | None, version: int | None, *, kept: bool, chain: uuid.UUID | None
) -> Written:
    if old is not None and old.there:
        # What the same chain of attempts had set is its own: a retry is told what the first attempt was.
        mine = chain is not None and old.chain == chain
        return Written(key=key, version=version or old.version, done=mine if kept else True)
    return Written(key=key, version=version or 0, made=True)


def texts_of(rows: Mapping[str, Any], *, most: int) -> dict[str, str]:
    """Every value as JSON text. The sentence names the key when there are several."""
    texts = {}
    for key, value in rows.items():
        try:
            texts[key_clean(key)] = value_text(value, most=most)
        except Invalid as error:
            if len(rows) == 1:
                raise
            raise type(error)(f"“{one_line(str(key), 40)}”: {error.message}", **error.context) from None
    return texts


@transaction.atomic
def rows_remove(*, table: Table, keys: Sequence[str], by: By | RunAuthor, version: int | None = None) -> int:
    """Remove rows; those that are not there count for nothing. Returns how many were."""
    _allowed(table, by)
    if len(keys) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE:,} rows can be removed at once.")
    table = _locked(table, by)
    there = {key: old for key, old in _before(table, list(dict.fromkeys(keys))).items() if old.there}
    if version is not None:
        _still_as_expected(there, dict.fromkeys(keys, version))
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE, {**who(by), "table": table.pk, "keys": list(there)})
    _counted(table, [(old, None) for old in there.values()])
    changes_forget(table=table, keys=list(there))
    if there and not isinstance(by, RunAuthor):
        audit("table rows removed", by, project=table.project, target=table, changes=_told(there))
    return len(there)


def row_remove(*, table: Table, key: str, by: By, version: int | None = None) -> None:
    """Raises RowMissing when it is not there."""
    key = key_clean(key)
    if not rows_remove(table=table, keys=[key], by=by, version=version):
        raise RowMissing()


@dataclass(frozen=True, kw_only=True)
class _Old:
    version: int
    there: bool  # False: its time is over
    chain: uuid.UUID | None
    size: int


def _allowed(table: Table, by: By | RunAuthor) -> None:
    if not isinstance(by, RunAuthor):
        require(by, table.project_id, Role.EDITOR)


def _locked(table: Table, by: By | RunAuthor) -> Table:
    if isinstance(by, RunAuthor):
        with connection.cursor() as cursor:  # a run must not wait for as long as a large CSV takes
            cursor.execute("SET LOCAL lock_timeout = '10s'")
    return table_locked(table)


def _before(table: Table, keys: list[str]) -> dict[str, _Old]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, version, expires_at IS NULL OR expires_at > statement_timestamp(), chain_id, size "
            "FROM table_row WHERE table_id = %s AND key = ANY(%s) FOR NO KEY UPDATE",
            [table.pk, keys],
        )
        return {
            key: _Old(version=version, there=there, chain=chain, size=size)
            for key, version, there, chain, size in cursor.fetchall()
        }


def _still_as_expected(before: Mapping[str, _Old], versions: Mapping[str, int | None]) -> None:
    for key, version in versions.items():
        if version is None:
            continue
        old = before.get(key)
        if old is None or not old.there or old.version != version:
            raise RowChanged()


# A value that is there already, for good, is not written again: a retry leaves no trace in the history.
_WRITE = """
WITH given AS (
    SELECT g.key, g.value::jsonb AS value, g.size, r.value AS before, r.id IS NOT NULL AND NOT o.gone AS there
    FROM unnest(%(keys)s::text[], %(values)s::text[], %(sizes)s::int[]) AS g(key, value, size)
    LEFT JOIN table_row r ON r.table_id = %(table)s AND r.key = g.key
    LEFT JOIN LATERAL (SELECT r.expires_at IS NOT NULL AND r.expires_at <= statement_timestamp() AS gone) o ON true
    WHERE r.id IS NULL OR o.gone OR r.expires_at IS NOT NULL OR %(ttl)s::interval IS NOT NULL
       OR r.value IS DISTINCT FROM g.value::jsonb
), remembered AS (
    INSERT INTO table_change (project_id, table_id, key, kind, by_id, by_name, run_id, before)
    SELECT %(project)s, %(table)s, key, CASE WHEN there THEN 'changed' ELSE 'made' END,
           %(by)s, %(by_name)s, %(run)s, CASE WHEN there THEN before END
    FROM given WHERE NOT there OR before IS DISTINCT FROM value
)
INSERT INTO table_row AS r (project_id, table_id, key, value, size, expires_at, updated_at, updated_by_id, run_id, chain_id)
SELECT %(project)s, %(table)s, key, value, size, statement_timestamp() + %(ttl)s::interval, statement_timestamp(),
       %(by)s, %(run)s, %(chain)s FROM given
ON CONFLICT (table_id, key) DO UPDATE SET value = EXCLUDED.value, size = EXCLUDED.size,
    expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at, updated_by_id = EXCLUDED.updated_by_id,
    run_id = EXCLUDED.run_id, chain_id = EXCLUDED.chain_id, version = EXCLUDED.version
RETURNING key, version
"""


def _write(
    table: Table, texts: Mapping[str, str], *, by: By | RunAuthor, ttl: timedelta | None
) -> dict[str, int]:
    """The new version of each key that was written."""
    if not texts:
        return {}
    facts: dict[str, Any] = {
        **who(by),
        "project": table.project_id,
        "table": table.pk,
        "keys": list(texts),
        "values": list(texts.values()),
        "sizes": [_size(key, text) for key, text in texts.items()],
        "ttl": ttl,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, facts)
        return dict(cursor.fetchall())


def _size(key: str, text: str) -> int:
    return len(key.encode()) + len(text.encode())


def who(by: By | RunAuthor) -> dict[str, Any]:
    """Who writes, as the statements are told it."""
    if isinstance(by, RunAuthor):
        return {"by": None, "by_name": "", "run": by.run_id, "chain": by.chain_id}
    author = author_of(by)
    name = one_line(as_actor(by).name, 254)
    return {"by": author.pk if author else None, "by_name": name, "run": None, "chain": None}


def _told(keys: Iterable[str]) -> dict[str, Any]:
    """For the audit, which is read without the right to see data: which rows they were tells the table's history."""
    return {"rows": len([*keys])}


def _counted(table: Table, changes: Iterable[tuple[_Old | None, int | None]]) -> None:
    """Each change is what there was before, and the size of what there is now."""
    rows = size = 0
    for old, now in changes:
        rows += (now is not None) - (old is not None)
        size += (now or 0) - (old.size if old else 0)
    count_move(table=table, rows=rows, size=size)


def count_move(*, table: Table, rows: int, size: int) -> None:
    """The caller has locked the table. Raises TableFull when there would be too much."""
    if not rows and not size:
        return
    table.row_count = max(0, table.row_count + rows)
    table.byte_count = max(0, table.byte_count + size)
    if rows > 0 and table.row_count > table.most_rows:
        raise TableFull(
            f"“{table.name}” may have {plural(table.most_rows, 'row')}; its page has a setting for that.",
            field="rows",
        )
    table.changed_at = timezone.now()
    table.save(update_fields=["row_count", "byte_count", "changed_at"])
    if size > 0 and _of_project(table) > PROJECT_BYTES:
        raise TableFull(f"The tables of this project may have {PROJECT_BYTES // 1_000_000:,} MB together.")


def _of_project(table: Table) -> int:
    total = Table.objects.filter(project_id=table.project_id).aggregate(total=Sum("byte_count"))["total"]
    return int(total or 0)


def changes_forget(*, table: Table, keys: Sequence[str]) -> None:
    """Of each of these keys only the last changes are kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM table_change WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER "
            "(PARTITION BY key ORDER BY id DESC) AS place FROM table_change WHERE table_id = %s AND key = ANY(%s)) "
            "AS placed WHERE place > %s)",
            [table.pk, list(keys), HISTORY_KEPT],
        )


_REMOVE = """
WITH gone AS (
    DELETE FROM table_row WHERE table_id = %(table)s AND key = ANY(%(keys)s) RETURNING project_id, table_id, key, value
)
INSERT INTO table_change (project_id, table_id, key, kind, by_id, by_name, run_id, before)
SELECT project_id, table_id, key, 'removed', %(by)s, %(by_name)s, %(run)s, value FROM gone
"""
