"""The CARTO stand-in's database: its own, locked up, kept over restarts and emptied by a reset."""

import httpx
import psycopg
import pytest

from openfn_platform.demo.standins.carto.database import (
    carto_database,
    carto_database_remove,
    reader_url,
    url_with,
)
from openfn_platform.demo.standins.process import Standin, StandinFailed
from openfn_platform.local.servers import temporary_servers
from tests.demo.standin_carto.constants import KEY, SQL, VISITS
from tests.servers.carto import admin_url


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
