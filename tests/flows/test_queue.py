"""The queue: order, limits, fairness, retries, holds, cancelling. Real claims, real children."""

from __future__ import annotations

import itertools
import threading
import time

from django.db import connection, connections

from runs.cancelling import run_cancel
from runs.claiming import run_claim_next
from runs.models import ConnectionHold, Incident, Run
from runs.retrying import run_retry
from runs.starting import Input, job_start
from runs.sweeping import leases_expire
from tests.flows.world import Engine, World, final_of, make_due, outcome


def test_one_at_a_time_means_strictly_in_order_of_arrival(world: World, engine: Engine) -> None:
    job = world.job("state.data = {'n': value('n')}", max_concurrency=1)
    world.on_message(job)
    for number in range(5):
        world.post({"n": number})
    hurried = world.runs(job)[4]
    Run.objects.filter(pk=hurried.pk).update(priority=0)  # priority is ignored in a lane
    first = run_claim_next(worker="one")
    assert first is not None
    assert run_claim_next(worker="two") is None
    assert first.run_id == world.runs(job)[0].pk


NOBODY_THERE = "nobody.get('/')"  # refused at once: nothing listens on port 9


def nobody(world: World) -> dict[str, object]:
    return {"nobody": ("http", world.credential("http", baseUrl="http://127.0.0.1:9"))}


def test_a_waiting_automatic_retry_holds_its_lane(world: World, engine: Engine) -> None:
    code = f"if run.attempt == 1 and value('n') == 0: {NOBODY_THERE}"
    job = world.job(code, max_concurrency=1, max_attempts=3, connections=nobody(world))
    world.on_message(job)
    for number in range(3):
        world.post({"n": number})
    engine.drain()
    states = [(run.attempt, run.state) for run in world.runs(job)]
    assert states == [(1, "failed"), (2, "available"), (1, "available"), (1, "available")]
    make_due(world.runs(job)[1])
    engine.drain()
    assert [run.state for run in world.runs(job)] == ["failed", "success", "success", "success"]


def test_a_lane_that_lets_others_pass_goes_on(world: World, engine: Engine) -> None:
    code = f"if value('n') == 0: {NOBODY_THERE}"
    job = world.job(code, max_concurrency=1, max_attempts=2, retry_frees_lane=True, connections=nobody(world))
    world.on_message(job)
    for number in range(3):
        world.post({"n": number})
    engine.drain()
    assert sorted(run.state for run in world.runs(job)) == ["available", "failed", "success", "success"]


def test_a_retry_by_hand_joins_at_the_end_of_the_lane(world: World, engine: Engine) -> None:
    job = world.job("if value('n') == 0: fail('no')", max_concurrency=1)
    world.on_message(job)
    world.post({"n": 0})
    engine.drain()
    for number in (1, 2):
        world.post({"n": number})
    again = run_retry(run=world.runs(job)[0], by=world.owner)
    assert [run.pk for run in world.runs(job)][-1] == again.pk
    claimed = run_claim_next(worker="x")
    assert claimed is not None
    assert claimed.run_id != again.pk


def test_limits_hold_against_many_claimers_at_once(world: World) -> None:
    limited = world.job(max_concurrency=3)
    world.on_message(limited)
    world.project.max_concurrency = 4
    world.project.save()
    other = world.job()
    world.on_message(other, inclusion={"other": True})
    for _ in range(20):
        world.post({"other": True})
    claimed: list[object] = []

    def claim() -> None:
        for _ in range(4):
            claimed.append(run_claim_next(worker="w"))
        connections.close_all()

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = Run.objects.filter(state="claimed")
    assert held.count() == 4
    assert held.filter(job=limited).count() <= 3


def test_no_project_can_starve_another(world: World) -> None:
    busy = world.job()
    world.on_message(busy)
    for _ in range(30):
        world.post({})
    quiet_world = World("Quiet")
    quiet = quiet_world.job()
    quiet_world.on_message(quiet)
    for _ in range(3):
        quiet_world.post({})
    order = []
    for _ in range(6):
        claim = run_claim_next(worker="w")
        assert claim is not None
        order.append(Run.objects.get(pk=claim.run_id).project_id)
    assert order.count(quiet_world.project.pk) == 3


def test_priority_goes_before_arrival_inside_a_project(world: World) -> None:
    job = world.job()
    world.on_message(job)
    world.post({})
    hand = job_start(job=job)
    claim = run_claim_next(worker="w")
    assert claim is not None
    assert claim.run_id == hand.pk


def test_only_errors_worth_it_are_tried_again(world: World, engine: Engine) -> None:
    refused = world.job(NOBODY_THERE, max_attempts=3, connections=nobody(world))
    wrong = world.job("fail('the form is wrong')", max_attempts=3)
    typo = world.job("nonsense(", max_attempts=3)
    for job in (refused, wrong, typo):
        job_start(job=job)
    engine.drain()
    assert [run.state for run in world.runs(refused)] == ["failed", "available"]
    assert [run.state for run in world.runs(wrong)] == ["failed"]
    assert [run.state for run in world.runs(typo)] == ["crashed"]
    assert Incident.objects.filter(job=refused).count() == 0  # nobody is told before the last attempt
    for _ in range(2):
        make_due(*[run for run in world.runs(refused) if run.state == "available"])
        engine.drain()
    assert [run.attempt for run in world.runs(refused)] == [1, 2, 3]
    assert Incident.objects.filter(job=refused).count() == 1


def test_a_lost_run_is_tried_again_only_where_that_is_safe(world: World, engine: Engine) -> None:
    careful, safe = world.job(), world.job(safe_to_run_again=True)
    for job in (careful, safe):
        job_start(job=job)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE run SET state = 'started', worker = 'gone', token = gen_random_uuid(), started_at = now(), "
            "lease_until = now() - interval '1 s', job_version_id = j.live_version_id "
            "FROM job j WHERE j.id = run.job_id"
        )
    assert leases_expire() == 2
    assert [run.state for run in world.runs(careful)] == ["lost"]
    assert [run.state for run in world.runs(safe)] == ["lost", "available"]
    assert Incident.objects.filter(error_type="LostError").count() == 1


def test_a_claimed_run_whose_worker_vanished_costs_no_attempt(world: World, engine: Engine) -> None:
    run = job_start(job=world.job())
    assert run_claim_next(worker="gone", lease_seconds=1)
    time.sleep(1.1)
    leases_expire()
    assert outcome(run) == "available"
    engine.drain()
    assert outcome(run) == "success"
    assert (run.attempt, run.claims) == (1, 2)


def test_a_wrong_password_is_tried_twice_and_not_a_thousand_times(world: World, engine: Engine) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    tries = []

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tries.append(self.path)
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        link = world.credential(
            "http", baseUrl=f"http://127.0.0.1:{server.server_port}", username="u", password="wrong-password"
        )
        job = world.job("partner.get('/patients')", connections={"partner": ("http", link)})
        world.on_message(job)
        for _ in range(20):
            world.post({})
        engine.drain()
        server.shutdown()
    assert len(tries) == 2
    hold = ConnectionHold.objects.get()
    assert hold.stage == "held"
    assert hold.because_of_auth
    waiting = Run.objects.filter(state="available")
    assert waiting.count() == 18
    assert all("refuses the user name or password" in run.waits_for for run in waiting)
    assert Incident.objects.filter(kind="hold").count() == 1


def test_a_waiting_run_is_cancelled_at_once_and_a_running_one_soon(world: World, engine: Engine) -> None:
    job = world.job("import time\ntime.sleep(30)")
    waiting, running = job_start(job=job), job_start(job=job)
    assert run_cancel(run=waiting, by=world.owner)
    thread = threading.Thread(target=engine.drain)
    thread.start()
    deadline = time.monotonic() + 10
    while outcome(running) != "started" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not run_cancel(run=running, by=world.owner)
    thread.join(timeout=15)
    assert outcome(waiting) == "cancelled"
    assert outcome(running) == "cancelled"


def test_limits_of_time_memory_and_state_kill_with_their_names(world: World, engine: Engine) -> None:
    slow = job_start(job=world.job("while True: pass", wall_seconds=1))
    big = job_start(job=world.job("x = bytearray(10**10)"))
    wide = job_start(job=world.job("state.data = 'x' * 20_000", state_bytes=10_000))
    engine.drain()
    assert outcome(slow) == "killed:TimeoutError"
    assert outcome(big) == "killed:OOMError"
    assert outcome(wide) == "killed:StateTooLargeError"


def test_a_job_whose_process_died_three_times_is_paused(world: World, engine: Engine) -> None:
    job = world.job("import os\nos._exit(1)")
    world.on_message(job)
    for _ in range(5):
        world.post({})
    engine.drain()
    job.refresh_from_db()
    assert job.state == "paused"
    assert "three" in job.paused_reason or "3 times" in job.paused_reason
    assert [run.state for run in world.runs(job)].count("available") == 2
    assert Incident.objects.filter(kind="pause").count() == 1


def test_a_run_that_waited_too_long_is_skipped_and_says_so(world: World, engine: Engine) -> None:
    job = world.job(too_late_seconds=60)
    run = job_start(job=job)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE run SET run_at = now() - interval '2 minutes'")
    engine.drain()
    assert outcome(run) == "skipped"
    assert "waited longer" in run.note


def test_a_job_without_its_credential_is_an_exception_and_nothing_ran(world: World, engine: Engine) -> None:
    link = world.credential("http", baseUrl="http://127.0.0.1:1")
    job = world.job("print('ran')", connections={"partner": ("http", link)})
    link.credential.bodies.all().delete()
    run = job_start(job=job)
    engine.drain()
    assert outcome(run) == "exception:CredentialLoadError"
    assert run.started_at is None


def test_fibonacci_through_a_chain_of_ten_jobs(world: World, engine: Engine) -> None:
    code = "a, b = value('a', 0), value('b', 1)\nstate.data = {'a': b, 'b': a + b}"
    jobs = [world.job(code) for _ in range(10)]
    for one, two in itertools.pairwise(jobs):
        world.on_end(one, "success", two)
    job_start(job=jobs[0], given=Input(data={}))
    engine.drain()
    assert final_of(world.runs(jobs[-1])[0])["data"]["a"] == 55
