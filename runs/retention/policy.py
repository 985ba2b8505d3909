"""How long what is kept. Payloads and history by the project's own days, the rest by the installation's.

Never pruned: saved inputs, memories, versions of jobs and triggers, echo marks (what a two-way sync last wrote),
certificates of erasure, incidents that are open, mails that wait, the newest slot of every schedule. Idempotency keys
outlive what they point to, so that a duplicate that comes late is still known: two years, or the project's history
where that is longer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from openfn_platform.common.ids import uuid7_first
from openfn_platform.projects.models import Project

# Of mails and incidents that belong to no project.
PAYLOAD_DAYS = 90
HISTORY_DAYS = 365


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is older than these moments goes."""

    payloads: datetime
    history: datetime

    def before(self, kind: str) -> datetime:
        return self.payloads if kind == "payloads" else self.history


def policy_of(project: Project | None, *, now: datetime) -> Policy:
    if project is None:
        return policy(payload_days=PAYLOAD_DAYS, history_days=HISTORY_DAYS, now=now)
    return policy(payload_days=project.payload_days, history_days=project.history_days, now=now)


def policy(*, payload_days: int, history_days: int, now: datetime) -> Policy:
    history = _ago(now, history_days)
    # Nothing is said by what is no longer there: history that is kept shorter takes its payloads along.
    return Policy(payloads=max(history, _ago(now, payload_days)), history=history)


def audit_before(*, now: datetime) -> datetime:
    return _ago(now, settings.AUDIT_DAYS)


def keys_before(*, now: datetime) -> datetime:
    return _ago(now, settings.IDEMPOTENCY_DAYS)


def floor(moment: datetime) -> uuid.UUID:
    """Rows with a smaller id are older than that."""
    return uuid7_first(moment)


def _ago(now: datetime, days: int) -> datetime:
    """So many days before; a number that nobody can count back to means for ever."""
    return now - timedelta(days=min(days, 36_500))
