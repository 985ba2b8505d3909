"""What a real run told a partner is stored with it, found by *Sent*, bounded and without secrets; a dry run's, too."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from runs.models import HttpExchange, Run, RunMode
from runs.retrying import run_retry
from runs.starting import Input, job_start
from tests.common.faulty import Act, FaultyServer, answer
from tests.flows.world import Engine, World, log_of, outcome

# Pages are rendered here without collected static files.
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

SECRET = "Kanari-9ü&q%tall-trees"
BUSY = answer(503, {"error": "later"}, {"retry-after": "0"})
WRITES = "partner.post('/patients', {'name': value('name'), 'login': state.configuration['password']}, idempotency_key='a')"


def connected(world: World, server: FaultyServer, code: str) -> Job:
    link = world.credential("http", baseUrl=server.url, username="clinic", password=SECRET)
    return world.job(code, connections={"partner": ("http", link)})


def exchanges(run: Run) -> list[HttpExchange]:
    return list(HttpExchange.objects.filter(run_id=run.pk).order_by("seq"))


def sent(world: World, **query: str) -> list[Any]:
    """The rows of the page, as the project's owner sees them."""
    client = Client()
    client.force_login(world.owner)
    answer = client.get("/admin/runs/httpexchange/", query)
    assert answer.status_code == 200
    return list(answer.context["rows"])


def played(world: World, engine: Engine, code: str, *acts: Act, **start: Any) -> tuple[Run, FaultyServer]:
    with FaultyServer(*acts) as server:
        run = job_start(job=connected(world, server, code), **start)
        engine.drain()
    run.refresh_from_db()
    return run, server


def test_a_write_that_was_repeated_is_stored_twice_and_found_by_a_word(world: World, engine: Engine) -> None:
    amina = Input(data={"name": "Aïssatou Diallo"})
    run, server = played(
        world,
        engine,
        f"partner.get('/patients')\n{WRITES}",
        answer(200, []),
        BUSY,
        answer(201, {"uuid": "p-77"}),
        given=amina,
    )
    assert outcome(run) == "success"
    assert [each.method for each in server.seen] == ["GET", "POST", "POST"]
    read, first, second = exchanges(run)
    assert [(each.write, each.status, each.attempt) for each in (read, first, second)] == [
        (False, 200, 1), (True, 503, 1), (True, 201, 2)
    ]  # fmt: skip
    assert (read.response_body, read.response_bytes) == (None, 2)
    assert second.response_body == '{"uuid": "p-77"}'
    assert SECRET not in f"{first.request_body}{second.request_body}"
    assert (second.job_id, second.work_order_id, second.connection) == (
        run.job_id,
        run.work_order_id,
        "partner",
    )
    assert run.started_at is not None
    assert run.finished_at is not None
    assert run.started_at <= read.at <= first.at <= second.at <= run.finished_at
    rows = sent(world, q="aissatou dial")
    assert [(row.exchange.pk, row.exchange.attempt) for row in rows] == [(second.pk, 2), (first.pk, 1)]
    assert [row.exchange.pk for row in sent(world, q="p-77", connection="partner", status="201")] == [
        second.pk
    ]
    assert sent(world, q="kanari") == []


def test_a_dry_run_stores_what_it_did_not_send_and_sent_leaves_it_out(world: World, engine: Engine) -> None:
    given = Input(data={"name": "Amina"})
    run, server = played(world, engine, WRITES, given=given, mode=RunMode.DRY)
    assert server.seen == []
    [shown] = exchanges(run)
    assert (shown.dry, shown.write, shown.status, shown.attempt) == (True, True, None, 1)
    assert "Amina" in (shown.request_body or "")
    assert sent(world) == []
    assert [row.exchange.pk for row in sent(world, mode="dry", q="amina")] == [shown.pk]
    client = Client()
    client.force_login(world.owner)
    page = client.get(f"/admin/runs/run/{run.pk}/change/").content.decode()
    assert "1 write was shown instead of sent." in page
    assert page.index("Shown instead of sent") < page.index("/patients")


def test_a_retried_run_shows_its_attempt_in_what_it_sent(world: World, engine: Engine) -> None:
    with FaultyServer(answer(422, {"message": "no"}), answer(201, {})) as server:
        first = job_start(job=connected(world, server, WRITES), given=Input(data={"name": "Amina"}))
        engine.drain()
        assert outcome(first).startswith("failed")
        second = run_retry(run=first, by=world.owner)
        engine.drain()
    assert outcome(second) == "success"
    rows = sent(world, q="amina")
    assert [(row.exchange.status, row.run.attempt) for row in rows] == [(201, 2), (422, 1)]


def test_a_search_that_is_posted_is_no_write(world: World, engine: Engine) -> None:
    run, _ = played(world, engine, "partner.request('POST', '/search', {'q': 1}, read_only=True)")
    assert [(each.method, each.write, each.request_body) for each in exchanges(run)] == [
        ("POST", False, None)
    ]
    assert sent(world) == []


def test_what_was_read_is_kept_when_the_version_or_the_request_says_so(world: World, engine: Engine) -> None:
    code = "partner.get('/a')\npartner.get('/b', keep_body=True)"
    with FaultyServer(answer(200, [{"name": "Amina"}])) as server:
        link = world.credential("http", baseUrl=server.url)
        runs = [
            job_start(job=world.job(code, connections={"partner": ("http", link)}, trace_reads=whole))
            for whole in (False, True)
        ]
        engine.drain()
    kept = [[bool(each.response_body) for each in exchanges(run)] for run in runs]
    assert kept == [[False, True], [True, True]]
    assert len(sent(world, kind="read", q="amina")) == 3


def test_a_run_with_large_bodies_goes_on_and_keeps_every_exchange(world: World, engine: Engine) -> None:
    """Thirty times 100 kB: fifteen beginnings fill the megabyte, and nothing of it is a log that is too long."""
    code = (
        "for n in range(30): partner.post('/x', {'n': n, 'text': 'word ' * 20_000}, idempotency_key=str(n))"
    )
    run, server = played(world, engine, code)
    assert outcome(run) == "success"
    assert len(server.seen) == 30
    rows = exchanges(run)
    assert [row.over_budget for row in rows] == [False] * 15 + [True] * 15
    assert all(row.request_cut and len(row.request_body or "") == 65_536 for row in rows[:15])
    assert not any(row.request_body or row.request_cut for row in rows[15:])
    assert {row.request_bytes for row in rows} <= {len(each.body) for each in server.seen}


def test_exchanges_beyond_the_number_kept_are_counted_in_the_log(world: World, engine: Engine) -> None:
    run, server = played(world, engine, "for n in range(2_005): partner.get('/x')")
    assert len(server.seen) == 2_005
    assert len(exchanges(run)) == 2_000
    assert "5 more exchanges with partners were not kept." in log_of(run)


def test_a_secret_at_any_cut_of_a_body_is_seen_by_nobody(world: World, engine: Engine) -> None:
    code = """
secret = state.configuration["password"]
for edge in (65_536, 73_536, 131_072):
    for shift in (1, 7, 13, 21):
        partner.post("/x", "x" * (edge - shift) + secret + "y" * 9_000, content_type="text/plain", idempotency_key="a")
"""
    run, server = played(world, engine, code)
    assert len(server.seen) == 12, outcome(run)
    assert all(SECRET.encode() in each.body for each in server.seen)
    for row in exchanges(run):
        assert not any(SECRET[:length] in (row.request_body or "") for length in range(3, len(SECRET)))
