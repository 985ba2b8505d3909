"""Claiming the next run. The rules (fairness, limits, lanes) stand in the database function `run_claim`."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass

from django.conf import settings

from openfn_platform.common.prepared import fetch_prepared

CONTENDED_TRIES = 8


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One run that is now this worker's, until the lease ends."""

    run_id: uuid.UUID
    token: uuid.UUID
    config_version: int = 0  # of its project, for what the worker has cached about the job


def run_claim_next(*, worker: str, lease_seconds: int | None = None) -> Claim | None:
    """Claim the next eligible run; None when there is none.

    A project that another claimer is busy with is passed over instead of waited for. When that left nothing,
    a few milliseconds later it is tried again.
    """
    lease = f"{lease_seconds or settings.RUN_LEASE_SECONDS} seconds"
    for _ in range(CONTENDED_TRIES):
        rows = fetch_prepared("SELECT * FROM run_claim(%s::text, %s::interval)", [worker, lease])
        if not rows:
            return None
        row = rows[0]
        if row[0] is not None:
            return Claim(run_id=row[0], token=row[1], config_version=row[2])
        time.sleep(random.uniform(0.002, 0.006))  # noqa: S311  # spreads claimers, protects nothing
    return None
