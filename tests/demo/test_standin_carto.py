"""The CARTO stand-in answers as CARTO's SQL API does."""

import gzip
import json
import re
import time

import httpx
import psycopg
import pytest

from openfn_platform.demo.standins.carto.database import (
    carto_database,
    carto_database_remove,
    reader_url,
    url_with,
)
from openfn_platform.demo.standins.carto.partner import Carto
from openfn_platform.demo.standins.process import Standin, StandinFailed
from openfn_platform.local.servers import temporary_servers
from tests.servers.carto import admin_url, carto_standin

SQL = "/api/v2/sql"
KEY = Carto.settings["api_key"]
TIMEOUT = "You are over platform's limits: SQL query timeout error."
VISITS = "CREATE TABLE visits (place text, n int, the_geom geometry); SELECT CDB_CartodbfyTable('visits')"
POINT_1_2 = "0101000020E6100000000000000000F03F0000000000000040"


@pytest.fixture(scope="module")
def running():
    with carto_standin() as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, timeout=10) as client:
        yield client


@pytest.fixture
def ask(client):
    """Send SQL as a JSON body with the master key, or another one."""

    def ask(sql, key=KEY, **more):
        return client.post(SQL, json={"q": sql, "api_key": key, **more})

    return ask


def wait_for(condition, seconds=3):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# Queries


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


# Errors


def test_an_error_is_postgresqls_with_hint_and_detail(ask):
    answer = ask("SELECT * FORM t")
    assert (answer.status_code, answer.json()) == (400, {"error": ['syntax error at or near "FORM"']})
    assert answer.headers["content-disposition"] == "inline"
    assert json.loads(answer.headers["x-sqlapi-errors"])["statusCode"] == 400
    assert ask("SELECT upper(1)").json()["hint"].startswith("No function matches")
    ask("CREATE TABLE t (n int PRIMARY KEY)")
    doubled = ask("INSERT INTO t VALUES (1), (1)").json()
    assert doubled["detail"] == "Key (n)=(1) already exists."


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({}, 400, "You must indicate a sql query"),
        ({"q": 5}, 400, "You must indicate a sql query"),
        ({"q": "SELECT 1", "format": "xls"}, 400, "Invalid format: xls"),
        ({"q": "SET timezone TO 'x'"}, 403, "SET command is forbidden"),
        ({"q": "SELECT 1", "api_key": "wrong"}, 401, "Unauthorized"),
        ({"api_key": "wrong"}, 401, "Unauthorized"),
        ({"q": "SELECT * FROM pg_roles"}, 403, "system tables are forbidden"),
        ({"q": "COPY (SELECT 1) TO '/tmp/x'"}, 403, "permission denied to COPY to a file"),
    ],
)
def test_a_call_that_carto_refuses_is_refused(client, given, status, message):
    answer = client.post(SQL, json=given)
    assert (answer.status_code, answer.json()["error"]) == (status, [message])


def test_another_users_name_is_told_apart(client):
    wrong = client.get(SQL, params={"q": "SELECT 1"}, auth=("other", KEY))
    assert (wrong.status_code, wrong.json()) == (403, {"error": ["permission denied"]})
    for answer in (
        client.get("/user/other" + SQL, params={"q": "SELECT 1"}),
        client.get(SQL, params={"q": "SELECT 1"}, headers={"Host": "other.carto.example"}),
    ):
        assert answer.status_code == 404
        assert "can't find CARTO user 'other'" in answer.json()["error"][0]
    assert client.get("/api/v3/sql").status_code == 404


def test_an_error_after_the_first_row_is_a_200(ask):
    answer = ask("SELECT 6 / (3 - n) AS x FROM generate_series(1, 5) n")
    assert answer.status_code == 200
    body = answer.json()
    assert body["rows"] == [{"x": 3}, {"x": 6}]
    assert list(body) == ["rows", "time", "fields", "total_rows", "error"]
    assert (body["total_rows"], body["error"]) == (2, ["division by zero"])


def test_rows_can_be_made_to_stop_half_way_and_the_write_is_undone(standin, ask):
    ask("CREATE TABLE t (n int)")
    standin.configure(error_while_streaming="could not read block 3")
    answer = ask("INSERT INTO t SELECT generate_series(1, 4) RETURNING n")
    assert answer.status_code == 200
    assert (len(answer.json()["rows"]), answer.json()["error"]) == (2, ["could not read block 3"])
    assert ask("INSERT INTO t VALUES (1)").json()["total_rows"] == 1
    standin.configure(error_while_streaming=None)
    assert standin.call("POST", "tables") == [{"name": "t", "rows": 1, "public": False}]


def test_a_timeout_is_a_429_that_does_not_ask_to_wait(standin, ask):
    standin.configure(statement_timeout=0.05)
    answer = ask("SELECT pg_sleep(5)")
    body = answer.json()
    assert (answer.status_code, body["context"], body["detail"]) == (429, "limit", "datasource")
    assert body["error"][0].startswith(TIMEOUT)
    assert "retry-after" not in answer.headers
    late = ask("SELECT n, CASE WHEN n > 1 THEN pg_sleep(5) END FROM generate_series(1, 3) n")
    assert (late.status_code, len(late.json()["rows"])) == (200, 1)
    assert late.json()["error"][0].startswith(TIMEOUT)


def test_too_many_calls_are_told_how_long_to_wait(standin, ask):
    standin.configure(rate_limit=3)
    answers = [ask("SELECT 1") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    first, last = answers[0].headers, answers[3].headers
    assert (first["carto-rate-limit-limit"], first["retry-after"]) == ("3", "-1")
    assert (last["carto-rate-limit-remaining"], last["retry-after"]) == ("0", "1")
    assert int(last["carto-rate-limit-reset"]) <= 1
    assert answers[3].json() == {
        "error": ["You are over platform's limits. Please contact us to know more details"],
        "context": "limit",
        "detail": "rate-limit",
    }
    wait_for(lambda: ask("SELECT 1").status_code == 200)


def test_a_long_url_is_refused_by_the_web_server_and_a_long_body_is_not(client, ask):
    sql = f"SELECT length('{'x' * 9000}') AS n"
    answer = client.get(SQL, params={"q": sql})
    assert (answer.status_code, answer.headers["content-type"]) == (414, "text/html")
    assert ask(sql).json()["rows"] == [{"n": 9000}]


# Who may


def test_a_dataset_is_public_unless_the_account_makes_private_ones(standin, ask):
    ask(VISITS)
    standin.configure(privacy="private")
    ask("CREATE TABLE patients (name text); SELECT CDB_CartodbfyTable('clinic', 'patients')")
    ask("CREATE TABLE draft (n int)")
    assert standin.call("POST", "tables") == [
        {"name": "draft", "rows": 0, "public": False},
        {"name": "patients", "rows": 0, "public": False},
        {"name": "visits", "rows": 0, "public": True},
    ]
    refused = ask("SELECT * FROM patients", key="default_public")
    assert (refused.status_code, refused.json()) == (
        403, {"error": ["permission denied for table patients"]}
    )  # fmt: skip
    assert ask("GRANT SELECT ON patients TO publicuser").status_code == 200
    assert ask("SELECT name FROM patients", key="default_public").status_code == 200


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("INSERT INTO visits (n) VALUES (1)", 403),
        ("UPDATE visits SET n = 1", 403),
        ("DROP TABLE visits", 400),  # "must be owner" holds no "permission denied"
        ("CREATE TABLE mine (n int)", 403),
        ("SELECT CDB_CartodbfyTable('visits')", 400),
    ],
)
def test_without_a_key_one_may_only_read(standin, ask, client, sql, status):
    ask(VISITS)
    assert client.post(SQL, json={"q": sql}).status_code == status
    assert standin.call("POST", "tables") == [{"name": "visits", "rows": 0, "public": True}]


def test_user_tables_are_listed_by_privacy(ask):
    ask("CREATE TABLE secret (n int)")
    ask(VISITS)
    listed = {
        perm: [row["cdb_usertables"] for row in ask(f"SELECT CDB_UserTables('{perm}')").json()["rows"]]
        for perm in ("all", "public", "private")
    }
    assert listed == {"all": ["secret", "visits"], "public": ["visits"], "private": ["secret"]}


# Datasets


def test_cartodbfying_puts_three_columns_before_the_others(ask):
    ask("CREATE TABLE t (uid text PRIMARY KEY DEFAULT 'x', lat float8)")
    ask("INSERT INTO t VALUES ('a', 1), ('b', 2)")
    assert ask("SELECT CDB_CartodbfyTable('t')").json()["rows"] == [{"cdb_cartodbfytable": "t"}]
    answer = ask("SELECT * FROM t ORDER BY uid").json()
    assert list(answer["fields"]) == ["cartodb_id", "the_geom", "the_geom_webmercator", "uid", "lat"]
    assert answer["fields"]["the_geom"] == {"type": "geometry", "wkbtype": "Unknown", "dims": 2, "srid": 4326}
    assert [row["cartodb_id"] for row in answer["rows"]] == [1, 2]
    # The table was written anew: keys and defaults of its own did not come along.
    assert (
        "no unique or exclusion constraint"
        in ask("INSERT INTO t (uid) VALUES ('a') ON CONFLICT (uid) DO NOTHING").text
    )
    assert ask("INSERT INTO t (lat) VALUES (3) RETURNING cartodb_id, uid").json()["rows"] == [
        {"cartodb_id": 3, "uid": None}
    ]


def test_a_table_that_has_all_it_needs_keeps_its_keys(ask):
    ask(
        "CREATE TABLE t (cartodb_id serial PRIMARY KEY, uid text UNIQUE, the_geom geometry(Point, 4326),"
        " the_geom_webmercator geometry(Geometry,3857), note text DEFAULT 'geometry(Point,4326)')"
    )
    ask("SELECT CDB_CartodbfyTable('public', 't'); SELECT CDB_CartodbfyTable('t')")
    upsert = "INSERT INTO t (uid, the_geom) VALUES ('a', CDB_LatLng(2, 1)) ON CONFLICT (uid) DO UPDATE SET uid = 'a'"
    assert [ask(upsert).json()["total_rows"] for _ in range(2)] == [1, 1]
    (row,) = ask("SELECT the_geom, ST_AsText(the_geom_webmercator) AS map, note FROM t").json()["rows"]
    assert (row["the_geom"], row["note"]) == (POINT_1_2, "geometry(Point,4326)")
    x, y = map(float, row["map"].removeprefix("POINT(").rstrip(")").split())
    assert (x, y) == pytest.approx((111319.490793, 222684.208506))


def test_an_integer_key_becomes_the_id_and_wrong_columns_make_room(ask):
    ask("CREATE TABLE t (pk int PRIMARY KEY, cartodb_id_1 text, the_geom date); INSERT INTO t VALUES (7)")
    ask("SELECT CDB_CartodbfyTable('t')")
    fields = ask("SELECT * FROM t").json()["fields"]
    assert list(fields) == ["cartodb_id", "the_geom", "the_geom_webmercator", "cartodb_id_1", "the_geom_1"]
    assert ask("INSERT INTO t (the_geom) VALUES (NULL) RETURNING cartodb_id").json()["rows"] == [
        {"cartodb_id": 8}
    ]


def test_text_that_is_a_geometry_becomes_one(ask):
    ask("CREATE TABLE t (the_geom text); INSERT INTO t VALUES ('POINT(1 2)'), (NULL)")
    ask("SELECT CDB_CartodbfyTable('t')")
    assert [row["the_geom"] for row in ask("SELECT the_geom FROM t ORDER BY 1").json()["rows"]] == [
        POINT_1_2,
        None,
    ]


def test_an_unknown_schema_is_refused(ask):
    ask("CREATE TABLE t (n int)")
    assert ask("SELECT CDB_CartodbfyTable('somebody', 't')").json()["error"] == [
        'Invalid schema name "somebody"'
    ]


def test_a_geometry_without_the_right_srid_is_refused_by_a_dataset(ask):
    ask(VISITS)
    answer = ask("INSERT INTO visits (the_geom) VALUES (ST_MakePoint(1, 2))")
    assert answer.json()["error"] == ["Geometry SRID (0) does not match column SRID (4326)"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("ST_SetSRID(ST_MakePoint(1, 2), 4326)", POINT_1_2),
        ("ST_SetSRID(ST_Point(1, 2), 4326)", POINT_1_2),
        ("ST_GeomFromText('POINT(1 2)', 4326)", POINT_1_2),
        ('ST_GeomFromGeoJSON(\'{"type":"Point","coordinates":[1,2]}\')', POINT_1_2),
        ("'SRID=4326;POINT(1 2)'::geometry", POINT_1_2),
        (f"'{POINT_1_2.lower()}'::geometry", POINT_1_2),
        ("ST_AsText('SRID=4326;POINT(-1.5 0.02)')", "POINT(-1.5 0.02)"),
        ("ST_AsGeoJSON('POINT(0.123456789123 2)', 3)", '{"type":"Point","coordinates":[0.123,2]}'),
        ("ST_X(ST_MakePoint(36.817223, -1.286389))", 36.817223),
        ("ST_Y(ST_MakePoint(36.817223, -1.286389))", -1.286389),
        ("ST_SRID(ST_Point(1, 2, 3857))", 3857),
        ("ST_IsValid('POLYGON((0 0,1 0,1 1,0 0))')", True),
        ("ST_IsValid('POLYGON((0 0,1 0,1 1,0 1))')", False),
        ("GeometryType('MULTIPOINT(1 2)')", "MULTIPOINT"),
        ("ST_X(NULL)", None),
    ],
)
def test_points_are_made_and_read(ask, expression, value):
    assert ask(f"SELECT {expression} AS x").json()["rows"] == [{"x": value}]


@pytest.mark.parametrize(
    "wkt",
    [
        "POINT(-0.1 179.123456789012)",
        "POINT Z (1 2 3)",
        "POINT EMPTY",
        "LINESTRING(0 0,1 1.5,-2 7)",
        "POLYGON((0 0,1 0,1 1,0 0),(0.1 0.1,0.2 0.1,0.2 0.2,0.1 0.1))",
        "MULTIPOINT(0 0,1 1)",
        "MULTILINESTRING((0 0,1 1),(2 2,3 3))",
        "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))",
    ],
)
def test_every_shape_survives_the_binary_form(ask, wkt):
    answer = ask(
        f"SELECT ST_AsText(ST_SetSRID(ST_GeomFromText('{wkt}'), 4326)) AS wkt,"
        f" ST_AsText(ST_GeomFromGeoJSON(ST_AsGeoJSON('{wkt}', 17))) AS json"
    )
    assert answer.json()["rows"] == [{"wkt": wkt, "json": wkt}]


@pytest.mark.parametrize(
    "given", ["hello", "POINT(1 a)", "POINT(1", "01FF", '{"type":"Blob"}', "CIRCLE(1 2)"]
)
def test_what_is_no_geometry_is_refused(ask, given):
    assert ask(f"SELECT ST_AsText('{given}')").json()["error"] == ["parse error - invalid geometry"]


def test_ten_thousand_rows_take_less_than_three_seconds(standin, ask):
    ask(VISITS)
    began = time.monotonic()
    for start in range(0, 10_000, 500):
        rows = ",".join(
            f"('clinic {n}', {n}, ST_SetSRID(ST_MakePoint({n / 77}, {n / 199}), 4326))"
            for n in range(start, start + 500)
        )
        assert ask(f"INSERT INTO visits (place, n, the_geom) VALUES {rows}").json()["total_rows"] == 500
    assert time.monotonic() - began < 3
    assert standin.call("POST", "tables") == [{"name": "visits", "rows": 10_000, "public": True}]


# Bulk


COPY = "COPY visits (place, n, the_geom) FROM STDIN WITH (FORMAT csv, HEADER true)"
ROWS = b'place,n,the_geom\nMoshi,3,SRID=4326;POINT(1 2)\n"a, b",,\n'


def copy_from(client, content=ROWS, sql=COPY, key=KEY, **headers):
    return client.post(f"{SQL}/copyfrom", params={"q": sql, "api_key": key}, content=content, headers=headers)


def test_a_file_is_loaded_whole_or_in_chunks_or_packed(standin, client, ask):
    ask(VISITS)
    chunks = iter([ROWS[:20], ROWS[20:]])
    answers = [
        copy_from(client),
        copy_from(client, chunks),
        copy_from(client, gzip.compress(ROWS), **{"Content-Encoding": "gzip"}),
    ]
    assert [answer.json()["total_rows"] for answer in answers] == [2, 2, 2]
    assert list(answers[0].json()) == ["time", "total_rows"]
    rows = standin.call("POST", "rows", {"table": "visits"})
    assert [(row["cartodb_id"], row["place"], row["n"], row["the_geom"]) for row in rows[:2]] == [
        (1, "Moshi", 3, POINT_1_2),
        (2, "a, b", None, None),
    ]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (
            {"content": b"place,n,the_geom\nMoshi,3,\nMoshi,many,\n"},
            400,
            'invalid input syntax for type integer: "many"',
        ),
        ({"content": b"place,n,the_geom\n"}, 400, "No rows copied"),
        (
            {"content": b"nonsense", "Content-Encoding": "gzip"},
            400,
            "Error while gunzipping: incorrect header check",
        ),
        ({"sql": "SELECT 1"}, 400, "SQL must start with COPY"),
        ({"sql": "COPY nowhere FROM STDIN"}, 400, 'relation "nowhere" does not exist'),
        ({"key": "default_public"}, 403, "permission denied for table visits"),
    ],
)
def test_a_file_that_does_not_fit_leaves_nothing(standin, client, ask, change, status, message):
    ask(VISITS)
    answer = copy_from(client, **change)
    assert (answer.status_code, answer.json()["error"]) == (status, [message])
    assert standin.call("POST", "rows", {"table": "visits"}) == []


def test_a_table_is_dumped_as_a_file(client, ask):
    ask(VISITS)
    copy_from(client)
    given = {"q": "COPY visits (n, the_geom) TO STDOUT WITH (FORMAT csv, HEADER true)", "filename": "v.csv"}
    for answer in (client.get(f"{SQL}/copyto", params=given), client.post(f"{SQL}/copyto", json=given)):
        assert answer.text == f"n,the_geom\n3,{POINT_1_2}\n,\n"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == "attachment; filename=v.csv"
    assert client.get(f"{SQL}/copyto").json() == {"error": ["SQL is missing"]}


def test_a_copy_through_the_query_call_has_no_source(ask):
    ask("CREATE TABLE t (n int)")
    assert ask("COPY t FROM STDIN").json()["error"] == ["COPY from stdin failed: No source stream defined"]
    assert ask("COPY t TO STDOUT").json()["rows"] == []


# Batch


@pytest.fixture
def job(client):
    """Call the batch interface with the master key."""

    def job(method="POST", name="", key=KEY, **body):
        content = {"json": body} if body else {}
        return client.request(method, f"{SQL}/job{name}", params={"api_key": key}, **content)

    return job


def test_a_job_waits_runs_and_is_done(standin, ask, job):
    ask("CREATE TABLE t (n int)")
    standin.configure(job_starts_after=0.1, job_takes=0.15)
    answer = job(query="INSERT INTO t VALUES (1)")
    created = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch("[0-9a-f-]{36}", created["job_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created["created_at"])
    assert {**created, "job_id": 0, "created_at": 0, "updated_at": 0} == {
        "job_id": 0,
        "user": "clinic",
        "query": "INSERT INTO t VALUES (1)",
        "status": "pending",
        "created_at": 0,
        "updated_at": 0,
    }
    seen = [created["status"]]
    while seen[-1] != "done":
        seen.append(job("GET", "/" + created["job_id"]).json()["status"])
    assert list(dict.fromkeys(seen)) == ["pending", "running", "done"]
    assert standin.call("POST", "rows", {"table": "t"}) == [{"n": 1}]


def test_a_job_that_fails_says_why_and_stops_there(standin, ask, job):
    standin.configure(job_starts_after=0, job_takes=0)
    created = job(query=["CREATE TABLE t (n int)", "INSERT INTO t VALUES ('x')", "DROP TABLE t"]).json()
    ended = job("GET", "/" + created["job_id"]).json()
    reason = 'invalid input syntax for type integer: "x"'
    assert (ended["status"], ended["failed_reason"]) == ("failed", reason)
    assert [(each["status"], each.get("failed_reason")) for each in ended["query"]] == [
        ("done", None),
        ("failed", reason),
        ("pending", None),
    ]
    assert [table["name"] for table in standin.call("POST", "tables")] == ["t"]


def test_a_job_can_be_cancelled_until_it_ends(standin, ask, job):
    ask("CREATE TABLE t (n int)")
    standin.configure(job_starts_after=60)
    created = job(query="INSERT INTO t VALUES (1)").json()
    assert job("DELETE", "/" + created["job_id"]).json()["status"] == "cancelled"
    again = job("DELETE", "/" + created["job_id"])
    assert (again.status_code, again.json()["error"]) == (
        400,
        ["Cannot set status from cancelled to cancelled"],
    )
    assert standin.call("POST", "rows", {"table": "t"}) == []


@pytest.mark.parametrize(
    ("call", "status", "message"),
    [
        ({"query": ""}, 400, "You must indicate a valid SQL"),
        ({"query": {"a": 1}}, 400, "there is no job class for the provided query"),
        ({"query": "SELECT 1", "key": "wrong"}, 401, "Unauthorized"),
        ({"query": "SELECT 1", "key": "default_public"}, 403, "permission denied"),
        ({"method": "GET", "name": "/none"}, 400, "Job with id none not found"),
    ],
)
def test_a_job_that_carto_refuses_is_refused(job, call, status, message):
    answer = job(**call)
    assert (answer.status_code, answer.json()["error"]) == (status, [message])


def test_a_job_of_more_than_sixteen_kilobytes_is_refused(job):
    fits, too_long = "x" * (16 * 1024 - len('{"query":""}')), "x" * 16 * 1024
    assert job(query=fits).status_code == 201
    answer = job(query=too_long)
    assert answer.status_code == 400
    assert answer.json()["error"][0].startswith(
        "Your payload is too large: 16396 bytes. Max size allowed is 16384"
    )


# Database, memory, control


def test_reset_drops_all_that_callers_made(standin, ask):
    ask("CREATE SCHEMA other; CREATE TABLE other.t (n int); CREATE FUNCTION f() RETURNS int RETURN 1")
    ask(VISITS)
    standin.configure(privacy="private")
    standin.reset()
    assert standin.state() == {"tables": [], "jobs": []}
    left = ask("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1").json()["rows"]
    assert [row["nspname"] for row in left] == ["cartodb", "information_schema", "public"]
    ask(VISITS)
    assert standin.call("POST", "tables")[0]["public"] is True


def test_what_cannot_be_controlled_is_told(standin):
    with pytest.raises(StandinFailed, match="There is no table 'none'"):
        standin.call("POST", "rows", {"table": "none"})
    with pytest.raises(StandinFailed, match="keeps the database"):
        standin.configure(database="postgresql:///other")


def test_without_a_database_it_does_not_start(capfd):
    with pytest.raises(StandinFailed):
        Standin.start("carto")
    assert "needs the setting `database`" in capfd.readouterr().err


def test_a_database_that_is_away_is_a_500_and_comes_back(standin, ask):
    ask("SELECT 1")
    with psycopg.connect(admin_url(), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'carto_%'")
    assert ask("SELECT 1 AS n").json()["rows"] == [{"n": 1}]


def test_tables_and_jobs_survive_a_restart(tmp_path):
    admin, name = admin_url(), "carto_test_restart"
    try:
        for attempt in range(2):
            config = {"database": carto_database(admin, name), "job_starts_after": 60}
            with Standin.start("carto", data=tmp_path / "carto.json", config=config) as standin:
                if not attempt:
                    given = {"q": "CREATE TABLE kept AS SELECT 1 AS n", "api_key": KEY}
                    httpx.post(standin.url + SQL, json=given)
                    httpx.post(f"{standin.url}{SQL}/job", json={"query": "SELECT 1", "api_key": KEY})
                assert standin.call("POST", "rows", {"table": "kept"}) == [{"n": 1}]
                assert len(standin.state()["jobs"]) == 1
    finally:
        carto_database_remove(admin, name)


def test_its_roles_reach_no_other_database():
    admin, name = admin_url(), "carto_test_locked"
    try:
        url = carto_database(admin, name)
        with psycopg.connect(admin) as connection:
            others = [
                database
                for (database,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn")
                if database != name
            ]
        assert len(others) >= 3
        for role in (url, reader_url(url)):
            user, password = role.removeprefix("postgresql://").partition("@")[0].split(":")
            for database in others:
                with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                    psycopg.connect(url_with(role, user, password, database))
        with psycopg.connect(url) as own, pytest.raises(psycopg.errors.InsufficientPrivilege):
            own.execute("CREATE ROLE another")
    finally:
        carto_database_remove(admin, name)


def test_making_a_database_again_keeps_what_is_in_it_and_changes_the_password():
    admin, name = admin_url(), "carto_test_again"
    try:
        first = carto_database(admin, name)
        with psycopg.connect(first, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        second = carto_database(admin, name)
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(first)
    finally:
        carto_database_remove(admin, name)


def test_an_administrator_need_not_be_superuser():
    with temporary_servers(with_redis=False) as servers:
        with psycopg.connect(servers.database_url, autocommit=True) as superuser:
            superuser.execute("CREATE ROLE maker LOGIN CREATEROLE CREATEDB PASSWORD 'secret'")
            superuser.execute("CREATE DATABASE clinic OWNER maker")
        admin = url_with(servers.database_url, "maker", "secret", "clinic")
        for _ in range(2):
            url = carto_database(admin, "carto_demo")
        with Standin.start("carto", config={"database": url}) as standin:
            answer = httpx.post(standin.url + SQL, json={"q": VISITS, "api_key": KEY})
            assert answer.json()["rows"] == [{"cdb_cartodbfytable": "visits"}]
            public = httpx.get(standin.url + SQL, params={"q": "SELECT count(*) FROM visits"})
            assert public.json()["rows"] == [{"count": 0}]
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url.replace("/carto_demo?", "/clinic?"))
        carto_database_remove(admin, "carto_demo")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="small letters"):
        carto_database(admin_url(), "Carto Demo")
