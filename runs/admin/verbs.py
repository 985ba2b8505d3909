"""The verbs behind the buttons, each for those who may: what people do to runs and incidents."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role
from runs.answers import once_resolve
from runs.cancelling import run_abort, run_cancel
from runs.incidents import incident_dismiss, incident_take, run_dismiss
from runs.models import Incident, OnceMark, Run
from runs.retrying import run_repair, run_retry


def retry(
    *,
    run: Run,
    by: By,
    corrected: dict[str, Any] | None = None,
    same_code: bool = False,
    only_unrepaired: bool = False,
) -> Run:
    """The next attempt. `only_unrepaired` refuses what needs no repair, for many at once."""
    if only_unrepaired:
        return run_repair(run=run, by=by, same_code=same_code)
    return run_retry(run=run, by=by, corrected=corrected, same_code=same_code)


def retry_each(*, runs: list[Run], by: By) -> tuple[int, dict[str, int]]:
    """One after the other: how many were retried, and why others were not."""
    good = 0
    refused: dict[str, int] = {}
    for run in runs:
        try:
            retry(run=run, by=by, only_unrepaired=True)
            good += 1
        except PlatformError as error:
            refused[error.message] = refused.get(error.message, 0) + 1
    return good, refused


def cancel(*, run: Run, by: By) -> bool:
    """True: cancelled; False: its worker has been asked to stop it."""
    return run_cancel(run=run, by=by)


def abort(*, run: Run, by: By) -> None:
    """It is over when this returns, whatever its worker does."""
    run_abort(run=run, by=by)


def dismiss(*, run: Run, by: By, reason: str) -> None:
    run_dismiss(run=run, by=by, reason=reason)


@transaction.atomic
def resolve(*, run: Run, mark: OnceMark, happened: bool, by: By) -> None:
    """Somebody looked whether a step of `once` was done."""
    require(by, run.project_id, Role.OPERATOR)
    once_resolve(mark_id=mark.pk, happened=happened, by=author_of(by))
    changes = {"step": mark.key, "happened": happened}
    audit("unsure step decided", by, project=run.project, target=run, changes=changes)


def take(*, incident: Incident, by: By) -> None:
    incident_take(incident=incident, by=by)


def put_aside(*, incident: Incident, by: By, reason: str) -> None:
    """Dismiss an incident with all its failures."""
    incident_dismiss(incident=incident, by=by, reason=reason)
