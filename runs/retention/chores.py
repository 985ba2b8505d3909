"""The list of what retention does, in its order: first what goes altogether, then what loses its payload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openfn_platform.projects.models import Project
from runs.retention import history, installation, payloads
from runs.retention.batches import Batch, Slice
from runs.retention.policy import audit_before, keys_before, policy_of

Kind = Literal["history", "payloads", "keys", "audit", "searches"]


@dataclass(frozen=True, kw_only=True)
class Task:
    name: str  # as it stands in the table
    label: str
    kind: Kind
    batch: Callable[[Slice], Batch]
    table: str = ""  # whose rows of a project can be counted by id


TASKS = (
    Task(name="history-orders", label="work orders with their runs", kind="history", batch=history.orders, table="work_order"),
    Task(name="history-messages", label="messages", kind="history", batch=history.messages, table="message"),
    Task(name="history-slots", label="slots of schedules", kind="history", batch=history.slots, table="slot"),
    Task(name="history-mails", label="mails", kind="history", batch=history.mails, table="notification"),
    Task(name="history-incidents", label="closed incidents", kind="history", batch=history.incidents, table="incident"),
    Task(name="history-refusals", label="refusals", kind="history", batch=history.refusals),
    Task(name="history-refusal-counts", label="counts of refusals", kind="history", batch=history.refusal_counts),
    Task(name="payloads-runs", label="states, logs and traces of runs", kind="payloads", batch=payloads.runs, table="run"),
    Task(name="payloads-messages", label="bodies of messages", kind="payloads", batch=payloads.messages, table="message"),
    Task(name="payloads-mails", label="texts of mails", kind="payloads", batch=payloads.mails, table="notification"),
    Task(name="payloads-incidents", label="sentences of closed incidents", kind="payloads", batch=payloads.incidents),
)  # fmt: skip
_NOBODYS = ("history-mails", "history-incidents", "payloads-mails")
OF_INSTALLATION = (
    *(task for task in TASKS if task.name in _NOBODYS),
    Task(name="keys", label="idempotency keys", kind="keys", batch=installation.keys),
    Task(name="audit", label="entries of the audit", kind="audit", batch=installation.audit_entries),
    Task(name="searches", label="searches for persons", kind="searches", batch=installation.searches),
)


@dataclass(frozen=True, kw_only=True)
class Chore:
    """One task in one project, or in the installation."""

    project: Project | None
    task: Task

    def before(self, *, now: datetime) -> datetime:
        """What is older goes."""
        if self.task.kind == "keys":
            return keys_before(now=now)
        if self.task.kind == "audit":
            return audit_before(now=now)
        return policy_of(self.project, now=now).before(self.task.kind)


def chores() -> Iterator[Chore]:
    """Archived projects too: what they said gets no younger."""
    for project in Project.objects.order_by("id").iterator():
        for task in TASKS:
            yield Chore(project=project, task=task)
    for task in OF_INSTALLATION:
        yield Chore(project=None, task=task)
