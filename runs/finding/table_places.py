"""Tables as places in which a person may be named: rows, their history, files that are about to be brought in.

They are read through when somebody asks, a stretch at a time, and have no words taken out: jobs write rows far more
often than anybody looks for a person, and a row that is gone or changed must not be found by what it said before. The
database rules out nearly all of them; what is left is looked at as everywhere.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

import zstandard
from django.db import connection

from jobs.models import TableChange, TableRow, TableUpload
from jobs.row_erasing import Hinted, changes_erase, rows_erase, uploads_erase
from openfn_platform.common.text import one_line
from runs.finding.place import Asked, Hit, OwnPlace
from runs.finding.terms import Term

STRETCH = 100_000  # rows of one statement: a second or two, far from the limit of each statement
PIECE = 1_000_000

# Texts in ASCII as they are; others as their letters and accents apart. Where letters are left that are none of a to z,
# or that a text within the text has escaped, the database does not know better, and the row is looked at. OFFSET 0:
# worked out once for each row, and not once for each condition.
_FOLDED = r"""
SELECT x.id, t.name, x.{at}, x.key, x.{column}::text
FROM {table} x JOIN lookup_table t ON t.id = x.table_id
CROSS JOIN LATERAL (SELECT concat_ws(' ', x.key, x.{column}::text) AS said OFFSET 0) s
CROSS JOIN LATERAL (
    SELECT lower(CASE WHEN octet_length(said) = length(said) THEN said
                 ELSE regexp_replace(normalize(said, NFD), '[\u0300-\u036f]', '', 'g') END) AS folded
    OFFSET 0
) f
WHERE x.id > %(after)s AND x.id <= %(last)s AND x.project_id = %(project)s
AND (octet_length(folded) > length(folded) OR strpos(folded, '\u') > 0 OR {wanted})
ORDER BY x.id
"""
_LAST = "SELECT max(id) FROM (SELECT id FROM {table} WHERE id > %s ORDER BY id LIMIT %s) AS stretch"

Found = tuple[int, str, datetime, str, str | None]


class _OfTables(OwnPlace):
    table: ClassVar[str]
    column: ClassVar[str]
    at: ClassVar[str]
    title: ClassVar[str]

    def find(self, asked: Asked) -> Iterator[Hit]:
        for number, name, at, key, text in self._likely(asked):
            if asked.in_texts(_said(key, text)):
                yield Hit(ref=str(number), title=one_line(f"{self.title} {name}", 200), at=at)

    def _likely(self, asked: Asked) -> Iterator[Found]:
        wanted, values = _wanted(asked.terms)
        names = {"table": self.table, "column": self.column, "at": self.at}
        sql, after = _FOLDED.format(**names, wanted=wanted), 0
        with connection.cursor() as cursor:
            while True:
                cursor.execute(_LAST.format(**names), [after, STRETCH])
                (last,) = cursor.fetchone()
                if last is None:
                    return
                cursor.execute(sql, {**values, "after": after, "last": last, "project": asked.project.pk})
                yield from cursor.fetchall()
                after = last

    def texts(self, ref: str) -> Iterator[str]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT key, {self.column}::text FROM {self.table} WHERE id = %s", [int(ref)])  # noqa: S608
            for row in cursor.fetchall():
                yield from _said(*row)


def _said(key: str, text: str | None) -> Iterator[str]:
    yield key
    if text:
        yield text
        if "\\\\" in text:  # a text within the text, with letters that it has escaped
            yield text.replace("\\\\", "\\")


def _wanted(terms: Sequence[Term]) -> tuple[str, dict[str, Any]]:
    """A condition that every row meets which has all the words of a line."""
    lines: list[str] = []
    values: dict[str, Any] = {}
    for term in terms:
        words = []
        for word in (*term.whole, *term.beginnings):
            words.append(f"strpos(folded, %(word{len(values)})s) > 0")
            values[f"word{len(values)}"] = word
        lines.append(f"({' AND '.join(words)})")
        if term.phone:
            lines.append(f"strpos(translate(folded, ' .()/-', ''), %(word{len(values)})s) > 0")
            values[f"word{len(values)}"] = term.phone
    return f"({' OR '.join(lines)})", values


def _hinted(asked: Asked | None) -> Hinted:
    """Where nobody knows any more who it was, whatever was found does."""
    return (lambda _key: True) if asked is None else asked.hinted


class TableRows(_OfTables):
    """What stands in tables. Rows whose time is over are there until the sweep comes."""

    name, label, title = "table-row", "Rows of tables", "Row of"
    table, column, at = TableRow._meta.db_table, "value", "updated_at"

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        def named(key: str, text: str) -> bool:
            return asked is None or asked.in_texts(_said(key, text))

        return rows_erase(ids=[int(ref) for ref in refs], marker=marker, named=named, hinted=_hinted(asked))


class TableHistory(_OfTables):
    name, label, title = "table-history", "History of tables", "Earlier value in"
    table, column, at = TableChange._meta.db_table, "before", "at"

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        return changes_erase(ids=[int(ref) for ref in refs], marker=marker, hinted=_hinted(asked))


class TableUploads(OwnPlace):
    """Files that somebody looks at before they are brought in. They go as a whole."""

    name, label = "table-file", "Files for tables"

    def find(self, asked: Asked) -> Iterator[Hit]:
        rows = TableUpload.objects.filter(project=asked.project).order_by("pk")
        for key, at, name in rows.values_list("pk", "created_at", "table__name"):
            if asked.in_texts(self.texts(str(key))):
                yield Hit(ref=str(key), title=one_line(f"File for {name}", 200), at=at)

    def texts(self, ref: str) -> Iterator[str]:
        row = TableUpload.objects.filter(pk=ref).values_list("name", "body").first()
        if row is None:
            return
        yield row[0]
        tail = ""
        for piece in zstandard.ZstdDecompressor().read_to_iter(bytes(row[1]), write_size=PIECE):
            text = tail + piece.decode("utf-8", "replace")
            yield text
            tail = text[-200:]  # a name that is cut in two stands whole in the next piece

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        return uploads_erase(ids=[uuid.UUID(ref) for ref in refs])
