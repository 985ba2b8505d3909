"""The CARTO stand-in answers queries as CARTO's SQL API does: rows, types, pages, formats."""

import re

import pytest

from tests.demo.standin_carto.constants import KEY, POINT_1_2, SQL, VISITS


def test_rows_come_first_then_time_columns_and_count(ask):
    answer = ask("SELECT 1 AS a, 'x'::text AS b, true AS c")
    assert re.fullmatch(
        r'\{"rows":\[\{"a":1,"b":"x","c":true\}\],"time":[\d.]+,"fields":\{'
        r'"a":\{"type":"number","pgtype":"int4"\},"b":\{"type":"string","pgtype":"text"\},'
        r'"c":\{"type":"boolean","pgtype":"bool"\}\},"total_rows":1\}',
        answer.text,
    )
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("inline; filename=cartodb-query.json;")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", [SQL, "/api/v1/sql", SQL + "/", "/user/clinic" + SQL])
def test_the_same_call_has_several_addresses_and_ways(client, path):
    given = {"q": "SELECT 7 AS n", "api_key": KEY}
    answers = [
        client.get(path, params=given),
        client.post(path, params=given),
        client.post(path, data=given),
        client.post(path, json=given),
        client.get(path, params={"q": given["q"]}, auth=("clinic", KEY)),
    ]
    assert [answer.json()["rows"] for answer in answers] == [[{"n": 7}]] * 5


def test_the_body_goes_before_the_query_string(client):
    answer = client.post(SQL, params={"q": "SELECT 1 AS n"}, json={"q": "SELECT 2 AS n"})
    assert answer.json()["rows"] == [{"n": 2}]


@pytest.mark.parametrize(
    ("expression", "value", "kind", "name"),
    [
        ("12::int8", 12, "number", "int8"),
        ("9007199254740993::int8", 9007199254740992, "number", "int8"),
        ("2.50::numeric", 2.5, "number", "numeric"),
        ("'NaN'::float8", "NaN", "number", "float8"),
        ("'-infinity'::float8", "-Infinity", "number", "float8"),
        ("NULL::text", None, "string", "text"),
        ("'ü’\\ \"'::varchar", "ü’\\ \"", "string", "varchar"),
        ("'2020-03-01'::date", "2020-03-01T00:00:00Z", "date", "date"),
        ("'2020-03-01 10:00:00.9+02'::timestamptz", "2020-03-01T08:00:00Z", "date", "timestamptz"),
        ("'2020-03-01 10:00'::timestamp", "2020-03-01T10:00:00Z", "date", "timestamp"),
        ("'infinity'::date", "Infinity", "date", "date"),
        ("'1 day 02:03:04.5'::interval",
         {"days": 1, "hours": 2, "minutes": 3, "seconds": 4, "milliseconds": 500.0}, "number", "interval"),
        ("""'{"a": [1]}'::jsonb""", {"a": [1]}, "jsonb", "jsonb"),
        ("ARRAY[[1,NULL],[3,4]]", [[1, None], [3, 4]], "number[]", "_int4"),
        ("""ARRAY['a,"b\\', '', NULL]""", ['a,"b\\', "", None], "string[]", "_text"),
        ("'\\xff00'::bytea", {"type": "Buffer", "data": [255, 0]}, "bytea", "bytea"),
    ],
)  # fmt: skip
def test_values_and_types_are_told_as_node_tells_them(ask, expression, value, kind, name):
    answer = ask(f"SELECT {expression} AS x").json()
    assert answer["rows"] == [{"x": value}]
    assert answer["fields"]["x"] == {"type": kind, "pgtype": name}


def test_total_rows_of_a_write_is_what_it_touched(ask):
    ask("CREATE TABLE t (n int)")
    assert ask("INSERT INTO t SELECT generate_series(1, 5)").json()["total_rows"] == 5
    assert ask("UPDATE t SET n = 0 WHERE n > 2").json()["total_rows"] == 3
    answer = ask("DELETE FROM t WHERE n > 0 RETURNING n").json()
    assert (answer["total_rows"], answer["rows"]) == (2, [{"n": 1}, {"n": 2}])


def test_several_statements_are_one_transaction(standin, ask):
    ask("CREATE TABLE t (n int)")
    failed = ask("INSERT INTO t VALUES (1); INSERT INTO t VALUES ('x')")
    assert failed.status_code == 400
    assert standin.call("POST", "rows", {"table": "t"}) == []
    assert ask("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2),(3)").json()["total_rows"] == 2
    assert [row["n"] for row in standin.call("POST", "rows", {"table": "t"})] == [1, 2, 3]


def test_a_transaction_left_open_is_rolled_back_and_locks_nobody_out(standin, ask):
    ask(VISITS)
    ask("BEGIN; LOCK TABLE visits; INSERT INTO visits (n) VALUES (1)")
    assert ask("SELECT n FROM visits", key="default_public").json()["rows"] == []


def test_nothing_of_a_request_is_left_for_the_next(ask):
    ask("SELECT set_config('timezone', 'Africa/Nairobi', false), set_config('search_path', 'x', false)")
    answer = ask("SELECT current_setting('timezone') AS zone, ST_X('POINT(1 2)') AS x").json()
    assert answer["rows"] == [{"zone": "UTC", "x": 1}]


def test_notices_and_warnings_are_lists_at_the_end(ask):
    told = ask("DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$").json()
    assert list(told) == ["rows", "time", "fields", "total_rows", "notices", "warnings"]
    assert (told["notices"], told["warnings"]) == (["hello"], ["careful"])


def test_a_page_needs_both_numbers(ask):
    series = "SELECT generate_series(1, 10) AS n"
    second = ask(series, rows_per_page=4, page=1).json()
    assert ([row["n"] for row in second["rows"]], second["total_rows"]) == ([5, 6, 7, 8], 4)
    assert len(ask(series, rows_per_page=4).json()["rows"]) == 10
    assert [row["n"] for row in ask(series + ";", rows_per_page="4", page="2").json()["rows"]] == [9, 10]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT generate_series(1, 3) AS n -- all of them",
        "WITH a AS (SELECT ')' AS x), b AS (SELECT generate_series(1, 3) AS n) SELECT n FROM b",
    ],
)
def test_order_and_page_go_around_a_select(ask, sql):
    answer = ask(sql, order_by="n", sort_order="desc", rows_per_page=2, page=0).json()
    assert [row["n"] for row in answer["rows"]] == [3, 2]


def test_skipped_fields_are_neither_in_rows_nor_in_fields(ask):
    answer = ask("SELECT 1 AS a, 2 AS b, 3 AS c", skipfields="b,c,none").json()
    assert (answer["rows"], list(answer["fields"])) == ([{"a": 1}], ["a"])


def test_csv_has_the_geometry_first_and_windows_line_ends(ask):
    ask(VISITS)
    ask("INSERT INTO visits (place, n, the_geom) VALUES ('Moshi, \"North\"', 3, CDB_LatLng(2, 1))")
    answer = ask("SELECT place, n, the_geom FROM visits", format="csv", filename="my visits.csv")
    assert answer.text == f'the_geom,place,n\r\n{POINT_1_2},"Moshi, ""North""",3\r\n'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"].startswith("attachment; filename=my_visits.csv;")


def test_geojson_has_a_feature_for_each_row(ask):
    ask(VISITS)
    ask("INSERT INTO visits (place, the_geom) VALUES ('a', CDB_LatLng(2, 1.23456789)), ('b', NULL)")
    answer = ask("SELECT * FROM visits ORDER BY 1", format="GeoJSON", skipfields="cartodb_id,n").json()
    point = {"type": "Point", "coordinates": [1.234568, 2]}
    assert answer == {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": point, "properties": {"place": "a"}},
            {"type": "Feature", "geometry": None, "properties": {"place": "b"}},
        ],
    }
    assert ask("SELECT 1 AS a", format="geojson").json()["error"] == ['column "the_geom" does not exist']
