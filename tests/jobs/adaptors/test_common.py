"""The helpers that every job has in scope."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.adaptors.common import chunks, csv, dates, groups, jsonpath, phones
from jobs.adaptors.errors import ValidationError

DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))
KINDS = ["daily", "weekly", "monthly", "quarterly", "six-monthly", "yearly"]


@given(DAYS, st.sampled_from(KINDS))
def test_every_day_lies_in_the_period_named_after_it(day, kind):
    start, end = dates.period_bounds(dates.period(day, kind))
    assert start <= day < end
    assert dates.period(start, kind) == dates.period(end - timedelta(days=1), kind)


@pytest.mark.parametrize(
    ("day", "week"), [("2025-12-29", "2026W1"), ("2027-01-03", "2026W53"), ("2026-02-01", "2026W5")]
)
def test_weeks_are_those_of_iso_8601(day, week):
    assert dates.iso_week(day) == week


def test_a_period_may_be_a_number():
    assert dates.period_bounds(202601) == (date(2026, 1, 1), date(2026, 2, 1))


def test_a_week_is_read_with_or_without_a_leading_zero():
    assert (
        dates.period_bounds("2026W05")
        == dates.period_bounds("2026W5")
        == (date(2026, 1, 26), date(2026, 2, 2))
    )


@pytest.mark.parametrize("bad", ["2026W54", "202613", "20260230", "2026Q5", "2026S3", "26", "", "2026-01"])
def test_what_is_no_period_is_refused(bad):
    with pytest.raises(ValidationError, match="no period"):
        dates.period_bounds(bad)


def test_dates_are_read_and_written():
    assert dates.parse("2026-01-31T14:05:00Z") == datetime(2026, 1, 31, 14, 5, tzinfo=UTC)
    assert dates.parse("31/01/2026", "%d/%m/%Y", zone="Africa/Nairobi").utcoffset() == timedelta(hours=3)
    assert dates.day(datetime(2026, 1, 31, 23)) == date(2026, 1, 31)
    assert dates.format("2026-01-31", "%d.%m.%Y") == "31.01.2026"
    assert dates.parse(date(2026, 1, 31)) == datetime(2026, 1, 31)


@pytest.mark.parametrize("bad", ["31/01/2026", "", None, "soon"])
def test_what_is_no_date_is_refused_without_repeating_it(bad):
    with pytest.raises(ValidationError, match="no date as in") as caught:
        dates.parse(bad)
    assert not bad or bad not in str(caught.value)


def test_today_depends_on_the_zone():
    assert dates.today("Pacific/Kiritimati") > dates.today("Pacific/Pago_Pago")
    with pytest.raises(ValidationError, match="no time zone"):
        dates.now("Lome")


def test_months_are_added_without_running_over():
    assert dates.add("2026-01-31", months=1) == date(2026, 2, 28)
    assert dates.add("2024-02-29", years=1) == date(2025, 2, 28)
    assert dates.add("2026-12-31", days=1, weeks=1) == date(2027, 1, 8)
    assert dates.add("2026-01-15", months=-1) == date(2025, 12, 15)


@given(DAYS, st.integers(-500, 500))
def test_adding_months_lands_in_that_month(day, months):
    moved = dates.add(day, months=months)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months


def test_a_span_ends_before_its_end():
    assert list(dates.span("2026-01-30", "2026-02-01")) == [date(2026, 1, 30), date(2026, 1, 31)]
    assert list(dates.span("2026-01-31", "2026-05-01", step="month")) == [
        date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30),
    ]  # fmt: skip
    assert list(dates.span("2026-01-02", "2026-01-01")) == []


def test_age_counts_completed_years():
    assert dates.age("2000-02-29", "2026-02-28") == 25
    assert dates.age("2000-02-29", "2026-03-01") == 26


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda cell: cell.strip())


@given(st.lists(st.fixed_dictionaries({"a": CELLS, "b,;": CELLS, 'q"': CELLS}), min_size=1))
def test_a_table_survives_writing_and_reading(rows):
    assert csv.read(csv.write(rows), delimiter=",") == rows


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator):
    text = f'"a, b"{separator}c\r\n1{separator}2\r\n\r\n'
    assert csv.read(text) == [{"a, b": "1", "c": "2"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_from_excel_are_read(encoding):
    assert csv.read("nom;âge\r\nAfi;7\r\n".encode(encoding)) == [{"nom": "Afi", "âge": "7"}]


def test_short_rows_are_filled_and_long_ones_refused():
    assert csv.read("a,b\n1") == [{"a": "1", "b": ""}]
    assert csv.read("") == []
    assert csv.read("a,b,,\n1,2,,\n3,,,,\n") == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": ""},
    ]  # as Excel saves it
    with pytest.raises(ValidationError, match="the text of a CSV"):
        csv.read(None)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"Row 2 .* 3 cells"):
        csv.read("a,b\n1,2,3")
    with pytest.raises(ValidationError, match="two columns named 'a'"):
        csv.read("a,a\n1,2")
    with pytest.raises(ValidationError, match="cannot be read"):
        csv.read('a\n"open')


def test_values_are_written_plainly():
    rows: list[dict[str, Any]] = [{"d": date(2026, 1, 2), "n": None}, {"d": True, "more": 1.5}]
    nested = csv.write([{"a": {"x": [1, None, "é"]}, "b": [0]}])
    assert csv.read(nested) == [{"a": '{"x": [1, null, "é"]}', "b": "[0]"}]
    assert csv.write(rows) == "d,n,more\r\n2026-01-02,,\r\ntrue,,1.5\r\n"
    assert csv.write(rows, columns=["more"], delimiter=";") == "more\r\n\r\n1.5\r\n".replace(
        "\r\n\r\n", '\r\n""\r\n'
    )


@pytest.mark.parametrize(
    "written", ["90112233", "90 11 22 33", "+228 90-11-22-33", "0022890112233", 90112233]
)
def test_numbers_become_e164(written):
    assert phones.normalise(written, "tg") == "+22890112233"


@pytest.mark.parametrize(
    ("number", "region", "words"),
    [
        ("90112233", None, "no country code"),
        ("hello", "TG", "no telephone number"),
        ("123", "TG", "too few or too many"),
        ("+1 555 000 0000", None, "no such telephone number"),
        ("90112233", "Togo", "no country code of two letters"),
    ],
)
def test_what_is_no_number_is_told_without_repeating_it(number, region, words):
    with pytest.raises(ValidationError, match=words) as caught:
        phones.normalise(number, region)
    assert number not in str(caught.value)
    assert not phones.is_valid(number, region)


@given(st.lists(st.integers()), st.integers(1, 50))
def test_chunks_lose_nothing(items, size):
    pieces = list(chunks(items, size))
    assert [item for piece in pieces for item in piece] == items
    assert all(1 <= len(piece) <= size for piece in pieces)


def test_chunks_of_nothing_are_refused_at_once():
    with pytest.raises(ValidationError, match="at least 1"):
        chunks([1], 0)


def test_jsonpath_finds_every_value():
    data = {"form": {"children": [{"name": "Afi", "age": 3}, {"name": "Kofi", "age": 7}]}}
    assert jsonpath("$.form.children[*].name", data) == ["Afi", "Kofi"]
    assert jsonpath("$.form.children[?(@.age > 5)].name", data) == ["Kofi"]
    assert jsonpath("$.none", data) == []
    with pytest.raises(ValidationError, match="no JSONPath"):
        jsonpath("$..[", data)


CELLS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8).map(lambda text: text + "x")
TABLES = st.lists(
    st.fixed_dictionaries({"id": CELLS, "na,me": CELLS, "no\nte": CELLS}), min_size=1, max_size=5
)


@given(TABLES, st.sampled_from([",", ";", "\t"]))
def test_a_table_that_is_streamed_is_the_one_that_is_read_whole(rows, delimiter):
    text = csv.write(rows, delimiter=delimiter)
    assert "".join(csv.lines(rows, delimiter=delimiter)) == text
    assert list(csv.each(text, delimiter=delimiter)) == csv.read(text, delimiter=delimiter)
    assert list(csv.each(text.split("\n"), delimiter=delimiter)) == csv.read(text, delimiter=delimiter)


def test_a_row_is_there_before_the_next_line_is_asked_for():
    asked = []

    def lines():
        for line in ("id;name", "1;Ama", "2;Kofi"):
            asked.append(line)
            yield line

    rows = csv.each(lines())
    assert next(rows) == {"id": "1", "name": "Ama"}
    assert asked == ["id;name", "1;Ama"]
    assert next(csv.lines(iter([{"id": 1}, {"id": 2}]))) == "id\r\n"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("\n\n", []),
        ("id,name", []),
        ("\ufeffid,name,,\n1,Ama,,\n\n2\n", [{"id": "1", "name": "Ama"}, {"id": "2", "name": ""}]),
        (b"id;name\n1;Zo\xe9\n", [{"id": "1", "name": "Zoé"}]),
    ],
)
def test_a_streamed_table_may_be_as_odd_as_one_read_whole(text, rows):
    assert list(csv.each(text)) == rows == csv.read(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,name\n1,Ama,x", "Row 2 of the CSV has 3 cells, but there are 2 names"),
        ("id,id\n1,2", "two columns named 'id'"),
        ('id\n"1', "Line 2 of the CSV cannot be read"),
        ([b"id"], "its bytes, or its lines"),
    ],
)
def test_what_is_no_table_is_said_where_it_is_streamed(text, sentence):
    with pytest.raises(ValidationError, match=sentence):
        list(csv.each(text))


def test_a_streamed_row_with_a_new_column_is_refused_unless_the_columns_are_named():
    rows: list[dict[str, Any]] = [{"id": 1}, {"id": 2, "name": "Ama"}]
    with pytest.raises(ValidationError, match="Row 2 has 'name', which the first row has not"):
        list(csv.lines(rows))
    assert "".join(csv.lines(rows, columns=["id", "name"])) == csv.write(rows)
    assert "".join(csv.lines([], columns=["id"])) == "id\r\n"


@given(st.lists(st.fixed_dictionaries({"clinic": st.sampled_from("ABC"), "n": st.integers()})))
def test_groups_lose_nothing_and_keep_the_order(rows):
    found = groups(rows, "clinic")
    assert all(row["clinic"] == clinic for clinic, there in found.items() for row in there)
    assert list(found) == list(dict.fromkeys(row["clinic"] for row in rows))
    assert sorted(map(id, rows)) == sorted(id(row) for there in found.values() for row in there)
    assert groups(rows, lambda row: row["n"] > 0).get(True, []) == [row for row in rows if row["n"] > 0]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [({}, "Row 1 has no 'clinic'"), ("text", "Row 1 has no 'clinic'"), ({"clinic": []}, "by a list")],
)
def test_a_row_that_fits_no_group_is_told(row, sentence):
    with pytest.raises(ValidationError, match=sentence):
        groups([row], "clinic")
