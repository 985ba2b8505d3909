"""The quick start, executed as it is written: all shell blocks as one script, all Python blocks as another."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from openfn_platform.projects.tokens import token_create
from runs.bulk import bulk_work
from runs.execution import run_execute_next
from runs.models import Run, RunState
from runs.worker import Worker
from tests.flows.world import Engine, World
from tests.triggers.serving import database_url, served
from triggers.models import Message

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "quick-start.md"
BETWEEN = "=== next block ==="
WANTS_AN_ID = """
print(f"looking at {value('name')}")
if not value("national_id"):
    fail("The form has no national_id.")
print("registered")
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    """Runs are executed, and bulk operations worked off, as they come."""
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                if not run_execute_next(worker):
                    bulk_work(seconds=0.1)
                    stop.wait(0.05)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture
def environment(engine: Engine, world: World, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A live server with a worker, and what an administrator hands out."""
    world.on_message(world.job(WANTS_AN_ID), inclusion={"form": "registration"})
    scopes = ["read", "read-data", "operate"]
    _, token = token_create(project=world.project, name="Partner", scopes=scopes, by=world.owner)
    key = world.key()
    with served(database_url(), tmp_path / "web.log") as server, working(engine.worker):
        base = f"http://127.0.0.1:{server.port}"
        yield {
            "PATH": os.environ["PATH"],
            "BASE": base,
            "INBOX": f"{base}/inbox/{world.inbox.address}",
            "INBOX_KEY": key,
            "TOKEN": token,
        }


def executed(command: list[str], script: str, environment: dict[str, str], folder: Path) -> list[str]:
    """What each block printed."""
    file = folder / "script"
    file.write_text(script, "utf-8")
    done = subprocess.run(
        [*command, str(file)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return [part.strip() for part in done.stdout.split(BETWEEN)]


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
def test_the_shell_blocks_do_what_they_say(environment: dict[str, str], tmp_path: Path):
    found = blocks("sh")
    script = "set -eu\n" + f"echo '{BETWEEN}'\n".join(found)
    printed = executed(["bash"], script, environment, tmp_path)
    assert len(printed) == len(found) == 10
    _, posted, repeated, status, run, _, stream, pages, bulk, wrong = printed

    message = Message.objects.get()
    first, retry = Run.objects.order_by("lane")
    assert json.loads(posted)["message"] == str(message.pk)
    assert repeated.split() == [str(message.pk), "idempotency-replayed:", "true"]
    assert json.loads(status)["work_orders"][0]["state"] == "failed"

    told, log = (json.loads(line) for line in run.splitlines())
    assert told == {
        "state": "failed",
        "error_type": "JobError",
        "error_message": "The form has no national_id.",
    }
    assert [line["text"].partition(" (")[0] for line in log["results"]] == [
        "looking at Amina Example",
        "JobError: The form has no national_id.",
    ]
    assert log["complete"] is True

    assert (retry.state, retry.retry_of_id) == (RunState.SUCCESS, first.pk)
    assert '"text": "registered"' in stream
    assert stream.endswith('event: end\ndata: {"state": "success"}')

    assert [
        line.count(str(key)) for line, key in zip(pages.splitlines(), (retry.pk, first.pk), strict=True)
    ] == [1, 1]
    counted, done = (json.loads(line) for line in bulk.splitlines())
    assert (counted["total"], done["state"], done["done"]) == (1, "done", 1)
    assert Run.objects.get(pk=first.pk).dismissed_reason == "Repaired since."

    problems = wrong.splitlines()
    assert problems[1::2] == [f"{code} application/problem+json" for code in (400, 401, 400)]
    assert all(json.loads(line)["detail"] for line in problems[::2])


def test_the_python_blocks_do_what_they_say(environment: dict[str, str], tmp_path: Path):
    found = blocks("python")
    script = f"print('{BETWEEN}')\n".join(found)
    printed = executed([sys.executable], script, environment, tmp_path)
    assert len(printed) == len(found) == 7
    _, posted, waited, read, repaired, pages, wrong = printed

    first, retry = Run.objects.order_by("lane")
    assert posted == f"message {Message.objects.get().pk}"
    assert waited == "order failed"
    assert [line.partition(" (")[0] for line in read.splitlines()] == [
        "error The form has no national_id.",
        "log looking at Juma Example",
        "log JobError: The form has no national_id.",
    ]
    assert repaired.splitlines() == ["log looking at Juma Example", "log registered", "retry success"]
    assert pages.splitlines() == [f"run {retry.pk} success", f"run {first.pk} failed"]
    assert wrong.startswith("problem 400 bad_parameter: This address has no parameter")


def test_every_block_is_of_a_kind_that_is_executed():
    kinds: list[Any] = re.findall(r"^```(\w+)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert set(kinds) == {"sh", "python"}
