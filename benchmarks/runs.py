"""(b) Trivial confined runs from the queue to their end: one log line, a final state, a work order each."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import doorbell
from benchmarks.figures import Figure
from benchmarks.harness import Stage
from benchmarks.usage import cpu_seconds

JOB = "print('seen', value('n'))\nstate.data = {'seen': value('n')}"


def measure(stage: Stage) -> Iterator[Figure]:
    runs, tasks = (300, 1_000) if stage.quick else (1_500, 5_000)
    for concurrency in stage.concurrency:
        yield from _figures(stage, runs=runs, tasks=tasks, concurrency=concurrency)
        stage.reset()


def _figures(stage: Stage, *, runs: int, tasks: int, concurrency: int) -> Iterator[Figure]:
    from tests.flows.world import World

    yardstick = doorbell.tasks_per_second(stage, tasks=tasks, concurrency=concurrency)
    world = World()
    world.project.max_concurrency = max(50, concurrency)
    world.project.save()
    world.on_message(world.job(JOB))
    for number in range(runs):
        world.post({"n": number})
    database = cpu_seconds([stage.servers.postgres.pid])
    stage.start_worker(concurrency=concurrency)
    level = stage.wait_for_worker()
    started = cpu_seconds(stage.roots("worker"))  # loading it is not the runs' doing
    stage.wait_until_done(runs=runs, seconds=runs / 5)
    of_worker = (cpu_seconds(stage.roots("worker")) - started) / runs * 1000
    of_database = (cpu_seconds([stage.servers.postgres.pid]) - database) / runs * 1000
    seconds, complete = stage.sql(_WHOLE)[0]
    yield Figure(
        benchmark="b", what=f"runs end to end, {concurrency} threads", value=runs / float(seconds), unit="runs/s",
        yardstick=yardstick, yardstick_what="no-op Celery tasks", goal=60,
        note=f"{runs:,} queued, then the worker started; processor time per run: worker, zygote and child "
        f"{of_worker:.1f} ms, PostgreSQL {of_database:.1f} ms; confinement: {level}",
    )  # fmt: skip
    yield Figure(
        benchmark="b", what="runs without log line, final state or ended work order", value=runs - complete,
        unit="runs", goal=0, at_most=True,
    )  # fmt: skip


_WHOLE = """
SELECT extract(epoch FROM max(r.finished_at) - min(r.claimed_at)),
       count(*) FILTER (WHERE r.state = 'success' AND o.state = 'success' AND s.id IS NOT NULL
                        AND (SELECT count(*) FROM log_line l WHERE l.run_id = r.id) = 1)
FROM run r JOIN work_order o ON o.id = r.work_order_id LEFT JOIN state s ON s.id = r.final_id
"""
