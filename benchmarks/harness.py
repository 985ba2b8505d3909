"""The stage of the benchmarks: servers of their own, the product as separate processes, a fresh database for each.

with stage() as s:
    s.start_web(); s.start_worker(); ...
    s.reset()                                # nothing runs, nothing is stored

Programs are started with the options of `manage.py up`, and by its launcher: whatever happens to us, they end.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any

import psycopg
import redis
from psycopg.conninfo import make_conninfo

from openfn_platform.local.processes import Command, Process
from openfn_platform.local.servers import Servers, temporary_servers
from openfn_platform.local.stack import WEB_PROCESSES, WEB_THREADS, WORKER_THREADS

ROOT = Path(__file__).resolve().parents[1]
CLEAN = "platform_clean"
DEFAULT_CONCURRENCY = int(os.environ.get("WORKER_CONCURRENCY", WORKER_THREADS))


class TooSlow(Exception):
    """Something that was waited for did not happen."""


@dataclass
class Stage:
    servers: Servers
    folder: Path
    environment: dict[str, str]
    quick: bool = False
    concurrency: tuple[int, ...] = (DEFAULT_CONCURRENCY,)
    port: int = 0
    parts: dict[str, Process] = field(default_factory=dict)

    # --- the product's processes

    def start_web(self) -> None:
        self.port = self.port or free_port()
        address = ("--host", "127.0.0.1", "--port", str(self.port))
        size = ("--workers", WEB_PROCESSES, "--blocking-threads", WEB_THREADS, "--respawn-failed-workers")
        quiet = ("--no-ws", "--log-level", "error")
        options = ("--interface", "wsgi", *address, *size, *quiet, "openfn_platform.wsgi:application")
        self.start("web", "granian", *options)
        wait_for(self._web_answers, seconds=40, what="the web process to answer", say=self.log_end)

    def start_worker(self, name: str = "worker", *, concurrency: int = DEFAULT_CONCURRENCY) -> None:
        """Returns at once; `wait_for_worker` waits until it may claim."""
        pool = (
            "--pool",
            "threads",
            "--concurrency",
            str(concurrency),
            "--without-gossip",
            "--without-mingle",
        )
        node = f"{name}@benchmark"
        self.start(name, "celery", "-q", "-A", "openfn_platform.celery", "worker", "-n", node, *pool)

    def wait_for_worker(self) -> str:
        """Until a worker's zygote is there; returns its level of confinement."""
        alive = "SELECT confinement FROM worker_heartbeat WHERE stopped_at IS NULL"
        wait_for(lambda: bool(self.sql(alive)), seconds=60, what="a worker", say=self.log_end)
        return str(self.value(alive))

    def start_beat(self) -> None:
        scheduler = ("--scheduler", "django_celery_beat.schedulers:DatabaseScheduler")
        pid_file = ("--pidfile", str(self.folder / "beat.pid"))
        self.start("beat", "celery", "-q", "-A", "openfn_platform.celery", "beat", *scheduler, *pid_file)

    def start(
        self, name: str, module: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        command = Command(
            name=name,
            argv=(sys.executable, "-m", module, *arguments),
            env=self.environment if environment is None else environment,
            folder=ROOT,
            grace=15,
            death_signal=SIGTERM,
        )
        with (self.folder / f"{name}.log").open("ab") as log:
            self.parts[name] = Process(command, stdout=log, stderr=log)

    def stop(self, *names: str) -> None:
        """These, or all."""
        for name in names or tuple(self.parts):
            if process := self.parts.pop(name, None):
                process.stop()

    def _web_answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/inbox/nothing", timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def log_end(self) -> str:
        """The last lines of everybody, for when something went wrong."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {f.name}\n{f.read_text('utf-8', 'replace')[-3000:]}" for f in files)

    # --- what they use

    def roots(self, *names: str) -> list[int]:
        return [process.pid for name, process in self.parts.items() if not names or name in names]

    def server_roots(self) -> list[int]:
        return [self.servers.postgres.pid, *([self.servers.redis.pid] if self.servers.redis else [])]

    # --- what is stored

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.servers.database_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *values: object) -> Any:
        return self.sql(query, *values)[0][0]

    def wait_until_done(self, *, runs: int, seconds: float) -> None:
        """Until so many runs have ended and none is left."""
        done = """SELECT count(*) FILTER (WHERE finished_at IS NOT NULL) >= %s
                  AND count(*) FILTER (WHERE finished_at IS NULL) = 0 FROM run"""
        wait_for(
            lambda: bool(self.value(done, runs)),
            seconds=seconds, what=f"{runs} runs to end", say=self._where_runs_are, every=0.25,
        )  # fmt: skip

    def _where_runs_are(self) -> str:
        return f"{self.sql('SELECT state, error_type, count(*) FROM run GROUP BY 1, 2')}\n{self.log_end()}"

    def reset(self) -> None:
        """Nothing runs and nothing is stored."""
        self.stop()
        disconnect()
        database = psycopg.conninfo.conninfo_to_dict(self.servers.database_url)["dbname"]
        with self._administer() as administrator:
            administrator.execute(f'DROP DATABASE "{database}" WITH (FORCE)'.encode())
            administrator.execute(f'CREATE DATABASE "{database}" TEMPLATE {CLEAN}'.encode())
            administrator.execute("CHECKPOINT")
        with self.redis() as store:
            store.flushall()

    def keep_clean_copy(self) -> None:
        """The migrated, empty database, to begin every benchmark with."""
        disconnect()
        database = psycopg.conninfo.conninfo_to_dict(self.servers.database_url)["dbname"]
        with self._administer() as administrator:
            administrator.execute(f'CREATE DATABASE {CLEAN} TEMPLATE "{database}"'.encode())

    def _administer(self) -> psycopg.Connection[Any]:
        return psycopg.connect(make_conninfo(self.servers.database_url, dbname="postgres"), autocommit=True)

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=self.servers.redis_url.partition("://")[2])


@contextmanager
def stage(*, quick: bool, concurrency: tuple[int, ...]) -> Iterator[Stage]:
    """Temporary servers that write as safely as an installation's, and Django set up on them."""
    folder = Path(tempfile.mkdtemp(prefix="openfn-benchmarks-"))
    try:
        with temporary_servers(durable=True) as servers:
            if not servers.redis_url:
                raise SystemExit("The benchmarks need a Redis; see the README for how to get one.")
            environment = _environment(servers, folder)
            os.environ.update(environment)
            made = Stage(servers, folder, environment, quick=quick, concurrency=concurrency)
            _migrate()
            made.keep_clean_copy()
            try:
                yield made
            finally:
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(servers: Servers, folder: Path) -> dict[str, str]:
    """As `up` sets it; what the caller set for the platform wins, but never the caller's own servers."""
    defaults = {"PLATFORM_ENV": "development", "MAIL_DIR": str(folder), "LOG_LEVEL": "warning"}
    fixed = {
        "DJANGO_SETTINGS_MODULE": "openfn_platform.settings",
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore:You're running the worker",
    }
    return defaults | dict(os.environ) | fixed


def _migrate() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def disconnect() -> None:
    """Give back every connection of this process, the pool's too: before a fork, or when the database goes."""
    from django.db import connections
    from django.db.backends.postgresql.base import DatabaseWrapper

    connections.close_all()
    for wrapper in connections.all(initialized_only=True):
        if isinstance(wrapper, DatabaseWrapper):
            wrapper.close_pool()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(
    ready: Callable[[], bool], *, seconds: float, what: str, say: Callable[[], str] = str, every: float = 0.05
) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TooSlow(f"Waited {seconds:.0f} s in vain for {what}.\n{say()}")
        time.sleep(every)
