"""`carto` against the stand-in, which executes SQL for real."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, Forbidden, Unavailable, ValidationError
from openfn_platform.demo.standins.carto.partner import Carto
from tests.servers.carto import carto_standin

ACCOUNT, KEY = Carto.settings["account"], Carto.settings["api_key"]
COLUMNS = {"event": "text", "name": "text", "n": "numeric", "more": "jsonb"}


@pytest.fixture(scope="module", params=[True, False], ids=["organisation", "own account"])
def running(request):
    with carto_standin(organization=request.param) as standin:
        yield standin


@pytest.fixture
def carto(running):
    running.clear_faults()
    configuration = {"account": ACCOUNT, "apiKey": KEY, "baseUrl": running.url}
    client = registry.connect("carto", configuration, Context(allow_private=True))
    client.sql("drop table if exists visits")
    client.publish("visits", COLUMNS, key="event")
    yield client
    client.close()


def anybody(standin: Any, query: str) -> httpx.Response:
    return httpx.get(f"{standin.url}/api/v2/sql", params={"q": query})


def test_rows_arrive_with_every_sign_that_a_name_can_have(carto):
    names = ["O'Brien", "a\\b", "عائشة", "𝒳", "", "'); drop table visits; --", "$p2 $&"]
    carto.add_rows(
        "visits", [{"event": str(n), "name": name, "more": {"q": name}} for n, name in enumerate(names)]
    )
    rows = carto.sql("select name, more->>'q' as q from visits order by event")
    assert [(row["name"], row["q"]) for row in rows] == [(name, name) for name in names]


def test_a_point_is_on_the_map_and_nothing_stays_nothing(carto):
    carto.add_row(
        "visits", {"event": "1", "the_geom": {"type": "Point", "coordinates": [30.5, -4.25]}, "n": None}
    )
    (row,) = carto.sql("select ST_X(the_geom) as x, ST_Y(the_geom) as y, n from visits")
    assert row == {"x": 30.5, "y": -4.25, "n": None}


def test_a_table_is_private_until_it_is_published(carto, running):
    carto.add_row("visits", {"event": "1", "name": "a person"})
    assert anybody(running, "select * from visits").status_code in (401, 403)
    carto.publish("visits", COLUMNS, key="event", public=True)
    assert anybody(running, "select event from visits").json()["rows"] == [{"event": "1"}]
    carto.publish("visits", COLUMNS, key="event")
    assert anybody(running, "select * from visits").status_code in (401, 403)


@pytest.mark.parametrize("table", ["Visits 2026", 'a"b', "o'clock", "عيادات"])
def test_a_table_may_have_any_name(carto, table):
    carto.publish(table, COLUMNS, key="event")
    assert carto.add_rows(table, [{"event": "1"}]) == 1
    quoted = table.replace('"', '""')
    assert carto.sql(f'select event, the_geom from "{quoted}"') == [{"event": "1", "the_geom": None}]


def test_publishing_again_keeps_the_rows(carto):
    carto.add_row("visits", {"event": "1"})
    carto.publish("visits", COLUMNS, key="event")
    assert carto.sql("select count(*) as n from visits") == [{"n": 1}]


def test_an_upsert_whose_answer_was_lost_leaves_each_row_once(carto, running):
    running.faults(
        {"match": {"body_contains": "ON CONFLICT"}, "times": 1, "action": {"drop_after_processing": True}}
    )
    rows = [{"event": str(number % 700), "n": number} for number in range(700)]
    assert carto.upsert_rows("visits", rows, key="event") == 700
    assert carto.upsert_rows("visits", [{"event": "1", "n": 99}], key="event") == 1
    assert carto.sql("select count(*) as n, max(n) as m from visits where event = '1'") == [{"n": 1, "m": 99}]


def test_an_insert_whose_answer_was_lost_is_not_repeated(carto, running):
    running.faults(
        {"match": {"body_contains": "INSERT"}, "times": 1, "action": {"drop_after_processing": True}}
    )
    with pytest.raises(Unavailable) as caught:
        carto.add_row("visits", {"event": "1"})
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert carto.sql("select count(*) as n from visits") == [{"n": 1}]


def test_ten_thousand_rows_are_copied_and_read_again_page_by_page(carto):
    rows = ({"event": f"{number:05d}", "name": "ü,\"'"} for number in range(10_000))
    assert carto.copy_rows("visits", rows) == 10_000
    read = [row["event"] for row in carto.each("select event from visits order by event", page_size=3_000)]
    assert (len(read), read[0], read[-1]) == (10_000, "00000", "09999")


def test_an_upsert_leaves_alone_what_a_row_lacks(carto):
    carto.add_rows("visits", [{"event": "1", "name": "Ama", "n": 1}, {"event": "2", "name": "Afi", "n": 2}])
    assert (
        carto.upsert_rows("visits", [{"event": "1", "n": 5}, {"event": "2", "name": None}], key="event") == 2
    )
    assert carto.sql("select name, n from visits order by event") == [
        {"name": "Ama", "n": 5},
        {"name": None, "n": 2},
    ]


def test_a_copy_keeps_empty_texts_apart_from_nothing(carto):
    texts = ["", None, '"', "a,b\r\nc", "\\.", "'", "é𝒳", "NULL"]
    rows = [{"event": str(n), "name": text, "n": n or None} for n, text in enumerate(texts)]
    assert carto.copy_rows("visits", rows) == len(texts)
    found = carto.sql("select name, n from visits order by event")
    assert found == [{"name": text, "n": n or None} for n, text in enumerate(texts)]
    assert carto.copy_rows("visits", [{"name": None}, {"name": ""}, {"name": "\\."}]) == 3
    assert carto.sql("select name from visits where event is null order by name") == [
        {"name": ""},
        {"name": "\\."},
        {"name": None},
    ]


def test_rows_are_deleted_by_their_values(carto):
    carto.add_rows("visits", [{"event": "1", "name": None}, {"event": "2", "name": "x"}])
    assert carto.delete_rows("visits", {"name": None}) == 1
    assert carto.sql("select event from visits") == [{"event": "2"}]


def test_a_long_query_runs_in_the_background_and_its_failure_is_told(carto):
    assert carto.job("update visits set n = %s", [1], wait=10)["status"] == "done"
    with pytest.raises(AdaptorError, match="does not exist"):
        carto.job("update nothing set n = 1", wait=10)


def test_errors_come_in_the_databases_words(carto):
    with pytest.raises(ValidationError, match='CARTO: column "nam" does not exist'):
        carto.sql("select nam from visits")
    with pytest.raises(ValidationError, match="duplicate key"):
        carto.add_rows("visits", [{"event": "1"}, {"event": "1"}])


def test_a_wrong_key_is_about_the_credential(running):
    configuration = {"account": ACCOUNT, "apiKey": "wrong-wrong-wrong", "baseUrl": running.url}
    with (
        registry.connect("carto", configuration, Context(allow_private=True))._connection as client,
        pytest.raises((AuthError, Forbidden)) as caught,
    ):
        client.ask_sql("select 1", write=False, repeatable=True)
    assert "wrong-wrong-wrong" not in str(caught.value)
