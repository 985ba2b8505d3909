"""(h) The page *Sent* over a million exchanges of 20 projects; and what the words cost a run that stores exchanges."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.figures import Figure, percentile
from benchmarks.harness import Stage

EXCHANGES = 1_000_000
PROJECTS = 20
DAYS = 60
ASKED = 40  # times each question
STORED = 3_000
NAMES = 20_000  # different words for persons; each exchange names three
COMMON = "uganda"  # a word of every body


def measure(stage: Stage) -> Iterator[Figure]:
    count = EXCHANGES // 10 if stage.quick else EXCHANGES
    yield from _storing(stage)
    stage.reset()
    world, projects = _scene()
    stage.sql("DROP INDEX http_exchange_words")  # as a restored dump does: the index at the end
    stage.sql(_FILL, count, [str(key) for key in projects], NAMES)
    stage.sql(
        "CREATE INDEX http_exchange_words ON http_exchange USING gin (words) WITH (gin_pending_list_limit = 1024)"
    )
    stage.sql("VACUUM ANALYZE http_exchange")
    yield from _questions(stage, world, projects, f"{count:,} exchanges")


# --- asking


def _questions(stage: Stage, world: Any, projects: list[Any], name: str) -> Iterator[Figure]:
    from runs.models import HttpExchange

    ask = _page(world)
    newest = HttpExchange.objects.order_by("-at").values_list("at", flat=True)[:1].get()
    span = _friday(newest)
    questions: dict[str, tuple[bool, Callable[[], dict[str, str]]]] = {
        "a project, a connection, an hour": (True, lambda: {"connection": "dhis2", **span}),
        "a project, a rare word": (True, lambda: {"q": f"name{random.randrange(NAMES // 2, NAMES)}"}),
        "a project, a word of every body": (True, lambda: {"q": COMMON}),
        "a project, a beginning that one in ten has, and a month": (
            True,
            lambda: {"q": "name7", "from": f"{newest:%Y-%m}-01"},
        ),
        "a project, nothing chosen": (True, dict),
        "a project, a connection used once in a thousand": (True, lambda: {"connection": "rare"}),
        "all projects, nothing chosen": (False, dict),
        "a project, what failed": (True, lambda: {"status": "failed"}),
        "all projects, a rare word": (False, lambda: {"q": f"name{random.randrange(NAMES // 2, NAMES)}"}),
    }
    for what, (one, query) in questions.items():
        times = [ask(random.choice(projects) if one else None, query()) for _ in range(3 + ASKED)][3:]
        scan = _scan(stage, projects) if "rare word" in what and one else None
        yield Figure(
            benchmark="h", what=f"first page of {name}, {what}: p95", value=percentile(times, 95) * 1000, unit="ms",
            yardstick=scan, yardstick_what="ILIKE over the project's bodies" if scan else "", goal=100, at_most=True,
            note=f"p50 {percentile(times, 50) * 1000:.0f} ms; the page with its count, rendered",
        )  # fmt: skip


def _friday(newest: Any) -> dict[str, str]:
    from datetime import timedelta

    evening = newest - timedelta(days=(newest.weekday() - 4) % 7 + 7)
    return {"from": f"{evening:%Y-%m-%d}T23:00", "until": f"{evening:%Y-%m-%d}T23:59"}


def _page(world: Any) -> Callable[[Any, dict[str, str]], float]:
    """How long a superuser waits for the page, in one project or in all."""
    from django.test import Client

    from openfn_platform.projects.current import SESSION_KEY

    world.owner.is_superuser = True
    world.owner.save()
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(world.owner)

    def ask(project: Any, query: dict[str, str]) -> float:
        session = client.session
        session[SESSION_KEY] = str(project)
        session.save()
        began = time.perf_counter()
        answer = client.get("/admin/runs/httpexchange/", query)
        took = time.perf_counter() - began
        if answer.status_code != 200 or b"newest first" not in answer.content:
            raise RuntimeError(f"no page: {answer.status_code}")
        return took

    return ask


def _scan(stage: Stage, projects: list[Any]) -> float:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        stage.sql(
            "SELECT id FROM http_exchange WHERE project_id = %s AND request_body ILIKE %s ORDER BY at DESC LIMIT 50",
            random.choice(projects), f"%name{random.randrange(NAMES)}%",
        )  # fmt: skip
        times.append(time.perf_counter() - began)
    return percentile(times, 50) * 1000


# --- storing


def _storing(stage: Stage) -> Iterator[Figure]:
    """A run's exchanges, ten at a time in a transaction as the worker writes them; with and without words."""
    with_words = _stored_per_second(stage, words=True)
    stage.reset()
    without = _stored_per_second(stage, words=False)
    yield Figure(
        benchmark="h", what="exchanges of 2 kB stored, ten at a time", value=with_words, unit="exchanges/s",
        yardstick=without, yardstick_what="the same without words and the indexes of Sent",
        note="one connection; a run has a handful of them",
    )  # fmt: skip


def _stored_per_second(stage: Stage, *, words: bool) -> float:
    from django.db import connection
    from django.utils import timezone

    from runs.logs import LogBuffer
    from runs.models import Cause, Run, WorkOrder
    from runs.sandbox.exchanges import ExchangeReader
    from tests.flows.world import World

    world = World()
    if not words:
        stage.sql(
            "DROP INDEX http_exchange_words, http_exchange_newest, http_exchange_sent, http_exchange_sent_by, "
            "http_exchange_of_job"
        )
    order = WorkOrder.objects.create(project=world.project, workflow=world.workflow, cause=Cause.API)
    run = Run.objects.create(
        project=world.project, workflow=world.workflow, work_order=order, job=world.job()
    )
    reader = ExchangeReader(bodies_bytes=10**12, redact=str)
    log = LogBuffer(run=run)
    count = STORED // 10 if stage.quick else STORED
    exchanges = [
        reader.read(
            {"method": "POST", "url": f"https://dhis2.example/api/events/{n}", "status": 201, "request_body": _body(n),
             "started": timezone.now().isoformat()}
        )
        for n in range(count)
    ]  # fmt: skip
    began = time.perf_counter()
    for number, exchange in enumerate(exchanges, start=1):
        log.add_exchange(exchange)
        if not words:
            log._exchanges[-1].words = None
        if number % 10 == 0:
            log.flush()
    seconds = time.perf_counter() - began
    connection.close()
    return count / seconds


def _body(number: int) -> str:
    """Some 2 kB, half of it words that no other has."""
    chance = random.Random(number)
    values = [
        {
            "dataElement": f"{chance.getrandbits(60):x}",
            "value": chance.randrange(100),
            "name": f"name{chance.randrange(NAMES)}",
        }
        for _ in range(28)
    ]
    return json.dumps({"orgUnit": COMMON, "dataValues": values})


# --- the scene


def _scene() -> tuple[Any, list[Any]]:
    from openfn_platform.projects.models import Project
    from tests.flows.world import World

    world = World()
    made = Project.objects.bulk_create(Project(key=f"p-{n:02d}", name=f"P {n}") for n in range(PROJECTS))
    return world, [project.pk for project in made]


# Four in ten are reads without bodies; dhis2 has most of the writes, `rare` one in a thousand. Names are as unevenly
# spread as names are: the first is in one body of fifty, most in a handful.
_FILL = f"""
INSERT INTO http_exchange (project_id, run_id, job_id, seq, at, connection, protocol, write, method, url, status,
                           duration_ms, request_bytes, response_bytes, attempt, dry, error, request_body, words)
SELECT project, gen_random_uuid(), gen_random_uuid(), 1, at, connection, 'http', write,
       CASE WHEN write THEN 'POST' ELSE 'GET' END, 'https://dhis2.example/api/events/' || n,
       CASE WHEN c1 < 0.02 THEN 409 ELSE 201 END, 120, 600, 200, 1, c1 > 0.99, '', body,
       array_to_tsvector(ARRAY['https', 'dhis2', 'example', 'api', 'events', 'e' || n]
                         || CASE WHEN write THEN ARRAY['{COMMON}', 'case', 'visit', a, b, c, element, md5(n::text)] END)
FROM (SELECT n, keys[1 + floor(c5 * cardinality(keys))::int] AS project, c2 < 0.6 AS write, c1,
             now() - interval '{DAYS} days' * (1 - n::float / total) AS at,
             CASE WHEN n %% 1000 = 0 THEN 'rare' WHEN c3 < 0.6 THEN 'dhis2' ELSE 'sms' END AS connection, a, b, c,
             'element' || floor(c4 * c4 * 300) AS element,
             CASE WHEN c2 < 0.6 THEN
                  json_build_object('orgUnit', '{COMMON}', 'names', ARRAY[a, b, c], 'rest', repeat(md5(n::text), 14))::text
             END AS body
      FROM (SELECT %s::int AS total, %s::uuid[] AS keys, %s::int AS names) AS given,
           LATERAL (SELECT n, random() AS c1, random() AS c2, random() AS c3, random() AS c4, random() AS c5,
                           'name' || floor(names * random() ^ 3) AS a, 'name' || floor(names * random() ^ 3) AS b,
                           'name' || floor(names * random() ^ 3) AS c FROM generate_series(1, total) AS n) AS numbers) AS made
"""
