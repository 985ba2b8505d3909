"""The CARTO stand-in makes datasets of tables, and knows what a geometry is without PostGIS."""

import json
import time

import pytest

from tests.demo.standin_carto.constants import POINT_1_2, VISITS


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


def test_the_schema_is_the_accounts_own_only_in_an_organization(standin, ask):
    ask("CREATE TABLE t (n int)")
    assert ask("SELECT CDB_CartodbfyTable('clinic', 't')").status_code == 200
    standin.configure(organization=False)
    for schema in ("somebody", "clinic"):
        answer = ask(f"SELECT CDB_CartodbfyTable('{schema}', 't')")
        assert answer.json()["error"] == [f'Invalid schema name "{schema}"']
    assert ask("SELECT CDB_CartodbfyTable('public', 't')").status_code == 200


def test_the_map_column_follows_the_geometry(ask):
    ask(VISITS)
    shape = "SRID=4326;POLYGON((0 0,180 0,180 45,0 0))"
    ask(f"INSERT INTO visits (place, the_geom) VALUES ('area', '{shape}'), ('pole', 'SRID=4326;POINT(0 90)')")
    map_of = "SELECT ST_AsGeoJSON(the_geom_webmercator, 0) AS map FROM visits ORDER BY cartodb_id"
    area, pole = (json.loads(row["map"])["coordinates"] for row in ask(map_of).json()["rows"])
    assert area == [[[0, 0], [20037508, 0], [20037508, 5621521], [0, 0]]]
    assert pole == [0, 30240972]  # 89 degrees: the pole itself is infinitely far away
    ask("UPDATE visits SET the_geom = NULL")
    assert [row["map"] for row in ask(map_of).json()["rows"]] == [None, None]


def test_a_geometry_without_the_right_srid_is_refused_by_a_dataset(ask):
    ask(VISITS)
    answer = ask("INSERT INTO visits (the_geom) VALUES (ST_MakePoint(1, 2))")
    assert answer.json()["error"] == ["Geometry SRID (0) does not match column SRID (4326)"]


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
