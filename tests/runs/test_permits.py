"""Publishing permits never fails and never slows down what was just committed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from kombu import pools
from pytest_django import Settings

from runs import permits
from runs.permits import Breaker
from tests.waiting import wait_for


def test_a_breaker_is_open_for_a_while_after_a_failure() -> None:
    breaker = Breaker(seconds=0.1)
    seen = [breaker.is_open]
    breaker.failed()
    seen.append(breaker.is_open)
    time.sleep(0.12)
    seen.append(breaker.is_open)
    assert seen == [False, True, False]


def test_a_success_closes_a_breaker_at_once() -> None:
    breaker = Breaker(seconds=60)
    breaker.failed()
    breaker.worked()
    assert not breaker.is_open


@pytest.fixture
def breaker(monkeypatch: pytest.MonkeyPatch) -> Breaker:
    fresh = Breaker(seconds=60)
    monkeypatch.setattr(permits, "breaker", fresh)
    return fresh


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def broker(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The platform's own Celery application with the broker at that address."""
    from openfn_platform import celery

    app: Any = celery.app
    url = request.getfixturevalue("silent") if request.param == "silent" else request.param
    settings.REDIS_URL = url
    names = ("broker_url", "broker_read_url", "broker_write_url")
    before = {name: app.conf[name] for name in names}
    talk_to(app, dict.fromkeys(names, url))
    yield url
    talk_to(app, before)


def talk_to(app: Any, addresses: dict[str, Any]) -> None:
    """Celery keeps the pools that it made for an address."""
    app.conf.update(addresses)
    pools.reset()
    app._pool = app.amqp._producer_pool = None


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "silent"], indirect=True)
def test_a_broker_that_is_dead_or_silent_costs_one_short_wait(
    broker: str, breaker: Breaker, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    assert permits.publish(3) == 0
    assert time.monotonic() - began < 5
    assert breaker.is_open
    assert "RuntimeError" not in caplog.text  # it was the network, and not a slip of this test
    began = time.monotonic()
    for _ in range(100):
        assert permits.publish() == 0
        assert permits.queue_length() is None
        assert not permits.broker_answers()
    assert time.monotonic() - began < 0.1


def test_without_a_broker_nothing_is_published_and_nothing_breaks(
    settings: Settings, breaker: Breaker
) -> None:
    settings.REDIS_URL = ""
    assert permits.publish() == 0
    assert not permits.broker_answers()
    assert not breaker.is_open


@pytest.mark.parametrize("broker", ["silent"], indirect=True)
@pytest.mark.django_db(transaction=True)
def test_whoever_commits_does_not_wait_for_a_silent_broker(broker: str, breaker: Breaker) -> None:
    began = time.monotonic()
    for _ in range(5):
        with transaction.atomic():
            permits.publish_on_commit(1)
    assert time.monotonic() - began < 0.5
    wait_for(lambda: breaker.is_open, lambda: "the bell did not try")


@pytest.mark.django_db(transaction=True)
def test_nobody_rings_for_what_was_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    heard = threading.Event()

    class Listening(permits.Bell):
        def ring(self, count: int) -> None:
            rung.append(count)
            heard.set()

    monkeypatch.setattr(permits, "bell", Listening())
    with transaction.atomic():
        permits.publish_on_commit(1)
        transaction.set_rollback(True)
    with transaction.atomic():
        permits.publish_on_commit(0)
        permits.publish_on_commit(2)
        assert rung == []
    assert heard.wait(1)
    assert rung == [2]
