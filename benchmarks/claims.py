"""(g) How long a claim takes, commit included, with 100,000 runs queued and 16 claimers; are all limits kept?"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from benchmarks.figures import Figure, percentile
from benchmarks.harness import Stage, disconnect

QUEUED = 100_000
PROJECTS = 200
JOBS = 600
CLAIMERS = 16
JOB_SECONDS = 0.020
PER_JOB = 2
PER_PROJECT = 10


@dataclass(frozen=True)
class Claimed:
    """What the claimers saw together."""

    latencies: list[float]  # of claims that got a run, in seconds
    empty: int  # nothing that may run now: limits
    seconds: float


def measure(stage: Stage) -> Iterator[Figure]:
    seconds = 6.0 if stage.quick else 20.0
    queued = QUEUED // 10 if stage.quick else QUEUED
    bare = _bare(stage, queued=queued, seconds=seconds / 4)
    for projects, name in ((PROJECTS, f"{PROJECTS} projects, 60 % in one"), (1, "all in one project")):
        _fill(stage, projects=projects, queued=queued)
        watch = _Watch(stage)
        with watch:
            claimed = _claim(_claim_and_finish, stage, seconds=seconds)
        yield from _figures(claimed, bare, watch, f"{queued:,} queued, {name}", stage)
        stage.reset()


def _figures(claimed: Claimed, bare: Claimed, watch: _Watch, name: str, stage: Stage) -> Iterator[Figure]:
    served = stage.value("SELECT count(DISTINCT project_id) FROM run WHERE state = 'success'")
    note = f"{len(claimed.latencies) / claimed.seconds:.0f} claims/s, {served} projects served, "
    note += f"{claimed.empty} answers “nothing may run now”"
    for percent in (50, 95, 99):
        yield Figure(
            benchmark="g", what=f"claim, {name}: p{percent}", value=percentile(claimed.latencies, percent) * 1000,
            unit="ms", yardstick=percentile(bare.latencies, percent) * 1000,
            yardstick_what="bare SKIP LOCKED, no limits", goal=10 if percent == 95 else None, at_most=True,
            note=note if percent == 50 else "",
        )  # fmt: skip
    yield Figure(
        benchmark="g", what="  moments with more at once than a limit allows", value=watch.violations, unit="",
        goal=0, at_most=True,
        note=f"{watch.looks} looks; most at once: {watch.most_of_job} of a job (limit {PER_JOB}), "
        f"{watch.most_of_project} of a project (limit {PER_PROJECT})",
    )  # fmt: skip


# --- the scene


def _fill(stage: Stage, *, projects: int, queued: int) -> None:
    """Projects and jobs by the models, runs by SQL: 60 % of them in the first project, in turn over its jobs."""
    from jobs.models import Job, JobState, Workflow
    from openfn_platform.projects.models import Project

    made = Project.objects.bulk_create(
        Project(key=f"p-{n:03d}", name=f"P {n}", max_concurrency=PER_PROJECT) for n in range(projects)
    )
    workflows = Workflow.objects.bulk_create(
        Workflow(project=project, key="main", name="Main") for project in made
    )
    Job.objects.bulk_create(
        Job(
            project=workflow.project, workflow=workflow, key=f"j-{n}", name=f"J {n}", state=JobState.ON,
            max_concurrency=PER_JOB,
        )
        for workflow in workflows
        for n in range(JOBS // projects)
    )  # fmt: skip
    in_first = queued if projects == 1 else queued * 6 // 10
    stage.sql(_QUEUE, in_first, made[0].pk, queued, in_first, projects)
    stage.sql("VACUUM ANALYZE")
    stage.sql("CHECKPOINT")


_QUEUE = """
WITH place AS (
    SELECT j.id AS job, j.project_id AS project, j.workflow_id AS workflow, p.key,
           row_number() OVER (PARTITION BY j.project_id ORDER BY j.id) - 1 AS at,
           count(*) OVER (PARTITION BY j.project_id) AS jobs
    FROM job j JOIN project p ON p.id = j.project_id),
wanted AS (
    SELECT n, n AS turn, (SELECT min(key) FROM place) AS key FROM generate_series(0, %s - 1) n WHERE %s::uuid IS NOT NULL
    UNION ALL
    SELECT n, n / greatest(p.projects - 1, 1), 'p-' || lpad((1 + n %% greatest(p.projects - 1, 1))::text, 3, '0')
    FROM (SELECT %s AS queued, %s AS in_first, %s AS projects) p, generate_series(0, p.queued - p.in_first - 1) n),
chosen AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, gen_random_uuid() AS run, w.n, place.*
    FROM wanted w JOIN place ON place.key = w.key AND place.at = w.turn %% place.jobs),
orders AS (
    INSERT INTO work_order (id, project_id, workflow_id, cause)
    SELECT id, project, workflow, 'manual' FROM chosen)
INSERT INTO run (id, project_id, workflow_id, work_order_id, job_id)
SELECT run, project, workflow, id, job FROM chosen ORDER BY n
"""


# --- claimers: processes, so that none waits for another one's interpreter


def _claim(body: Any, stage: Stage, *, seconds: float) -> Claimed:
    disconnect()  # a fork must not share a connection
    fork = multiprocessing.get_context("fork")
    pipes, processes = [], []
    for number in range(CLAIMERS):
        ours, theirs = fork.Pipe()
        arguments = (body, theirs, stage.servers.database_url, f"claimer-{number}", seconds)
        process = fork.Process(target=_claimer, args=arguments, daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        results = [pipe.recv() if pipe.poll(seconds + 60) else None for pipe in pipes]
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()
    if any(result is None for result in results):
        raise RuntimeError("A claimer did not answer.")
    latencies = [latency for result in results if result for latency in result[0]]
    return Claimed(latencies, sum(result[1] for result in results if result), seconds)


def _claimer(body: Any, pipe: Connection, url: str, name: str, seconds: float) -> None:
    random.seed(name)
    latencies: list[float] = []
    empty = 0
    once = body(url, name)
    once()  # connects, plans
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        latency = once()
        if latency is None:
            empty += 1
            time.sleep(random.uniform(0.002, 0.006))
        else:
            latencies.append(latency)
    pipe.send((latencies, empty))


def _claim_and_finish(url: str, name: str) -> Any:
    """The platform's own claim, a job of 20 ms, and its moves to the end."""
    from runs.claiming import run_claim_next
    from runs.lifecycle import run_move
    from runs.models import RunState

    def once() -> float | None:
        began = time.perf_counter()
        claim = run_claim_next(worker=name)
        took = time.perf_counter() - began
        if claim is None:
            return None
        run_move(run_id=claim.run_id, to=RunState.STARTED, source=RunState.CLAIMED, token=claim.token)
        time.sleep(JOB_SECONDS)
        run_move(run_id=claim.run_id, to=RunState.SUCCESS, source=RunState.STARTED, token=claim.token)
        return took

    return once


def _bare(stage: Stage, *, queued: int, seconds: float) -> Claimed:
    """The yardstick: the usual claim with SKIP LOCKED on a narrow table, without fairness and without limits."""
    stage.sql("CREATE TABLE yardstick (id bigint PRIMARY KEY, state text NOT NULL DEFAULT 'available')")
    stage.sql("CREATE INDEX ON yardstick (id) WHERE state = 'available'")
    stage.sql("INSERT INTO yardstick (id) SELECT generate_series(1, %s)", queued)
    stage.sql("VACUUM ANALYZE yardstick")
    try:
        return _claim(_bare_claim, stage, seconds=seconds)
    finally:
        stage.sql("DROP TABLE yardstick")


def _bare_claim(url: str, name: str) -> Any:
    connection = psycopg.connect(url, autocommit=True)

    def once() -> float | None:
        began = time.perf_counter()
        row = connection.execute(_BARE).fetchone()
        took = time.perf_counter() - began
        if row is None:
            return None
        connection.execute("UPDATE yardstick SET state = 'started' WHERE id = %s", row)
        time.sleep(JOB_SECONDS)
        connection.execute("UPDATE yardstick SET state = 'success' WHERE id = %s", row)
        return took

    return once


_BARE = """
UPDATE yardstick SET state = 'claimed'
WHERE id = (SELECT id FROM yardstick WHERE state = 'available' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id
"""


# --- the watch over the limits


class _Watch:
    """Looks again and again how many runs go on at once; each look is one snapshot."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="limits", daemon=True)
        self.looks = self.violations = self.most_of_job = self.most_of_project = 0

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        with psycopg.connect(self._stage.servers.database_url, autocommit=True) as connection:
            while not self._done.wait(0.02):
                row = connection.execute(_AT_ONCE).fetchone()
                of_job, of_project = row if row else (0, 0)
                self.looks += 1
                self.violations += of_job > PER_JOB or of_project > PER_PROJECT
                self.most_of_job = max(self.most_of_job, of_job)
                self.most_of_project = max(self.most_of_project, of_project)


_AT_ONCE = """
SELECT coalesce(max(n) FILTER (WHERE job_id IS NOT NULL), 0), coalesce(max(n) FILTER (WHERE job_id IS NULL), 0)
FROM (SELECT project_id, job_id, count(*) AS n FROM run WHERE state IN ('claimed', 'started')
      GROUP BY GROUPING SETS ((project_id, job_id), (project_id))) AS busy
"""
