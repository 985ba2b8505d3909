"""The product as separate processes on servers of its own, for those who want to kill parts of it.

with Product(environment) as product:
    product.start_web(); product.start_worker("one"); product.start_beat()
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from openfn_platform.local.processes import descendants

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Part:
    """One process of the product, started again under the same name after it was killed."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Product:
    environment: dict[str, str]
    folder: Path
    parts: dict[str, Part] = field(default_factory=dict)
    port: int = 0

    def __enter__(self) -> Product:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_web(self, *, threads: int = 12) -> None:
        self.port = self.port or free_port()
        options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        options += ["--blocking-threads", str(threads), "--no-ws", "--log-level", "warning"]
        self._start("web", [sys.executable, "-m", "granian", *options, "openfn_platform.wsgi:application"])
        self.wait_until_it_answers()

    def start_worker(self, name: str, *, concurrency: int = 8) -> None:
        self._start(
            name, [*self._celery(), "worker", "-P", "threads", "-c", str(concurrency), "-n", f"{name}@here"]
        )

    def start_beat(self, name: str = "beat") -> None:
        file = self.folder / f"{name}.pid"
        file.unlink(missing_ok=True)
        self._start(name, [*self._celery(), "beat", "--pidfile", str(file)])

    def _celery(self) -> list[str]:
        return [sys.executable, "-W", "ignore:You're running", "-m", "celery", "-A", "openfn_platform.celery"]

    def _start(self, name: str, command: list[str]) -> None:
        part = self.parts.setdefault(name, Part(name, command))
        with (self.folder / f"{name}.log").open("ab") as log:
            part.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def revive(self) -> None:
        """Start again what died, as a supervisor does."""
        for part in self.parts.values():
            if not part.alive:
                self._start(part.name, part.command)

    def kill(self, name: str) -> None:
        part = self.parts[name]
        if part.process is not None and part.alive:
            if name == "web":  # granian's own workers outlive it, and would go on serving
                os.killpg(part.process.pid, signal.SIGKILL)
            part.process.kill()
            part.process.wait()

    def freeze(self, name: str) -> None:
        process = self.parts[name].process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        process = self.parts[name].process
        if process is not None and process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)

    def zygotes(self) -> list[int]:
        return [
            pid
            for pid in self._below()
            if "zygote" in command_line(pid) and "zygote" not in command_line(parent(pid))
        ]

    def children(self) -> list[int]:
        """Processes of jobs: what zygotes forked."""
        zygotes = set(self.zygotes())
        return [pid for pid in self._below() if parent(pid) in zygotes]

    def _below(self) -> list[int]:
        found: list[int] = []
        for part in self.parts.values():
            if part.process is not None and part.alive:
                found += descendants(part.process.pid)
        return found

    def wait_until_it_answers(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/inbox/nothing", timeout=2)
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"The web process did not answer: {self.log('web')[-2000:]}")

    def log(self, name: str) -> str:
        file = self.folder / f"{name}.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; children of killed workers die by themselves."""
        for part in self.parts.values():
            if part.process is not None and part.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(part.process.pid, signal.SIGCONT)
                    part.process.terminate()
        deadline = time.monotonic() + 15
        for part in self.parts.values():
            if part.process is None:
                continue
            try:
                part.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(part.process.pid, signal.SIGKILL)  # whatever it left behind


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
