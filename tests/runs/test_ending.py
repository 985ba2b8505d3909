"""How a run ended, in the platform's words."""

from __future__ import annotations

import pytest

from jobs.language.contract import Failure, Outcome, Result
from runs import ending as endings
from runs.ending import Ending
from runs.models import FINAL_STATES, RunState

FAILED = {RunState.FAILED, RunState.CRASHED, RunState.KILLED, RunState.EXCEPTION, RunState.LOST}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_that_a_child_can_report_is_a_final_state(outcome: Outcome) -> None:
    why = Failure(type="JobError", message="no")
    said = endings.from_result(
        Result(
            outcome=outcome,
            failure=why,
            problems=(("row 1", "no date"),),
            problem_count=7,
            conditions={"t": True},
        )
    )
    assert said.state == outcome.value
    assert said.state in FINAL_STATES
    assert (said.failure, said.problem_count, said.conditions) == (why, 7, {"t": True})
    assert said.note == ""


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_what_counts_as_failed(state: RunState) -> None:
    assert Ending(state=state).failed is (state in FAILED)


def test_a_run_that_never_started_says_so_and_nobody_died() -> None:
    ending = endings.not_started("CredentialLoadError", "It is gone.", "Mend it.")
    assert (ending.state, ending.process_died) == (RunState.EXCEPTION, False)
    assert ending.failure == Failure(
        type="CredentialLoadError", message="It is gone.", hint="Mend it.", kind="platform"
    )


def test_a_lost_run_tells_to_look_before_it_is_tried_again() -> None:
    ending = endings.lost("The worker one vanished.")
    assert (ending.state, ending.process_died, ending.failed) == (RunState.LOST, True, True)
    assert ending.failure is not None
    assert ending.failure.message == "The worker one vanished."
    assert "before you press Retry" in (ending.failure.hint or "")


def test_cancelled_and_skipped_are_no_failures_and_give_their_reason() -> None:
    for ending in (endings.cancelled("Ama cancelled it."), endings.skipped("Ama cancelled it.")):
        assert not ending.failed
        assert ending.failure is None
        assert ending.note == "Ama cancelled it."
