"""Taking a person out of tables: rows go, and what their history remembers of them.

Called by the erasure of a person, which has asked who may and keeps the certificate. Archived tables are no exception.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import connection, transaction

from jobs.models import Table, TableChange, TableRow, TableUpload
from jobs.rows import count_move

Named = Callable[[str, str], bool]
"""Whether a key and its value name the person."""
Hinted = Callable[[str], bool]
"""Whether a key says anything of the name: half of it is too much in what stays."""


@transaction.atomic
def rows_erase(*, ids: Collection[int], marker: str, named: Named, hinted: Hinted) -> int:
    """Remove those rows that still name the person, with the values that the history of their keys remembers.

    A key that names the person leaves nothing behind. Of another one it stays known that its row was removed, and why.
    """
    done = 0
    for table in _locked(TableRow.objects.filter(pk__in=list(ids)).values("table_id")):
        found = _execute(_NAMING, [table.pk, list(ids)])
        gone = {key: size for key, text, size in found if named(key, text)}
        telling = [key for key in gone if hinted(key)]
        facts = {"project": table.project_id, "table": table.pk, "marker": marker, "keys": list(gone)}
        _execute("DELETE FROM table_row WHERE table_id = %(table)s AND key = ANY(%(keys)s)", facts)
        _execute("DELETE FROM table_change WHERE table_id = %s AND key = ANY(%s)", [table.pk, telling])
        facts["keys"] = [key for key in gone if key not in telling]
        _execute(_OF_KEYS, facts)
        _execute(_REMOVED, facts)
        count_move(table=table, rows=-len(gone), size=-sum(gone.values()))
        done += len(gone)
    return done


@transaction.atomic
def changes_erase(*, ids: Collection[int], marker: str, hinted: Hinted) -> int:
    """The values that these changes remember; a change whose key names the person goes as a whole."""
    chosen = TableChange.objects.filter(pk__in=list(ids))
    list(_locked(chosen.values("table_id")))
    telling = [pk for pk, key in chosen.values_list("pk", "key") if hinted(key)]
    TableChange.objects.filter(pk__in=telling).delete()
    marked = _execute(_OF_IDS, {"marker": marker, "ids": list(ids)})
    return len(telling) + len(marked)


def uploads_erase(*, ids: Collection[uuid.UUID]) -> int:
    """Files that nobody has brought in yet."""
    return TableUpload.objects.filter(pk__in=list(ids)).delete()[0]


_NAMING = "SELECT key, value::text, size FROM table_row WHERE table_id = %s AND id = ANY(%s) ORDER BY key"
_OF_KEYS = """
UPDATE table_change SET before = to_jsonb(%(marker)s::text)
WHERE table_id = %(table)s AND key = ANY(%(keys)s) AND before IS NOT NULL
"""
_OF_IDS = """
UPDATE table_change SET before = to_jsonb(%(marker)s::text) WHERE id = ANY(%(ids)s) AND before IS NOT NULL RETURNING id
"""
_REMOVED = """
INSERT INTO table_change (project_id, table_id, key, kind, by_name, before)
SELECT %(project)s, %(table)s, key, 'removed', %(marker)s, to_jsonb(%(marker)s::text) FROM unnest(%(keys)s::text[]) AS key
"""


def _locked(tables: Any) -> Iterator[Table]:
    """In the same order for everybody, before any of their rows, as all who write rows do."""
    rows = Table.objects.select_for_update(no_key=True, of=("self",))
    yield from rows.filter(pk__in=tables.distinct()).order_by("pk")


def _execute(sql: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []
