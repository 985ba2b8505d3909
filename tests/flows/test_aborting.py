"""Aborting a run whose job goes on: it is over at once, and its process is killed all the same."""

from __future__ import annotations

import threading
import time

from django.db import connection

from runs.cancelling import run_abort
from runs.execution import run_execute_next
from runs.starting import job_start
from tests.flows.world import Engine, World, log_of, outcome
from tests.waiting import wait_for


def test_an_aborted_run_is_over_at_once_and_its_process_is_killed(engine: Engine, world: World):
    run = job_start(job=world.job("print('begun')\nwhile True: pass", wall_seconds=60))

    def execute() -> None:
        try:
            run_execute_next(engine.worker)
        finally:
            connection.close()

    thread = threading.Thread(target=execute)
    thread.start()
    wait_for(lambda: outcome(run) == "started" and log_of(run) == ["begun"], lambda: outcome(run))
    began = time.monotonic()
    run_abort(run=run, by=world.owner)
    assert outcome(run) == "cancelled"
    assert run.note == f"Aborted by {world.owner} while it ran."
    assert time.monotonic() - began < 1
    thread.join(20)  # its supervisor hears of it with the next heartbeat
    assert not thread.is_alive()
    assert outcome(run) == "cancelled"
    assert run.token is None
