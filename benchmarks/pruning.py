"""(m) Retention takes away a million rows that are too old, while 100 messages a second come in: who notices it?"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg

from benchmarks.figures import Figure, percentile
from benchmarks.harness import ROOT, Stage
from benchmarks.history import ROWS_OF_MESSAGE, ROWS_OF_RUN, history_fill
from benchmarks.inbox import CONNECTIONS, JOB

ROWS = 1_000_000
PER_SECOND = 100
PART_SECONDS = 15
PATIENCE_SECONDS = 420
_LOOK = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0), count(*) FROM pg_locks WHERE NOT granted
"""


def measure(stage: Stage) -> Iterator[Figure]:
    from tests.flows.world import World

    count = ROWS // (ROWS_OF_MESSAGE + ROWS_OF_RUN) + 1
    count = count // 10 if stage.quick else count
    world = World()
    key = world.key()
    job = world.job(JOB)
    world.on_message(job, inclusion={"form": {"kind": "registration"}})
    rows = history_fill(stage, world, job, count=count, days_ago=600, step="1 second")
    stage.start_web()
    address = str(world.inbox.address)
    _post(stage, address, key, seconds=4)  # fills pools and caches
    stage.sql("CHECKPOINT")
    before = _post(stage, address, key, seconds=PART_SECONDS * 2)
    with LockWatch(stage) as watch:
        meanwhile, seconds = _prune(stage, address, key)
    before += _post(stage, address, key, seconds=PART_SECONDS * 2)  # and after it, as neighbours come and go
    yield from _figures(stage, rows, before, meanwhile, seconds, watch)


def _prune(stage: Stage, address: str, key: str) -> tuple[list[float], float]:
    """Milliseconds of every answer while retention works, and how long it took."""
    stage.start("pruner", "benchmarks.pruning")
    began = time.monotonic()
    meanwhile: list[float] = []
    while stage.parts["pruner"].ended() is None and time.monotonic() - began < PATIENCE_SECONDS:
        meanwhile += _post(stage, address, key, seconds=PART_SECONDS)
    return meanwhile, time.monotonic() - began


def _figures(
    stage: Stage, rows: int, before: list[float], meanwhile: list[float], seconds: float, watch: LockWatch
) -> Iterator[Figure]:
    left = int(stage.value("SELECT count(*) FROM message WHERE created_at < now() - interval '365 days'"))
    rate = rows / seconds if not left else float("nan")
    name = f"retention of {rows:,} rows beside {PER_SECOND} messages/s"
    yield Figure(
        benchmark="m", what=f"{name}: rows", value=rate, unit="/s",
        note=f"{left:,} old messages left after {seconds:.0f} s; at most a quarter of the time is worked",
    )  # fmt: skip
    base = percentile(before, 99)
    yield Figure(
        benchmark="m", what=f"{name}: p99 of the inbox", value=percentile(meanwhile, 99), unit="ms",
        yardstick=base, yardstick_what="before and after", goal=2 * base, at_most=True,
        note=f"p50 {percentile(meanwhile, 50):.1f} ms, without {percentile(before, 50):.1f} ms; {len(meanwhile):,} messages",
    )  # fmt: skip
    yield Figure(
        benchmark="m", what=f"{name}: longest wait for a lock", value=watch.longest, unit="s", goal=1, at_most=True,
        note=f"somebody waited at {watch.waits} of {watch.looks:,} looks",
    )  # fmt: skip


def _post(stage: Stage, address: str, key: str, *, seconds: float) -> list[float]:
    arguments = [str(stage.port), address, f"key:{key}", str(seconds), str(CONNECTIONS), str(PER_SECOND)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sender", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=seconds + 90, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"The sender failed: {done.stderr[-2000:]}\n{stage.log_end()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if set(answer["statuses"]) != {"202"}:
        raise RuntimeError(f"Not all were taken: {answer['statuses']}")
    found: list[float] = answer["ms"]
    return found


class LockWatch:
    """Looks fifty times a second who waits for a lock, and how long already."""

    def __init__(self, stage: Stage) -> None:
        self._url = stage.servers.database_url
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.longest = 0.0
        self.waits = self.looks = 0

    def __enter__(self) -> LockWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as link:
            while not self._done.wait(0.02):
                longest, count = link.execute(_LOOK).fetchone() or (0, 0)
                self.longest = max(self.longest, float(longest))
                self.looks += 1
                self.waits += bool(count)


def main() -> None:
    """The process that keeps house, until nothing is too old: what a worker's thread does."""
    import django

    django.setup()
    from runs.retention.working import retention_work

    def rest(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    while retention_work(pause=rest):
        pass


if __name__ == "__main__":
    main()
