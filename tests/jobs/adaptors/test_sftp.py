"""`sftp` against a real SFTP server."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AuthError,
    ConfigurationError,
    NotFound,
    Unavailable,
    ValidationError,
)
from tests.servers.sftp import SftpServer


@pytest.fixture
def server():
    with SftpServer() as server:
        yield server


@pytest.fixture
def connect(server):
    opened = []

    def make(*, context: Context | None = None, **more: Any) -> Any:
        usual = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": server.user,
            "password": server.password,
        }
        client = registry.connect("sftp", {**usual, **more}, context or Context(allow_private=True))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def test_what_was_put_comes_back(connect):
    sftp = connect()
    assert sftp.put("/räport 1.txt", "Grüße") == {"path": "/räport 1.txt", "size": 7}
    assert sftp.get("/räport 1.txt") == "Grüße".encode()
    assert sftp.get_text("/räport 1.txt") == "Grüße"
    sftp.put_json("/p.json", {"name": "Aïssatou", "n": [1]})
    assert sftp.get_json("/p.json") == {"name": "Aïssatou", "n": [1]}
    sftp.put_csv("/p.csv", [{"a": 1, "b": "x;y"}, {"a": 2}])
    assert sftp.get_csv("/p.csv") == [{"a": "1", "b": "x;y"}, {"a": "2", "b": ""}]
    sftp.put("/p.bin", b"\0\1")
    assert sftp.get("/p.bin") == b"\0\1"


def test_what_is_no_file_is_refused_before_it_is_written(connect):
    sftp = connect()
    for content in (None, {"a": 1}, ["x"], 5):
        with pytest.raises(ValidationError, match="use put_json"):
            sftp.put("/x.json", content)
    with pytest.raises(ValidationError, match="holds NaN"):
        sftp.put_json("/x.json", {"a": float("nan")})
    assert sftp.list("/") == []
    sftp.put_json("/x.json", {"at": datetime(2026, 3, 6, 23, 30, tzinfo=UTC)})
    assert sftp.get_json("/x.json") == {"at": "2026-03-06T23:30:00+00:00"}


def test_lines_in_another_encoding_are_told(connect):
    sftp = connect()
    sftp.put("/l.csv", "näme\r\n1".encode("latin-1"))
    with pytest.raises(ValidationError, match=r"/l\.csv is not text in utf-8"):
        list(sftp.each_line("/l.csv"))
    assert list(sftp.each_line("/l.csv", encoding="latin-1")) == ["näme", "1"]


def test_a_folder_is_listed_by_pattern(connect):
    sftp = connect()
    for name in ("b.csv", "a.csv", "c.txt"):
        sftp.put(f"/{name}", "x")
    found = sftp.list("/", "*.csv")
    assert [(each["name"], each["path"], each["size"], each["folder"]) for each in found] == [
        ("a.csv", "/a.csv", 1, False),
        ("b.csv", "/b.csv", 1, False),
    ]


def test_big_files_are_read_line_by_line(connect):
    sftp = connect()
    sftp.put("/big.csv", "".join(f"{number},ü\r\n" for number in range(5000)))
    lines = list(sftp.each_line("/big.csv"))
    assert (len(lines), lines[0], lines[-1]) == (5000, "0,ü", "4999,ü")


def test_a_file_appears_only_when_it_is_complete_and_replaces_the_old_one(connect, server):
    sftp = connect()
    sftp.put("/a.csv", "old")
    sftp.put("/a.csv", "new")
    assert sftp.get("/a.csv") == b"new"
    assert [each["name"] for each in sftp.list("/")] == ["a.csv"]
    assert all(".part-" in path for path in server.done("write"))


def test_files_are_moved_and_removed_and_removed_again(connect):
    sftp = connect()
    sftp.put("/a", "x")
    sftp.move("/a", "/b")
    sftp.remove("/b")
    sftp.remove("/b")
    assert sftp.list("/") == []


def test_what_is_not_there_or_not_readable_is_told(connect):
    sftp = connect()
    with pytest.raises(NotFound, match="has no /nothing"):
        sftp.get("/nothing")
    sftp.put("/x.json", "{")
    with pytest.raises(ValidationError, match="not valid JSON"):
        sftp.get_json("/x.json")
    sftp.put("/x.txt", b"\xff\xfe")
    with pytest.raises(ValidationError, match="not text in utf-8"):
        sftp.get_text("/x.txt")


def test_a_key_logs_in(connect, server):
    text = io.StringIO()
    server.client_key.write_private_key(text)
    assert "accepts" in connect(password="", privateKey=text.getvalue()).test()
    with pytest.raises(ConfigurationError, match="private key"):
        connect(privateKey="-----BEGIN nonsense").test()


def test_a_wrong_password_is_about_the_credential(connect):
    with pytest.raises(AuthError, match="does not accept the log-in") as caught:
        connect(password="wrong-4711").test()
    assert "wrong-4711" not in str(caught.value)


def test_another_server_is_not_believed(connect, server):
    assert "accepts" in connect(hostKey=server.fingerprint).test()
    with pytest.raises(ConfigurationError, match="another key"):
        connect(hostKey="SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8").test()
    assert server.done("write") == []


def test_a_broken_line_is_worth_another_try_because_a_second_put_leaves_one_file(connect, server):
    sftp = connect()
    server.drop_after("close")
    with pytest.raises((Unavailable, AdaptorError)):
        sftp.put("/a.csv", "x")
    sftp.put("/a.csv", "x")
    assert sftp.get("/a.csv") == b"x"


def test_a_dry_run_changes_nothing_and_shows_it(connect, server):
    told: list[Any] = []
    dry = connect(context=Context(allow_private=True, dry_run=True, trace=told.append))
    dry.put("/a.csv", "the rows")
    dry.move("/a", "/b")
    dry.remove("/a")
    assert server.done("write") == []
    assert [(each["method"], each["dry"], each["protocol"]) for each in told] == [
        ("PUT", True, "sftp"),
        ("MOVE", True, "sftp"),
        ("DELETE", True, "sftp"),
    ]
    assert told[0]["request_body"] == "the rows"


def test_the_password_is_in_no_trace(connect, server):
    told: list[Any] = []
    sftp = connect(context=Context(allow_private=True, trace=told.append), password=server.password)
    sftp.put("/a", f"x {server.password}")
    assert told[-1]["outcome"].endswith("bytes")
    if len(server.password) >= 6:
        assert server.password not in str(told)
