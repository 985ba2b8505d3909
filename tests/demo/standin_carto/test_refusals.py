"""The CARTO stand-in says no as CARTO does: errors, limits, and who may."""

import json
import time

import pytest

from tests.demo.standin_carto.constants import KEY, SQL, VISITS

TIMEOUT = "You are over platform's limits: SQL query timeout error."


def wait_for(condition, seconds=3):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


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
