"""The table of legal moves, exhaustively, in the code and in the database."""

from __future__ import annotations

import itertools
import uuid

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from runs.claiming import run_claim_next
from runs.lifecycle import MOVES, IllegalMove, may_move, run_move
from runs.models import FINAL_STATES, Run, RunState
from runs.starting import job_start
from tests.flows.world import World

PAIRS = list(itertools.product(RunState, RunState))
LEGAL = {
    (RunState.AVAILABLE, RunState.CLAIMED),
    (RunState.AVAILABLE, RunState.CANCELLED),
    (RunState.AVAILABLE, RunState.SKIPPED),
    (RunState.AVAILABLE, RunState.EXCEPTION),
    (RunState.CLAIMED, RunState.STARTED),
    (RunState.CLAIMED, RunState.AVAILABLE),
    (RunState.CLAIMED, RunState.CANCELLED),
    (RunState.CLAIMED, RunState.SKIPPED),
    (RunState.CLAIMED, RunState.EXCEPTION),
    *((RunState.STARTED, final) for final in FINAL_STATES),
}


@pytest.fixture
def run(db: None) -> Run:
    return job_start(job=World().job())


def put(run: Run, state: RunState) -> uuid.UUID | None:
    """Place a run in a state, behind everybody's back."""
    token = uuid.uuid4() if state in (RunState.CLAIMED, RunState.STARTED) else None
    lease = timezone.now() if token else None
    ended = timezone.now() if state in FINAL_STATES else None
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE run DISABLE TRIGGER run_final_states_stay")
    Run.objects.filter(pk=run.pk).update(state=state, token=token, lease_until=lease, finished_at=ended)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE run ENABLE TRIGGER run_final_states_stay")
    return token


def test_every_state_is_in_the_table() -> None:
    assert set(MOVES) == set(RunState)
    assert {pair for pair in PAIRS if may_move(*pair)} == LEGAL


def test_every_pair_moves_exactly_when_it_is_legal(run: Run) -> None:
    for source, target in PAIRS:
        token = put(run, source)
        if (source, target) == (RunState.AVAILABLE, RunState.CLAIMED):
            assert run_claim_next(worker="w") is not None  # only the database's function claims
        elif (source, target) in LEGAL:
            assert run_move(run_id=run.pk, to=target, source=source, token=token), (source, target)
        else:
            with pytest.raises(IllegalMove):
                run_move(run_id=run.pk, to=target, source=source)
            continue
        run.refresh_from_db()
        assert run.state == target


def test_a_late_worker_moves_nothing(run: Run) -> None:
    put(run, RunState.STARTED)
    assert not run_move(run_id=run.pk, to=RunState.SUCCESS, source=RunState.STARTED, token=uuid.uuid4())
    run.refresh_from_db()
    assert run.state == RunState.STARTED


@pytest.mark.parametrize("final", sorted(FINAL_STATES))
def test_the_database_itself_keeps_final_states(run: Run, final: RunState) -> None:
    put(run, final)
    with pytest.raises(DatabaseError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(state=RunState.AVAILABLE)


def test_the_database_refuses_an_unknown_state_and_a_claim_without_a_token(run: Run) -> None:
    for bad in ({"state": "paused"}, {"state": "claimed"}, {"state": "success"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Run.objects.filter(pk=run.pk).update(**bad)
