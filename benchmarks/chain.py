"""(c) A chain of 40 jobs, each computing fib(10) recursively, linked by success flows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from benchmarks import doorbell
from benchmarks.figures import Figure, median
from benchmarks.harness import DEFAULT_CONCURRENCY, Stage

LENGTH = 40
TIMES = 3
JOB = """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
state.data = {"fib": fib(10)}
"""


def measure(stage: Stage) -> Iterator[Figure]:
    from runs.starting import Input, job_start
    from tests.flows.world import World

    trips = doorbell.round_trips(stage, chains=TIMES, length=LENGTH, concurrency=DEFAULT_CONCURRENCY)
    world = World()
    jobs = [world.job(JOB, key=f"step-{number + 1}") for number in range(LENGTH)]
    for upstream, following in pairwise(jobs):
        world.on_end(upstream, "success", following)
    stage.start_web()
    stage.start_worker()
    stage.start_beat()
    stage.wait_for_worker()
    orders = []
    for time in range(1 + TIMES):  # the first one warms up
        orders.append(job_start(job=jobs[0], given=Input(data={})).work_order_id)
        stage.wait_until_done(runs=LENGTH * (time + 1), seconds=90)
    took = [_seconds(stage, order) for order in orders[1:]]
    yield Figure(
        benchmark="c", what=f"chain of {LENGTH} jobs, fib(10) each", value=median(took), unit="s",
        yardstick=median(trips), yardstick_what=f"{LENGTH} no-op Celery round trips", goal=2, at_most=True,
        note="each: " + ", ".join(f"{seconds:.2f}" for seconds in took),
    )  # fmt: skip


def _seconds(stage: Stage, order: object) -> float:
    count, seconds = stage.sql(
        """SELECT count(*) FILTER (WHERE state = 'success'), extract(epoch FROM max(finished_at) - min(created_at))
           FROM run WHERE work_order_id = %s""",
        order,
    )[0]
    if count != LENGTH:
        raise RuntimeError(f"Only {count} of {LENGTH} jobs of the chain succeeded.\n{stage.log_end()}")
    return float(seconds)
