"""What happened to the rows of a table: looking back, bringing a value back, and forgetting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.models import ChangeKind, Table, TableChange, TableRow, TableUpload
from jobs.rows import Written, count_move, row_set
from openfn_platform.common.errors import Conflict, NotFound
from openfn_platform.projects.actors import By, require
from openfn_platform.projects.models import Role

AT_ONCE = 500
# The last changes of a key are kept as long as it is there; of one that was removed, so long.
REMOVED_KEPT = timedelta(days=90)


class NothingToRestore(Conflict):
    """That change made the row: there was no value before it."""

    code = "nothing_to_restore"


def row_changes(
    *, table: Table, key: str = "", before: int | None = None, size: int = 50
) -> list[TableChange]:
    """The changes of one key or of all, newest first."""
    rows = TableChange.objects.filter(table=table).select_related("by")
    if key:
        rows = rows.filter(key=key)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.order_by("-pk")[:size])


def row_restore(*, table: Table, change: int, by: By) -> Written:
    """Set a key to what it was before that change."""
    require(by, table.project_id, Role.EDITOR)
    found = TableChange.objects.filter(table=table, pk=change).first()
    if found is None:
        raise NotFound("There is no such change any more.")
    if found.kind in (ChangeKind.MADE, ChangeKind.EXPIRED):
        raise NothingToRestore()
    return row_set(table=table, key=found.key, value=found.before, by=by)


_EXPIRED = """
WITH old AS (
    SELECT id FROM table_row WHERE table_id = %(table)s AND expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT %(most)s
), gone AS (
    DELETE FROM table_row WHERE id IN (SELECT id FROM old) RETURNING project_id, table_id, key, size
), wiped AS (
    DELETE FROM table_change WHERE table_id = %(table)s AND key IN (SELECT key FROM gone)
), remembered AS (
    INSERT INTO table_change (project_id, table_id, key, kind, by_name)
    SELECT project_id, table_id, key, 'expired', '' FROM gone
)
SELECT count(*), coalesce(sum(size), 0) FROM gone
"""


def rows_expire() -> int:
    """For the sweep: remove rows whose time is over, with what their history had of them. Returns how many."""
    first = TableRow.objects.filter(expires_at__lte=Now()).order_by("expires_at")
    done = 0
    for key in dict.fromkeys(first.values_list("table_id", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            # Locked first, as everybody does who writes rows; one that is being written waits for the next round.
            table = Table.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=key).first()
            if table is None:
                continue
            with connection.cursor() as cursor:
                cursor.execute(_EXPIRED, {"table": key, "most": AT_ONCE})
                count, size = cursor.fetchone()
            count_move(table=table, rows=-count, size=-int(size))
            done += count
    return done


_ENDED = """
WITH ended AS (
    SELECT table_id, key, id FROM table_change WHERE kind IN ('removed', 'expired') AND at < now() - %(kept)s
    ORDER BY at LIMIT %(most)s
)
DELETE FROM table_change c USING ended e WHERE c.table_id = e.table_id AND c.key = e.key AND c.id <= e.id
"""


def row_changes_forget() -> int:
    """For the sweep: changes of keys that were removed long ago, and uploads that nobody brought in."""
    TableUpload.objects.filter(keep_until__lte=Now()).delete()
    values: dict[str, Any] = {"kept": REMOVED_KEPT, "most": AT_ONCE}
    with connection.cursor() as cursor:
        cursor.execute(_ENDED, values)
        return int(cursor.rowcount)
