"""(o) Retrying many: runs per second of a bulk retry, which never has more than a few of them under way at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.harness import Stage, wait_for

if TYPE_CHECKING:
    from jobs.models import Job
    from tests.flows.world import World

JOB = "if run.attempt == 1: fail('OpenMRS refused.')\nprint('seen', value('n'))\nstate.data = {'seen': value('n')}"


def measure(stage: Stage) -> Iterator[Figure]:
    from tests.flows.world import World

    runs = 100 if stage.quick else 800
    world = World()
    jobs = [world.job(JOB) for _ in range(2)]
    for job in jobs:
        world.on_message(job)
    for number in range(runs):
        world.post({"n": number})
    stage.start_worker()
    stage.wait_for_worker()
    stage.wait_until_done(runs=2 * runs, seconds=runs / 2)
    at_once = _all_at_once(stage, world, jobs[0], runs)
    followed = _operation(stage, world, jobs[1], runs)
    yield Figure(
        benchmark="o", what="runs retried by a bulk operation", value=followed, unit="runs/s",
        yardstick=at_once, yardstick_what="retried one after the other, waiting for none",
        note=f"{runs:,} that failed; from the first retry's making to the last one's end",
    )  # fmt: skip


def _all_at_once(stage: Stage, world: World, job: Job, runs: int) -> float:
    from runs.models import Run
    from runs.retrying import run_repair

    for run in Run.objects.filter(job=job).select_related("job", "project").order_by("lane"):
        run_repair(run=run, by=world.owner, bulk=True)
    stage.wait_until_done(runs=3 * runs, seconds=runs / 2)
    return _pace(stage, job, runs)


def _operation(stage: Stage, world: World, job: Job, runs: int) -> float:
    from runs.bulk import Chosen, Order, bulk_begin
    from runs.models import Deed, Run

    order = Order(deed=Deed.RETRY, chosen=Chosen(rows=Run.objects.filter(job=job)))
    operation = bulk_begin(project=world.project, order=order, by=world.owner)
    wait_for(
        lambda: stage.value("SELECT state FROM bulk_operation WHERE id = %s", operation.pk) == "done",
        seconds=runs / 2, what="the operation to end", say=stage.log_end, every=0.25,
    )  # fmt: skip
    return _pace(stage, job, runs)


def _pace(stage: Stage, job: Job, runs: int) -> float:
    """Retries per second; all of them must have succeeded."""
    stage.wait_until_done(runs=runs, seconds=60)
    seconds, good = stage.sql(_WHOLE, job.pk)[0]
    assert good == runs, f"{good} of {runs} succeeded"
    return runs / float(seconds)


_WHOLE = """
SELECT extract(epoch FROM max(finished_at) - min(created_at)), count(*) FILTER (WHERE state = 'success')
FROM run WHERE job_id = %s AND retry_of_id IS NOT NULL
"""
