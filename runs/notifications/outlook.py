"""What happens by itself next: so that nobody repairs what repairs itself, or waits for what never comes."""

from __future__ import annotations

from openfn_platform.common.text import one_line
from runs.models import Incident, Run
from runs.models.incident import KEY_REFUSED, IncidentKind
from runs.models.run import RetryKind

_HELD_AUTH = (
    "Nothing is tried until the credential has been saved again and its test has passed: one more wrong password "
    "could lock the account. The runs that need the connection wait; none is lost."
)
_HELD = (
    "The connection is probed every minute. The runs that need it wait, and go on by themselves as soon as the "
    "system answers."
)
_PAUSED = "Its runs wait, and go on when somebody switches the job on again. None is lost."
_ALARM = "It is looked at all the time; you get one more mail when it is well again."
_KEY_REFUSED = (
    "Everything that comes with it is refused. You get one more mail when it opens the inbox again, or when nothing "
    "has come with it for a day."
)
_PROBLEMS = "The run counts as succeeded. The refused records are not sent again by themselves."
_NOT_REPEATED = "This run is not repeated by itself; it waits for somebody to press Retry or to dismiss it."
_OTHERS_GO_ON = "Other messages and times of the job's schedule are run as usual."


def outlook_of(*, incident: Incident) -> str:
    match incident.kind:
        case IncidentKind.ALARM:
            return _KEY_REFUSED if incident.error_type == KEY_REFUSED else _ALARM
        case IncidentKind.PAUSE:
            return _PAUSED
        case IncidentKind.HOLD:
            return _HELD_AUTH if incident.error_type == "AuthError" else _HELD
        case _ if incident.error_type == "Problems":
            return _PROBLEMS
    run = Run.objects.filter(pk=incident.last_run_id).first() if incident.last_run_id else None
    return f"{_after(run)} {_OTHERS_GO_ON}"


def _after(run: Run | None) -> str:
    if run is None:
        return _NOT_REPEATED
    if run.handled:
        names = sorted({one_line(child.job.name, 60) for child in run.children.select_related("job")})
        started = ", ".join(f"“{name}”" for name in names) or "another job"
        return f"The failure is handled by {started}, which the workflow has started."
    if run.retry_kind == RetryKind.AUTOMATIC:
        return f"The automatic attempts have ended after {run.attempt}. {_NOT_REPEATED}"
    return _NOT_REPEATED
