"""What surrounds an adaptor while a job runs: where it logs, what it may reach, whether it may write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from openfn_platform.common.http import Retries


def _nowhere(*_: object) -> None:
    """For those who want neither log nor trace."""


@dataclass(frozen=True)
class Context:
    """Handed to every adaptor when it is connected."""

    log: Callable[[str, str], None] = _nowhere  # level, text
    trace: Callable[[dict[str, Any]], None] = _nowhere  # one exchange, as in common.http
    learn: Callable[[str], None] = _nowhere  # a secret that came up only now, to be masked from here on
    dry_run: bool = False  # writes are shown instead of sent
    trace_reads: bool = False  # the trace keeps the bodies of reads, too
    allowed_hosts: tuple[str, ...] = ()  # empty: any public host
    allow_private: bool = False  # may speak to private address ranges
    idempotency_key: str = field(default="", repr=False)  # the same over every attempt of one cause
    retries: Retries | None = None  # how often and how patiently a call is repeated
    # An OAuth token that was refused -> the next one; None: nobody here can get one.
    refresh: Callable[[str], str] | None = field(default=None, repr=False)
    transport: httpx.BaseTransport | None = field(default=None, repr=False)  # tests answer through it
