"""The Celery boot step that gives a worker process its `runs.worker.Worker`."""

from __future__ import annotations

import os
from typing import Any

from celery import bootsteps


class RunsStep(bootsteps.StartStopStep):
    """Bound to the Worker blueprint, so that it starts before, and without, a connection to the broker."""

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._worker: Any = None

    def start(self, parent: Any) -> None:
        from runs.worker import Worker, set_current_worker

        self._worker = Worker(name=f"{parent.hostname}:{os.getpid()}", capacity=parent.concurrency)
        set_current_worker(self._worker)
        self._worker.start()

    def stop(self, parent: Any) -> None:
        if self._worker is not None:
            self._worker.stop()

    terminate = stop
