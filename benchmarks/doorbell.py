"""The yardstick for runs: Celery alone, with tasks that do nothing, through the same Redis and the same pool.

Run as `celery -A benchmarks.doorbell worker`; knows neither Django nor the platform.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis
from celery import Celery

if TYPE_CHECKING:
    from benchmarks.harness import Stage

ANSWERS = "benchmarks:answers"
WAIT_SECONDS = 60

# Not as the current app: the platform's tasks, which we publish too, would go to this one's queue.
app = Celery(
    "benchmarks", broker=os.environ.get("REDIS_URL") or "redis://127.0.0.1:1/0", set_as_current=False
)
app.conf.update(  # what settings.py says of the platform's own
    task_default_queue="benchmarks",
    task_ignore_result=True,
    task_acks_late=False,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"socket_timeout": 2, "socket_connect_timeout": 1, "retry_on_timeout": False},
)
_store = redis.Redis(unix_socket_path=os.environ.get("REDIS_URL", "").partition("://")[2])
_count = itertools.count(1)
_began: list[float] = []


@app.task(name="benchmarks.nothing", ignore_result=True)
def nothing(last: int) -> None:
    """Does nothing; the first and the last one look at the clock."""
    at = next(_count)
    if at == 1:
        _began.append(time.time())
    if at == last:
        _store.rpush(ANSWERS, json.dumps([_began[0], time.time()]))


@app.task(name="benchmarks.answer", ignore_result=True)
def answer() -> None:
    """Says when it began."""
    _store.rpush(ANSWERS, json.dumps(time.time()))


def tasks_per_second(stage: Stage, *, tasks: int, concurrency: int) -> float:
    """Queued first, then the worker is started; from the first task's start to the last one's."""
    for _ in range(tasks):
        nothing.apply_async(args=(tasks,), retry=False)
    with _worker(stage, concurrency=concurrency):
        began, ended = _answer(stage)
    return float((tasks - 1) / (ended - began))


def round_trips(stage: Stage, *, chains: int, length: int, concurrency: int) -> list[float]:
    """Seconds that so many tasks take when each is published after the one before has answered."""
    seconds = []
    with _worker(stage, concurrency=concurrency):
        _trip(stage)
        for _ in range(chains):
            began = time.perf_counter()
            for _ in range(length):
                _trip(stage)
            seconds.append(time.perf_counter() - began)
    return seconds


def starts(stage: Stage, *, times: int, pause: float, concurrency: int) -> list[float]:
    """Seconds from before publishing to the task's first line, one by one on an idle system."""
    seconds = []
    with _worker(stage, concurrency=concurrency):
        _trip(stage)
        for _ in range(times):
            began = time.time()
            seconds.append(_trip(stage) - began)
            time.sleep(pause)
    return seconds


def _trip(stage: Stage) -> float:
    answer.apply_async(retry=False)
    return float(_answer(stage))


def _answer(stage: Stage) -> Any:
    got = _client(stage).blpop([ANSWERS], timeout=WAIT_SECONDS)
    if got is None:
        from benchmarks.harness import TooSlow

        raise TooSlow(f"The yardstick's worker does not answer.\n{stage.log_end()}")
    return json.loads(got[1])


_clients: dict[str, redis.Redis] = {}


def _client(stage: Stage) -> redis.Redis:
    return _clients.setdefault(stage.servers.redis_url, stage.redis())


@contextmanager
def _worker(stage: Stage, *, concurrency: int) -> Iterator[None]:
    environment = {k: v for k, v in stage.environment.items() if k != "DJANGO_SETTINGS_MODULE"}
    pool = ("--pool", "threads", "--concurrency", str(concurrency), "--without-gossip", "--without-mingle")
    stage.start(
        "doorbell", "celery", "-q", "-A", "benchmarks.doorbell", "worker", *pool, environment=environment
    )
    try:
        yield
    finally:
        stage.stop("doorbell")
