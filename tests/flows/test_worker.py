"""The worker as a real process on servers of its own: without a broker, told to stop, frozen, cut off from its
database, with rubbish in its queue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import connection, connections
from pytest_django import DjangoDbBlocker, Settings

from openfn_platform import env
from openfn_platform.local.processes import descendants
from openfn_platform.local.servers import Servers, temporary_servers
from runs.bulk import Chosen, Order, bulk_begin
from runs.cancelling import run_cancel
from runs.models import BulkState, Deed, Run, WorkerHeartbeat
from runs.models.bulk import MOST_UNDER_WAY
from runs.sandbox.client import ZygoteClient
from runs.starting import job_start
from runs.sweeping import leases_expire
from runs.worker import Worker
from tests.faults.product import Product
from tests.flows.world import Engine, World, log_of, outcome
from tests.runs.test_bulk import failed
from tests.waiting import wait_for

pytestmark = pytest.mark.fault

SLEEPS = "import time\nprint('begun')\ntime.sleep({seconds})\nprint('done')"
CALLS = "import time\nfor n in range(400):\n    partner.post('/ran', {'run': run.id})\n    print(n)\n    time.sleep(0.1)"


@pytest.fixture(scope="module")
def servers(django_db_blocker: DjangoDbBlocker) -> Iterator[Servers]:
    """A PostgreSQL and a Redis that may be killed; this process's own queries go there, too."""
    with temporary_servers() as servers, django_db_blocker.unblock(), queries_go_to(servers.database_url):
        call_command("migrate", verbosity=0)
        yield servers


@contextmanager
def queries_go_to(url: str) -> Iterator[None]:
    before = connections["default"]
    copy = before.copy(alias="default")
    copy.settings_dict |= env.postgresql(url) | {"CONN_MAX_AGE": 0}
    copy.settings_dict["OPTIONS"] |= {"connect_timeout": 3}
    copy.settings_dict["OPTIONS"].pop("pool", None)
    connections["default"] = copy
    try:
        yield
    finally:
        connection.close()
        connections["default"] = before


OPEN = ("available", "claimed", "started")


def product_of(servers: Servers, folder: Path, **settings: object) -> Product:
    given = {"RUN_LEASE_SECONDS": 8, "RUN_SWEEP_SECONDS": 1, "RUN_GRACE_SECONDS": 5} | settings
    environment = dict(os.environ) | {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "MAIL_DIR": str(folder),
        **{name: str(value) for name, value in given.items()},
    }
    return Product(environment, folder)


def worker_of(product: Product) -> Product:
    """Start the product's one worker and wait until it takes runs."""
    product.start_worker("worker", concurrency=4)
    beats = WorkerHeartbeat.objects.filter(pid=process_of(product).pid, stopped_at=None)
    wait_for(beats.exists, lambda: product.log("worker"))
    return product


class Stage:
    """A world in that database, and the processes that serve it."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.world = World()
        self.products: list[Product] = []

    def product(self, **settings: object) -> Product:
        self.products.append(product_of(self.servers, self.folder, **settings))
        return self.products[-1]

    def worker(self, **settings: object) -> Product:
        return worker_of(self.product(**settings))

    def run(self, code: str, **fields: Any) -> Run:
        return job_start(job=self.world.job(code, **fields))

    def started(self, run: Run) -> None:
        """Wait until its code runs, which its first line shows."""
        wait_for(lambda: outcome(run) == "started" and log_of(run) != [], self.logs)

    def ended(self, run: Run, seconds: float = 20) -> str:
        wait_for(lambda: outcome(run) not in OPEN, self.logs, seconds=seconds)
        return outcome(run)

    def logs(self) -> str:
        return "\n".join(product.log(name) for product in self.products for name in product.parts)


@pytest.fixture
def stage(servers: Servers, tmp_path: Path, settings: Settings) -> Iterator[Stage]:
    settings.REDIS_URL = ""  # this process rings nobody; the workers' sweeps do
    made = Stage(servers, tmp_path)
    yield made
    for product in made.products:
        product.stop()
    for run in Run.objects.filter(state="available"):  # what a test left over is not the next one's business
        run_cancel(run=run, by=made.world.owner)


def process_of(product: Product) -> subprocess.Popen[bytes]:
    process = product.parts["worker"].process
    assert process is not None
    return process


def stop(product: Product) -> int:
    """SIGTERM as a service manager sends it; the exit code. Nothing of the worker may be left then."""
    process = process_of(product)
    below = descendants(process.pid)
    assert below, "a worker has a zygote"
    process.terminate()
    code = process.wait(timeout=15)
    wait_for(lambda: not any(alive(pid) for pid in below), lambda: f"still there: {below}", seconds=2)
    return code


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- without a broker -----------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["", "redis+socket:///nowhere/redis.sock"])
def test_without_a_broker_the_sweeper_runs_what_waits_and_the_worker_can_be_stopped(
    stage: Stage, broker: str
) -> None:
    product = stage.worker(REDIS_URL=broker)
    run = stage.run("print('hello')")
    assert stage.ended(run) == "success"
    assert log_of(run) == ["hello"]
    beat = WorkerHeartbeat.objects.get(name=run.worker)
    assert beat.stopped_at is None
    assert run.confinement == beat.confinement
    assert beat.capacity == 4
    assert stop(product) == 0
    beat.refresh_from_db()
    assert beat.stopped_at is not None


@pytest.mark.parametrize("settings_of_it", [{}, {"REDIS_URL": ""}], ids=["rung", "without a broker"])
def test_a_bulk_retry_goes_on_as_soon_as_its_runs_have_ended(
    stage: Stage, settings_of_it: dict[str, object]
) -> None:
    world = stage.world
    runs = failed(world, world.job(), 2 * MOST_UNDER_WAY + 5)
    order = Order(deed=Deed.RETRY, chosen=Chosen(ids=tuple(run.pk for run in runs)))
    operation = bulk_begin(project=world.project, order=order, by=world.owner)
    stage.worker(RUN_SWEEP_SECONDS=60, **settings_of_it)

    def is_done() -> bool:
        operation.refresh_from_db()
        return operation.state == BulkState.DONE

    wait_for(is_done, stage.logs, seconds=40)
    assert operation.runs_succeeded == len(runs)
    assert operation.started_at is not None
    assert operation.finished_at is not None
    assert operation.finished_at - operation.started_at < timedelta(seconds=30), "it waited for a sweep"


# --- told to stop ---------------------------------------------------------------------------------


def test_a_worker_told_to_stop_lets_runs_end_and_takes_no_more(stage: Stage) -> None:
    product = stage.worker()
    run = stage.run(SLEEPS.format(seconds=2))
    stage.started(run)
    process = process_of(product)
    process.terminate()
    time.sleep(0.5)
    later = stage.run("print('too late')")
    assert process.wait(timeout=10) == 0
    assert outcome(run) == "success"
    assert log_of(run) == ["begun", "done"]
    assert outcome(later) == "available"


def test_what_outlives_the_grace_is_lost_with_the_reason_and_tried_again_only_where_that_is_safe(
    stage: Stage,
) -> None:
    product = stage.worker(RUN_GRACE_SECONDS=1)
    careful, safe = (stage.run(SLEEPS.format(seconds=30), safe_to_run_again=safe) for safe in (False, True))
    stage.started(careful)
    stage.started(safe)
    began = time.monotonic()
    assert stop(product) == 0
    assert time.monotonic() - began < 6
    assert outcome(careful) == outcome(safe) == "lost:LostError"
    assert "shut down" in careful.error_message
    assert not Run.objects.filter(retry_of=careful).exists()
    assert Run.objects.get(retry_of=safe).attempt == 2


# --- cut off --------------------------------------------------------------------------------------


def test_a_result_is_written_when_a_database_that_was_away_is_back(stage: Stage) -> None:
    product = stage.worker(RUN_LEASE_SECONDS=12)
    run = stage.run(SLEEPS.format(seconds=1.5))
    stage.started(run)
    connection.close()
    stage.servers.postgres.kill()
    time.sleep(3)
    stage.servers.postgres.start()
    assert stage.ended(run) == "success"
    assert log_of(run) == ["begun", "done"]
    assert "action=lease_not_extended" in product.log("worker")


class TestWithAShortLease:
    """One worker for all of these, whatever they do to it."""

    @pytest.fixture(scope="class")
    @classmethod
    def product(cls, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
        with product_of(servers, tmp_path_factory.mktemp("worker"), RUN_LEASE_SECONDS=4) as product:
            yield worker_of(product)

    @pytest.fixture
    def stage(self, stage: Stage, product: Product) -> Iterator[Stage]:
        product.revive()
        stage.products.append(product)
        yield stage
        stage.products.remove(product)

    def test_a_worker_frozen_past_its_lease_cannot_write_its_result(
        self, stage: Stage, product: Product
    ) -> None:
        run = stage.run(SLEEPS.format(seconds=1), safe_to_run_again=True)
        stage.started(run)
        product.freeze("worker")
        wait_for(lambda: leases_expire() and outcome(run) == "lost:LostError", stage.logs)
        ended = run.finished_at
        product.thaw("worker")
        again = Run.objects.get(retry_of=run)
        Run.objects.filter(pk=again.pk).update(run_at=datetime.now(UTC))
        assert stage.ended(again) == "success"
        told = ("action=late_result_refused", "action=fenced")
        wait_for(lambda: any(word in product.log("worker") for word in told), stage.logs)
        assert (outcome(run), run.finished_at) == ("lost:LostError", ended)
        assert Run.objects.filter(retry_of=run).count() == 1

    @pytest.mark.parametrize("how", ["gone", "hung"])
    def test_a_worker_without_its_database_ends_its_jobs_before_their_leases_do(
        self, stage: Stage, how: str
    ) -> None:
        with Partner() as partner:
            run = stage.run(CALLS, connections={"partner": partner.connection(stage.world)})
            stage.started(run)
            run.refresh_from_db()
            until = run.lease_until
            assert until is not None
            connection.close()
            with database_away(stage.servers, how):
                began = time.time()
                wait_for(lambda: time.time() - partner.last_call > 0.7, stage.logs)
            assert partner.last_call > began, "it ran on for a while"
            assert partner.last_call < until.timestamp() + 1  # the lease may have been extended since
            wait_for(lambda: leases_expire() or outcome(run) not in OPEN, stage.logs)
            assert outcome(run) == "lost:LostError"

    def test_rubbish_in_the_queue_loses_nothing(self, stage: Stage, product: Product) -> None:
        run = stage.run(SLEEPS.format(seconds=1))
        stage.started(run)
        with redis_of(stage.servers) as client:
            client.lpush("celery", b"\xff\x00 not json", "{}")
        later = [stage.run("pass") for _ in range(3)]
        deadline = time.monotonic() + 25
        while time.monotonic() < deadline and any(outcome(each) in OPEN for each in (run, *later)):
            product.revive()  # as a service manager does
            time.sleep(0.2)
        assert [outcome(each) for each in (run, *later)] == ["success"] * 4, stage.logs()[-4000:]

    def test_a_hundred_permits_too_many_execute_each_run_once(self, stage: Stage) -> None:
        with Partner() as partner:
            job = stage.world.job(
                "partner.post('/ran', {'run': run.id})",
                connections={"partner": partner.connection(stage.world)},
            )
            runs = [job_start(job=job) for _ in range(5)]
            with redis_of(stage.servers) as client:
                wait_for(lambda: outcome(runs[0]) not in OPEN, stage.logs)
                client.lpush("celery", *[permit(stage.servers)] * 100)
                wait_for(lambda: not client.llen("celery"), stage.logs)
            assert [stage.ended(run) for run in runs] == ["success"] * 5
            assert sorted(partner.runs) == sorted(str(run.pk) for run in runs)
            assert {(run.attempt, run.claims) for run in runs} == {(1, 1)}


@contextmanager
def database_away(servers: Servers, how: str) -> Iterator[None]:
    if how == "gone":
        servers.postgres.kill()
        yield
        servers.postgres.start()
        return
    server, frozen = servers.postgres.pid, []
    try:
        frozen = _signal(signal.SIGSTOP, [server])  # from here on it makes no more of them
        frozen += _signal(signal.SIGSTOP, descendants(server))
        yield
    finally:
        _signal(signal.SIGCONT, frozen)


def _signal(number: signal.Signals, pids: Iterable[int]) -> list[int]:
    """Those that were still there: a session may end at any time."""
    there = []
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            there.append(pid)
    return there


def redis_of(servers: Servers) -> redis.Redis:
    return redis.Redis(unix_socket_path=servers.redis_url.partition("://")[2])


def permit(servers: Servers) -> bytes:
    """One as the platform publishes it, taken from a queue that nobody else reads."""
    from celery import Celery

    with Celery(broker=servers.redis_url, set_as_current=False) as app, redis_of(servers) as client:
        app.send_task("runs.execute_next", queue="only-here", ignore_result=True, expires=300)
        taken = client.rpop("only-here")
        assert isinstance(taken, bytes)
        return taken.replace(b"only-here", b"celery")


def test_a_hung_broker_keeps_nobody_waiting_at_the_inbox(stage: Stage) -> None:
    stage.world.on_message(stage.world.job("pass"))
    product = stage.product()
    product.start_web(threads=4)
    assert stage.servers.redis is not None
    with post(product, stage.world.inbox.address) as answer:
        assert answer.status == 202
    os.kill(stage.servers.redis.pid, signal.SIGSTOP)
    try:
        took = []
        for _ in range(5):
            began = time.monotonic()
            with post(product, stage.world.inbox.address) as answer:
                assert answer.status == 202
            took.append(time.monotonic() - began)
    finally:
        os.kill(stage.servers.redis.pid, signal.SIGCONT)
    assert took[0] < 5
    assert max(took[1:]) < 1
    assert len(stage.world.runs()) == 6


def post(product: Product, address: uuid.UUID) -> Any:
    request = urllib.request.Request(
        f"{product.url}/inbox/{address}", data=b"{}", headers={"Content-Type": "application/json"}
    )
    return urllib.request.urlopen(request, timeout=10)


# --- confinement ----------------------------------------------------------------------------------


@pytest.mark.parametrize("required", [True, False])
def test_where_a_sandbox_is_required_an_unconfined_worker_takes_nothing(
    world: World, settings: Settings, required: bool
) -> None:
    settings.REQUIRE_SANDBOX = required
    worker = Worker(name="unconfined", capacity=1, sweeps=False)
    worker.zygote = ZygoteClient(confined=False)
    run = job_start(job=world.job())
    worker.start()
    try:
        assert worker.wait_ready()
        Engine(worker).drain()
    finally:
        worker.stop(grace=0)
    assert WorkerHeartbeat.objects.get().confinement.startswith("none")
    assert outcome(run) == ("available" if required else "success")
    assert run.confinement.startswith("" if required else "none")


class Partner(ThreadingHTTPServer):
    """Counts which runs called, and when the last call came."""

    daemon_threads = True

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.last_call = 0.0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                partner = self.server
                assert isinstance(partner, Partner)
                partner.runs.append(body["run"])
                partner.last_call = time.time()
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def connection(self, world: World) -> tuple[str, Any]:
        return "http", world.credential("http", baseUrl=f"http://127.0.0.1:{self.server_port}")

    def __exit__(self, *args: Any) -> None:
        self.shutdown()
        self._thread.join()
        super().__exit__(*args)
