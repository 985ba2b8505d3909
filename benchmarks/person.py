"""(n) Finding one person among a million messages, and erasing what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.figures import Figure
from benchmarks.harness import Stage, disconnect, wait_for
from benchmarks.history import history_fill

MESSAGES = 1_000_000
RUNS_EACH = 4
EVENTS = 5
NAME, PHONE = "Ottilie Wambrecht", "+256772987654"
CODE = "print('Hello', value('name'))\nstate.greeting = 'Dear ' + value('name')"


def measure(stage: Stage) -> Iterator[Figure]:
    from tests.flows.world import World

    count = MESSAGES // 10 if stage.quick else MESSAGES
    world = World()
    job = world.job(CODE)
    # Half a year at most: nothing of it is too old to be kept.
    world.project.payload_days = world.project.history_days = 9_000
    world.project.save()
    history_fill(
        stage,
        world,
        job,
        count=count,
        days_ago=80,
        step=f"{6_000_000 / count:.3f} seconds",
        runs_each=RUNS_EACH,
    )
    _words_are_out(stage)
    _table_fill(stage, world, count)
    world.on_message(job)
    for number in range(EVENTS):
        world.post({"name": NAME, "phone": PHONE, "n": number})
    disconnect()
    stage.start_worker()
    stage.wait_for_worker()
    stage.wait_until_done(runs=EVENTS, seconds=120)
    time.sleep(8)  # their words are taken out a few seconds later
    yield from _figures(stage, world, count)


def _table_fill(stage: Stage, world: Any, count: int) -> None:
    """As many rows in a table, each with its history, a third of them in letters with accents."""
    from jobs.rows import row_set
    from jobs.tables import table_create

    table = table_create(project=world.project, name="Patients", by=world.owner)
    row_set(table=table, key="P-0", value={"name": NAME}, by=world.owner)
    stage.sql(
        """INSERT INTO table_row (project_id, table_id, key, value, size)
           SELECT %s, %s, 'P-' || n, jsonb_build_object('name', CASE WHEN n %% 3 = 0 THEN 'José Ñandú ' ELSE
           'Jane Doe ' END || n, 'village', 'Kitgum', 'phone', '+2567' || n), 60 FROM generate_series(1, %s) AS n""",
        world.project.pk,
        table.pk,
        count,
    )
    stage.sql(
        """INSERT INTO table_change (project_id, table_id, key, kind, by_name, before)
           SELECT project_id, table_id, key, 'changed', '', value FROM table_row"""
    )


def _words_are_out(stage: Stage) -> None:
    """The past has its words: housekeeping shall not begin with it."""
    stage.sql(
        """INSERT INTO housekeeping (project_id, task, cursor, again_from, rows, last_rows)
           SELECT NULL::uuid, 'words-messages', max(id::text), '', 0, 0 FROM message
           UNION ALL SELECT NULL::uuid, 'words-runs', max(to_json(finished_at) #>> '{}') || ' ' || max(id::text), '', 0, 0 FROM run"""
    )


def _figures(stage: Stage, world: Any, count: int) -> Iterator[Figure]:
    from runs.erasing import erasure_start
    from runs.finding.searching import search_start
    from runs.models import Erasure, PersonFind, PersonSearch

    name = f"one person among {count:,} messages"
    search = search_start(project=world.project, who=f"{NAME}\n{PHONE}", by=world.owner)
    took = _until(stage, lambda: PersonSearch.objects.get(pk=search.pk).state == "done")
    found = PersonFind.objects.filter(search=search).count()
    yield Figure(
        benchmark="n", what=f"{name}: found", value=took, unit="s", goal=30, at_most=True,
        yardstick=_scan(stage), yardstick_what="ILIKE over the bodies",
        note=f"{found} places; by a worker that looks every 3 s whether there is something to do",
    )  # fmt: skip
    erasure = erasure_start(search=search, reason="benchmark", by=world.owner)
    took = _until(stage, lambda: Erasure.objects.get(pk=erasure.pk).state == "done")
    left = stage.value("SELECT count(*) FROM message_payload WHERE body::text ILIKE %s", "%Wambrecht%")
    counts = ", ".join(
        f"{number} {what}" for what, number in Erasure.objects.get(pk=erasure.pk).counts.items()
    )
    yield Figure(
        benchmark="n", what=f"{name}: erased", value=took, unit="s", goal=30, at_most=True,
        note=f"{counts}; {left} bodies still name the person",
    )  # fmt: skip


def _until(stage: Stage, done: Callable[[], bool]) -> float:
    began = time.monotonic()
    wait_for(done, seconds=120, what="housekeeping", say=stage.log_end)
    return time.monotonic() - began


def _scan(stage: Stage) -> float:
    began = time.monotonic()
    stage.sql("SET statement_timeout = 0")
    stage.sql("SELECT count(*) FROM message_payload WHERE body::text ILIKE %s", "%Wambrecht%")
    return time.monotonic() - began
