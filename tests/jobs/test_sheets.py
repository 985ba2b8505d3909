"""Tables as CSV: in and out again, what would change, and what is wrong with which line."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import Table, TableChange, TableRow
from jobs.rows import TableFull, row_set, rows_page, rows_set
from jobs.sheet_loading import Brought, SheetMode, sheet_bring_in
from jobs.sheet_writing import sheet_write
from jobs.sheets import BadSheet, Reading, csv_lines, defused, sheet_rows
from jobs.tables import table_change, table_create
from openfn_platform.common.errors import NotAllowed, NotFound
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry
from tests import factories

db = pytest.mark.django_db


def read(text: str | bytes, *, piece: int = 1_000_000) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """Rows and bad lines, without a database."""
    raw = text if isinstance(text, bytes) else text.encode()
    reading = Reading(table=Table(name="T"))
    pieces = [raw[start : start + piece] for start in range(0, len(raw), piece)]
    rows = {key: json.loads(value) for _line, key, value in sheet_rows(reading, pieces)}
    return rows, [(bad.line, bad.reason) for bad in reading.bad]


@pytest.fixture
def table() -> Table:
    return table_create(project=factories.project(), name="Facilities", by=PLATFORM)


def values(table: Table) -> dict[str, Any]:
    return {row.key: row.value for row in rows_page(table=table, size=1_000)}


def bring(table: Table, text: str, **options: Any) -> Brought:
    return sheet_bring_in(table=table, chunks=[text.encode()], by=options.pop("by", PLATFORM), **options)


def counts(brought: Brought) -> tuple[int, int, int, int]:
    return brought.made, brought.changed, brought.same, brought.removed


def written(table: Table, **options: Any) -> str:
    return b"".join(sheet_write(table=table, by=PLATFORM, **options)).decode()


# --- reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("key,value\n12,Lomé Nord\n", {"12": "Lomé Nord"}),
        ("\ufeffkey;value\r\n12;a\r\n13;b", {"12": "a", "13": "b"}),
        ("code\tname\tuid\n12\tLomé\tx1\n", {"12": {"name": "Lomé", "uid": "x1"}}),
        ("name,key\nLomé,12\n", {"12": {"name": "Lomé"}}),
        ('key,json\na,"{""n"": [1, null]}"\nb,7\nc,"""t"""\n', {"a": {"n": [1, None]}, "b": 7, "c": "t"}),
        ('key,value\na,"two\nlines"\n\n , \nb,"x,""y"""\n', {"a": "two\nlines", "b": 'x,"y"'}),
        ("key,value\n012,'+228\n 13 ,'=x\n", {"012": "+228", "13": "=x"}),
        ("key,a,b\n1,x\n", {"1": {"a": "x", "b": ""}}),
        ("key,value\n1,\u2028\x85x\n", {"1": "\u2028\x85x"}),
        ("key,value\n", {}),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1_000])
def test_what_a_csv_says(text, rows, piece):
    assert read(text, piece=piece) == (rows, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",a", "The key is empty."),
        ("x" * 256 + ",a", "The key has 256 characters; the most is 255."),
        ("1,a,b", "It has 3 cells, but there are 2 names."),
        ("ok,again", "The key “ok” stands in line 2 already."),
        ('"a\nb",a', "The key holds a character that cannot be stored, such as a line break."),
        ("1,\0", "The value holds a character that cannot be stored."),
        ("1," + "x" * 64_000, "The value has 64,002 bytes; this table takes 64,000."),
        ("1," + "x" * 200_000, "The value has 200,002 bytes; this table takes 64,000."),
    ],
)
def test_a_bad_line_is_told_with_its_number(line, reason):
    rows, bad = read(f"key,value\nok,1\n{line}\nlast,2\n")
    assert (rows, bad) == ({"ok": "1", "last": "2"}, [(3 + line.count("\n"), reason)])


def test_json_that_is_none_is_a_bad_line():
    rows, bad = read("key,json\n1,{\n2,NaN\n3,1\n")
    assert rows == {"3": 1}
    assert [line for line, _ in bad] == [2, 3]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "The CSV is empty"),
        (b"\n\nkey,value", "The CSV is empty"),
        (b"key\n1\n", "needs a column for the key and one for the value"),
        (b"key,,x\n", "Column 2 of the CSV has no name"),
        (b"key,a,a\n", "two columns named “a”"),
        (",".join(map(str, range(101))).encode(), "has 101 columns; the most is 100"),
        ("key,value\n1,é".encode("cp1252"), "not in UTF-8; save it as"),
        ("key,value".encode("utf-16"), "not in UTF-8"),
        (b'key,value\n1,"x', "Line 2 of the CSV cannot be read"),
        (b'key,value\n1,"x"y\n', "Line 2 of the CSV cannot be read"),
        (b"key,value\n1," + b"x" * 1_100_000, "a line of more than a million characters"),
    ],
)
def test_what_is_no_csv_is_told(raw, sentence):
    with pytest.raises(BadSheet, match=sentence):
        read(raw)


def test_a_csv_has_a_largest_size(monkeypatch):
    monkeypatch.setattr("jobs.sheets.MOST_BYTES", 1_000)
    with pytest.raises(BadSheet, match="is larger than"):
        read("key,value\n" + "1,x\n" * 300, piece=100)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
CELLS = st.one_of(
    TEXTS, st.sampled_from(["=1+1", "'=x", "''=x", "'x", "-1", "@a", "\tx", "\rx", "+228", '"', ",;"])
)


@given(st.dictionaries(st.integers(0, 99).map(str), CELLS, min_size=1))
def test_whatever_is_written_is_read_again(rows):
    text = csv_lines([("key", "value"), *rows.items()])
    assert read(text) == (rows, [])


@given(CELLS)
def test_no_cell_begins_like_a_formula(cell):
    assert not defused(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


# --- bringing in --------------------------------------------------------------------------------------


@db
def test_a_csv_is_merged_or_takes_the_place_of_all(table):
    rows_set(table=table, rows={"a": "1", "b": "2", "c": "3"}, by=PLATFORM)
    text = "key,value\na,1\nb,two\nd,4\n"
    assert counts(bring(table, text, dry=True)) == (1, 1, 1, 0)
    assert counts(bring(table, text, dry=True, mode=SheetMode.REPLACE)) == (1, 1, 1, 1)
    assert values(table) == {"a": "1", "b": "2", "c": "3"}
    assert counts(bring(table, text)) == (1, 1, 1, 0)
    assert values(table) == {"a": "1", "b": "two", "c": "3", "d": "4"}
    assert counts(bring(table, text, mode=SheetMode.REPLACE)) == (0, 0, 3, 1)
    assert values(table) == {"a": "1", "b": "two", "d": "4"}


@db
def test_a_dry_run_shows_examples_of_what_would_change(table):
    rows_set(table=table, rows={"b": {"x": 1}, "c": "3"}, by=PLATFORM)
    brought = bring(table, "key,value\na,1\nb,2\n", dry=True, mode=SheetMode.REPLACE)
    assert [(each.kind, each.key, each.before, each.after) for each in brought.samples] == [
        ("made", "a", None, "1"),
        ("changed", "b", {"x": 1}, "2"),
        ("removed", "c", "3", None),
    ]


@db
def test_the_history_and_the_counts_follow(table):
    rows_set(table=table, rows={"a": "1", "b": "2"}, by=PLATFORM)
    bring(table, "key,value\na,one\nc,3\n", mode=SheetMode.REPLACE)
    told = [(each.key, each.kind, each.before) for each in TableChange.objects.order_by("id")[2:]]
    assert sorted(told) == [("a", "changed", "1"), ("b", "removed", "2"), ("c", "made", None)]
    table.refresh_from_db()
    assert (table.row_count, table.byte_count) == (2, len('a"one"c"3"'))
    for number in range(25):
        bring(table, f"key,value\na,{number}\n")
    assert TableChange.objects.filter(key="a").count() == 20


@db
def test_a_row_whose_time_is_over_is_made_anew_and_one_with_a_time_stays_for_good(table):
    for key in ("over", "later"):
        row_set(table=table, key=key, value="x", by=PLATFORM, ttl=timedelta(hours=1))
    TableRow.objects.filter(key="over").update(expires_at=timezone.now() - timedelta(seconds=1))
    assert counts(bring(table, "key,value\nover,x\nlater,y\n")) == (1, 1, 0, 0)
    assert values(table) == {"over": "x", "later": "y"}
    assert not TableRow.objects.filter(expires_at__isnull=False).exists()


@db
def test_bad_lines_keep_everything_out_unless_they_shall_be_left_out(table):
    text = "key,value\na,1\n,2\nb,3,4\n"
    with pytest.raises(
        BadSheet,
        match=r"Nothing was brought in. Line 3 cannot be: The key is empty. Neither can 1 other line. Correct them",
    ):
        bring(table, text)
    assert values(table) == {}
    shown = bring(table, text, dry=True)
    assert (shown.lines, shown.bad_count, [each.line for each in shown.bad]) == (3, 2, [3, 4])
    bring(table, text, leave_out_bad=True)
    assert values(table) == {"a": "1"}


@db
def test_a_csv_with_too_many_rows_changes_nothing(table):
    table = table_change(table=table, most_rows=2, by=PLATFORM)
    with pytest.raises(TableFull):
        bring(table, "key,value\na,1\nb,2\nc,3\n")
    assert values(table) == {}


@db
def test_only_editors_bring_in_and_only_those_who_see_data_export():
    cast = factories.cast()
    table = table_create(project=cast.project, name="T", by=cast.editor)
    with pytest.raises(NotAllowed):
        bring(table, "key,value\na,1\n", by=cast.operator)
    with pytest.raises(NotFound):
        bring(table, "key,value\na,1\n", by=cast.outsider)
    with pytest.raises(NotAllowed, match="see data"):
        sheet_write(table=table, by=cast.viewer)
    with pytest.raises(NotFound):
        sheet_write(table=table, by=cast.outsider)


# --- writing ------------------------------------------------------------------------------------------


@db
@pytest.mark.parametrize(
    ("rows", "head"),
    [
        ({"a": "=1+1", "b": "x\ny"}, "key,value"),
        ({"a": {"name": "@x", "uid": "1"}, "b": {"uid": "", "name": "é"}}, "key,name,uid"),
        ({"a": {"name": "x"}, "b": {"uid": "1"}}, "key,json"),
        ({"a": {"name": "x", "n": 1}}, "key,json"),
        ({"a": {"key": "x"}}, "key,json"),
        ({"a": {"value": "x"}}, "key,json"),
        ({"a": {}}, "key,json"),
        ({"a": None, "b": 1.5, "c": "-1", "d": [1], "e": True, "f": -7}, "key,json"),
        ({}, "key,value"),
    ],
)
def test_what_is_exported_can_be_brought_in_again(table, rows, head):
    rows_set(table=table, rows=rows, by=PLATFORM)
    text = written(table)
    assert text.partition("\r\n")[0] == head
    assert counts(bring(table, text, mode=SheetMode.REPLACE, dry=True)) == (0, 0, len(rows), 0)


@db
def test_an_export_goes_page_by_page_and_is_audited(table, django_assert_num_queries):
    for start in range(0, 2_500, 500):
        rows_set(table=table, rows={f"{n:04}": "x" for n in range(start, start + 500)}, by=PLATFORM)
    lines = sheet_write(table=table, by=PLATFORM)
    assert AuditEntry.objects.filter(action="table exported", object_id=str(table.pk)).count() == 1
    with django_assert_num_queries(3):
        assert b"".join(lines).count(b"\n") == 2_501
    assert written(table, prefix="00").count("\n") == 101
