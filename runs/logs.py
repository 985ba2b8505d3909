"""Writing log lines and exchanges of a run while it goes on, in batches, with numbers of their own.

The supervisor adds, a thread of the worker writes: a database that hangs must keep nobody from ending a run.
"""

from __future__ import annotations

import threading
import time
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import partial

from django.db import transaction

from openfn_platform.common.text import storable
from openfn_platform.common.words import words_of
from runs.models import HttpExchange, LogLine, Run, RunMode
from runs.sandbox.exchanges import Exchange
from runs.selectors.exchanges import origin
from runs.wiping import NOT_KEPT

FLUSH_SECONDS = 0.4  # a line is on the screen within about a second
COPIED = tuple(field.name for field in fields(Exchange) if field.name != "started")


class LogBuffer:
    """Collects lines of one run: `add` while it goes on, `flush` when it `is_due` and at the finish."""

    def __init__(self, *, run: Run) -> None:
        self._run = run
        # A project that keeps no payloads keeps of an exchange which system it was and how it ended. What a dry
        # run would have sent is what it was for; it is wiped later.
        self._bare = run.mode == RunMode.LIVE and not run.project.keeps_payloads
        self._began = datetime.now(UTC)
        self._lines: list[LogLine] = []
        self._exchanges: list[HttpExchange] = []
        self._flushed_at = time.monotonic()
        self._adding = threading.Lock()
        self._writing = threading.Lock()
        self.count = 0
        self.exchanges = 0

    def add(self, *, level: str, text: str, at: datetime | None = None) -> None:
        self.count += 1
        line = LogLine(
            project_id=self._run.project_id,
            run_id=self._run.pk,
            seq=self.count,
            at=at or datetime.now(UTC),
            level=level[:8],
            text=storable(text),
        )
        with self._adding:
            self._lines.append(line)

    def add_exchange(self, exchange: Exchange) -> None:
        """One exchange as the supervisor hands it on."""
        self.exchanges += 1
        if self._bare:
            exchange = _bared(exchange)
        row = HttpExchange(
            project_id=self._run.project_id,
            run_id=self._run.pk,
            job_id=self._run.job_id,
            work_order_id=self._run.work_order_id,
            seq=self.exchanges,
            at=self._when(exchange),
            words=words_of(exchange.url, exchange.request_body, exchange.response_body),
            **{name: getattr(exchange, name) for name in COPIED},
        )
        with self._adding:
            self._exchanges.append(row)

    def _when(self, exchange: Exchange) -> datetime:
        """When it began, as its process says; but not before the run did, and not in the future."""
        now = datetime.now(UTC)
        return max(self._began, min(exchange.started or now, now))

    @property
    def is_due(self) -> bool:
        """Does something wait long enough, and is nobody writing?"""
        waits = bool(self._lines or self._exchanges)
        return waits and time.monotonic() - self._flushed_at >= FLUSH_SECONDS and not self._writing.locked()

    def flush(self) -> None:
        """Write what there is, and forget it when that is committed: until then it may have to be written again."""
        with self._writing:
            with self._adding:
                lines, exchanges = list(self._lines), list(self._exchanges)
            try:
                # A commit whose answer was lost has written them already.
                LogLine.objects.bulk_create(lines, batch_size=1000, ignore_conflicts=True)
                HttpExchange.objects.bulk_create(exchanges, batch_size=500, ignore_conflicts=True)
                transaction.on_commit(partial(self._forget, lines=len(lines), exchanges=len(exchanges)))
            finally:
                self._flushed_at = time.monotonic()

    def _forget(self, *, lines: int, exchanges: int) -> None:
        with self._adding:
            del self._lines[:lines]
            del self._exchanges[:exchanges]


def _bared(exchange: Exchange) -> Exchange:
    return replace(
        exchange,
        url=origin(exchange.url),
        error=NOT_KEPT if exchange.error else exchange.error,
        request_body=None,
        response_body=None,
        request_cut=False,
        response_cut=False,
    )
