"""`manage.py up` from the first page to the last process, without the demo."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

from openfn_platform.local.processes import descendants

CHECKOUT = Path(__file__).resolve().parents[2]
KEYS = {"url", "admin", "api_token", "inboxes", "standins", "mail_dir", "database_url", "redis_url", "pids"}
SERVERS = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}


class Up:
    """A running `up`, and what it has said so far."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.lines: list[str] = []
        environment = {key: value for key, value in os.environ.items() if key not in SERVERS}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--no-demo", "--data", str(data)],
            cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def log(self) -> str:
        return "".join(list(self.lines))

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.data / "up.json").read_text())
        return facts

    def wait_for(self, words: str, *, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.log:
            assert time.monotonic() < deadline, f"never said {words!r}:\n{self.log}"
            assert self.process.poll() is None, f"ended before it said {words!r}:\n{self.log}"
            time.sleep(0.02)

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=5)
        if self.process.stdout:
            self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def data():
    with tempfile.TemporaryDirectory(prefix="openfn up ", dir="/tmp") as folder:
        data = Path(folder) / "data"
        yield data
        # A killed `up` leaves these to its next start, and there is none.
        for note in data.glob("*/socket-folder"):
            shutil.rmtree(note.read_text(), ignore_errors=True)


@pytest.fixture
def been_up(data):
    """It has run on this data before, whichever test comes first."""
    if not (data / "postgres").exists():
        first = Up(data)
        first.wait_for("ready after")
        first.stop(signal.SIGINT)


@pytest.fixture
def up(data):
    up = Up(data)
    yield up
    if up.process.poll() is None:
        up.stop(signal.SIGKILL)


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def first_page(up: Up) -> int:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        up.facts["url"] + "/admin/"
    ) as page:
        return int(page.status)


def pids_by_name(facts: dict[str, Any]) -> dict[str, int]:
    pids = facts["pids"]
    return {name: pids[name] for name in ("web", "beat", "postgres", "redis") if pids[name]} | {
        "worker": pids["workers"][0]
    }


def test_it_serves_restarts_what_dies_refuses_a_second_one_and_leaves_nothing(up, data):
    up.wait_for("ready after")
    facts = up.facts
    assert facts.keys() == KEYS
    assert stat.S_IMODE((data / "up.json").stat().st_mode) == 0o600
    assert facts["admin"]["password"] in up.log
    assert first_page(up) == 200

    second = Up(data)
    second.process.wait(timeout=10)
    assert second.stop(signal.SIGTERM) == 1
    assert f"{facts['url']} (process {up.process.pid})" in second.log

    for name, pid in pids_by_name(facts).items():
        os.kill(pid, signal.SIGKILL)
        up.wait_for(f"{name} (pid {pid}) was ended by SIGKILL")
        up.wait_for(f"{name} runs again")
    assert not set(pids_by_name(facts).values()) & set(pids_by_name(up.facts).values())
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            if first_page(up) == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.1)

    everybody = descendants(up.process.pid)
    assert len(everybody) > 5
    assert up.stop(signal.SIGINT) == 0
    assert alive(everybody) == []
    assert not (data / "up.json").exists()


def test_it_comes_back_warm_with_the_same_password_and_data(been_up, up, data):
    up.wait_for("ready after", seconds=30)
    assert "Applying" not in up.log, "everything was migrated before"
    facts = up.facts
    assert facts["admin"]["password"]
    with psycopg.connect(facts["database_url"]) as connection:
        row = connection.execute("SELECT email, is_superuser FROM user_account").fetchone()
    assert row == (facts["admin"]["email"], True)

    everybody = descendants(up.process.pid)
    up.stop(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while alive(everybody) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(everybody) == [], "kill -9 takes everybody along"
