"""PostgreSQL and Redis for as long as a test takes, in a folder that goes with them.

with temporary_servers() as servers:
    servers.database_url, servers.redis_url
    servers.postgres.kill(); servers.postgres.start()
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openfn_platform.local import redis as redis_module
from openfn_platform.local.postgres import Postgres
from openfn_platform.local.processes import CannotStart, Command, Process
from openfn_platform.local.redis import Redis

START_SECONDS = 30


class Server:
    """One server that can be stopped, killed and started again at the same address."""

    def __init__(self, command: Command, *, ready: Callable[[int], bool], log: Path) -> None:
        self._command = command
        self._ready = ready
        self._process: Process | None = None
        self.log = log

    @property
    def pid(self) -> int:
        if self._process is None:
            raise CannotStart(f"{self._command.name} does not run.")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as output:
            self._process = process = Process(self._command, stdout=output, stderr=output)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready(process.pid):
            if process.ended() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait(seconds=5)
                self._process = None
                raise CannotStart(
                    f"{self._command.name} did not start: {self.log.read_text('utf-8', 'replace')[-2000:]}"
                )
            time.sleep(0.01)

    def stop(self) -> None:
        """As its supervisor would."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """As `kill -9` would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(seconds=10)
            self._process = None


@dataclass(frozen=True)
class Servers:
    """What runs, and where."""

    folder: Path
    data: Path  # PostgreSQL's; elsewhere than in `folder` where root has no user namespaces
    database_url: str
    redis_url: str  # empty where this machine has no Redis
    postgres: Server
    redis: Server | None

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextmanager
def temporary_servers(
    *,
    durable: bool = False,
    with_redis: bool = True,
    parent: str = "/tmp",  # noqa: S108  # safe with mkdtemp
    user_namespaces: bool = True,
) -> Iterator[Servers]:
    """Both servers, gone at the end. `durable=False` survives any `kill -9`, but no power cut."""
    folder = Path(tempfile.mkdtemp(prefix="openfn-servers-", dir=parent))
    place = Postgres(folder=folder / "postgres", durable=durable, user_namespaces=user_namespaces)
    program = redis_module.installed() if with_redis else None
    doorbell = Redis(folder=folder / "redis", program=program) if program else None
    started: list[Server] = []
    try:
        place.prepare()
        postgres = Server(place.command(), ready=place.ready, log=folder / "postgres.log")
        postgres.start()
        started.append(postgres)
        redis: Server | None = None
        if doorbell:
            doorbell.prepare()
            redis = Server(doorbell.command(), ready=lambda pid: doorbell.ready(), log=folder / "redis.log")
            redis.start()
            started.append(redis)
        yield Servers(folder, place.data, place.url, doorbell.url if doorbell else "", postgres, redis)
    finally:
        for server in reversed(started):
            server.stop()
        if doorbell:
            doorbell.close()
        place.remove()
        shutil.rmtree(folder, ignore_errors=True)
