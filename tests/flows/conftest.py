"""One worker with a real zygote for all flow tests of the process; each test gets an empty database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runs.worker import Worker, set_current_worker
from tests.flows.world import Engine, World


@pytest.fixture(scope="session")
def _worker(django_db_setup: None) -> Iterator[Worker]:
    worker = Worker(name="flow-tests", capacity=4, sweeps=False)
    worker.start()
    assert worker.wait_ready(), "the zygote did not start"
    yield worker
    worker.stopping = True
    worker.zygote.stop()
    worker.leases.stop()
    worker._stopped.set()
    worker.zygote.attention.set()


@pytest.fixture
def engine(_worker: Worker, transactional_db: None) -> Iterator[Engine]:
    """Real runs in real children, executed when the test says so."""
    set_current_worker(_worker)
    yield Engine(_worker)
    set_current_worker(None)


@pytest.fixture
def world(transactional_db: None) -> World:
    return World()
