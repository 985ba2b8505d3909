"""The CARTO stand-in loads and dumps files, and runs batch queries by the clock."""

import gzip
import re

import pytest

from tests.demo.standin_carto.constants import KEY, POINT_1_2, SQL, VISITS

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
