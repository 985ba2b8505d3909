"""The story, played against a running `up` through its public doors only, and everything that must be true then.

Five cases are opened; four patients come of it; the fifth is refused, somebody is told, the data are corrected and
the run retried: five patients. Every deviation is one sentence.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import plural
from openfn_platform.demo.clinic import ALERT, REGISTER, SUPERVISOR, WELCOME
from openfn_platform.demo.doors import Doors
from openfn_platform.demo.forms import Registration, registrations

LOOK_EVERY = 0.25
FINAL = frozenset({"success", "failed", "cancelled"})  # of work orders
FINISHED = FINAL | {"crashed", "killed", "exception", "skipped", "lost"}  # of runs

Say = Callable[[str], object]


class TookTooLong(PlatformError):
    """Something did not happen in time."""

    code = "took_too_long"


@dataclass(kw_only=True)
class Case:
    """One registration and what has come of it so far."""

    number: int
    form: Registration
    answer: dict[str, Any]
    order: dict[str, Any] = field(default_factory=dict)

    @property
    def order_id(self) -> str:
        return str(self.answer["work_orders"][0]["id"])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attempt to register one patient."""

    form: int
    attempt: int
    national_id: str
    state: str
    patient: str
    texts: int
    error: str


class Story:
    """One play. `deviations` is empty when everything went as told."""

    def __init__(self, doors: Doors, *, say: Say, seconds: float) -> None:
        self.deviations: list[str] = []
        self.mails_held = False  # the hour's mails had gone out, so some could not be looked at
        self.cases: list[Case] = []
        self._doors = doors
        self._say = say
        self._seconds = seconds
        self._before: frozenset[str] = frozenset()
        self._jobs: dict[str, str] = {}  # id -> key

    def play(self) -> None:
        """All of it. Raises when it cannot go on; what is merely wrong is in `deviations`."""
        self._jobs = {job["id"]: job["key"] for job in self._doors.all("jobs")}
        self._clear_the_stage()
        patients = self._doors.patients()
        self._before = frozenset(patients)
        forms, right = registrations(taken={each for held in patients.values() for each in held})
        self._post(forms)
        self._wait_for_orders()
        self._check_before_the_repair()
        refused = self._runs(self.cases[-1], REGISTER.key)[0]
        incident = self._incident_of(refused)
        self._wait_for_mail("opened", incident)
        self._correct(refused, right)
        self._wait_for_orders()
        self._wait_for_mail("closed", incident)
        self._expect(
            self._doors.one(f"incidents/{incident}")["closed_at"] is not None,
            "The retry went well, and the incident is still open.",
        )
        self._check_the_end(right)
        self._check_mails(incident)

    # --- what is done

    def _clear_the_stage(self) -> None:
        """A play that was interrupted has left its incident open; a new failure would only be counted on it."""
        for incident in self._doors.all("incidents", open="true", job=REGISTER.key):
            self._doors.tell(
                f"incidents/{incident['id']}/dismiss", {"reason": "Before a new play of the story."}
            )
            self._say("an incident of an earlier play was still open; it is put aside")

    def _post(self, forms: list[Registration]) -> None:
        """Each form twice, as CommCare does when an answer gets lost."""
        for number, form in enumerate(forms, 1):
            self.cases.append(Case(number=number, form=form, answer=self._doors.post(form.message)))
        for case in self.cases:
            again = self._doors.post(case.form.message)
            self._expect(
                again == case.answer, f"Form {case.number}, sent again, was answered with other ids."
            )
            orders = case.answer["work_orders"]
            if len(orders) != 1 or len(orders[0]["runs"]) != 1:
                raise PlatformError(
                    f"Form {case.number} started {plural(len(orders), 'work order')}; is “{REGISTER.name}” on?"
                )
        self._say(f"{plural(len(forms), 'form')} posted, each twice")

    def _correct(self, run: Mapping[str, Any], right: str) -> None:
        """As the administrator would: the run's input with the digit that was missing."""
        state = self._doors.one(f"runs/{run['id']}/input")
        state["data"]["form"]["national_id"] = right
        retry = self._doors.tell(f"runs/{run['id']}/retry", {"input": state})
        self.cases[-1].order = {}
        self._expect(retry["retry_of"] == run["id"], "The retry does not name the run that it repeats.")
        self._say("the fifth form's national ID is corrected, and its run retried")

    # --- waiting

    def _wait_for_orders(self) -> None:
        told = -1

        def final() -> bool:
            nonlocal told
            for case in self.cases:
                if not _is_over(case.order):
                    case.order = self._doors.one(f"work-orders/{case.order_id}")
            done = sum(_is_over(case.order) for case in self.cases)
            if done != told:
                self._say(f"{done} of {len(self.cases)} work orders are done")
                told = done
            return done == len(self.cases)

        self._until(final, "Not all work orders were done")

    def _wait_for_mail(self, kind: str, incident: str) -> None:
        def there() -> bool:
            return any(mail.kind == kind for mail in self._doors.mailbox.about(incident))

        def held() -> bool:
            return self._doors.mailbox.is_full()

        self._until(lambda: there() or held(), f"No mail said that the incident was {kind}")
        self._say(
            f"mail: {kind}"
            if there()
            else f"mail: {kind}, held back: this hour's mails have gone out already"
        )

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._seconds
        while not done():
            if time.monotonic() > deadline:
                raise TookTooLong(f"{what} within {self._seconds:g} seconds.")
            time.sleep(LOOK_EVERY)

    # --- what must be true

    def _check_before_the_repair(self) -> None:
        new = self._new_patients()
        self._expect(len(new) == 4, f"Before the repair there are {plural(len(new), 'new patient')}, not 4.")
        for case in self.cases[:-1]:
            self._check_went_well(case, attempts=1)
        fifth = self.cases[-1]
        refused = self._runs(fifth, REGISTER.key)
        self._expect(
            [run["state"] for run in refused] == ["failed"],
            f"The fifth form's runs are {_states(refused)}, not failed.",
        )
        sentence = refused[0]["error_message"] or ""
        self._expect(
            bool(sentence.strip()) and "\n" not in sentence,
            "The failed run does not say why in one sentence.",
        )
        self._check_alert(fifth, refused[0])
        self._expect(not self._runs(fifth, WELCOME.key), "The patient that was refused has been welcomed.")

    def _check_went_well(self, case: Case, *, attempts: int) -> None:
        """A registration with its patient and exactly one text message."""
        runs = self._runs(case, REGISTER.key)
        self._expect(
            len(runs) == attempts and runs[-1]["state"] == "success",
            f"Form {case.number} was registered by runs that are {_states(runs)}.",
        )
        self._expect(case.order["state"] == "success", f"Work order {case.number} is {case.order['state']}.")
        welcomes = self._runs(case, WELCOME.key)
        self._expect(
            [run["state"] for run in welcomes] == ["success"],
            f"The welcome of form {case.number} was sent by runs that are {_states(welcomes)}.",
        )
        sent = self._sms(case)
        self._expect(sent == 1, f"Patient {case.number} got {plural(sent, 'text message')}, not 1.")

    def _check_alert(self, case: Case, refused: Mapping[str, Any]) -> None:
        alerts = self._runs(case, ALERT.key)
        self._expect(
            [(run["state"], run["parent"]) for run in alerts] == [("success", refused["id"])],
            f"The refused registration was told to the supervisor by runs that are {_states(alerts)}.",
        )
        reference = case.form.instance[:8]
        told = [
            text["body"]
            for text in self._doors.texts()
            if text["to"] == SUPERVISOR and reference in text["body"]
        ]
        self._expect(
            len(told) == 1, f"The supervisor got {plural(len(told), 'text message')} about it, not 1."
        )
        self._expect(
            not any(word in body for body in told for word in case.form.personal),
            "The supervisor's text message holds data of the patient.",
        )

    def _check_the_end(self, right: str) -> None:
        fifth = self.cases[-1]
        for case in self.cases:
            self._check_went_well(case, attempts=2 if case is fifth else 1)
        self._expect(len(self._runs(fifth, ALERT.key)) == 1, "The supervisor's job ran again for the retry.")
        wanted = Counter([*(case.form.national_id for case in self.cases[:-1]), right])
        new = Counter(nid for held in self._new_patients().values() for nid in held)
        self._expect(
            new == wanted, f"The new patients have {_listed(new)}; they should have {_listed(wanted)}."
        )

    def _check_mails(self, incident: str) -> None:
        found = self._doors.mailbox.about(incident)
        kinds = Counter(mail.kind for mail in found)
        wanted = Counter({"opened": 1, "closed": 1})
        self.mails_held = self._doors.mailbox.is_full() and kinds < wanted
        self._expect(
            kinds == wanted or self.mails_held,
            f"The administrator got these mails: {_listed(kinds)}; wanted 1 + 1.",
        )
        for mail in found:
            self._expect(REGISTER.name in mail.subject, f"The mail “{mail.subject}” does not name the job.")
            everything = mail.subject + mail.text
            self._expect(
                not any(word in everything for case in self.cases for word in case.form.personal),
                f"The mail “{mail.subject}” holds data of a patient.",
            )

    # --- looking

    def rows(self) -> list[Row]:
        """What has happened so far, one row for each attempt to register a patient."""
        new, texts = self._new_patients(), Counter(text["to"] for text in self._doors.texts())
        found: list[Row] = []
        for case in self.cases:
            for run in self._runs(case, REGISTER.key):
                nid = self._doors.one(f"runs/{run['id']}/input")["data"]["form"]["national_id"]
                found.append(
                    Row(
                        form=case.number,
                        attempt=run["attempt"],
                        national_id=nid,
                        state=run["state"],
                        patient=next((uuid for uuid, held in new.items() if nid in held), ""),
                        texts=texts[case.form.phone] if run["state"] == "success" else 0,
                        error=run["error_message"] or "",
                    )
                )
        return found

    def _sms(self, case: Case) -> int:
        return sum(text["to"] == case.form.phone for text in self._doors.texts())

    def _new_patients(self) -> dict[str, list[str]]:
        return {uuid: held for uuid, held in self._doors.patients().items() if uuid not in self._before}

    def _runs(self, case: Case, job: str) -> list[dict[str, Any]]:
        runs = [run for run in case.order.get("runs", []) if self._jobs.get(run["job"]) == job]
        return sorted(runs, key=lambda run: (run["attempt"], run["id"]))

    def _incident_of(self, run: Mapping[str, Any]) -> str:
        found = [
            each for each in self._doors.all("incidents", job=REGISTER.key) if each["last_run"] == run["id"]
        ]
        if len(found) != 1:
            raise PlatformError(f"The failed run opened {plural(len(found), 'incident')}, not 1.")
        return str(found[0]["id"])

    def _expect(self, true: bool, otherwise: str) -> None:
        if not true and otherwise not in self.deviations:
            self.deviations.append(otherwise)


def _is_over(order: Mapping[str, Any]) -> bool:
    return order.get("state") in FINAL and all(run["state"] in FINISHED for run in order["runs"])


def _states(runs: list[dict[str, Any]]) -> str:
    """`success, failed (…)`"""
    said = (run["state"] + (f" ({run['error_message']})" if run["error_message"] else "") for run in runs)
    return ", ".join(said) or "none"


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(counted.items())) or "nothing"
