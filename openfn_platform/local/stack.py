"""What `up` starts, in which order, and what it tells the world about it (`up.json`)."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from openfn_platform.local import bundle
from openfn_platform.local import redis as redis_program
from openfn_platform.local.data_folder import DataFolder
from openfn_platform.local.installing import CHECKOUT
from openfn_platform.local.ports import is_free, some_port
from openfn_platform.local.postgres import Postgres
from openfn_platform.local.processes import CannotStart, Command
from openfn_platform.local.redis import Redis
from openfn_platform.local.supervisor import OURSELVES, Child, Step, Supervisor

FIRST_PAGE = "/admin/"
STANDINS = ("openmrs", "twilio", "dhis2", "commcare", "carto")
CARTO_DATABASE = "demo_carto"
# Who is stopped first: nobody may lose what it still needs to finish.
WEB, BEAT, WORKER, STANDIN, REDIS, POSTGRES = range(6)
# On two cores a second web process costs more memory than it brings; threads wait for the database.
WEB_PROCESSES = "1"
WEB_THREADS = "16"
WORKER_THREADS = "24"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not know our loopback


class Stack:
    """One running platform. `start` returns when the first page and the worker answer."""

    def __init__(
        self, supervisor: Supervisor, *, folder: DataFolder, port: int, workers: int, demo: bool
    ) -> None:
        self._supervisor = supervisor
        self._folder = folder
        self._port = port
        self._workers = [f"worker-{n}" for n in range(1, workers + 1)] if workers > 1 else ["worker"]
        self._demo = demo and importlib.util.find_spec("openfn_platform.demo.standins") is not None
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None
        self._standins: dict[str, str] = {}
        self._loaded: dict[str, Any] = {}
        self.url = f"http://127.0.0.1:{port}"
        self.admin = {"email": "", "password": ""}
        secrets = folder.secrets()
        self._admin_password = secrets["admin_password"]
        self._environment = self._base_environment(secrets)

    def _base_environment(self, secrets: dict[str, str]) -> dict[str, str]:
        """Ours, with what is not set. What the caller sets wins."""
        defaults = {
            "PLATFORM_ENV": "development",
            "SECRET_KEY": secrets["secret_key"],
            "CREDENTIAL_KEYS": secrets["credential_keys"],
            "PUBLIC_URL": self.url,
            "DATA_DIR": str(self._folder.path),
            "STATIC_ROOT": str(self._folder.folder("static")),
            "REDIS_URL": "",
        }
        if "SMTP_HOST" not in os.environ:
            defaults["MAIL_DIR"] = str(self._folder.folder("mail"))
        fixed = {"DJANGO_SETTINGS_MODULE": "openfn_platform.settings", "PYTHONUNBUFFERED": "1"}
        # Celery warns of root; what runs foreign code gives root up by itself.
        warnings = ",".join(
            filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:You're running the worker"])
        )
        return defaults | dict(os.environ) | fixed | {"PYTHONWARNINGS": warnings}

    # --- starting

    def start(self) -> None:
        self._folder.say_who(self.url)
        build = self._begin_bundle()
        self._start_postgres()
        self._start_redis()
        if self._demo:
            self._start_standins()
        self._prepare()
        self._finish_bundle(build)
        self._start_programs()
        self._wait_for_answers()
        self._announce()
        self._supervisor.on_change(self._announce)

    def _start_postgres(self) -> None:
        if os.environ.get("DATABASE_URL"):
            self._say("using the PostgreSQL of DATABASE_URL")
            return
        self._postgres = postgres = Postgres(folder=self._folder.path / "postgres")
        postgres.prepare()
        self._environment["DATABASE_URL"] = postgres.url
        child = self._supervisor.start(postgres.command(stop_rank=POSTGRES))
        self._wait(lambda: postgres.ready(pid_of(child)), child, seconds=60)

    def _start_redis(self) -> None:
        if os.environ.get("REDIS_URL"):
            self._say("using the Redis of REDIS_URL")
            return
        program = redis_program.installed()
        if program is None:
            self._say(
                "no Redis on this machine (apt install redis-server): it works without, but runs start later"
            )
            return
        self._redis = redis = Redis(folder=self._folder.path / "redis", program=program)
        redis.prepare()
        self._environment["REDIS_URL"] = redis.url
        child = self._supervisor.start(redis.command(stop_rank=REDIS))
        self._wait(redis.ready, child, seconds=60)

    def _start_standins(self) -> None:
        """At the ports of last time, where the demo's credentials point to."""
        ports = self._folder.remembered().get("standin_ports", {})
        ports = {
            name: port if is_free(port := ports.get(name, 0)) and port else some_port() for name in STANDINS
        }
        self._folder.remember(standin_ports=ports)
        children: dict[str, Child] = {}
        for name in STANDINS:
            settings = self._carto_settings() if name == "carto" else {}
            if settings is None:
                continue
            file = self._folder.folder("standins") / f"{name}.json"
            options = ("--port", str(ports[name]), "--data", str(file), "--die-with-parent")
            command = self._python(
                name,
                "openfn_platform.demo.standins",
                name,
                *options,
                stop_rank=STANDIN,
                environment=os.environ | {"STANDIN_CONFIG": json.dumps(settings)},
            )
            children[name] = self._supervisor.start(command, sink=self._standin_listener(name))
        for name, child in children.items():
            self._wait(lambda name=name: name in self._standins, child, seconds=30)  # type: ignore[misc]

    def _carto_settings(self) -> dict[str, str] | None:
        """With a database of its own in our own server; None when there is none.

        Making it also closes the server's other databases to everybody, which is not ours to do elsewhere.
        """
        if self._postgres is None:
            self._say("no CARTO in the demo: its database is only made in the PostgreSQL that `up` starts")
            return None
        step = self._supervisor.begin(
            self._python("carto-database", "openfn_platform.demo.standins.carto.database", CARTO_DATABASE)
        )
        if self._supervisor.finish(step, seconds=60) != 0:
            self._say("no CARTO in the demo: its database could not be made; the lines above say why")
            return None
        settings: dict[str, str] = json.loads(step.lines[-1])
        return settings

    def _standin_listener(self, name: str) -> Callable[[str], bool]:
        def listen(line: str) -> bool:
            try:
                self._standins[name] = json.loads(line)["url"]
            except (ValueError, KeyError, TypeError):
                return False
            return True

        return listen

    def _prepare(self) -> None:
        extra = {"UP_ADMIN_PASSWORD": self._admin_password, "STANDINS": json.dumps(self._standins)}
        arguments = ("--demo",) if self._demo else ()
        step = self._supervisor.begin(
            self._python(
                "prepare", "openfn_platform.local.prepare", *arguments, environment=self._environment | extra
            )
        )
        if self._supervisor.finish(step, seconds=300) != 0:
            raise CannotStart("The database could not be prepared; the lines above say why.")
        answer = json.loads(step.lines[-1])
        self.admin = answer["admin"]
        # A token is shown once, when it is made: what it was must be kept here.
        known = self._folder.remembered().get("demo", {}) if self._demo else {}
        self._loaded = known | {key: value for key, value in answer["demo"].items() if value}
        if self._demo:
            self._folder.remember(demo=self._loaded)

    def _start_programs(self) -> None:
        self._supervisor.start(self._web())
        celery = ("-q", "-A", "openfn_platform.celery")
        for name in self._workers:
            threads = os.environ.get("WORKER_CONCURRENCY", WORKER_THREADS)
            pool = ("--pool", "threads", "--concurrency", threads, "--without-gossip", "--without-mingle")
            grace = float(os.environ.get("RUN_GRACE_SECONDS", "20")) + 10
            command = self._python(
                name,
                "celery",
                *celery,
                "worker",
                "-n",
                self._node(name),
                *pool,
                stop_rank=WORKER,
                grace=grace,
            )
            self._supervisor.start(command)
        scheduler = ("--scheduler", "django_celery_beat.schedulers:DatabaseScheduler")
        self._supervisor.start(self._python("beat", "celery", *celery, "beat", *scheduler, stop_rank=BEAT))

    def _node(self, name: str) -> str:
        return f"{name}@up-{self._port}"

    def _web(self) -> Command:
        address = ("--host", "127.0.0.1", "--port", str(self._port))
        size = ("--workers", WEB_PROCESSES, "--blocking-threads", WEB_THREADS, "--respawn-failed-workers")
        quiet = ("--no-ws", "--log-level", "error")
        arguments = ("--interface", "wsgi", *address, *size, *quiet, "openfn_platform.wsgi:application")
        # By SIGKILL it could not take its own worker processes along.
        return self._python("web", "granian", *arguments, stop_rank=WEB, death_signal=signal.SIGTERM)

    def _python(
        self,
        name: str,
        module: str,
        *arguments: str,
        stop_rank: int = 0,
        grace: float = 10.0,
        death_signal: signal.Signals = signal.SIGKILL,
        environment: Any = None,
    ) -> Command:
        return Command(
            name=name,
            argv=(sys.executable, "-m", module, *arguments),
            env=self._environment if environment is None else environment,
            folder=CHECKOUT,
            grace=grace,
            death_signal=death_signal,
            stop_rank=stop_rank,
        )

    def _wait_for_answers(self) -> None:
        ping: Step | None = None
        if self._environment["REDIS_URL"]:
            arguments = [self._node(name) for name in self._workers]
            ping = self._supervisor.begin(self._python("ping", "openfn_platform.local.ping", *arguments))
        web = self._supervisor.children["web"]
        self._wait(lambda: answers(f"{self.url}{FIRST_PAGE}"), web, seconds=60)
        worker = self._supervisor.children[self._workers[0]]
        if ping and self._supervisor.finish(ping, seconds=90, child=worker) != 0:
            raise CannotStart("The worker does not answer; its lines above may say why.")

    def _wait(self, ready: Callable[[], bool], child: Child, *, seconds: float) -> None:
        self._supervisor.until(
            lambda: True if ready() else None,
            seconds=seconds,
            what=f"{child.command.name} to answer",
            child=child,
        )

    # --- the editor's bundle

    def _begin_bundle(self) -> Step | None:
        command = bundle.command()
        if command is None:
            return None
        self._say("building the code editor with npm")
        return self._supervisor.begin(command)

    def _finish_bundle(self, build: Step | None) -> None:
        if build:
            try:
                if self._supervisor.finish(build, seconds=bundle.BUILD_SECONDS) == 0:
                    bundle.remember()
            except CannotStart as error:
                self._say(str(error))
        if reason := bundle.missing():
            self._say(reason)

    # --- telling

    def _announce(self) -> None:
        pid = self._supervisor.pid
        self._folder.announce(
            {
                "url": self.url,
                "admin": self.admin,
                "api_token": self._loaded.get("api_token", ""),
                "inboxes": self._loaded.get("inboxes", {}),
                "standins": self._standins,
                "mail_dir": self._environment.get("MAIL_DIR", ""),
                "database_url": self._environment.get("DATABASE_URL", ""),
                "redis_url": self._environment["REDIS_URL"],
                "pids": {
                    "web": pid("web"),
                    "workers": [pid(name) for name in self._workers],
                    "beat": pid("beat"),
                    "postgres": pid("postgres"),
                    "redis": pid("redis"),
                    "standins": {name: pid(name) for name in self._standins},
                },
            }
        )

    def _say(self, line: str) -> None:
        self._supervisor.log.write(OURSELVES, line)

    def close(self) -> None:
        """After everything has ended."""
        if self._postgres:
            self._postgres.close()
        if self._redis:
            self._redis.close()


def pid_of(child: Child) -> int | None:
    return child.process.pid if child.process else None


def answers(url: str) -> bool:
    """True when the page, or the one it leads to, is there."""
    try:
        with DIRECT.open(url, timeout=5) as page:
            return bool(page.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
