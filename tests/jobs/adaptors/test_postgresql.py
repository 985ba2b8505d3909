"""`postgresql` against a real one."""

import tempfile
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AuthError,
    ConfigurationError,
    Conflict,
    NotFound,
    Unavailable,
    ValidationError,
)
from tests.common.faulty import FaultyServer, hang_up
from tests.servers.bridge import Bridge

SCHEMA = "adaptor_trial"


@pytest.fixture(scope="module")
def server():
    """Where the tests' own PostgreSQL can be reached by TCP."""
    given: dict[str, Any] = settings.DATABASES["default"]
    host, port = str(given["HOST"]), int(given["PORT"] or 5432)
    if not host.startswith("/"):
        yield given, host, port, lambda: None
        return
    with Bridge(f"{host}/.s.PGSQL.{port}") as bridge:
        yield given, "127.0.0.1", bridge.port, bridge.cut


@pytest.fixture(scope="module")
def configuration(server):
    given, host, port, _ = server
    found = {
        "host": host,
        "port": port,
        "database": given["NAME"],
        "user": given["USER"],
        "password": given["PASSWORD"],
    }

    def do(*statements):
        with psycopg.connect(
            host=host, port=port, dbname=given["NAME"], user=given["USER"], password=given["PASSWORD"]
        ) as connection:
            for statement in statements:
                connection.execute(statement)

    do(f"drop schema if exists {SCHEMA} cascade", f"create schema {SCHEMA}")
    yield found
    do(f"drop schema {SCHEMA} cascade")


@pytest.fixture
def told():
    return []


@pytest.fixture
def connect(configuration, told):
    opened = []

    def make(*, dry_run=False, **more):
        context = Context(allow_private=True, dry_run=dry_run, trace=told.append)
        client = registry.connect("postgresql", {**configuration, **more}, context)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def db(connect):
    client = connect()
    client.execute(f"drop table if exists {SCHEMA}.visits")
    client.create_table(
        f"{SCHEMA}.visits",
        {"id": "integer primary key", "name": "text", "weight": "numeric", "more": "jsonb"},
    )
    return client


VISITS = f"{SCHEMA}.visits"


def test_a_certificate_that_cannot_be_read_is_said_to_be_that(configuration):
    told = {**configuration, "ca": "ក្រសួង"}
    with pytest.raises(ConfigurationError, match="PEM"):
        registry.connect("postgresql", told, Context(allow_private=True)).test()


def test_no_file_of_a_certificate_is_left(connect, tmp_path, monkeypatch):
    from tests.common.test_http import self_signed

    self_signed(tmp_path)
    pem = (tmp_path / "own.pem").read_text()
    files = tmp_path / "temporary"
    files.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(files))
    connect(ca=pem).test()
    with pytest.raises(NotFound):
        connect(ca=pem, database="nowhere").test()
    assert list(files.iterdir()) == []


def test_rows_come_as_objects_and_values_travel_apart(db):
    db.insert(
        VISITS, {"id": 1, "name": "O'Brien; drop table visits", "weight": Decimal("71.5"), "more": {"a": [1]}}
    )
    assert db.query(f"select * from {VISITS} where name = %s", ["O'Brien; drop table visits"]) == [
        {"id": 1, "name": "O'Brien; drop table visits", "weight": Decimal("71.5"), "more": {"a": [1]}}
    ]
    assert db.query(f"select id from {VISITS} where name like %(n)s", {"n": "O'%"}) == [{"id": 1}]
    assert db.query("select '100%' as share") == [{"share": "100%"}]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50))
@hypothesis_settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_text_survives(db, text):
    db.upsert(VISITS, {"id": 7, "name": text}, key="id")
    assert db.find_value("name", VISITS, {"id": 7}) == text


def test_half_a_character_is_refused_in_a_sentence(db):
    with pytest.raises(ValidationError, match="holds half a character") as caught:
        db.insert(VISITS, {"id": 1, "name": "a\ud83d"})
    assert caught.value.sent is False


def test_many_rows_are_inserted_all_or_none(db):
    rows = [{"id": number, "name": str(number)} for number in range(1200)]
    assert db.insert_many(VISITS, rows) == 1200
    with pytest.raises(Conflict, match="duplicate key"):
        db.insert_many(VISITS, [{"id": number} for number in [*range(2000, 2600), 5]])
    assert db.query(f"select count(*) as n from {VISITS}") == [{"n": 1200}]


def test_an_upsert_inserts_or_changes(db):
    assert db.upsert_many(VISITS, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], key="id") == 2
    assert db.upsert_many(VISITS, [{"id": 2, "name": "c"}], key=["id"]) == 1
    assert db.upsert_if("", VISITS, {"id": 3}, key="id") == 0
    assert [row["name"] for row in db.query(f"select name from {VISITS} order by id")] == ["a", "c"]


def test_an_upsert_leaves_alone_what_a_row_lacks(db):
    db.insert_many(VISITS, [{"id": 1, "name": "a", "weight": 1}, {"id": 2, "name": "b", "weight": 2}])
    assert db.upsert_many(VISITS, [{"id": 1, "weight": 5}, {"id": 2, "name": None}], key="id") == 2
    found = db.query(f"select name, weight from {VISITS} order by id")
    assert found == [{"name": "a", "weight": 5}, {"name": None, "weight": 2}]


def test_rows_that_cannot_be_meant_are_refused(db):
    for call in (db.insert_many, lambda table, rows, **more: db.upsert_many(table, rows, key="id", **more)):
        with pytest.raises(ValidationError, match="Rows are a list"):
            call(VISITS, {"id": 1})
        with pytest.raises(ValidationError, match="at least 1"):
            call(VISITS, [{"id": 1}], size=0)
    assert db.query(f"select count(*) as n from {VISITS}") == [{"n": 0}]


def test_a_copy_takes_very_many_rows(db):
    assert db.copy(VISITS, ({"id": n, "name": None, "more": {"n": n}} for n in range(5000))) == 5000
    assert db.query(f"select (more->>'n')::int as n from {VISITS} where id = 4999") == [{"n": 4999}]
    assert db.copy(VISITS, []) == 0


def test_long_results_come_row_by_row(db):
    db.copy(VISITS, ({"id": n} for n in range(2500)))
    seen = 0
    for row in db.each(f"select id from {VISITS} order by id", size=500):
        assert row == {"id": seen}
        seen += 1
    assert seen == 2500


def test_a_loop_over_a_long_result_may_write_and_read(db):
    db.copy(VISITS, ({"id": n} for n in range(250)))
    for row in db.each(f"select id from {VISITS} order by id", size=100):
        db.execute(f"update {VISITS} set name = 'seen' where id = %s", [row["id"]])
        assert db.find_value("name", VISITS, row) == "seen"
    assert db.query(f"select count(*) as n from {VISITS} where name = 'seen'") == [{"n": 250}]
    with db.transaction():
        db.insert(VISITS, {"id": 250})
        assert sum(1 for _ in db.each(f"select id from {VISITS}")) == 251


def test_what_stands_in_a_transaction_happens_together(db):
    class Oops(Exception):
        pass

    def half():
        with db.transaction():
            db.insert(VISITS, {"id": 1})
            db.insert(VISITS, {"id": 2})
            raise Oops

    with pytest.raises(Oops):
        half()
    assert db.query(f"select count(*) as n from {VISITS}") == [{"n": 0}]
    with db.transaction():
        db.insert(VISITS, {"id": 1})
    assert db.query(f"select count(*) as n from {VISITS}") == [{"n": 1}]


@pytest.mark.parametrize(
    ("where", "operators", "found"),
    [({"id": 2}, {}, "b"), ({"id": 1}, {"id": ">"}, "b"), ({"name": "B"}, {"name": "ilike"}, "b"), ({"id": 9}, {}, None),
     ({"id": [2, 3]}, {"id": "in"}, "b"), ({"weight": None, "id": 2}, {}, "b")],
)  # fmt: skip
def test_one_value_is_found_by_others(db, where, operators, found):
    db.insert_many(VISITS, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    assert db.find_value("name", VISITS, where, operators=operators) == found


def test_a_comparison_is_no_place_for_sql(db):
    with pytest.raises(ValidationError, match="no comparison"):
        db.find_value("name", VISITS, {"id": 1}, operators={"id": "= 1; drop table visits; --"})
    with pytest.raises(ValidationError, match="no type of a column"):
        db.create_table("x", {"a": "text); drop table visits; --"})
    with pytest.raises(NotFound):
        db.insert('visits" (id) values (1); --', {"id": 1})


def test_tables_are_described_and_extended(db):
    db.add_columns(VISITS, {"seen": "boolean not null"})
    described = {row["name"]: (row["type"], row["nullable"]) for row in db.describe_table(VISITS)}
    assert described == {
        "id": ("integer", False), "name": ("text", True), "weight": ("numeric", True),
        "more": ("jsonb", True), "seen": ("boolean", False),
    }  # fmt: skip


def test_errors_are_told_in_the_databases_words(db):
    with pytest.raises(NotFound, match='PostgreSQL: relation "nothing" does not exist'):
        db.query("select * from nothing")
    with pytest.raises(ValidationError, match="syntax error"):
        db.query("selec 1")
    with pytest.raises(ValidationError, match="two columns called id"):
        db.query(f"select a.id, b.id from {VISITS} a, {VISITS} b")
    assert db.query("select 1 as one") == [{"one": 1}]  # the connection is of use again


def test_a_wrong_database_or_address_is_told(connect):
    with pytest.raises((NotFound, AuthError), match="PostgreSQL"):
        connect(database="no_such_database").test()
    with pytest.raises(Unavailable, match="nothing answers at that port"):
        connect(port=1).test()
    with pytest.raises(ConfigurationError, match="ever speak"):
        connect(host="169.254.169.254").test()


def test_a_private_address_is_refused_where_the_project_does_not_allow_it(configuration):
    client = registry.connect("postgresql", configuration, Context())
    with pytest.raises(ConfigurationError, match="private address"):
        client.test()


def test_a_server_that_hangs_up_is_not_available(connect, monkeypatch):
    monkeypatch.setattr("jobs.adaptors.postgresql.CONNECT_SECONDS", 2)
    with FaultyServer(hang_up) as server, pytest.raises(AdaptorError):
        connect(port=server.port).test()


def test_a_write_whose_connection_breaks_may_have_happened_and_is_not_repeated(server, db):
    cut = server[3]
    db.query("select 1 as one")
    cut()
    with pytest.raises(Unavailable) as caught:
        db.insert(VISITS, {"id": 1})
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert db.query(f"select count(*) as n from {VISITS}") == [{"n": 0}]  # a new connection


def test_a_dry_run_shows_the_write_and_makes_none(db, connect, told):
    dry = connect(dry_run=True)
    assert dry.insert(VISITS, {"id": 1, "name": "shown"}) == 1
    assert dry.execute(f"delete from {VISITS}") == {"count": 0, "rows": []}
    assert dry.query(f"with gone as (delete from {VISITS} returning *) select * from gone") == []
    assert dry.copy(VISITS, [{"id": 1}, {"id": 2}]) == 2
    assert dry.query(f"select count(*) as n from {VISITS}") == [{"n": 0}]
    assert dry.query("select replace('a-b', '-', '') as found") == [{"found": "ab"}]
    shown = [each for each in told if each.get("dry")]
    assert [each["method"] for each in shown] == ["INSERT", "DELETE", "WITH", "COPY"]
    assert "shown" in shown[0]["request_body"]


def test_the_trace_tells_what_was_done_without_the_password(db, configuration, told):
    told.clear()
    db.insert(VISITS, {"id": 1, "name": f"x{configuration['password']}"})
    db.query(f"select * from {VISITS}")
    write, read = told
    assert (write["protocol"], write["write"], write["method"], write["outcome"]) == (
        "sql",
        True,
        "INSERT",
        "1 row",
    )
    assert write["url"].endswith(f"/{VISITS}")
    assert (read["write"], read["request_body"], read["outcome"]) == (False, None, "1 row")
    if len(configuration["password"]) >= 6:
        assert configuration["password"] not in str(told)


def test_test_connection_says_so(connect, configuration):
    assert (
        connect().test() == f"PostgreSQL accepts the credential for the database {configuration['database']}."
    )
