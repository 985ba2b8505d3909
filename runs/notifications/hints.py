"""What to try, by the type of the error: for somebody who did not write the job."""

from __future__ import annotations

from runs.models import Incident
from runs.models.incident import KEY_REFUSED, IncidentKind

_BY_TYPE = {
    "AdaptorError": "Open the run and read what the partner system answered. Correct the data or the job, then press "
    "Retry.",
    "AmbiguousError": "Several records match where one was expected: merge them in the partner system, or make the "
    "job's search narrower, then press Retry.",
    "AuthError": "Check name, password or key in the credential and press Test connection. Do not try many times: "
    "some systems lock the account.",
    "ConfigurationError": "Complete the credential of the connection and press Test connection.",
    "ConnectionError": "See whether the partner system is up and its address in the credential is right; then press "
    "Test connection.",
    "CredentialLoadError": "Open the credential: its page says what is wrong. Where it must be connected again, press "
    "Connect; if it cannot be opened at all, the encryption keys of the installation have changed.",
    "ExecutionError": "The platform could not start the run. Press Retry; if it comes back, look at the log of the "
    "workers.",
    "ExitError": "The job's process died. Open the run and look at its last log lines; the job must not end its "
    "process by itself.",
    "Forbidden": "Ask for the missing permission of the credential's user in the partner system, then press Retry.",
    "ImportError": "Correct the import in the job's code; only what the installation allows can be imported.",
    "InputGoneError": "The input of the run was removed by the retention period: send the message again, or start the "
    "job by hand with new input.",
    "LostError": "Look in the partner system how far the job came before you press Retry: part of the work may be "
    "done.",
    "NotFound": "See whether the record exists in the partner system, correct the data or the job, then press Retry.",
    "NotLiveError": "Open the job and press Make live: it has no live version.",
    "OOMError": "The job needed more memory than it may have: let it work in smaller portions, or raise its limit.",
    "Problems": "Open the run: it lists every refused record with the reason. Correct them and start the job again.",
    "RateLimited": "The partner system asks us to slow down: lower the job's number of simultaneous runs, then press "
    "Retry.",
    "ReferenceError": "A name in the job's code is wrong. Open the run, correct the line it shows, make the job live, "
    "then press Retry.",
    "StateTooLargeError": "Let the job keep less in its state, or raise its limit.",
    "SyntaxError": "The job's code does not compile. Open the job, correct the line that is marked, make it live, then "
    "press Retry.",
    "TimeoutError": "The job took longer than it may: see in its log where the time went; raise its limit, or let it "
    "work in smaller portions.",
    "Unavailable": "See whether the partner system is up, then press Retry.",
    "UnsureError": "A step may or may not have been done. Look in the partner system, then say on the run's page "
    "whether it was, or send it again.",
    "ValidationError": "The partner system refused the data. Open the run, correct its input, and press Retry.",
}
_BY_TYPE["Timeout"] = _BY_TYPE["Unavailable"]
_ANY = "Open the run: it shows the line of code and the log. Correct the job or the data, then press Retry."
_PAUSED = "Open the newest run and look at its last log lines, correct the job, and switch it on again."
_ALARM = "See whether all processes of the installation run; their logs say more."
_KEY_REFUSED = (
    "Open the inbox: it shows where the messages come from. Make a new key there and give it to the sender; what was "
    "refused has to be sent again from there. If nobody should send with it any more, dismiss this."
)


def hint_of(*, incident: Incident) -> str:
    if incident.kind == IncidentKind.ALARM:
        return _KEY_REFUSED if incident.error_type == KEY_REFUSED else _ALARM
    if incident.kind == IncidentKind.PAUSE:
        return _PAUSED
    return _BY_TYPE.get(incident.error_type, _ANY)
