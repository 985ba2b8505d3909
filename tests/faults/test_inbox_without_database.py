"""An inbox whose PostgreSQL is stopped and started again: no sender is told that a message was kept which was not."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from openfn_platform.local.servers import temporary_servers
from tests.faults.product import ROOT
from tests.triggers.serving import Answer, Server, served
from tests.waiting import wait_for

MAKE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.flows.world import World
from triggers.models import Inbox
world = World()
world.on_message(world.job())
patient = Inbox.objects.create(project=world.project, trigger=world.on_message(world.job()), name="P", access="none",
                               reply="done", reply_seconds=3)
print(world.inbox.address, patient.address)
"""


def said_by(script: str, database_url: str) -> list[str]:
    environment = {**os.environ, "DATABASE_URL": database_url, "PLATFORM_ENV": "development"}
    environment["DJANGO_SETTINGS_MODULE"] = "openfn_platform.settings"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def stored(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM message").fetchone()
    assert row is not None
    return int(row[0])


def post(server: Server, address: str) -> Answer:
    return server.post(f"/inbox/{address}", b'{"a": 1}')


@pytest.mark.fault
def test_while_the_database_is_stopped_senders_are_told_to_come_again(tmp_path: Path) -> None:
    with temporary_servers() as servers:
        at_once, when_done = said_by(MAKE, servers.database_url)
        with served(servers.database_url, tmp_path / "web.log") as web, ThreadPoolExecutor() as pool:
            assert post(web, at_once).status == 202
            waiting = pool.submit(post, web, when_done)
            wait_for(lambda: stored(servers.database_url) == 2, lambda: "not stored")
            servers.postgres.stop()
            refused = post(web, at_once)
            assert (refused.status, refused.json["code"]) == (503, "unavailable")
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) > 0
            # Who waits has been stored: that must not be called into doubt.
            late = waiting.result(20)
            assert (late.status, late.json["code"]) == (504, "still_running")
            assert late.json["message"]
            servers.postgres.start()
            wait_for(lambda: post(web, at_once).status == 202, lambda: (tmp_path / "web.log").read_text())
        assert stored(servers.database_url) == 3
