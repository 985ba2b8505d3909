"""The family of processes: worker, zygote, children. Whoever dies, nobody below is left, and work goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobs.language.contract import Connection, Outcome
from runs.sandbox import shelves, supervisor
from runs.sandbox.client import ZygoteClient, ZygoteUnavailable
from tests.runs.sandbox.conftest import EXECUTOR, Runner, answer_of, request_for

SLEEP = "import os, time; print(os.getpid()); time.sleep(60)"


@contextlib.contextmanager
def owned(**options) -> Iterator[ZygoteClient]:
    """A client with an owner thread of its own, as in a worker."""
    client = ZygoteClient(executor=EXECUTOR, **options)
    started, stopped = threading.Event(), threading.Event()

    def own() -> None:
        client.start()
        started.set()
        client.serve(stopped)
        client.stop()

    owner = threading.Thread(target=own)
    owner.start()
    try:
        assert started.wait(30)
        yield client
    finally:
        stopped.set()
        client.attention.set()
        owner.join(20)
        assert not owner.is_alive()


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def soon(condition) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def pid_of(client: ZygoteClient) -> int:
    assert client.pid is not None
    return client.pid


class Started:
    """A run in a thread, and the pid of its child."""

    def __init__(self, zygote: ZygoteClient, **values) -> None:
        self.runner = Runner(zygote)
        self.ended: Any = None
        self._values = values
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert soon(lambda: self.runner.lines)
        self.pid = int(self.runner.text[0])

    def _run(self) -> None:
        self.ended = self.runner(SLEEP, **self._values)

    def join(self):
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.ended


def test_twenty_runs_at_once_share_a_zygote_and_nothing_else(zygote):
    def one(number: int) -> dict[str, Any]:
        code = f"import os, time; time.sleep(0.2); open('x', 'w').write('{number}'); answer.update(pid=os.getpid(), x=open('x').read(), echo=channel.ask('q', {{'n': {number}}})['n'])"
        return answer_of(Runner(zygote)(code))

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(one, range(20)))
    assert [(item["x"], item["echo"]) for item in found] == [(str(n), n) for n in range(20)]
    assert len({item["pid"] for item in found}) == 20


def test_a_child_sees_nothing_of_the_worker_or_of_other_runs(zygote):
    code = """
import gc, os, sys
answer["environment"] = sorted(os.environ)
answer["loaded"] = [name for name in ("django", "celery", "redis") if name in sys.modules]
def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False
answer["descriptors"] = [fd for fd in range(128) if is_open(fd) and not 16 <= fd < 24]
"""
    found = answer_of(Runner(zygote)(code))
    assert set(found["environment"]) == {"HOME", "LANG", "LC_ALL", "MALLOC_ARENA_MAX", "PATH", "TMPDIR"}
    assert found["loaded"] == []
    assert found["descriptors"] == [0, 1, 2, 3, 4, 6]


def test_secrets_are_never_in_an_environment_or_on_a_command_line():
    secret = "correct horse battery staple"
    os.environ["OPENFN_TEST_SECRET"] = secret
    try:
        with owned(confined=False) as client:  # as the same user, so that an ordinary tester can look, too
            connection = Connection(alias="a", adaptor="http", configuration={"password": secret})
            request = request_for(SLEEP, connections=(connection,), settings={"s": secret})
            run = Started(client, request=request, state=secret.encode())
            for pid in (run.pid, pid_of(client)):
                for name in ("environ", "cmdline"):
                    with contextlib.suppress(PermissionError), open(f"/proc/{pid}/{name}", "rb") as file:
                        assert secret.encode() not in file.read()
            os.kill(run.pid, signal.SIGKILL)
            run.join()
    finally:
        del os.environ["OPENFN_TEST_SECRET"]


def test_a_killed_child_is_reported_and_the_zygote_lives_on():
    with owned() as client:
        run = Started(client)
        os.kill(run.pid, signal.SIGKILL)
        ended = run.join()
        assert (ended.death.kind, ended.death.signal) == ("signal", 9)
        assert Runner(client)("pass").result.outcome is Outcome.SUCCESS


def test_when_the_zygote_is_killed_its_children_die_and_a_successor_takes_over():
    with owned() as client:
        runs = [Started(client) for _ in range(3)]
        os.kill(pid_of(client), signal.SIGKILL)
        assert [run.join().death.kind for run in runs] == ["zygote"] * 3
        assert not any(alive(run.pid) for run in runs)
        assert Runner(client)("pass").result.outcome is Outcome.SUCCESS


def test_a_zygote_that_hangs_is_replaced(monkeypatch):
    monkeypatch.setattr(supervisor, "FORK_SECONDS", 0.5)
    with owned() as client:
        pid = pid_of(client)
        os.kill(pid, signal.SIGSTOP)
        ended = Runner(client)("pass")
        assert ended.death.reason == "The process that starts runs does not answer."
        assert ended.wall_seconds < 5
        assert soon(lambda: client.pid not in (None, pid))
        assert not alive(pid)


def test_stopping_the_client_ends_every_run():
    with owned() as client:
        run = Started(client)
    assert run.join().death.kind == "zygote"
    assert not alive(run.pid)
    assert Runner(client)("pass").death.kind == "zygote"


def test_a_worn_out_zygote_gets_a_successor_while_its_last_runs_end_in_peace():
    with owned(recycle_after=3) as client:
        first = pid_of(client)
        slow = Started(client)
        for _ in range(2):
            Runner(client)("pass")
        assert soon(lambda: client.pid != first)
        assert alive(first)
        assert Runner(client)("pass").result.outcome is Outcome.SUCCESS
        os.kill(slow.pid, signal.SIGKILL)
        assert slow.join().death.kind == "signal"
        assert soon(lambda: not alive(first))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_worker_goes(end):
    script = f"""
        import sys, threading
        sys.path.insert(0, {shelves.CHECKOUT!r})
        from tests.runs.sandbox.test_zygote import Runner, SLEEP, ZygoteClient, EXECUTOR
        client = ZygoteClient(executor=EXECUTOR)
        client.start()
        print(client.pid, flush=True)
        runner = Runner(client)
        runner.keep = lambda lines: print(lines[0].text, flush=True)
        runner(SLEEP)
    """
    worker = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with worker:
        assert worker.stdout is not None
        pids = [int(worker.stdout.readline()) for _ in range(2)]
        assert all(alive(pid) for pid in pids)
        worker.send_signal(end)
        worker.wait(10)
    assert soon(lambda: not any(alive(pid) for pid in pids))


def test_signals_to_the_whole_group_leave_runs_alone():
    with owned() as client:
        run = Started(client)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid_of(client), number)
            os.kill(run.pid, number)
        time.sleep(0.1)
        assert alive(run.pid)
        os.kill(run.pid, signal.SIGKILL)
        run.join()


def test_an_executor_that_cannot_be_loaded_is_named():
    client = ZygoteClient(executor="tests.runs.sandbox.no_such_module")
    try:
        with pytest.raises(ZygoteUnavailable, match="no_such_module"):
            client.start()
    finally:
        client.stop()


def test_the_child_loads_neither_django_nor_celery():
    code = (
        "import sys, runs.sandbox.child, runs.sandbox.zygote, runs.sandbox.supervisor;"
        "print(*[n for n in ('django', 'celery', 'kombu', 'redis', 'rest_framework') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shelves.CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_descriptors_and_folders_do_not_pile_up(zygote):
    run = Runner(zygote)
    run("pass")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        run("pass")
    assert len(os.listdir("/proc/self/fd")) == before
    assert not list(zygote._temp.path.iterdir())


def test_a_large_state_costs_the_worker_less_than_three_times_its_size():
    script = f"""
        import sys
        sys.path.insert(0, {shelves.CHECKOUT!r})
        from tests.runs.sandbox.test_zygote import Runner, ZygoteClient, EXECUTOR
        from runs.sandbox.limits import Limits
        def highest():
            for line in open("/proc/self/status"):
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024
        client = ZygoteClient(executor=EXECUTOR)
        client.start()
        run = Runner(client)
        run("pass")
        before = highest()
        ended = run("final = state", state=b"x" * 48_000_000, limits=Limits(state_bytes=50_000_000))
        assert len(ended.state) == 48_000_000, ended
        print((highest() - before) / 48_000_000)
        client.stop()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 3
