"""Jobs at the desk: a file runs as the platform would run it, without a database."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from openfn_platform.common.errors import Invalid
from runs.desk import DeskAnswers
from runs.sandbox.exchanges import ExchangeReader

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET = "desk-secret-4711"
JOB = """
print("to", value("phone"), "in", settings.country)
again = once("send", partner.post, "/sms", {"to": value("phone"), "key": state.configuration["api_key"]})
if once("send", fail, "twice") != again: fail("it was forgotten")
problem("row 7", "no phone number")
state.data = {"was": steps["register"].data["uuid"], "key": state.configuration["api_key"], "dry": run.dry}
note("one message sent")
"""


class Desk:
    """A folder with files, and the command."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.credential = self.file("partner.json", json.dumps({"baseUrl": url, "api_key": SECRET}))

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, "utf-8")
        return name

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ) | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
        return subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), "job", *arguments],
            cwd=self.folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def job(self, *more: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        given = ["--config", f"partner=http:{self.credential}", "--setting", "country=Togo"]
        given += ["--step", 'register={"data": {"uuid": "p-1"}}']
        return self.run("run", self.file("send.py", JOB), *given, *more, stdin=stdin)


SHARED = """
from library import facilities
t = tables.facilities
t.set("new", 1)
state.data = [facilities.name_of("12"), t["13"]["name"], tables.codes["a"], t["new"], t.delete("new"), "new" in t]
"""


def test_tables_and_the_library_are_folders_at_the_desk(desk: Desk):
    for folder in ("tables", "library"):
        (desk.folder / folder).mkdir()
    desk.file("tables/facilities.csv", "code,name\n12,Lomé\n13,Kara\n")
    desk.file("tables/codes.json", '{"a": [1]}')
    desk.file("library/facilities.py", "def name_of(code): return tables.facilities[code]['name']\n")
    done = desk.run("run", desk.file("job.py", SHARED), "--tables", "tables", "--library", "library")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"] == ["Lomé", "Kara", [1], 1, True, False]
    desk.file("tables/bad.csv", "key,value\n,x\n")
    done = desk.run("run", "job.py", "--tables", "tables", "--library", "library")
    assert "bad.csv, line 2: The key is empty." in done.stderr
    assert "cannot be read" in desk.run("run", "job.py", "--tables", "nowhere").stderr


@pytest.fixture
def partner() -> Iterator[tuple[str, list[Any]]]:
    taken: list[Any] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Takes) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()
        thread.join()


@pytest.fixture
def desk(tmp_path: Path, partner: tuple[str, list[Any]]) -> Desk:
    return Desk(tmp_path, partner[0])


def state_of(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout[done.stdout.index("\n{\n") :])


def test_a_file_runs_with_its_input_credential_settings_and_steps(desk: Desk, partner: Any) -> None:
    done = desk.job("--input", desk.file("form.json", '{"phone": "+22890112233"}'))
    assert done.returncode == 0, done.stderr
    assert partner[1] == [{"to": "+22890112233", "key": SECRET}]
    assert "to +22890112233 in Togo" in done.stdout
    assert "POST http://127.0.0.1" in done.stdout
    assert state_of(done) == {"data": {"was": "p-1", "key": "***", "dry": False}}
    assert "problem row 7: no phone number" in done.stderr
    assert "success: one message sent" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_dry_run_sends_nothing_and_shows_what_it_would_send(desk: Desk, partner: Any) -> None:
    code = "partner.post('/sms', value('body'))"
    file = desk.file("dry.py", code)
    done = desk.run(
        *("run", file, "--input", "-", "--dry-run", "--config", f"partner=http:{desk.credential}"),
        stdin='{"body": {"to": "+228"}}',
    )
    assert done.returncode == 0, done.stderr
    assert partner[1] == []
    assert 'not sent (dry run) {"to": "+228"}' in done.stdout


def test_lines_come_while_the_job_runs_and_a_failure_is_exit_code_1(desk: Desk) -> None:
    code = "import time\nprint('begun')\ntime.sleep(1)\nfail('no stock', hint='order some')"
    with subprocess.Popen(
        [sys.executable, str(CHECKOUT / "manage.py"), "job", "run", desk.file("slow.py", code)],
        cwd=desk.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "begun" in process.stdout.readline()
        assert process.poll() is None
        process.stdout.read()
        said = process.stderr.read()
    assert process.returncode == 1
    assert "JobError (line 4): no stock" in said
    assert "order some" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "none.py"), "cannot be read"),
        (("run", "job.txt"), "ends with .py"),
        (("run", "job.py", "--input", "{nonsense"), "This is not JSON"),
        (("run", "job.py", "--config", "emr=openmars"), "There is no adaptor named 'openmars'"),
        (("run", "job.py", "--config", "emr"), "write NAME=VALUE"),
        (("run", "job.py", "--state", "[1]"), "must be a JSON object"),
    ],
)
def test_what_is_wrong_with_the_call_is_said_in_a_sentence(
    desk: Desk, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    from django.core.management import CommandError, call_command

    desk.file("job.py", "pass")
    where = [str(desk.folder / each) if each == "job.py" else each for each in arguments]
    with pytest.raises(CommandError, match=sentence):
        call_command("job", *where)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"method": "GET", "url": "https://x.example/", "status": 200, "attempt": 2}, "GET https://x.example/ → 200 (attempt 2)"),
        (
            {"protocol": "sql", "method": "INSERT", "url": "postgresql://db/visits", "outcome": "12 rows", "request_body": "insert …"},
            "SQL INSERT postgresql://db/visits → 12 rows insert …",
        ),
        ({"protocol": "smtp", "method": "SEND", "url": "smtp://mail", "error": "refused"}, "SMTP SEND smtp://mail → refused"),
        ({"method": "PUT", "url": "https://x.example/", "dry": True}, "PUT https://x.example/ → not sent (dry run)"),
        ({"method": "PUT", "url": "https://x.example/"}, "PUT https://x.example/ → no answer"),
        ({"protocol": "sftp", "method": "PUT", "url": "sftp://x/a"}, "SFTP PUT sftp://x/a → done"),
    ],
)  # fmt: skip
def test_an_exchange_is_one_line_whatever_its_protocol(record: dict[str, Any], line: str) -> None:
    from runs.management.commands.job import told

    assert told(ExchangeReader(bodies_bytes=1_000, redact=str).read(record)) == line


def test_stubs_are_python_and_name_what_the_job_has(capsys: pytest.CaptureFixture[str]) -> None:
    from django.core.management import call_command

    call_command("job", "stubs", "--config", "emr=openmrs", "--setting", "country=Togo")
    text = capsys.readouterr().out
    names = {each.target.id for each in ast.parse(text).body if isinstance(each, ast.AnnAssign)}  # type: ignore[union-attr]
    assert {"emr", "state", "settings", "run"} <= names
    assert "country: Any" in text
    assert "def find_one(" in text


def test_the_desk_remembers_like_the_platform_for_one_run() -> None:
    ask = DeskAnswers(steps={"a": {"data": 1}})
    assert ask("once.begin", {"key": "x"}) == {"status": "new"}
    assert ask("once.begin", {"key": "x"}) == {"status": "unsure"}
    ask("once.done", {"key": "x", "result": 5})
    assert ask("once.begin", {"key": "x"}) == {"status": "done", "result": 5}
    ask("once.undo", {"key": "x"})
    assert ask("once.begin", {"key": "x"}) == {"status": "new"}
    assert ask("step.state", {"job": "a"}) == {"state": {"data": 1}}
    assert ask("step.state", {"job": "b"}) == {"state": None}
    written = {"system": "emr", "id": "1", "hash": "h"}
    assert ask("echo.came_from_us", written) == {"ours": False}
    ask("echo.wrote", written)
    assert ask("echo.came_from_us", written) == {"ours": True}
    with pytest.raises(Invalid):
        ask("database.dump", {})
