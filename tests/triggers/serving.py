"""The real web server on loopback, and a socket to say things to it that no client library would."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from django.db import connection

THREADS = 4
START_SECONDS = 30
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass(frozen=True)
class Server:
    port: int
    log: Path

    def link(self, seconds: float = 15) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def send(self, request: bytes, *, finish: bool = False, seconds: float = 15) -> Answer | None:
        """The answer to these bytes; None when it hangs up without one. `finish`: nothing more will come."""
        with self.link(seconds) as link:
            with suppress(OSError):  # it may hang up on us before it has heard everything
                link.sendall(request)
                if finish:
                    link.shutdown(socket.SHUT_WR)
            # An answer to HEAD announces a body and has none.
            answer = http.client.HTTPResponse(link, method="HEAD" if request.startswith(b"HEAD ") else None)
            try:
                answer.begin()
                body = answer.read()
            except (http.client.BadStatusLine, ConnectionError):
                return None
            finally:
                answer.close()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, body)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        answer = self.send(request_of(path, body, **headers))
        assert answer is not None
        return answer


def request_of(path: str, body: bytes = b"", *, method: str = "POST", **headers: Any) -> bytes:
    """A request with usual headers; `None` leaves one out, `_` in a name is a hyphen."""
    usual: dict[str, str | None] = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    usual |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in usual.items() if v is not None)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def database_url(**parts: str) -> str:
    """The address of the test database, or one like it."""
    found = {
        key: str(connection.settings_dict[key] or "") for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME")
    }
    found |= parts
    who = f"{quote(found['USER'])}:{quote(found['PASSWORD'])}" if found["PASSWORD"] else quote(found["USER"])
    if found["HOST"].startswith("/"):
        return f"postgresql://{who}@/{found['NAME']}?host={quote(found['HOST'])}"
    return f"postgresql://{who}@{found['HOST']}:{found['PORT'] or 5432}/{found['NAME']}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(url: str, log: Path) -> Iterator[Server]:
    """A web server process of our own on that database; stopped by its id."""
    port = free_port()
    assert urlsplit(url).scheme == "postgresql"
    arguments = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--blocking-threads", str(THREADS), "--no-ws", "--log-level", "error"]
    environment = {**os.environ, "DATABASE_URL": url, "REDIS_URL": "", "PLATFORM_ENV": "development"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "granian", *arguments, "openfn_platform.wsgi:application"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            _wait(process, port, log)
            yield Server(port, log)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        running = process.poll() is None and time.monotonic() < deadline
        assert running, log.read_text("utf-8", "replace")[-2000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
