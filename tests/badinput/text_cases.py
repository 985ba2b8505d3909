"""The cases that have no door of their own: what jobs print and leave behind, and what is written into mails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import Role
from openfn_platform.projects.people import person_create
from runs.models import LogLine, Run, RunState
from runs.sandbox.limits import Limits
from runs.starting import job_start
from runs.worker import set_current_worker
from tests.badinput.inbox_cases import Ask
from tests.badinput.page_cases import imagined
from tests.badinput.scene import Scene, is_sentence
from tests.flows.conftest import QuietWorker
from tests.flows.world import Engine, World, outcome
from tests.runs.notifications import cast
from tests.runs.sandbox.test_logs import collect
from tests.workspace.desk import page

BREAKS = set("\r\n\x00\x0b\x0c\x1b\x85\u2028\u2029")


# --- what jobs print ------------------------------------------------------------------------------


def odd_lines(scene: Scene) -> None:
    """Codes for terminals are taken out; what looked like another line is none."""
    printed = b"\x1b[31mred\x1b[0m\x1b]0;title\x07\nover\rwritten\nback\x08space \xff\x00 \xed\xa0\x80\n"
    lines, _ = collect([printed])
    assert lines
    for line in lines:
        assert not any(ord(each) < 32 and each != "\t" for each in line.text), line.text
        line.text.encode()
    run = scene.clinic.run()
    rows = (
        LogLine(
            project_id=run.project_id,
            run_id=run.pk,
            seq=100 + n,
            at=timezone.now(),
            level="info",
            text=line.text,
        )
        for n, line in enumerate(lines)
    )
    LogLine.objects.bulk_create(rows)


def odd_addresses(scene: Scene) -> None:
    """The web server's log has a line for each that says what was asked for, and none that somebody made up."""
    for path in ("/inbox/%1b%5b2J%0d%0aINFO%20forged", "/api/v1/%1b%5d0;title%07%0aINFO%20forged%c2%9b"):
        scene.refused(scene.inbox(b"{}", path=path), 404)
    log = scene.server.log.read_text("utf-8")
    assert log.count("INFO forged") == 2
    assert not any(line.startswith("INFO") for line in log.splitlines())
    assert not any((each < " " and each not in "\n\t") or "\x7f" <= each < "\xa0" for each in log)


def endless_lines(scene: Scene) -> None:
    """Ten megabytes in one line, a million lines: cut, and said so."""
    lines, _ = collect([b"x" * 1_000_000] * 10)
    assert len(lines) == 1
    assert len(lines[0].text) < 20_000
    assert "cut" in lines[0].text
    limits = Limits(log_flood_bytes=100_000_000)
    lines, log = collect([b"line\n" * 100_000] * 10, limits=limits)
    assert len(lines) <= limits.log_lines + 1
    assert len(lines) + log.dropped >= 1_000_000


# --- what jobs leave behind -----------------------------------------------------------------------

FAILS = {
    "state['x'] = float('nan')": "NaN",
    "state['x'] = b'bytes'": "bytes",
    "rows = []\nrows.append(rows)\nstate['x'] = rows": "itself",
    "state['x'] = object()": "JSON",
    "state['x'] = {(1, 2): 3}": "key",
    "state['x'] = 'x' * 50_000_000": "",
    "raise ValueError('\\x00 \\ud800 \\x1b[31m')": "",
    "print('\\ud800')\nfail('\\x00\\ud800')": "",
}


@contextmanager
def engine() -> Iterator[Engine]:
    worker = QuietWorker(name="badinput", capacity=4, sweeps=False)
    worker.start()
    try:
        assert worker.wait_ready()
        set_current_worker(worker)
        yield Engine(worker)
    finally:
        set_current_worker(None)
        worker.stop(grace=0)


def odd_results(scene: Scene) -> None:
    """A run fails with a reason; it is never stored half, and it never breaks the worker."""
    world = World()
    # What else waits in the scene stays there.
    Run.objects.filter(state=RunState.AVAILABLE).update(run_at=timezone.now() + timedelta(days=1))
    runs = {code: job_start(job=world.job(code)) for code in FAILS}
    dated = job_start(job=world.job("import datetime\nstate['x'] = datetime.date(2026, 1, 31)"))
    with engine() as running:
        running.drain()
    for code, run in runs.items():
        ended = outcome(run)
        assert ended.split(":")[0] in ("failed", "killed", "crashed"), (code, ended)
        assert run.error_message.endswith((".", "!", "\ufffd", "m")), run.error_message
        assert FAILS[code] in run.error_message, run.error_message
        assert not set(run.error_message) & BREAKS
        told = scene.api("GET", f"runs/{run.pk}")
        assert told.status == 404  # of another project
    assert outcome(dated) == "success"


# --- mails ----------------------------------------------------------------------------------------


def subjects(*names: str) -> Ask:
    """Whatever things are called, a mail is written, its subject is one line, and no header is smuggled in."""

    def ask(scene: Scene) -> None:
        for name in names:
            with imagined():
                project = cast.project(name=f"Clinic{name}x")
                cast.member(project, cast.person("Smuggled"), role=Role.OWNER)
                cast.fail(cast.failing_run(project, name=f"Create{name}x"), error_type=f"Odd{name}Error")
                [mail] = [each for each in cast.mails() if each.project_id == project.pk]
                assert mail.subject.isprintable()
                assert len(mail.subject) <= 150
                assert not any(line.startswith("Bcc") for line in mail.text.splitlines())

    return ask


def recipients(scene: Scene) -> None:
    """An address with a line break never becomes a person or an invitation."""
    for email in (
        "a@clinic.example\nbcc: x@evil.example",
        "a@clinic.example\r\n",
        "a b@clinic.example",
        "\0@x.example",
    ):
        with scene.nothing_stored():
            scene.refused(scene.api("POST", "members", {"email": email, "role": "viewer"}), 400, 422)
        if email != email.strip():
            continue  # a form takes blanks around it away
        with scene.nothing_stored():
            given = {"email": email, "role": "viewer"}
            answer = scene.browser.post(page("projects_invitation_add"), given)
            assert answer.status_code == 200
            with pytest.raises(PlatformError) as refused:
                person_create(email=email, name="x", password="purple mango bicycle", by=PLATFORM)
            assert is_sentence(refused.value.message)


CASES: dict[str, Ask] = {
    "62 codes for terminals": odd_lines,
    "62 codes for terminals in an address": odd_addresses,
    "63 line breaks in a subject": subjects("\nBcc: x@evil.example", "\r\nBcc: x@evil.example", "\r"),
    "64 other breaks in a subject": subjects(
        "\x0b", "\u2028", "\u2029", "\x85", "\x00".replace("\x00", "\x1f"), "x" * 110
    ),
    "65 line breaks in an address": recipients,
    "66 endless lines": endless_lines,
    "67 odd results": odd_results,
}
