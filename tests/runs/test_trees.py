"""Work orders as trees: every run stands exactly once, attempts together, below what started it."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from runs.models import Run
from runs.selectors.trees import branches_of


def a_run(**fields) -> Run:
    return Run(id=uuid.uuid4(), **fields)


def retry(run: Run, **fields) -> Run:
    return a_run(root_id=run.root_id or run.pk, retry_of_id=run.pk, attempt=run.attempt + 1, **fields)


def test_attempts_stand_together_with_what_any_of_them_started_below():
    first = a_run()
    undo = a_run(parent_id=first.pk)
    second = retry(first)
    follow = a_run(parent_id=second.pk)
    alone = a_run()
    found = [(b.level, b.last, b.earlier) for b in branches_of([first, undo, second, follow, alone])]
    assert found == [(0, second, (first,)), (1, undo, ()), (1, follow, ()), (0, alone, ())]


def test_a_run_whose_parent_is_cut_off_still_stands_in_the_tree():
    orphan = a_run(parent_id=uuid.uuid4())
    assert [(b.level, b.last) for b in branches_of([orphan])] == [(0, orphan)]


@given(st.lists(st.tuples(st.sampled_from(["new", "child", "retry"]), st.integers(0, 30)), max_size=40))
def test_every_run_stands_once_and_children_stand_deeper_than_their_parents(steps):
    runs: list[Run] = []
    for kind, index in steps:
        above = runs[index % len(runs)] if runs else None
        if above is None or kind == "new":
            runs.append(a_run())
        elif kind == "child":
            runs.append(a_run(parent_id=above.pk))
        else:
            runs.append(retry(above, parent_id=above.parent_id))
    branches = branches_of(runs)
    shown = [run.pk for branch in branches for run in branch.runs]
    assert sorted(shown, key=str) == sorted((run.pk for run in runs), key=str)
    level = {run.pk: branch.level for branch in branches for run in branch.runs}
    for run in runs:
        if run.parent_id is not None:
            assert level[run.pk] == level[run.parent_id] + 1
