"""The Celery boot step that gives a worker process its `runs.worker.Worker`."""

from __future__ import annotations

import os
from typing import Any

from celery import bootsteps

from openfn_platform.common.garbage import settle


class RunsStep(bootsteps.StartStopStep):
    """Bound to the Worker blueprint, so that it starts before, and without, a connection to the broker.

    It stops before the pool does: that would wait for every run to end, however long it takes.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._worker: Any = None

    def start(self, parent: Any) -> None:
        from runs.worker import Worker, set_current_worker

        self._worker = Worker(name=f"{parent.hostname}:{os.getpid()}", capacity=parent.concurrency)
        set_current_worker(self._worker)
        self._worker.start()
        # A permit that finds no zygote is burnt: the pool must not take any before there is one.
        self._worker.wait_ready(30)
        settle()

    def stop(self, parent: Any) -> None:
        if self._worker is not None:
            self._worker.stop()

    def terminate(self, parent: Any) -> None:
        """Asked a second time, or by SIGQUIT: without the grace."""
        if self._worker is not None:
            self._worker.stop(grace=0)
