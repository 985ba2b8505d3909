"""The log of a running job: on the screen within a second or two, in order, cut at its limit, safe to show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runs.models import LogLine, Run
from runs.starting import job_start
from tests.flows.world import Engine, World, log_of, outcome
from tests.waiting import wait_for

VISIBLE_SECONDS = 1.5


@contextmanager
def running(engine: Engine) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=engine.drain)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(timeout=30)


def visible_at(run: Run, text: str, *, condition: Callable[[str], bool] | None = None) -> float:
    """When the line stood in the database."""
    wait_for(lambda: any(text in line for line in log_of(run)), lambda: f"{outcome(run)} {log_of(run)}")
    return time.time()


def test_lines_can_be_read_while_the_job_is_silent_or_talks_on(world: World, engine: Engine) -> None:
    code = """
import time
print('said', time.time())
time.sleep(2)
for n in range(35):
    log(f'line {n}', time.time())
    time.sleep(0.1)
"""
    run = job_start(job=world.job(code))
    with running(engine):
        for text in ("said", "line 5", "line 15"):
            seen = visible_at(run, text)
            said = float(next(line for line in log_of(run) if text in line).split()[-1])
            assert seen - said < VISIBLE_SECONDS
            assert outcome(run) == "started"
    assert outcome(run) == "success"
    assert [line.split()[:2] for line in log_of(run)[1:]] == [["line", str(n)] for n in range(35)]


def test_lines_keep_their_order_and_get_numbers_without_gaps(world: World, engine: Engine) -> None:
    run = job_start(job=world.job("for n in range(5000): print(n)"))
    engine.drain()
    rows = list(LogLine.objects.filter(run_id=run.pk).order_by("seq").values_list("seq", "text"))
    assert rows == [(n + 1, str(n)) for n in range(5000)]
    run.refresh_from_db()
    assert run.log_lines == 5000


def test_a_log_over_its_limit_is_cut_with_a_mark_and_the_run_goes_on(world: World, engine: Engine) -> None:
    run = job_start(job=world.job("for n in range(12_000): print(n)\nstate.data = {'done': True}"))
    engine.drain()
    assert outcome(run) == "success"
    lines = log_of(run)
    assert len(lines) == 10_001
    assert lines[9_999] == "9999"
    assert "2,000 more lines" in lines[-1]
    assert run.log_dropped == 2_000


def flood(world: World, engine: Engine, code: str, **limits: Any) -> tuple[Run, float]:
    run = job_start(job=world.job(code, **limits))
    began = time.monotonic()
    engine.drain()
    run.refresh_from_db()
    return run, time.monotonic() - began


def test_a_flood_is_ended_soon_and_fills_neither_memory_nor_database(world: World, engine: Engine) -> None:
    code = "line = 'x' * 100\nfor n in range(1_000_000): print(line)"
    run, seconds = flood(world, engine, code)
    assert outcome(run) == "killed:LogLimitError"
    assert "50 MB" in run.error_message
    assert seconds < 20
    assert sum(map(len, log_of(run))) < 1_200_000


def test_one_line_of_a_hundred_megabytes_does_no_harm(world: World, engine: Engine) -> None:
    run, seconds = flood(
        world, engine, "import os\nfor n in range(100): os.write(1, b'y' * 1_000_000)", memory_mb=512
    )
    assert outcome(run) == "killed:LogLimitError"
    assert seconds < 20
    assert sum(map(len, log_of(run))) < 20_000


def test_lines_are_safe_to_store_and_to_show(world: World, engine: Engine) -> None:
    code = r"""
import os
print('nul \x00 here')
print('\x1b[31mred\x1b[0m and \x1b]0;title\x07plain')
print('lone \ud800 surrogate')
os.write(1, b'no \xff\xfe text\n')
print('bell \x07, back \x08, \x9b31m')
log.warning('several\nlines\r\nin one')
print('<script>alert(1)</script>')
print('no end', end='')
"""
    run = job_start(job=world.job(code))
    engine.drain()
    assert outcome(run) == "success"
    text = "\n".join(log_of(run))
    assert not any(ord(character) < 32 and character != "\n" for character in text)
    assert not any(0x7F <= ord(character) < 0xA0 for character in text)
    assert "red and plain" in text
    assert "\ufffd" in text
    for line in ("several", "lines", "in one", "<script>alert(1)</script>", "no end"):
        assert line in [each.strip() for each in log_of(run)]


def test_a_database_that_forgets_its_answer_gets_no_line_twice(world: World, engine: Engine) -> None:
    """What was written, but not known to be written, is written again."""
    from django.db import transaction

    from runs.logs import LogBuffer

    run = job_start(job=world.job())
    log = LogBuffer(run=run)
    log.add(level="info", text="one")
    try:
        with transaction.atomic():
            log.flush()
            raise ConnectionError("between the statement and its commit")
    except ConnectionError:
        assert log_of(run) == []
    log.add(level="info", text="two")
    log.flush()
    log.flush()
    LogLine.objects.filter(text="one").update(text="one, stored")
    log._lines[:0] = [
        LogLine(project_id=run.project_id, run_id=run.pk, seq=1, at=run.run_at, level="info", text="one")
    ]
    log.flush()
    assert log_of(run) == ["one, stored", "two"]
