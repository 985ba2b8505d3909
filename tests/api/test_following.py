"""Following a log: the events, their end, coming back, and what a real server does with listeners."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from runs.models import Run, RunState
from runs.streaming import LogStream, Pace, TooManyStreams, places
from tests.api.cast import CANARY, Caller, Clinic, problem
from tests.triggers.serving import database_url, served
from tests.waiting import wait_for

QUICK = Pace(asks_every=0.01, heartbeat=0.03, lasts=0.1)


def running(clinic: Clinic) -> Run:
    return clinic.run(
        RunState.STARTED, token="01900000-0000-7000-8000-000000000001", lease_until=timezone.now()
    )


def events(text: str) -> list[tuple[str, Any]]:
    """(name, what was told) of each event, as the standard reads them."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


def told(api: Caller, run: Run, **headers: str) -> str:
    answer = api.get(f"runs/{run.pk}/log/stream", headers=headers)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/event-stream"
    content: bytes = answer.getvalue()
    return content.decode()


def test_the_log_of_an_ended_run_comes_whole_and_ends(api: Caller, clinic: Clinic):
    run = clinic.run()
    clinic.log(run, "two\nlines", "Größe ✓")
    text = told(api, run)
    assert [(name, line.get("text")) for name, line in events(text)] == [
        ("line", f"seen {CANARY}"),
        ("line", "two\nlines"),
        ("line", "Größe ✓"),
        ("end", None),
    ]
    assert events(text)[-1] == ("end", {"state": "failed"})
    assert "id: 3\nevent: line\n" in text
    assert text.startswith("retry: ")


def test_who_comes_back_gets_what_is_new(api: Caller, clinic: Clinic):
    run = clinic.run()
    clinic.log(run, "two", "three")
    assert [line["text"] for name, line in events(told(api, run, last_event_id="2")) if name == "line"] == [
        "three"
    ]
    assert [name for name, _ in events(told(api, run, last_event_id="3"))] == ["end"]
    for nonsense in ("x", "-1", "9" * 50, "1.5"):
        problem(api.get(f"runs/{run.pk}/log/stream", headers={"last-event-id": nonsense}), 400)
    assert api.client.head(f"/api/v1/runs/{run.pk}/log/stream", headers=api.headers).status_code == 200
    assert places.taken == 0


def test_a_long_log_comes_in_one_stream(api: Caller, clinic: Clinic):
    run = clinic.run()
    clinic.log(run, *(f"line {n}" for n in range(1_200)))
    lines = [line["seq"] for name, line in events(told(api, run)) if name == "line"]
    assert lines == list(range(1, 1_202))


def test_a_stream_of_a_run_that_goes_on_beats_and_ends_without_an_end(clinic: Clinic):
    run = running(clinic)
    text = b"".join(LogStream(run=run, after=1, pace=QUICK)).decode()
    assert ": still there" in text
    assert events(text) == []
    assert places.taken == 0


def test_opening_a_log_is_written_down_once(api: Caller, clinic: Clinic):
    run = clinic.run()
    told(api, run)
    told(api, run, last_event_id="1")
    api.get(f"runs/{run.pk}/log")
    api.get(f"runs/{run.pk}/log", after=1)
    opened = AuditEntry.objects.filter(action="payload opened", object_id=str(run.pk))
    assert [entry.changes for entry in opened] == [{"part": "log"}]


def test_a_log_read_page_by_page_says_when_it_is_complete(api: Caller, clinic: Clinic):
    run = running(clinic)
    assert api.get(f"runs/{run.pk}/log").json()["complete"] is False
    ended = clinic.run()
    clinic.log(ended, "two")
    assert api.get(f"runs/{ended.pk}/log", page_size=1).json()["complete"] is False
    assert api.get(f"runs/{ended.pk}/log", after=1).json()["complete"] is True


def test_there_is_room_for_so_many_and_a_place_is_given_back(api: Caller, clinic: Clinic, settings: Any):
    settings.LOG_STREAMS = 1
    run = clinic.run()
    held = LogStream(run=run, after=0)
    answer = api.get(f"runs/{run.pk}/log/stream")
    problem(answer, 503)
    assert answer["Retry-After"]
    with pytest.raises(TooManyStreams):
        LogStream(run=run, after=0)
    held.close()
    held.close()
    assert places.taken == 0
    del held
    lost = LogStream(run=run, after=0)  # answered, and never read
    assert places.taken == 1
    del lost
    assert places.taken == 0
    assert events(told(api, run))[-1][0] == "end"


# --- a real server --------------------------------------------------------------------------------


@contextmanager
def listening(port: int, run: Run, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        link.request(
            "GET", f"/api/v1/runs/{run.pk}/log/stream", headers={**headers, "Accept-Encoding": "gzip"}
        )
        yield link.getresponse()
    finally:
        link.close()


def next_data(answer: http.client.HTTPResponse) -> Any:
    while True:
        line = answer.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            return json.loads(line[6:])


@pytest.mark.django_db(transaction=True)
def test_a_server_tells_lines_as_they_come_to_many_listeners_with_few_connections(monkeypatch, tmp_path):
    """Three listeners, a pool of two connections, and the server still answers everybody else."""
    monkeypatch.setenv("LOG_STREAMS", "3")
    monkeypatch.setenv("DATABASE_POOL", "2")
    clinic = Clinic()
    run = running(clinic)
    headers = clinic.caller().headers
    log = tmp_path / "web.log"
    with served(database_url(), log) as server:
        with (
            listening(server.port, run, headers) as first,
            listening(server.port, run, headers) as second,
            listening(server.port, run, headers) as third,
        ):
            answers = (first, second, third)
            for answer in answers:
                assert next_data(answer)["text"] == f"seen {CANARY}"
            with listening(server.port, run, headers) as fourth:
                assert fourth.status == 503
            link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            link.request("GET", "/api/v1/runs", headers=headers)
            assert link.getresponse().status == 200
            link.close()

            clinic.log(run, "a new line")
            for answer in answers:
                assert next_data(answer)["text"] == "a new line"
            Run.objects.filter(pk=run.pk).update(
                state="success", finished_at=timezone.now(), token=None, lease_until=None
            )
            for answer in answers:
                assert next_data(answer) == {"state": "success"}
                assert answer.read().strip() == b""

        wait_for(lambda: _opens(server.port, run, headers), lambda: log.read_text())


def _opens(port: int, run: Run, headers: dict[str, str]) -> bool:
    with listening(port, run, headers) as answer:
        return answer.status == 200


@pytest.mark.django_db(transaction=True)
def test_a_listener_that_vanishes_frees_its_place(monkeypatch, tmp_path):
    monkeypatch.setenv("LOG_STREAMS", "1")
    clinic = Clinic()
    run = running(clinic)
    headers = clinic.caller().headers
    stop = threading.Event()

    def chatter() -> None:  # so that the server writes, and notices
        from django.db import connection

        while not stop.wait(0.2):
            clinic.log(run, "still at it")
        connection.close()

    with served(database_url(), tmp_path / "web.log") as server:
        with listening(server.port, run, headers) as answer:
            assert next_data(answer)
            assert not _opens(server.port, run, headers)
        talker = threading.Thread(target=chatter)
        talker.start()
        began = time.monotonic()
        try:
            wait_for(
                lambda: _opens(server.port, run, headers),
                lambda: (tmp_path / "web.log").read_text(),
                seconds=15,
            )
        finally:
            stop.set()
            talker.join()
        assert time.monotonic() - began < 15
