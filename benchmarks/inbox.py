"""(a) How many messages of 1 kB the inbox takes in a second from 16 partners, without and with a worker beside it.

And what a message costs the web processes by each of the things that open an inbox.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.figures import Figure, median
from benchmarks.harness import ROOT, Stage
from benchmarks.sender import body
from benchmarks.usage import cpu_seconds

if TYPE_CHECKING:
    from tests.flows.world import World

CONNECTIONS = 16
ROUNDS = 4
JOB = "state.data = {'seen': value('form.n')}"


def measure(stage: Stage) -> Iterator[Figure]:
    from tests.flows.world import World

    world = World()
    key = f"key:{world.key()}"
    world.on_message(world.job(JOB), inclusion={"form": {"kind": "registration"}})
    address = str(world.inbox.address)
    seconds = 5.0 if stage.quick else 20.0
    inserts = _inserts_per_second(stage, seconds=seconds / 4)
    stage.start_web()
    _send(stage, address=address, door=key, seconds=2)  # fills pools and caches
    yield from _figures(stage, address, key, seconds, inserts, beside="stopped", goals=(400, 100))
    yield from _doors(stage, world, address, key, seconds / 2)
    stage.start_worker()
    stage.wait_for_worker()
    time.sleep(3)
    yield from _figures(stage, address, key, seconds, inserts, beside="running", goals=(250, None))


def _figures(
    stage: Stage,
    address: str,
    door: str,
    seconds: float,
    inserts: float,
    *,
    beside: str,
    goals: tuple[float, float | None],
) -> Iterator[Figure]:
    stored_before, ended_before = _stored(stage), _ended(stage)
    cpu = {name: cpu_seconds(roots) for name, roots in _groups(stage).items()}
    sent = _send(stage, address=address, door=door, seconds=seconds)
    used = {
        name: (cpu_seconds(roots) - cpu[name]) / sent["seconds"] for name, roots in _groups(stage).items()
    }
    accepted = sent["statuses"].get("202", 0)
    ended = (_ended(stage) - ended_before) / sent["seconds"]
    shares = ", ".join(f"{name} {share:.2f}" for name, share in used.items())
    note = f"cores used: {shares}, sender {sent['cpu']:.2f}" + (
        f"; {ended:.0f} runs/s ended meanwhile" if ended else ""
    )
    what = f"inbox, worker {beside}"
    yield Figure(
        benchmark="a", what=f"{what}: accepted", value=accepted / sent["seconds"], unit="/s",
        yardstick=inserts, yardstick_what=f"bare inserts, {CONNECTIONS} connections", goal=goals[0], note=note,
    )  # fmt: skip
    yield Figure(benchmark="a", what=f"{what}: p50", value=sent["p50_ms"], unit="ms")
    yield Figure(
        benchmark="a", what=f"{what}: p99", value=sent["p99_ms"], unit="ms", goal=goals[1], at_most=True
    )
    stored = _stored(stage) - stored_before
    others = {status: count for status, count in sent["statuses"].items() if status != "202"}
    yield Figure(
        benchmark="a", what=f"{what}: answered 202 and not stored (or the reverse)", value=abs(accepted - stored),
        unit="messages", goal=0, at_most=True,
        note=f"{accepted:,} answers 202, {stored:,} messages with payload and run" + (f"; {others}" if others else ""),
    )  # fmt: skip


def _doors(stage: Stage, world: World, address: str, key: str, seconds: float) -> Iterator[Figure]:
    """In CPU time and in turns, because that is the same whatever else the machine does."""
    from triggers.admitting import inbox_password_add, inbox_secret_add

    _, made = inbox_password_add(inbox=world.inbox, name="made", username="made", by=world.owner)
    _, chosen = inbox_password_add(
        inbox=world.inbox, name="chosen", username="chosen", password="a long way to Kisumu", by=world.owner
    )
    _, secret = inbox_secret_add(inbox=world.inbox, name="secret", by=world.owner)
    doors = {
        "an API key": key,
        "a password that was made": f"basic:made:{made}",
        "a password that was chosen": f"basic:chosen:{chosen}",
        "a signature, with its id": f"hmac:{secret}",
    }
    costs: dict[str, list[float]] = {what: [] for what in doors}
    for _ in range(ROUNDS):
        for what, door in doors.items():
            costs[what].append(_cost_ms(stage, address, door, seconds / ROUNDS))
    by_key = median(costs["an API key"])
    for what, measured in costs.items():
        yield Figure(
            benchmark="a", what=f"web CPU of a message with {what}", value=median(measured), unit="ms",
            yardstick=by_key, yardstick_what="with an API key",
        )  # fmt: skip


def _cost_ms(stage: Stage, address: str, door: str, seconds: float) -> float:
    before = cpu_seconds(stage.roots("web"))
    accepted: int = _send(stage, address=address, door=door, seconds=seconds)["statuses"].get("202", 0)
    return 1_000 * (cpu_seconds(stage.roots("web")) - before) / max(1, accepted)


def _groups(stage: Stage) -> dict[str, list[int]]:
    groups = {name: stage.roots(name) for name in stage.parts}
    return groups | {"PostgreSQL": [stage.servers.postgres.pid]}


def _stored(stage: Stage) -> int:
    """Messages that are there with all that they must start."""
    return int(
        stage.value(
            """SELECT count(*) FROM message m JOIN message_payload p ON p.message_id = m.id
               JOIN work_order o ON o.message_id = m.id JOIN run r ON r.work_order_id = o.id"""
        )
    )


def _ended(stage: Stage) -> int:
    return int(stage.value("SELECT count(*) FROM run WHERE finished_at IS NOT NULL"))


def _send(stage: Stage, *, address: str, door: str, seconds: float) -> dict[str, Any]:
    arguments = [str(stage.port), address, door, str(seconds), str(CONNECTIONS)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sender", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=seconds + 90, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"The sender failed: {done.stderr[-2000:]}\n{stage.log_end()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _inserts_per_second(stage: Stage, *, seconds: float) -> float:
    """The yardstick: the same 1 kB into one table of the same server, a commit each, as many connections."""
    stage.sql("CREATE TABLE yardstick (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body bytea NOT NULL)")
    counts = [0] * CONNECTIONS
    until = time.perf_counter() + seconds

    def insert(place: int) -> None:
        with psycopg.connect(stage.servers.database_url, autocommit=True) as connection:
            while time.perf_counter() < until:
                connection.execute("INSERT INTO yardstick (body) VALUES (%s)", [body(counts[place])])
                counts[place] += 1

    threads = [threading.Thread(target=insert, args=(place,)) for place in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = sum(counts) / (time.perf_counter() - began)
    stage.sql("DROP TABLE yardstick")
    return rate
