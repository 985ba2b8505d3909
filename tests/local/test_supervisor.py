"""The supervisor: what dies comes back, what is stopped is gone, and all of it is named."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openfn_platform.local.log import LONGEST_LINE, Log, Pipe
from openfn_platform.local.processes import CannotStart, Command, descendants, ending
from openfn_platform.local.supervisor import Stopped, Supervisor

CHECKOUT = Path(__file__).resolve().parents[2]
FOREVER = "import time\nprint('here', flush=True)\ntime.sleep(60)"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FOREVER}"
# Leaves a child in a session of its own, where no signal to the group finds it.
PARENT = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {FOREVER!r}], start_new_session=True)\n{FOREVER}"

# A supervisor with a process of its own, as `up` has: it prints the pids of its children and serves.
UP = """
import sys
from openfn_platform.local.log import Log
from openfn_platform.local.processes import Command, descendants
from openfn_platform.local.supervisor import Supervisor
import os, time
with Supervisor(log=Log(), adopt_orphans=True) as supervisor:
    for name, code in zip(sys.argv[1::2], sys.argv[2::2]):
        supervisor.start(Command(name=name, argv=(sys.executable, "-c", code), grace=0.5))
    supervisor.until(lambda: True if len(descendants(os.getpid())) >= 3 else None, seconds=10, what="all")
    print("PIDS", *descendants(os.getpid()), flush=True)
    supervisor.serve()
print("LEFT", *descendants(os.getpid()), flush=True)
"""


def python(name: str, code: str, **options) -> Command:
    return Command(name=name, argv=(sys.executable, "-c", code), **options)


@pytest.fixture
def output():
    return io.StringIO()


@pytest.fixture
def supervisor(output):
    with Supervisor(log=Log(stream=output)) as supervisor:
        yield supervisor


def said(
    supervisor: Supervisor, output: io.StringIO, words: str, *, times: int = 1, seconds: float = 10
) -> None:
    supervisor.until(
        lambda: True if output.getvalue().count(words) >= times else None, seconds=seconds, what=f"“{words}”"
    )


def test_a_child_that_dies_is_started_again_and_named_in_the_log(supervisor, output):
    supervisor.start(python("clock", FOREVER))
    said(supervisor, output, "clock    | here")
    first = supervisor.pid("clock")
    os.kill(first, signal.SIGKILL)
    said(supervisor, output, "clock    | here", times=2)
    assert f"clock (pid {first}) was ended by SIGKILL; starting it again in 0.2 s" in output.getvalue()
    assert f"clock runs again (pid {supervisor.pid('clock')})" in output.getvalue()
    assert supervisor.pid("clock") != first


def test_the_waits_between_restarts_grow_and_waiting_for_a_hopeless_child_ends_early(supervisor, output):
    child = supervisor.start(python("broken", "print('no'); raise SystemExit(3)"))
    with pytest.raises(CannotStart, match="broken ended 3 times"):
        supervisor.until(lambda: None, seconds=30, what="it", child=child)
    assert [wait in output.getvalue() for wait in ("in 0.2 s", "in 0.4 s", "in 0.8 s")] == [True] * 3
    assert "ended with code 3" in output.getvalue()


def test_every_change_is_told(supervisor, output):
    pids: list[int | None] = []
    supervisor.on_change(lambda: pids.append(supervisor.pid("clock")))
    supervisor.start(python("clock", FOREVER))
    os.kill(supervisor.pid("clock"), signal.SIGKILL)
    said(supervisor, output, "runs again")
    assert pids == [pids[0], None, supervisor.pid("clock")]


def test_ranks_are_stopped_one_after_the_other(output):
    tell = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit()))\n"
    with Supervisor(log=Log(stream=output)) as supervisor:
        for rank, name in enumerate(("web", "worker", "database")):
            supervisor.start(python(name, tell + FOREVER, stop_rank=rank))
        said(supervisor, output, "here", times=3)
    byes = [line.split(" ")[0] for line in output.getvalue().splitlines() if line.endswith("bye")]
    assert byes == ["web", "worker", "database"]


def test_who_does_not_stop_in_time_is_killed(output):
    with Supervisor(log=Log(stream=output)) as supervisor:
        supervisor.start(python("deaf", STUBBORN, grace=0.3))
        said(supervisor, output, "here")
        pid = supervisor.pid("deaf")
    assert "deaf takes too long and is killed" in output.getvalue()
    assert not Path(f"/proc/{pid}").exists()


def test_a_step_gives_its_output_while_the_others_are_looked_after(supervisor, output):
    step = supervisor.begin(
        python("step", "import sys\nprint('x' * 200_000)\nprint('to the log', file=sys.stderr)\nsys.exit(4)")
    )
    assert supervisor.finish(step, seconds=10) == 4
    assert step.output.replace("\n", "") == "x" * 200_000
    assert "step     | to the log" in output.getvalue()


def test_a_step_that_takes_too_long_is_ended_and_said(supervisor):
    step = supervisor.begin(python("slow", FOREVER))
    with pytest.raises(CannotStart, match="slow to finish"):
        supervisor.finish(step, seconds=0.3)
    assert step.process.ended() == -signal.SIGKILL


def test_being_asked_to_stop_ends_every_wait(supervisor):
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped):
        supervisor.until(lambda: None, seconds=30, what="nothing")


@pytest.fixture
def up():
    """A supervisor process with a parent of an orphan, and a stubborn child. SIGINT is ignored at its start, as a
    shell does to what it runs in the background."""
    code = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nimport os, sys\nos.execv(sys.executable, [sys.executable, '-c', {UP!r}, *sys.argv[1:]])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "parent", PARENT, "deaf", STUBBORN],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        yield process
        process.kill()


def pids_of(up: subprocess.Popen[str]) -> list[int]:
    assert up.stdout
    for line in up.stdout:
        if line.startswith("PIDS"):
            return [int(pid) for pid in line.split()[1:]]
    raise AssertionError("it did not start")


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_either_signal_leaves_nobody_not_even_orphans(up, number):
    pids = pids_of(up)
    up.send_signal(number)
    rest = up.communicate(timeout=10)[0]
    assert up.returncode == 0
    assert rest.endswith("LEFT\n")
    assert alive(pids) == []


def test_kill_9_of_the_supervisor_takes_its_children_along(up):
    pids = pids_of(up)
    started_by_us = [pid for pid in pids if pid in direct_children(up.pid)]
    up.kill()
    deadline = time.monotonic() + 5
    while alive(started_by_us) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started_by_us) >= 2
    assert alive(started_by_us) == []
    for orphan in alive(pids):
        os.kill(orphan, signal.SIGKILL)  # it had asked for a session of its own; its own parent is to mind it


def direct_children(pid: int) -> list[int]:
    return [
        child
        for child in descendants(pid)
        if f"\nPPid:\t{pid}\n" in Path(f"/proc/{child}/status").read_text()
    ]


def test_an_ending_is_told_in_words():
    assert [ending(0), ending(7), ending(-9), ending(-35)] == [
        "ended with code 0",
        "ended with code 7",
        "was ended by SIGKILL",
        "was ended by signal 35",
    ]


def test_lines_are_put_together_from_pieces_and_endless_ones_are_cut():
    pipe = Pipe("web", None)
    assert list(pipe.lines(b"one\r\ntw")) == ["one"]
    assert list(pipe.lines(b"o\n\xff")) == ["two"]
    assert list(pipe.last()) == ["\N{REPLACEMENT CHARACTER}"]
    assert [len(line) for line in pipe.lines(b"y" * (2 * LONGEST_LINE + 1))] == [LONGEST_LINE, LONGEST_LINE]


def test_a_log_that_nobody_reads_any_more_does_not_stop_the_platform():
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", buffering=1) as stream:
        log = Log(stream=stream)
        log.write("web", "lost")
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)
