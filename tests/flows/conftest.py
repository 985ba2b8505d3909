"""One worker with a real zygote for all flow tests of the process; each test gets an empty database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.db import connection

from runs.worker import Worker, set_current_worker
from tests.flows.world import Engine, World


class QuietWorker(Worker):
    """A worker without a heartbeat: between two tests no thread may use the database."""

    def _beat(self, *, stopped: bool = False) -> None:
        return None


@pytest.fixture(scope="session")
def _worker(django_db_setup: None, django_db_blocker: Any) -> Iterator[Worker]:
    with django_db_blocker.unblock():
        worker = QuietWorker(name="flow-tests", capacity=4, sweeps=False)
        worker.start()
        assert worker.wait_ready(), "the zygote did not start"
    yield worker
    with django_db_blocker.unblock():
        worker.stop(grace=0)
        cast("Any", connection).close_pool()  # or the test database cannot be dropped


@pytest.fixture
def engine(_worker: Worker, transactional_db: None) -> Iterator[Engine]:
    """Real runs in real children, executed when the test says so."""
    set_current_worker(_worker)
    yield Engine(_worker)
    set_current_worker(None)


@pytest.fixture
def world(transactional_db: None) -> World:
    return World()
