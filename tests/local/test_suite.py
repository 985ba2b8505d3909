"""`manage.py test`: servers for one run, an honest exit code, and nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openfn_platform.local.processes import descendants

CHECKOUT = Path(__file__).resolve().parents[2]
ANSWERS = """
import os, psycopg
def test_it_has_a_database_that_forgets_and_a_doorbell():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
    assert os.environ["REDIS_URL"].startswith("redis+socket://")
"""
FAILS = "def test_no(): assert False\n"
SLEEPS = "import time\ndef test_long(): print('asleep', flush=True); time.sleep(60)\n"


@pytest.fixture
def suite(tmp_path):
    """`manage.py test --fast` on one test of ours, as a background shell starts it."""

    def start(code: str) -> subprocess.Popen[str]:
        (tmp_path / "test_it.py").write_text(code)
        environment = {
            key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}
        }
        return subprocess.Popen(
            [sys.executable, "manage.py", "test", "--fast", "-s", "-p", "no:cacheprovider", str(tmp_path / "test_it.py")],
            cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    return start


@pytest.mark.parametrize(("code", "exit_code", "closing"), [(ANSWERS, 0, "1 passed"), (FAILS, 1, "1 failed")])
def test_pytests_closing_line_comes_last_and_its_exit_code_counts(suite, code, exit_code, closing):
    with suite(code) as run:
        said = run.communicate(timeout=60)[0]
    assert run.returncode == exit_code, said
    assert closing in said.rstrip().splitlines()[-1]


def folders_of(pids: list[int]) -> list[Path]:
    """The servers' folders, as their command lines name them."""
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in pids]
    return sorted(
        {Path("/tmp") / name for line in lines for name in re.findall(r"/tmp/(openfn-[a-z]+-[^/\0]+)", line)}
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_it_stops_everything_it_started(suite, number):
    with suite(SLEEPS) as run:
        while "asleep" not in run.stdout.readline():
            assert run.poll() is None
        everybody = descendants(run.pid)
        folders = folders_of(everybody)
        began = time.monotonic()
        run.send_signal(number)
        run.communicate(timeout=20)
    assert run.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert len(everybody) > 3
    while living := [pid for pid in everybody if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() - began < 10, living
        time.sleep(0.02)
    left = [folder for folder in folders if folder.exists()]
    for folder in left:
        shutil.rmtree(folder)
    assert len(folders) == 3
    assert left == ([] if number == signal.SIGINT else folders), "only kill -9 leaves files"
