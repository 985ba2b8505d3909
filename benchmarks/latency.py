"""(d) How long after its 202 a message's run starts, on an idle system."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator

from benchmarks import doorbell
from benchmarks.figures import Figure, percentile
from benchmarks.harness import DEFAULT_CONCURRENCY, Stage

PAUSE = 0.25


def measure(stage: Stage) -> Iterator[Figure]:
    from tests.flows.world import World

    times = 15 if stage.quick else 50
    bells = doorbell.starts(stage, times=times, pause=0.1, concurrency=DEFAULT_CONCURRENCY)
    world = World()
    world.on_message(world.job("state.data = {'seen': value('n')}"))
    address = str(world.inbox.address)
    stage.start_web()
    stage.start_worker()
    stage.start_beat()
    stage.wait_for_worker()
    for warm_up in range(3):
        _post(stage, address, -warm_up)
        time.sleep(1)
    answered = {}
    for number in range(times):
        message = _post(stage, address, number)
        answered[message] = time.time()
        time.sleep(PAUSE)
    stage.wait_until_done(runs=times + 3, seconds=60)
    stored, after = [], []
    for message, took, started_at in stage.sql(_STARTS):
        if message in answered:
            stored.append(float(took) * 1000)
            after.append((float(started_at) - answered[message]) * 1000)
    yardstick = [seconds * 1000 for seconds in bells]
    for percent in (50, 95):
        yield Figure(
            benchmark="d", what=f"message stored -> run started, idle: p{percent}", value=percentile(stored, percent),
            unit="ms", yardstick=percentile(yardstick, percent), yardstick_what="publish -> no-op task",
            goal=50 if percent == 50 else None, at_most=True,
            note=f"{len(stored)} messages; after the sender had its 202: {percentile(after, percent):.1f} ms",
        )  # fmt: skip


_STARTS = """
SELECT m.id::text, extract(epoch FROM r.started_at - m.created_at), extract(epoch FROM r.started_at)
FROM run r JOIN work_order o ON o.id = r.work_order_id JOIN message m ON m.id = o.message_id
"""


def _post(stage: Stage, address: str, number: int) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{stage.port}/inbox/{address}",
        data=json.dumps({"n": number}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(json.load(response)["message"])
