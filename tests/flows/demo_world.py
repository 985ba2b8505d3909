"""The demo's jobs in a world of a flow test, and the people who work with its partner systems."""

from __future__ import annotations

from typing import Any

import httpx

from jobs.models import Job
from openfn_platform.demo import clinic, country
from openfn_platform.demo.parts import DemoJob, DemoTrigger
from openfn_platform.demo.standins.openmrs import seeds as openmrs_seeds
from openfn_platform.demo.standins.process import Standin
from runs.models import Run
from tests.flows.world import World, final_of, log_of, outcome
from triggers.models import FlowEvent
from triggers.specs import FlowSpec, MessageSpec

NATIONAL_ID = "AB123456"


class Demo:
    """Jobs of the demo in a world, with credentials for the stand-ins."""

    def __init__(self, world: World, standins: dict[str, Standin]) -> None:
        self.world = world
        self.standins = standins
        for standin in standins.values():
            standin.reset()
        self._credentials = {
            plan.key: (
                plan.key,
                world.credential(plan.key, **plan.values, **{plan.address: standins[plan.standin].url}),
            )
            for plan in clinic.CREDENTIALS
        }
        self.jobs: dict[str, Job] = {}

    def __getitem__(self, plan: DemoJob) -> Job:
        """The job, made when it is first asked for."""
        if plan.key not in self.jobs:
            connections = {key: self._credentials[key] for key in plan.connections}
            self.jobs[plan.key] = self.world.job(
                plan.code, key=plan.key, connections=connections, settings=list(plan.settings)
            )
        return self.jobs[plan.key]

    def workflow(self, *plans: DemoJob) -> None:
        """Make jobs, and those of the demo's triggers that start them by a message or by another job's end."""
        jobs = {plan.key: self[plan] for plan in plans}
        for trigger in clinic.TRIGGERS:
            if jobs.keys() >= {trigger.job, *trigger.follows}:
                self._trigger(trigger, jobs)

    def _trigger(self, trigger: DemoTrigger, jobs: dict[str, Job]) -> None:
        spec = trigger.spec(jobs)
        if isinstance(spec, MessageSpec):
            self.world.on_message(jobs[trigger.job], inclusion=spec.criteria[0]["inclusion"])
        if isinstance(spec, FlowSpec):
            assert spec.upstream is not None
            self.world.on_end(spec.upstream, FlowEvent(spec.event).value, jobs[trigger.job])

    def runs(self, plan: DemoJob) -> list[Run]:
        return self.world.runs(self[plan])

    def openmrs(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a clerk of the clinic does."""
        answer = httpx.post(
            f"{self.standins['openmrs'].url}/ws/rest/v1/{path}", json=body, auth=("admin", "Admin123")
        )
        answer.raise_for_status()
        made: dict[str, Any] = answer.json()
        return made

    def dhis2(self, body: dict[str, Any]) -> None:
        """What somebody at the district types."""
        answer = httpx.post(
            f"{self.standins['dhis2'].url}/api/tracker",
            params={"async": "false", "importStrategy": "CREATE_AND_UPDATE"},
            json=body,
            auth=("demo", "District-1"),
        )
        answer.raise_for_status()

    def patient(self, first: str = "Neema", last: str = "Mwakasege") -> str:
        """A patient that a clerk registers; the uuid."""
        identifier = {
            "identifier": NATIONAL_ID,
            "identifierType": openmrs_seeds.NATIONAL_ID,
            "location": openmrs_seeds.CLINIC,
        }
        person = {
            "gender": "F",
            "birthdate": "1994-05-02",
            "names": [{"givenName": first, "familyName": last}],
        }
        return str(self.openmrs("patient", {"person": person, "identifiers": [identifier]})["uuid"])

    def table(self) -> list[dict[str, Any]]:
        """The rows of the public map."""
        rows: list[dict[str, Any]] = self.standins["carto"].call("POST", "rows", {"table": country.MAP_TABLE})
        return rows


def ended_well(run: Run) -> Any:
    """The data of a run that ended in success."""
    assert outcome(run) == "success", (run.error_message, log_of(run))
    return final_of(run)["data"]
