"""Tables: rows by key, what their history remembers, and what they refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Table, TableChange, TableRow
from jobs.row_history import (
    NothingToRestore,
    row_changes,
    row_changes_forget,
    row_restore,
    rows_expire,
)
from jobs.rows import (
    RowChanged,
    RowMissing,
    RunAuthor,
    TableFull,
    row_get,
    row_remove,
    row_set,
    rows_page,
    rows_remove,
    rows_set,
)
from jobs.table_values import BadKey, BadValue
from jobs.tables import TableArchived, table_archive, table_change, table_create, table_keys
from openfn_platform.common.errors import Invalid, NotAllowed, NotFound
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.membering import member_add
from openfn_platform.projects.models import AuditEntry, Role
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def table() -> Table:
    return table_create(project=factories.project(), name="Facilities", by=PLATFORM)


def values(table: Table) -> dict[str, Any]:
    return {row.key: row.value for row in rows_page(table=table, size=1_000)}


def put(table: Table, **rows: Any) -> None:
    rows_set(table=table, rows=rows, by=PLATFORM)


def a_run() -> RunAuthor:
    return RunAuthor(run_id=uuid7(), chain_id=uuid7())


def over(table: Table, *keys: str) -> None:
    """The time of these rows is over."""
    past = timezone.now() - timedelta(seconds=1)
    TableRow.objects.filter(table=table, key__in=keys).update(expires_at=past)


# --- rows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["uuid-1", 7, 1.5, True, None, [], {"name": "Lomé Nord", "tags": ["a", None]}, "", 10**30]
)
def test_what_was_set_is_got(table, value):
    assert row_set(table=table, key="12", value=value, by=PLATFORM).made
    assert row_get(table=table, key="12").value == value


def test_a_key_that_is_not_there_is_told(table):
    for key in ("12", "a\0b", ""):
        with pytest.raises(RowMissing):
            row_get(table=table, key=key)


def test_a_row_is_replaced_and_has_another_version(table):
    first = row_set(table=table, key="12", value="a", by=PLATFORM)
    second = row_set(table=table, key="12", value="b", by=PLATFORM)
    assert second.version > first.version
    assert not second.made
    assert values(table) == {"12": "b"}


def test_the_same_value_again_changes_nothing(table):
    first = row_set(table=table, key="12", value={"a": 1, "b": 2}, by=PLATFORM)
    again = row_set(table=table, key="12", value={"b": 2, "a": 1}, by=PLATFORM)
    assert again.version == first.version
    assert TableChange.objects.count() == 1


def test_a_row_that_should_be_absent_is_left_alone(table):
    row_set(table=table, key="12", value="a", by=PLATFORM)
    assert not row_set(table=table, key="12", value="b", by=PLATFORM, if_absent=True).done
    assert row_set(table=table, key="13", value="b", by=PLATFORM, if_absent=True).done
    assert values(table) == {"12": "a", "13": "b"}


def test_a_retry_gets_what_its_first_attempt_had_claimed(table):
    mine, other = a_run(), a_run()
    retry = RunAuthor(run_id=uuid7(), chain_id=mine.chain_id)
    claims = [
        row_set(table=table, key="k", value=1, by=by, if_absent=True).done for by in (mine, other, retry)
    ]
    assert claims == [True, False, True]


def test_a_change_based_on_an_old_version_is_refused(table):
    first = row_set(table=table, key="12", value="a", by=PLATFORM)
    row_set(table=table, key="12", value="b", by=PLATFORM, version=first.version)
    with pytest.raises(RowChanged):
        row_set(table=table, key="12", value="c", by=PLATFORM, version=first.version)
    with pytest.raises(RowChanged):
        row_remove(table=table, key="12", by=PLATFORM, version=first.version)
    assert values(table) == {"12": "b"}


def test_a_row_that_was_removed_and_made_again_is_another(table):
    first = row_set(table=table, key="12", value="a", by=PLATFORM)
    row_remove(table=table, key="12", by=PLATFORM)
    row_set(table=table, key="12", value="a", by=PLATFORM)
    with pytest.raises(RowChanged):
        row_set(table=table, key="12", value="c", by=PLATFORM, version=first.version)


def test_removing_counts_only_what_was_there(table):
    put(table, a=1, b=2)
    assert rows_remove(table=table, keys=["a", "x", "a"], by=PLATFORM) == 1
    with pytest.raises(RowMissing):
        row_remove(table=table, key="a", by=PLATFORM)
    table.refresh_from_db()
    assert table.row_count == 1


def test_rows_come_in_pages_and_by_the_beginning_of_their_key(table):
    put(table, **{"TG-1": 1, "TG-10": 1, "TG-2": 1, "BJ-1": 1, "TG%": 1, "tg-3": 1})
    found = [row.key for row in rows_page(table=table, prefix="TG", size=10)]
    assert found == ["TG%", "TG-1", "TG-10", "TG-2"]
    assert [row.key for row in rows_page(table=table, prefix="TG", after="TG-1", size=1)] == ["TG-10"]


def test_a_page_costs_one_question_and_uses_the_index(table):
    put(table, **{f"k{n}": n for n in range(200)})
    with CaptureQueriesContext(
        connection,
    ) as asked:
        rows_page(table=table, prefix="k1", after="k15", size=20)
    assert len(asked) == 1
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + asked[0]["sql"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "table_row_key_once" in plan
    assert "Sort" not in plan


def test_counts_follow_every_kind_of_change(table):
    put(table, a="x" * 100, b="y")
    put(table, a="x", c=None)
    rows_remove(table=table, keys=["b"], by=PLATFORM)
    row_set(table=table, key="d", value=1, by=PLATFORM, ttl=timedelta(hours=1))
    over(table, "d")
    row_set(table=table, key="d", value=12, by=PLATFORM, ttl=timedelta(hours=1))
    over(table, "d")
    rows_expire()
    table.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(octet_length(key) + octet_length(value::text)) FROM table_row WHERE table_id = %s",
            [table.pk],
        )
        assert (table.row_count, table.byte_count) == cursor.fetchone() == (2, len('a"x"cnull'))


def test_one_write_costs_few_statements(table):
    put(table, a=1)
    with CaptureQueriesContext(connection) as asked:
        row_set(table=table, key="a", value=2, by=a_run())
    statements = [each["sql"] for each in asked if "SAVEPOINT" not in each["sql"]]
    assert len(statements) <= 6, statements


# --- limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "  ", "x" * 256, "a\nb", "a\0", "\ud800", " a", "a "])
def test_what_cannot_be_a_key_is_told(table, key):
    with pytest.raises(BadKey, match="key"):
        row_set(table=table, key=key, value=1, by=PLATFORM)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "a\0b", {"a\0": 1}, "\ud800", {"k": ["\udfff"]}, deep(51), 10**5_000, b"x"],
    ids=["nan", "inf", "nul", "nul key", "surrogate", "surrogate inside", "deep", "long number", "bytes"],
)
def test_what_cannot_be_a_value_is_told(table, value):
    with pytest.raises(BadValue, match="The value"):
        row_set(table=table, key="k", value=value, by=PLATFORM)


def test_what_only_looks_as_if_it_could_not_be_stored_is_stored(table):
    put(table, a="\\u0000", b="\\\\u0000", c=deep(50))
    assert values(table)["a"] == "\\u0000"


def test_a_value_has_a_largest_size(table):
    row_set(table=table, key="k", value="x" * 63_998, by=PLATFORM)
    with pytest.raises(BadValue, match="64,001 bytes; this table takes 64,000"):
        row_set(table=table, key="k", value="x" * 63_999, by=PLATFORM)
    table = table_change(table=table, value_bytes=10, by=PLATFORM)
    with pytest.raises(BadValue, match="this table takes 10"):
        row_set(table=table, key="k", value="é" * 5, by=PLATFORM)


def test_a_full_table_takes_no_more_rows_but_other_values(table):
    table = table_change(table=table, most_rows=2, by=PLATFORM)
    put(table, a=1, b=2)
    with pytest.raises(TableFull, match="“Facilities” may have 2 rows"):
        put(table, a=3, c=3)
    put(table, a=3)
    assert values(table) == {"a": 3, "b": 2}


def test_the_tables_of_a_project_have_room_together(table, monkeypatch):
    monkeypatch.setattr("jobs.rows.PROJECT_BYTES", 1_000)
    other = table_create(project=table.project, name="Other", by=PLATFORM)
    put(table, a="x" * 600)
    with pytest.raises(TableFull, match="together"):
        put(other, a="x" * 600)
    assert values(other) == {}


def test_one_bad_row_keeps_all_out_and_is_named(table):
    with pytest.raises(BadValue, match="“b”: The value"):
        put(table, a=1, b=float("nan"))
    assert values(table) == {}


def test_bulk_changes_have_a_most(table):
    with pytest.raises(Invalid, match="At most 1,000 rows"):
        rows_set(table=table, rows={str(n): 1 for n in range(1_001)}, by=PLATFORM)


# --- time to live -------------------------------------------------------------------------------------


def test_a_row_whose_time_is_over_is_absent_at_once(table):
    row_set(table=table, key="12", value="a", by=PLATFORM, ttl=timedelta(hours=1))
    put(table, b=1)
    assert values(table)["12"] == "a"
    over(table, "12")
    assert values(table) == {"b": 1}
    with pytest.raises(RowMissing):
        row_get(table=table, key="12")
    with pytest.raises(RowMissing):
        row_remove(table=table, key="12", by=PLATFORM)
    assert row_set(table=table, key="12", value="b", by=PLATFORM, if_absent=True).made


def test_the_sweep_removes_what_is_over_and_what_was_known_of_it(table):
    row_set(table=table, key="12", value="secret", by=PLATFORM, ttl=timedelta(hours=1))
    row_set(table=table, key="12", value="more", by=PLATFORM, ttl=timedelta(hours=1))
    put(table, b=1)
    assert rows_expire() == 0
    over(table, "12")
    assert rows_expire() == 1
    assert not TableRow.objects.filter(key="12").exists()
    assert [(each.kind, each.before) for each in row_changes(table=table, key="12")] == [("expired", None)]
    assert [each.kind for each in row_changes(table=table, key="b")] == ["made"]


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(days=-1), timedelta(days=4_000)])
def test_nonsense_as_time_to_live_is_refused(table, ttl):
    with pytest.raises(Invalid, match="time to live"):
        row_set(table=table, key="k", value=1, by=PLATFORM, ttl=ttl)


# --- history ------------------------------------------------------------------------------------------


def test_the_history_tells_who_changed_what_and_what_it_was(table):
    editor = factories.user("Editor")
    run = a_run()
    member_add(project=table.project, user=editor, role=Role.EDITOR, by=PLATFORM)
    row_set(table=table, key="12", value="a", by=editor)
    row_set(table=table, key="12", value="b", by=run)
    row_remove(table=table, key="12", by=PLATFORM)
    told = [
        (each.kind, each.before, each.by_name, each.run_id) for each in row_changes(table=table, key="12")
    ]
    assert told == [
        ("removed", "b", "The platform", None),
        ("changed", "a", "", run.run_id),
        ("made", None, "Editor", None),
    ]


def test_a_value_is_brought_back(table):
    for value in ("a", "b"):
        row_set(table=table, key="12", value=value, by=PLATFORM)
    row_remove(table=table, key="12", by=PLATFORM)
    removed, changed, made = row_changes(table=table, key="12")
    row_restore(table=table, change=removed.pk, by=PLATFORM)
    assert values(table) == {"12": "b"}
    row_restore(table=table, change=changed.pk, by=PLATFORM)
    assert values(table) == {"12": "a"}
    with pytest.raises(NothingToRestore):
        row_restore(table=table, change=made.pk, by=PLATFORM)


def test_a_change_of_another_table_is_not_brought_back(table):
    put(table, a=1)
    put(table, a=2)
    other = table_create(project=table.project, name="Other", by=PLATFORM)
    with pytest.raises(NotFound):
        row_restore(table=other, change=row_changes(table=table)[0].pk, by=PLATFORM)


def test_the_last_twenty_changes_of_a_key_are_kept(table):
    put(table, other=1)
    for value in range(30):
        put(table, a=value)
    kept = row_changes(table=table, key="a", size=100)
    assert [each.before for each in kept] == list(range(28, 8, -1))
    assert len(row_changes(table=table, key="other")) == 1


def test_changes_of_keys_that_are_long_gone_are_forgotten(table):
    put(table, a=1, b=1)
    rows_remove(table=table, keys=["a"], by=PLATFORM)
    assert row_changes_forget() == 0
    TableChange.objects.update(at=timezone.now() - timedelta(days=91))
    assert row_changes_forget() == 2
    assert [each.key for each in TableChange.objects.all()] == ["b"]


# --- tables -------------------------------------------------------------------------------------------


def test_a_table_is_made_changed_and_put_away(table):
    assert (table.key, table.attribute) == ("facilities", "facilities")
    table = table_change(table=table, name="Health facilities", kind="store", by=PLATFORM)
    assert table.key == "facilities"
    table_archive(table=table, by=PLATFORM)
    assert table_keys(table.project) == []
    for refused in (
        lambda: table_change(table=table, name="x", by=PLATFORM),
        lambda: row_set(table=table, key="a", value=1, by=PLATFORM),
        lambda: rows_remove(table=table, keys=["a"], by=PLATFORM),
    ):
        with pytest.raises(TableArchived):
            refused()
    told = list(
        AuditEntry.objects.filter(object_type="table").order_by("id").values_list("action", flat=True)
    )
    assert told == ["table made", "table changed", "table archived"]


@pytest.mark.parametrize(
    "wrong",
    [{"most_rows": 0}, {"most_rows": 1_000_001}, {"value_bytes": 64_001}, {"kind": "x"}, {"key": "A b"}],
)
def test_what_is_wrong_with_a_table_is_told(wrong):
    with pytest.raises(Invalid):
        table_create(project=factories.project(), name="T", by=PLATFORM, **wrong)


def test_only_editors_change_tables_and_outsiders_find_none(table):
    cast = factories.cast()
    table = table_create(project=cast.project, name="T", by=cast.editor)
    put(table, a=1)
    put(table, a=2)
    change = row_changes(table=table)[0].pk
    verbs = (
        lambda by: table_create(project=cast.project, name="x", by=by),
        lambda by: table_change(table=table, name="x", by=by),
        lambda by: table_archive(table=table, by=by),
        lambda by: row_set(table=table, key="a", value=1, by=by),
        lambda by: rows_remove(table=table, keys=["a"], by=by),
        lambda by: row_restore(table=table, change=change, by=by),
    )
    for verb in verbs:
        with pytest.raises(NotAllowed):
            verb(cast.operator)
        with pytest.raises(NotFound):
            verb(cast.outsider)


def test_the_audit_counts_rows_and_names_neither_keys_nor_values(table):
    store = table_create(project=table.project, name="Seen", kind="store", by=PLATFORM)
    for each in (table, store):
        row_set(table=each, key="key-7", value="value-7", by=PLATFORM)
    told = [each.changes for each in AuditEntry.objects.filter(action="table rows set").order_by("id")]
    assert told == [{"rows": 1}, {"rows": 1}]
