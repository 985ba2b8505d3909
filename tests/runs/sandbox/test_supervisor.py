"""A run ends in time, within its limits, with one clear reason, and its log arrives while it runs."""

import os
import time
from dataclasses import replace

import pytest

from jobs.language.contract import Connection, Outcome
from openfn_platform.common.errors import Conflict
from runs.sandbox.limits import Limits
from tests.runs.sandbox.conftest import answer_of, request_for

FORGE = """
import os
from runs.sandbox import wire
def leave(data):
    os.pwrite(6, data, 0)
    os._exit(0)
"""


def test_state_goes_in_and_comes_out_as_bytes(run):
    ended = run("final = state[::-1]; memory = b'm'", state=b"\x00\xff not JSON")
    assert (ended.state, ended.memory) == (b"NOSJ ton \xff\x00", b"m")
    assert ended.result.outcome is Outcome.SUCCESS
    assert ended.death is None


def test_what_a_run_cost_is_known(run):
    ended = run("block = bytearray(b'x' * 30_000_000); sum(range(2_000_000))")
    assert ended.cpu_seconds > 0.02
    assert ended.max_rss_kb > 30_000
    assert ended.wall_seconds > ended.cpu_seconds / 2


def test_a_busy_loop_is_ended_at_its_wall_limit(run):
    ended = run("while True: pass", limits=Limits(wall_seconds=0.5))
    assert ended.death.kind == "timeout"
    assert 0.5 <= ended.wall_seconds < 2


def test_a_result_left_before_the_wall_limit_does_not_count(run):
    code = "from runs.sandbox import wire\nwire.result_write(6, header={'outcome': 'success'}, state=b'{}', memory=None)\nwhile True: pass"
    ended = run(code, limits=Limits(wall_seconds=0.3))
    assert (ended.death.kind, ended.result, ended.state) == ("timeout", None, None)


def test_a_run_can_be_stopped_with_a_reason(run):
    began = time.monotonic()
    ended = run(
        "import time; time.sleep(30)",
        should_stop=lambda: "Amina cancelled the run." if time.monotonic() - began > 0.3 else None,
    )
    assert (ended.death.kind, ended.death.reason) == ("stopped", "Amina cancelled the run.")
    assert ended.wall_seconds < 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("bytearray(400_000_000)", "memory"),
        ("x = []\nwhile True: x.append(bytearray(b'x' * 1_000_000))", "memory"),
        ("import os; os._exit(0)", "exit"),
        ("import os; os._exit(7)", "exit"),
        ("import sys; sys.exit()", "exit"),
        ("import os; os.abort()", "signal"),
        ("import ctypes; ctypes.string_at(0)", "signal"),
        ("import os; os.kill(os.getpid(), 9)", "signal"),
        ("import signal, os; os.kill(os.getpid(), signal.SIGXCPU)", "timeout"),
        ("final = b'x' * 1_000_001", "state_too_large"),
        ("memory = b'x' * 1_000_001", "state_too_large"),
        ("while True: print('x' * 10_000)", "log_flood"),
    ],
)
def test_every_death_has_its_own_name_and_a_sentence(run, code, kind):
    limits = Limits(
        wall_seconds=20, memory_bytes=100_000_000, state_bytes=1_000_000, log_flood_bytes=5_000_000
    )
    ended = run(code, limits=limits)
    assert ended.death.kind == kind, ended
    assert ended.death.reason.endswith(".")
    assert ended.result is None


def test_an_exit_code_and_a_signal_are_kept(run):
    assert run("import os; os._exit(7)").death.exit_code == 7
    assert run("import os; os.abort()").death.signal == 6


@pytest.mark.parametrize(
    "forgery",
    [
        "leave(b'x' * 100)",
        "leave(wire._RESULT_PREFIX.pack(b'OPFNRES1', 2**63, 0, 0) + b'{}')",
        "leave(wire._RESULT_PREFIX.pack(b'OPFNRES1', 2, -5, 0) + b'{}')",
        "leave(wire._RESULT_PREFIX.pack(b'OPFNRES1', 2, 500, 0) + b'{}')",
        "leave(wire._RESULT_PREFIX.pack(b'OPFNRES1', 4, -1, -1) + b'nope')",
        "h = b'[' * 500_000; leave(wire._RESULT_PREFIX.pack(b'OPFNRES1', len(h), -1, -1) + h)",
        "h = b'{\"a\":' * 300_000; leave(wire._RESULT_PREFIX.pack(b'OPFNRES1', len(h), -1, -1) + h)",
        "wire.result_write(6, header={'outcome': 'splendid'}, state=None, memory=None); os._exit(0)",
        "wire.result_write(6, header={'outcome': ['success']}, state=None, memory=None); os._exit(0)",
        "wire.result_write(6, header={'outcome': 'failed', 'failure': 7}, state=None, memory=None); os._exit(0)",
        "wire.result_write(6, header={'died': 'of old age'}, state=None, memory=None); os._exit(0)",
        "wire.result_write(6, header={'outcome': 'success', 'is_admin': True}, state=None, memory=None); os._exit(0)",
    ],
)
def test_a_forged_result_becomes_a_sentence(run, forgery):
    ended = run(FORGE + forgery)
    assert ended.death.kind == "forged", ended
    assert ended.death.reason.startswith("The run's result cannot be used: ")


def test_a_huge_result_is_refused_by_its_size(run):
    code = FORGE + "leave(wire._RESULT_PREFIX.pack(b'OPFNRES1', 2, 2**40, 0) + b'{}')"
    assert run(code).death.kind == "state_too_large"


def test_log_lines_arrive_while_the_job_runs(run):
    seen = []
    run(
        "import time; print('one'); time.sleep(0.6); print('two')",
        should_stop=lambda: seen.append(len(run.lines)),
    )
    assert 1 in seen
    assert run.text == ["one", "two"]


def test_many_lines_come_in_few_batches(run):
    run("for n in range(5_000): print(n)")
    assert len(run.lines) == 5_000
    assert len(run.batches) < 500


def test_a_log_is_cut_with_the_number_of_lines_that_are_missing(run):
    ended = run("for n in range(1_000): print(n)", limits=Limits(log_lines=100))
    assert ended.log_lines_dropped == 900
    assert len(run.lines) == 101
    assert run.text[-1] == "The log was cut here: 900 more lines were not kept."


def test_thirty_megabytes_of_prints_neither_block_the_job_nor_fill_the_log(run):
    ended = run("line = 'x' * 999\nfor _ in range(30_000): print(line)")
    assert ended.result.outcome is Outcome.SUCCESS
    assert sum(len(text) for text in run.text) < 1_100_000
    assert ended.log_lines_dropped > 28_000


def test_structured_records_keep_their_level_and_exchanges_their_fields(run):
    run(
        "emit({'kind': 'log', 'level': 'error', 'text': 'no'});"
        "emit({'kind': 'http', 'method': 'POST', 'status': 201}); print('raw')"
    )
    found = {(line.kind, line.level, line.text) for line in run.lines}
    assert found == {("log", "error", "no"), ("http", "info", ""), ("print", "info", "raw")}
    [exchange] = [line.exchange for line in run.lines if line.exchange]
    assert (exchange.method, exchange.status, exchange.write) == ("POST", 201, True)


def test_forged_records_are_dropped_and_counted(run):
    forged = "import os; os.write(3, b'{\\n[1]\\n\"x\"\\n{\"kind\":\"log\"}\\n' + b'[' * 100_000 + b'\\n')"
    assert run(forged).log_lines_dropped == 5


def test_redaction_covers_lines_records_and_the_failure(run):
    ended = run(
        "print('p=tulip9'); emit({'kind': 'log', 'level': 'info', 'text': 'tulip9'});"
        "emit({'kind': 'http', 'url': 'tulip9', 'headers': {'x': ['tulip9']}}); raise ValueError('tulip9 is wrong')",
        redact=lambda text: text.replace("tulip9", "***"),
    )
    assert "tulip9" not in repr(run.lines) + repr(ended.result)
    assert ended.result.failure.message == "*** is wrong"


def test_a_secret_written_in_two_pieces_is_still_caught(run):
    code = "import sys, time; sys.stdout.write('tul'); sys.stdout.flush(); time.sleep(0.3); print('ip9')"
    run(code, redact=lambda text: text.replace("tulip9", "***"))
    assert run.text == ["***"]


def test_a_question_is_answered_and_an_error_becomes_a_channel_error(run):
    def answer(question, body):
        if question == "refuse":
            raise Conflict("Not now.")
        if question == "break":
            raise ZeroDivisionError
        return {"sum": sum(body["of"])}

    code = """
from jobs.language.channel import ChannelError
answer["sum"] = channel.ask("sum", {"of": [1, 2]})["sum"]
for question in ["refuse", "break"]:
    try:
        channel.ask(question, {})
    except ChannelError as error:
        answer[question] = str(error)
"""
    found = answer_of(run(code, answer=answer))
    assert found == {"sum": 3, "refuse": "Not now.", "break": "The platform could not answer “break”."}


def test_an_answer_of_ten_megabytes_passes_undecoded(run):
    big = b'{"state":"' + b"x" * 9_900_000 + b'"}'
    found = answer_of(run("answer['n'] = len(channel.ask('step.state', {})['state'])", answer=lambda *_: big))
    assert found == {"n": 9_900_000}


def test_an_answer_that_is_too_large_is_refused_with_a_sentence(run):
    request = request_for("channel.ask('step.state', {})", state_limit=1_000)
    ended = run("", request=request, answer=lambda *_: {"x": "y" * 1_000_000})
    assert "larger than this run may receive" in ended.result.failure.message


def test_a_job_that_floods_the_channel_without_reading_is_ended_like_any_other(run):
    code = """
import socket
raw = socket.socket(fileno=4)
frame = b'\\x00\\x00\\x00\\x1c{"question":"x","body":{ } }'
while True:
    raw.sendall(frame * 10_000)
"""
    ended = run(code, limits=Limits(wall_seconds=1))
    assert ended.death.kind == "timeout"
    assert ended.wall_seconds < 3


@pytest.mark.parametrize(
    "bad", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x03{{{", b"\x00\x00"]
)
def test_nonsense_on_the_channel_hurts_only_the_job(run, bad):
    code = f"import os; os.write(4, {bad!r}); answer['n'] = len(os.read(4, 1000)) if len({bad!r}) > 2 else 0"
    assert run(code).death is None


def test_descriptors_sent_over_the_channel_do_not_arrive(run):
    before = len(os.listdir("/proc/self/fd"))
    code = """
import socket
raw = socket.socket(fileno=4)
for _ in range(20):
    socket.send_fds(raw, [b'\\x00\\x00\\x00\\x1c{"question":"x","body":{ } }'], [0, 1])
    raw.recv(1000)
"""
    assert run(code).death is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_nothing_is_left_of_a_run_when_a_callback_fails(run, zygote):
    def fail(lines):
        raise OSError("the database is away")

    run.keep = fail
    with pytest.raises(OSError, match="the database is away"):
        run("print(1); import time; time.sleep(60)")
    assert zygote._current.children == 0
    assert not list(zygote._temp.path.iterdir())


@pytest.mark.parametrize(
    "code",
    [
        "for n in range(9): open(str(n), 'wb').write(b'x' * 1_000_000)",
        "for n in range(300): open(str(n), 'wb').close()",
        "import os\nfor n in range(300): os.mkdir('d'); os.chdir('d')",
    ],
    ids=["bytes", "files", "folders"],
)
def test_temp_space_is_bounded_in_all(run, code):
    limits = Limits(wall_seconds=10, temp_bytes=4_000_000, temp_files=200, state_bytes=1_000)
    ended = run(code + "\nimport time; time.sleep(9)", limits=limits)
    assert ended.death.kind == "temp_too_large"
    assert ended.wall_seconds < 5


def test_the_temp_folder_goes_whatever_the_job_did_to_it(run, zygote):
    run(
        "import os; os.makedirs('a/b/c'); open('a/b/x', 'w').close(); os.symlink('/', 'a/root'); os.fchmod(os.open('a/b', 0), 0)"
    )
    assert not list(zygote._temp.path.iterdir())
    assert os.path.isdir("/")


def test_ordinary_things_work_inside(run):
    code = """
import asyncio, csv, decimal, shutil, socket, sqlite3, ssl, statistics, tempfile, threading, zoneinfo
import httpx
ssl.create_default_context()
answer["names"] = len(socket.getaddrinfo("localhost", 80))
answer["zone"] = str(zoneinfo.ZoneInfo("Africa/Nairobi"))
with tempfile.TemporaryDirectory() as folder:
    open(folder + "/a", "w").write("text")
    shutil.copytree(folder, "copy")
    shutil.copy2("copy/a", "b")
sqlite3.connect("db.sqlite3").execute("create table t (x)").connection.close()
threads = [threading.Thread(target=lambda: answer.update(thread=1)) for _ in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
async def nothing():
    return await asyncio.get_running_loop().run_in_executor(None, lambda: 5)
answer["async"] = asyncio.run(nothing())
"""
    found = answer_of(run(code))
    assert found["names"] >= 1
    assert (found["zone"], found["thread"], found["async"]) == ("Africa/Nairobi", 1, 5)


def test_ports_that_a_connection_names_can_be_reached_and_the_platforms_own_cannot(run, zygote):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port})).close()"
        connection = Connection(
            alias="x", adaptor="http", configuration={"baseUrl": f"http://127.0.0.1:{port}/a"}
        )
        assert run(code).result.failure.type == "PermissionError"
        assert run(code, connect_ports=[port]).result.outcome is Outcome.SUCCESS
        request = request_for(code, connections=(connection,))
        assert run("", request=request).result.outcome is Outcome.SUCCESS
        zygote.forbidden_ports = (port,)
        try:
            assert run("", request=request).result.failure.type == "PermissionError"
        finally:
            zygote.forbidden_ports = ()


def test_limits_are_plain_values_with_the_platforms_defaults():
    limits = Limits()
    assert (limits.wall_seconds, limits.memory_bytes, limits.state_bytes) == (300, 512_000_000, 10_000_000)
    assert replace(limits, state_bytes=100_000_000).file_bytes > 200_000_000
