"""(e) A thousand runs that each wait a second for a slow partner: how long together, and in how much memory."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Stage, free_port, wait_for
from benchmarks.usage import PeakMemory

PAUSE = 1.0
JOB = "state.data = {'answer': partner.get('/patient')}"


def measure(stage: Stage) -> Iterator[Figure]:
    runs = 200 if stage.quick else 1_000
    for concurrency in stage.concurrency:
        yield from _figures(stage, runs=runs, concurrency=concurrency)
        stage.reset()


def _figures(stage: Stage, *, runs: int, concurrency: int) -> Iterator[Figure]:
    from tests.flows.world import World

    port = free_port()
    stage.start("partner", "benchmarks.partner", str(port), str(PAUSE))
    wait_for(lambda: _count(port) is not None, seconds=20, what="the partner", say=stage.log_end)
    world = World()
    world.project.max_concurrency = max(50, concurrency)
    world.project.save()
    link = world.credential("http", baseUrl=f"http://127.0.0.1:{port}", username="u", password="not-a-secret")
    world.on_message(world.job(JOB, connections={"partner": ("http", link)}))
    stage.start_web()
    stage.start_worker(concurrency=concurrency)
    stage.start_beat()
    stage.wait_for_worker()
    world.post({"n": -1})  # warms up
    stage.wait_until_done(runs=1, seconds=30)

    def everybody() -> list[int]:
        return [*stage.roots("web", "worker", "beat"), *stage.server_roots()]

    with PeakMemory(everybody) as memory:
        for number in range(runs):
            world.post({"n": number})
        stage.wait_until_done(runs=runs + 1, seconds=runs * 1.5)
    seconds, succeeded = stage.sql(_WHOLE)[0]
    counted = _count(port) or {}
    least = runs * PAUSE / concurrency
    note = (
        f"{runs:,} runs as messages come, {succeeded:,} succeeded, {counted.get('served')} requests served, "
    )
    yield Figure(
        benchmark="e", what=f"runs that wait 1 s, {concurrency} threads", value=float(seconds), unit="s",
        yardstick=least, yardstick_what="the waiting alone", goal=60 * runs / 1_000, at_most=True,
        note=note + f"at most {counted.get('most_at_once')} at once",
    )  # fmt: skip
    yield Figure(
        benchmark="e", what=f"peak memory of all processes, {concurrency} threads", value=memory.megabytes, unit="MB",
        yardstick=memory.first / 1e6, yardstick_what="before, idle", goal=1_500, at_most=True,
        note="PSS of web, worker, zygote, children, beat, PostgreSQL and Redis together",
    )  # fmt: skip


_WHOLE = """
SELECT extract(epoch FROM max(r.finished_at) - min(r.created_at)), count(*) FILTER (WHERE r.state = 'success')
FROM run r WHERE r.created_at > (SELECT min(finished_at) FROM run)
"""


def _count(port: int) -> dict[str, int] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/count", timeout=5) as response:
            answer: dict[str, int] = json.load(response)
            return answer
    except OSError:
        return None
