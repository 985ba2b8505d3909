"""(f) One run with a state of 50 MB in and out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure, median
from benchmarks.harness import Stage
from benchmarks.usage import PeakMemory

MEGABYTES = 50
TIMES = 3
JOB = "state.data['seen'] = len(state.data['records'])"


def measure(stage: Stage) -> Iterator[Figure]:
    from runs.starting import Input, job_start
    from tests.flows.world import World

    size = (5 if stage.quick else MEGABYTES) * 1_000_000
    records = _records(size)
    yardstick = _in_process(records)
    world = World()
    job = world.job(JOB, state_bytes=size + 5_000_000, memory_mb=1_024)
    stage.start_worker()
    stage.wait_for_worker()
    job_start(job=job, given=Input(data={"records": records[:10]}))
    stage.wait_until_done(runs=1, seconds=30)
    took, peaks = [], []
    for turn in range(TIMES):
        with PeakMemory(lambda: stage.roots("worker"), every=0.05) as memory:
            run = job_start(job=job, given=Input(data={"records": records}))
            queued_at = time.time()
            stage.wait_until_done(runs=turn + 2, seconds=90)
        took.append(_ended_at(stage, run.pk, size) - queued_at)
        peaks.append(memory.megabytes)
    yield Figure(
        benchmark="f", what=f"state of {size // 1_000_000} MB in and out", value=median(took), unit="s",
        yardstick=yardstick, yardstick_what="json.loads + json.dumps of it", goal=None if stage.quick else 3,
        note="queued -> success; each: " + ", ".join(f"{seconds:.2f}" for seconds in took), at_most=True,
    )  # fmt: skip
    yield Figure(
        benchmark="f", what="peak memory of worker, zygote and child", value=median(peaks), unit="MB",
        goal=None if stage.quick else 600, note="PSS; each: " + ", ".join(f"{mb:.0f}" for mb in peaks), at_most=True,
    )  # fmt: skip


def _records(size: int) -> list[dict[str, Any]]:
    """Forms as they come from the field, some 300 bytes each."""
    one = len(json.dumps(_record(100_000), separators=(",", ":"))) + 1
    return [_record(100_000 + number) for number in range(size // one)]


def _record(number: int) -> dict[str, Any]:
    return {
        "id": f"{number:08d}-aaaa-4bbb-8ccc-0123456789ab",
        "name": {"given": f"Ada{number}", "family": "Example"},
        "born": "1990-02-28",
        "weight": 52.5 + number % 30,
        "visits": [{"at": "2030-01-15T10:00:00Z", "facility": "kigali-12", "reason": "antenatal care", "n": n} for n in (1, 2)],
    }  # fmt: skip


def _in_process(records: list[dict[str, Any]]) -> float:
    """The yardstick: what reading and writing that JSON costs anybody."""
    text = json.dumps({"data": {"records": records}})
    began = time.perf_counter()
    json.dumps(json.loads(text))
    return time.perf_counter() - began


def _ended_at(stage: Stage, run: object, size: int) -> float:
    state, ended, final = stage.sql(
        """SELECT r.state, extract(epoch FROM r.finished_at), s.size FROM run r LEFT JOIN state s ON s.id = r.final_id
           WHERE r.id = %s""",
        run,
    )[0]
    if state != "success" or final < size * 0.98:
        raise RuntimeError(f"The run ended as {state} with {final} bytes.\n{stage.log_end()}")
    return float(ended)
