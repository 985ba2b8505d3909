"""What is traced, and held back in a dry run, where a partner does not speak HTTP: SQL, SMTP, SFTP.

    with exchanges.write("INSERT", f"{where}/visits", body=text) as told:
        told.outcome = "12 rows"

A dry run makes no write: ask `exchanges.held(…)` first, which shows it and answers True.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.adaptors.context import Context
from openfn_platform.common.addresses import AddressPolicy
from openfn_platform.common.redaction import Redactor
from openfn_platform.common.tracing import beginning


@dataclass
class Told:
    """What is added while an exchange goes on."""

    outcome: str = ""  # a few words, as `12 rows`; with an error: it was answered, with a no
    response_bytes: int = 0


class Exchanges:
    """The trace of one connection."""

    def __init__(self, context: Context, *, protocol: str, secrets: tuple[str, ...] = ()) -> None:
        self.context = context
        self.redact = Redactor(secrets)
        self._protocol = protocol

    @property
    def policy(self) -> AddressPolicy:
        return AddressPolicy(
            allowed_hosts=self.context.allowed_hosts, allow_private=self.context.allow_private
        )

    def held(self, method: str, url: str, *, body: str = "") -> bool:
        """In a dry run: show the write instead of making it, and answer True."""
        if not self.context.dry_run:
            return False
        entry = self._entry(method, url, body, write=True, started=datetime.now(UTC), clock=time.monotonic())
        self.context.trace({**entry, "dry": True})
        self.context.log(
            "info", f"Dry run: {method} {entry['url']} was not sent ({entry['request_bytes']} bytes)."
        )
        return True

    @contextmanager
    def write(self, method: str, url: str, *, body: str = "") -> Iterator[Told]:
        """Around something that changes the partner."""
        with self._traced(method, url, body, write=True) as told:
            yield told

    @contextmanager
    def read(self, method: str, url: str) -> Iterator[Told]:
        """Around something that only looks."""
        with self._traced(method, url, "", write=False) as told:
            yield told

    @contextmanager
    def _traced(self, method: str, url: str, body: str, *, write: bool) -> Iterator[Told]:
        told, started, clock = Told(), datetime.now(UTC), time.monotonic()
        error: str | None = None
        try:
            yield told
        except Exception as raised:
            error = self.redact(str(raised))[:300]
            raise
        finally:
            entry = self._entry(method, url, body, write=write, started=started, clock=clock)
            entry |= {"outcome": told.outcome, "response_bytes": told.response_bytes, "error": error}
            self.context.trace(entry)

    def _entry(
        self, method: str, url: str, body: str, *, write: bool, started: datetime, clock: float
    ) -> dict[str, Any]:
        kept, cut = beginning(body, self.redact) if write else (None, False)
        return {
            "kind": "http",
            "protocol": self._protocol,
            "write": write,
            "method": method[:10],
            "url": self.redact(url),
            "status": None,
            "outcome": "",
            "started": started.isoformat(),
            "duration_ms": round((time.monotonic() - clock) * 1000),
            "request_bytes": len(body.encode("utf-8", "replace")),
            "response_bytes": 0,
            "attempt": 1,
            "error": None,
            "request_body": kept,
            "request_cut": cut,
            "response_body": None,
            "response_cut": False,
        }
