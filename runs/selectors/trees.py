"""A work order as a tree: what the event started, what each of those started, attempts of one thing together."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from runs.models import Run, WorkOrder

MOST_RUNS = 300  # of one work order on one page
HEAVY = ("failure", "problems", "trial_code", "matched_triggers")


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One execution of one job, with the attempts that came before the last one."""

    level: int
    last: Run
    earlier: tuple[Run, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return (*self.earlier, self.last)


@dataclass(frozen=True, kw_only=True)
class Tree:
    order: WorkOrder
    branches: tuple[Branch, ...]
    cut: bool  # more runs than are shown


def light(rows: QuerySet[Run]) -> QuerySet[Run]:
    """Runs without their wide columns."""
    return rows.defer(*HEAVY)


def order_trees(*, orders: Sequence[WorkOrder]) -> list[Tree]:
    """The trees of some work orders (load them with their workflow). One query."""
    found: dict[uuid.UUID, list[Run]] = {order.pk: [] for order in orders}
    rows = light(Run.objects.filter(work_order__in=list(found))).select_related("job", "trigger")
    for run in rows.order_by("id")[: MOST_RUNS * max(1, len(orders))]:
        found[run.work_order_id].append(run)
    return [
        Tree(
            order=order,
            branches=tuple(branches_of(found[order.pk][:MOST_RUNS])),
            cut=len(found[order.pk]) > MOST_RUNS,
        )
        for order in orders
    ]


def branches_of(runs: Iterable[Run]) -> list[Branch]:
    """The runs of one work order in the order of a tree, indented."""
    chains: dict[uuid.UUID, list[Run]] = {}
    chain_of: dict[uuid.UUID, uuid.UUID] = {}
    for run in runs:
        root = run.root_id or run.pk
        chains.setdefault(root, []).append(run)
        chain_of[run.pk] = root
    below: dict[uuid.UUID | None, list[uuid.UUID]] = {}
    for root, chain in chains.items():
        above = chain_of.get(chain[0].parent_id) if chain[0].parent_id else None
        below.setdefault(above, []).append(root)
    branches: list[Branch] = []
    todo = [(root, 0) for root in reversed(below.get(None, []))]
    while todo:
        root, level = todo.pop()
        chain = sorted(chains[root], key=lambda run: run.attempt)
        branches.append(Branch(level=level, last=chain[-1], earlier=tuple(chain[:-1])))
        todo.extend((child, level + 1) for child in reversed(below.get(root, [])))
    return branches
