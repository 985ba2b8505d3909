"""(i) One run that moves 10,000 DHIS2 events, page by page, into a CARTO table; then the same killed half-way.

Partners are the stand-ins, on sockets of their own; the run is an ordinary one: worker, zygote, confined child.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg

from benchmarks.figures import Figure
from benchmarks.harness import Stage, TooSlow

EVENTS = 10_000
TABLE = "notifications"
JOB = """
columns = {"event": "text", "at": "timestamptz", "unit": "text", "values": "jsonb"}
carto.publish("notifications", columns, key="event")
moved = 0
for part in chunks(dhis2.tracker.each("events", program="PrCaseNot01", ouMode="ALL"), 500):
    rows = [
        {"event": e["event"], "at": e["occurredAt"], "unit": e["orgUnit"], "the_geom": e.get("geometry"),
         "values": {v["dataElement"]: v["value"] for v in e.get("dataValues", [])}}
        for e in part
    ]
    moved += carto.upsert_rows("notifications", rows, key="event")
    log(f"{moved} events moved")
note(f"{moved} events moved")
state.data = {"moved": moved}
"""


def measure(stage: Stage) -> Iterator[Figure]:
    from openfn_platform.demo.standins.carto.database import carto_database, carto_database_remove
    from openfn_platform.demo.standins.process import Standin
    from runs.starting import Input, job_start
    from tests.flows.world import World

    count = EVENTS // 10 if stage.quick else EVENTS
    admin = stage.servers.database_url
    database = carto_database(admin, "carto_bench")
    try:
        with Standin.start("dhis2") as dhis2, Standin.start("carto", config={"database": database}) as carto:
            dhis2.call("POST", "events", {"count": count, "days": 14})
            world = World()
            job = world.job(JOB, connections=_connections(world, dhis2.url, carto.url))
            stage.start_worker()
            stage.wait_for_worker()
            job_start(job=job, given=Input(data={}))
            stage.wait_until_done(runs=1, seconds=180)
            yield from _whole(stage, count, database)
            with psycopg.connect(database) as connection:
                connection.execute(f"truncate {TABLE}".encode())
            run = job_start(job=job, given=Input(data={}))
            yield from _killed(stage, run, count, database, owner=world.owner)
    finally:
        stage.stop()
        carto_database_remove(admin, "carto_bench")


def _connections(world: Any, dhis2: str, carto: str) -> dict[str, Any]:
    from openfn_platform.demo.standins.carto.partner import Carto
    from openfn_platform.demo.standins.dhis2.partner import DHIS2

    there = {"hostUrl": dhis2, "username": DHIS2.settings["username"], "password": DHIS2.settings["password"]}
    map_ = {"account": Carto.settings["account"], "apiKey": Carto.settings["api_key"], "baseUrl": carto}
    return {
        "dhis2": ("dhis2", world.credential("dhis2", **there)),
        "carto": ("carto", world.credential("carto", **map_)),
    }


def _whole(stage: Stage, count: int, database: str) -> Iterator[Figure]:
    state, seconds, memory, quiet = stage.sql(_RUN)[0]
    if state != "success":
        raise TooSlow(f"The run ended as {state}.\n{stage.log_end()}")
    goal = None if stage.quick else 60
    yield Figure(
        benchmark="i", what=f"{count:,} DHIS2 events to CARTO in one run", value=float(seconds), unit="s",
        goal=goal, at_most=True, note=f"the longest silence of the log: {quiet:.1f} s",
    )  # fmt: skip
    yield Figure(
        benchmark="i", what="peak memory of the child", value=memory / 1024, unit="MB", goal=300, at_most=True,
        note="resident, with the pages it shares with the zygote",
    )  # fmt: skip
    yield Figure(
        benchmark="i", what="events missing or twice in the table", value=_wrong(database, count), unit="events",
        goal=0, at_most=True,
    )  # fmt: skip


def _killed(stage: Stage, run: Any, count: int, database: str, *, owner: Any) -> Iterator[Figure]:
    """The worker dies when about half of the rows are there; the run is lost, and tried again by a person."""
    from runs.retrying import run_retry

    there = _rows_until(database, least=count // 3)
    worker = stage.parts.pop("worker")
    worker.kill()
    worker.wait(seconds=20)
    stage.sql(
        "UPDATE run SET lease_until = now() - interval '1 minute' WHERE state IN ('claimed', 'started')"
    )
    stage.start_worker("second")
    stage.wait_until_done(runs=2, seconds=120)
    run.refresh_from_db()
    lost = run.state
    run_retry(run=run, by=owner)
    stage.wait_until_done(runs=3, seconds=120)
    last = stage.value("SELECT state FROM run ORDER BY id DESC LIMIT 1")
    yield Figure(
        benchmark="i", what="missing or twice after a kill half-way and a retry", value=_wrong(database, count),
        unit="events", goal=0, at_most=True,
        note=f"killed with {there:,} rows there; that run ended as {lost}, its retry as {last}",
    )  # fmt: skip


def _rows_until(database: str, *, least: int) -> int:
    end = time.monotonic() + 60
    with psycopg.connect(database, autocommit=True) as connection:
        while time.monotonic() < end:
            found = connection.execute(f"select count(*) from {TABLE}".encode()).fetchone()
            if found and found[0] >= least:
                return int(found[0])
            time.sleep(0.02)
    raise TooSlow("The run that was to be killed did not get half-way.")


def _wrong(database: str, count: int) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(f"select count(*), count(distinct event) from {TABLE}".encode()).fetchone()
    rows, distinct = row or (0, 0)
    return int(abs(count - distinct) + rows - distinct)


_RUN = """
SELECT r.state, extract(epoch FROM r.finished_at - r.started_at), r.memory_kb,
       (SELECT max(gap) FROM (SELECT extract(epoch FROM at - lag(at) OVER (ORDER BY seq)) AS gap FROM log_line
                              WHERE run_id = r.id) gaps)
FROM run r ORDER BY r.finished_at LIMIT 1
"""
