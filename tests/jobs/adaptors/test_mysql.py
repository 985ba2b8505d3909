"""`mysql` against MariaDB, where it is installed; what all databases share is in `test_postgresql.py`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AuthError, Conflict, NotFound, Unavailable, ValidationError
from tests.servers.mysql import mysql_server


@pytest.fixture(scope="module")
def server():
    with mysql_server() as server:
        yield server


@pytest.fixture
def connect(server):
    opened = []

    def make(*, context: Context | None = None, **more: Any) -> Any:
        usual = {
            "host": "127.0.0.1", "port": server.port, "user": server.user, "password": server.password,
            "database": server.database,
        }  # fmt: skip
        client = registry.connect("mysql", {**usual, **more}, context or Context(allow_private=True))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def db(connect):
    client = connect()
    client.execute("drop table if exists visits")
    client.create_table("visits", {"id": "integer primary key", "name": "varchar(200)", "more": "text"})
    return client


def test_rows_come_back_with_every_sign(db):
    for number, name in enumerate(["O'Brien", "a\\b", "عائشة 𝒳", "'; drop table visits; --", ""]):
        db.insert("visits", {"id": number, "name": name, "more": {"a": [1]}})
        assert db.find_value("name", "visits", {"id": number}) == name
    assert db.query("select more from visits where id = %s", [0]) == [{"more": '{"a": [1]}'}]


def test_a_loop_over_a_long_result_may_write_and_read(db):
    db.insert_many("visits", [{"id": number} for number in range(250)])
    for row in db.each("select id from visits order by id", size=100):
        db.execute("update visits set name = 'seen' where id = %s", [row["id"]])
    with db.transaction():
        db.insert("visits", {"id": 250})
        for row in db.each("select id, name from visits order by id", size=100):
            db.execute("update visits set more = %s where id = %s", [row["name"], row["id"]])
    assert db.query("select count(*) as n, count(more) as seen from visits") == [{"n": 251, "seen": 250}]


def test_many_rows_are_inserted_all_or_none_and_upserts_change(db):
    assert db.insert_many("visits", [{"id": number} for number in range(1200)]) == 1200
    with pytest.raises(Conflict, match="Duplicate entry"):
        db.insert_many("visits", [{"id": number} for number in [*range(2000, 2600), 5]])
    assert db.query("select count(*) as n from visits") == [{"n": 1200}]
    db.upsert_many("visits", [{"id": 5, "name": "new"}, {"id": 5000, "name": "more"}], key="id")
    assert db.find_value("name", "visits", {"id": 5}) == "new"
    assert [row["id"] for row in db.each("select id from visits order by id", size=100)][-1] == 5000


def test_what_stands_in_a_transaction_happens_together(db):
    def half():
        with db.transaction():
            db.insert("visits", {"id": 1})
            db.query("select nothing from visits")

    with pytest.raises(ValidationError):
        half()
    assert db.query("select count(*) as n from visits") == [{"n": 0}]


def test_tables_are_described_and_extended(db):
    db.add_columns("visits", {"weight": "decimal(5,1) not null"})
    described = {row["name"]: row["nullable"] for row in db.describe_table("visits")}
    assert described == {"id": False, "name": True, "more": True, "weight": False}


def test_errors_are_told_in_the_databases_words(connect, db):
    with pytest.raises(NotFound, match="nothing"):
        db.query("select * from nothing")
    with pytest.raises(AuthError, match="Access denied"):
        connect(password="wrong-4711").test()
    with pytest.raises(Unavailable, match="nothing answers"):
        connect(port=1).test()


def test_a_dry_run_changes_nothing(db, connect):
    told: list[Any] = []
    dry = connect(context=Context(allow_private=True, dry_run=True, trace=told.append))
    dry.insert("visits", {"id": 1})
    assert dry.query("select count(*) as n from visits") == [{"n": 0}]
    assert told[0]["dry"]


def test_a_dry_run_reads_by_functions_that_are_called_like_a_write(db, connect):
    db.execute("create table if not exists plain (`update` integer)")
    dry = connect(context=Context(allow_private=True, dry_run=True))
    found = dry.query(
        "select truncate(1.29, 1) as a, insert('abc', 1, 1, 'x') as b, replace ('a', 'a', 'b') as c"
    )
    assert found == [{"a": Decimal("1.2"), "b": "xbc", "c": "b"}]
    assert dry.query("select count(`update`) as n from plain") == [{"n": 0}]
    assert dry.query("replace into visits (id) values (1)") == []
    assert db.query("select count(*) as n from visits") == [{"n": 0}]
