"""CARTO's literals against a real PostgreSQL, and how the adaptor tells reading from writing."""

import math
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.adaptors import registry
from jobs.adaptors.carto.literals import bound, identifier, literal
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, RateLimited, Unavailable, ValidationError
from openfn_platform.common.http import Retries
from tests.common.faulty import FaultyServer, answer

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def asked(expression):
    with connection.cursor() as cursor:
        cursor.execute("select " + expression)
        return cursor.fetchone()[0]


@pytest.mark.django_db
@given(text=TEXTS | st.sampled_from(["O'Brien", "'; drop table x; --", "\\", "\\'", "$p2 $& $$", "%s", ""]))
@often
def test_every_text_comes_back_as_it_was(text):
    assert asked(literal(text) + "::text") == text


@pytest.mark.django_db
@given(
    value=st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
)
@often
def test_every_plain_value_comes_back_as_it_was(value):
    found = asked(f"({literal(value)})")
    assert (found == value if value is not None else found is None) or math.isclose(float(found), value)


@pytest.mark.django_db
@given(name=TEXTS.filter(lambda text: text and "." not in text and len(text.encode()) <= 63))
@often
def test_every_name_is_a_name(name):
    with connection.cursor() as cursor:
        cursor.execute(f"select 1 as {identifier(name)}".replace("%", "%%"), [])
        assert cursor.description[0].name == name


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        b"bytes",
        "a\0b",
        {1, 2},
        {"a": math.nan},
        [math.inf],
        {"type": "Point", "coordinates": [math.nan, 1]},
    ],
)
def test_what_a_table_cannot_hold_is_refused_before_it_is_sent(value):
    with pytest.raises(ValidationError, match=r"weight (is|holds)") as caught:
        literal(value, where="weight")
    assert caught.value.sent is False


def test_objects_become_json_and_geometries_geometries():
    assert literal({"a": [1, "x"]}) == """'{"a": [1, "x"]}'"""
    point = literal({"type": "Point", "coordinates": [30.5, -4.8]})
    assert point.startswith("ST_SetSRID(ST_GeomFromGeoJSON('{")
    assert point.endswith("4326)")


def test_values_take_their_places_and_no_others():
    assert bound("a = %s and b like '%%x' and c = %s", ["%s", 7]) == "a = '%s' and b like '%x' and c = 7"
    assert bound("n = %(name)s", {"name": "O'Brien"}) == "n = 'O''Brien'"
    assert bound("a like '%s'", None) == "a like '%s'"
    for query, values in (("%s", []), ("%s", [1, 2]), ("%(a)s", {"b": 1}), ("%(a)s", [1])):
        with pytest.raises(ValidationError):
            bound(query, values)


@pytest.fixture
def connect():
    opened = []

    def make(server, **more):
        configuration = {"account": "clinic", "apiKey": "k3y-Zq9wv71x", "baseUrl": server.url}
        client = registry.connect("carto", configuration, Context(allow_private=True, **more))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def rows(*found, **more):
    return answer(200, {"rows": list(found), "total_rows": len(found), **more})


@pytest.mark.parametrize(
    ("query", "writes"),
    [
        ("select * from visits", False),
        ("  SELECT 'delete from x'", False),
        ("with a as (select 1) select * from a -- update", False),
        ("with gone as (delete from a returning *) select * from gone", True),
        ("select 1; drop table visits", True),
        ("insert into a values (1)", True),
        ("select do_something()", False),
    ],
)
def test_a_dry_run_reads_and_only_shows_what_would_change(connect, query, writes):
    told: list[dict[str, Any]] = []
    with FaultyServer(rows({"n": 1})) as server:
        connect(server, dry_run=True, trace=told.append).sql(query)
        assert len(server.seen) == (0 if writes else 1)
    assert told[0]["write"] is writes


def test_rows_of_different_keys_are_one_statement_with_nulls(connect):
    with FaultyServer(answer(200, {"rows": [], "total_rows": 2})) as server:
        assert connect(server).add_rows("visits", [{"a": 1}, {"b": "x"}]) == 2
        assert server.seen[0].json["q"] == """INSERT INTO "visits" ("a", "b") VALUES (1, NULL), (NULL, 'x')"""


def test_an_upsert_changes_what_is_there_and_may_be_sent_again(connect):
    with FaultyServer(answer(504, {}), answer(200, {"rows": [], "total_rows": 1})) as server:
        assert connect(server).upsert_rows("visits", [{"event": "e1", "n": 2}], key="event") == 1
        assert len(server.seen) == 2
        assert server.seen[1].json["q"].endswith('ON CONFLICT ("event") DO UPDATE SET "n" = EXCLUDED."n"')


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda it: it.upsert_rows("v", [{"event": "e1"}, {"n": 1}], key="event"),
            "Row 1 .* has nothing in event",
        ),
        (lambda it: it.upsert_rows("v", [{"event": None}], key=["event"]), "has nothing in event"),
        (lambda it: it.upsert_rows("v", {"event": "e1"}, key="event"), "Rows are a list"),
        (lambda it: it.add_rows("v", {"event": "e1"}), "Rows are a list"),
        (lambda it: it.add_rows("v", [{"event": "e1"}], size=0), "at least 1"),
        (lambda it: it.copy_rows("v", [{}]), "at least one value"),
    ],
)
def test_rows_that_cannot_be_meant_are_refused_before_they_are_sent(connect, call, words):
    with FaultyServer(rows()) as server:
        carto = connect(server)
        with pytest.raises(ValidationError, match=words):
            call(carto)
        assert server.seen == []


def test_an_error_half_way_says_what_has_been_written(connect):
    with FaultyServer(
        answer(200, {"rows": [], "total_rows": 2}), answer(400, {"error": ["no room"]})
    ) as server:
        carto = connect(server)
        with pytest.raises(ValidationError, match=r"no room\. 2 rows had been written before\.") as caught:
            carto.add_rows("visits", [{"a": 1}, {"a": 2}, {"a": 3}], size=2)
    assert (caught.value.status, caught.value.sent, caught.value.retryable) == (400, True, False)
    with FaultyServer(answer(200, {"total_rows": 2}), answer(429, {"error": ["slow"]})) as server:
        carto = connect(server, retries=Retries(attempts=1))
        with pytest.raises(RateLimited, match="2 rows had been written before") as limited:
            carto.copy_rows("visits", [{"a": n} for n in range(3)], size=2)
    assert limited.value.retryable is False


def test_a_query_that_ran_out_of_time_is_not_a_rate_limit(connect):
    slow = answer(429, {"error": ["SQL query timeout error"], "context": "limit", "detail": "datasource"})
    with FaultyServer(slow) as server:
        with pytest.raises(Unavailable, match="timeout") as caught:
            connect(server).sql("select pg_sleep(99)")
        assert (caught.value.retryable, len(server.seen)) == (False, 1)


def test_a_true_rate_limit_is_waited_for(connect):
    limit = answer(429, {"error": ["limit"], "detail": "rate-limit"}, {"retry-after": "0"})
    with FaultyServer(limit, rows({"n": 1})) as server:
        assert connect(server).sql("select 1 as n") == [{"n": 1}]
    with (
        FaultyServer(
            answer(429, {"error": ["limit"], "detail": "rate-limit"}, {"retry-after": "999"})
        ) as server,
        pytest.raises(RateLimited),
    ):
        connect(server).sql("select 1 as n")


def test_a_background_query_is_awaited_and_its_failure_raised(connect):
    made = answer(201, {"job_id": "j1", "status": "pending"})
    with FaultyServer(made, answer(200, {"status": "running"}), answer(200, {"status": "done"})) as server:
        assert connect(server).job("update a set b = 1", wait=5)["status"] == "done"
    failed = answer(200, {"status": "failed", "failed_reason": "no such table"})
    with FaultyServer(made, failed) as server, pytest.raises(AdaptorError, match="no such table"):
        connect(server).job("update a set b = 1", wait=5)


def test_a_table_is_public_only_when_that_is_said(connect):
    with FaultyServer(rows()) as server:
        client = connect(server)
        client.publish("visits", {"event": "text"}, key="event")
        client.publish("shown", {"event": "text"}, public=True)
        closed, opened = (each.json["q"] for each in server.seen)
    assert closed.endswith('REVOKE SELECT ON "visits" FROM publicuser')
    assert "CREATE UNIQUE INDEX IF NOT EXISTS" in closed
    assert opened.endswith('GRANT SELECT ON "shown" TO publicuser')


def test_nothing_is_deleted_without_a_condition(connect):
    with FaultyServer(rows()) as server:
        with pytest.raises(ValidationError, match="needs a condition"):
            connect(server).delete_rows("visits", {})
        assert server.seen == []
