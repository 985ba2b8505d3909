"""Two projects full of things, one of them full of canaries, and everybody who may stand before a door."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

from axes.models import AccessAttempt
from django.test import Client
from django.utils import timezone

from jobs.models import Job, JobState, LibraryModule, LibraryVersion, ProjectCredential, Table
from jobs.rows import row_set
from jobs.tables import table_create
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry, Invitation, Membership, Project, Role, User
from runs.finding.searching import search_start
from runs.models import (
    BulkOperation,
    ConnectionHold,
    Erasure,
    Housekeeping,
    Memory,
    MemoryValue,
    Notification,
    OnceMark,
    Run,
    RunState,
    StateKind,
)
from runs.states import encode, state_store
from tests.api.cast import CANARY, Clinic
from tests.matrix.actors import ACTORS, Actor
from triggers.models import Refusal, Slot, Trigger

NAME = "canary-name"  # stands in the name of everything that has one
CANARIES = (CANARY.lower(), NAME)


@dataclass(eq=False)  # one is itself, so that answers can be kept by it
class Scene:
    """What the doors lead to: one thing of each kind by its model, and the people."""

    clinic: Clinic
    things: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)  # the outsider's
    lent: ProjectCredential | None = None  # by the outsider
    people: dict[str, User | None] = field(default_factory=dict)
    token: str = ""
    _clients: dict[str, tuple[Client, str]] = field(default_factory=dict)

    def fill(self) -> None:
        self.things = things_of(self.clinic, lent=self.lent)

    def client(self, actor: Actor) -> Client:
        """One per person: a client loads all middleware. Whatever its last request did to it is undone."""
        if actor.name not in self._clients:
            client = self._login(actor)
            self._clients[actor.name] = client, client.cookies.output(header="")
        client, cookies = self._clients[actor.name]
        client.cookies = SimpleCookie(cookies)
        return client

    def _login(self, actor: Actor) -> Client:
        person = self.people.get(actor.name)
        client = Client(raise_request_exception=False)
        if actor.name == "a token":
            client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        if person is not None:
            client.force_login(person)
        if person is not None and actor.name == "inactive owner":
            User.objects.filter(pk=person.pk).update(is_active=False)
        return client

    def ids(self) -> set[str]:
        return {str(thing.pk) for thing in self.things.values() if isinstance(thing.pk, uuid.UUID)}


def scene_build(*, filled: bool = True) -> Scene:
    """Rows only: nothing here runs. Not yet filled, there is nothing of the project with the canaries."""
    clinic, other = Clinic(f"{NAME} clinic"), Clinic("Elsewhere")
    other.canary = "elsewhere-data"
    scene = Scene(clinic=clinic, own=things_of(other, name="elsewhere"))
    scene.lent = ProjectCredential.objects.create(
        project=clinic.project, credential=scene.own["jobs.credential"]
    )
    if filled:
        scene.fill()
    scene.token = clinic.token("read", "read-data", "operate", "deploy", "intake")[1]
    for actor in ACTORS:
        scene.people[actor.name] = _person(actor, clinic=clinic, other=other)
    for actor in ACTORS:
        scene.client(actor)
    return scene


def _person(actor: Actor, *, clinic: Clinic, other: Clinic) -> User | None:
    if actor.name in ("anonymous", "a token"):
        return None
    number = User.objects.count()
    person = User.objects.create_user(f"p{number}@example.org", None, is_superuser=actor.superuser)
    role = Role.OWNER if actor.name == "inactive owner" else actor.role
    if actor.name == "outsider":
        second = Project.objects.create(key="elsewhere-too", name="Elsewhere too")
        for home in (other.project, second):  # with two of them, lists show all that one may see
            Membership.objects.create(project=home, user=person, role=Role.OWNER, may_see_data=True)
    elif role is not None:
        Membership.objects.create(project=clinic.project, user=person, role=role, may_see_data=actor.data)
    return person


def things_of(clinic: Clinic, *, name: str = NAME, lent: ProjectCredential | None = None) -> dict[str, Any]:
    """One of everything, by model label."""
    connections = {"lent": (lent.credential.adaptor, lent)} if lent is not None else {}
    job = clinic.job(f"log('{name}')", key=f"{name}-job", connections=connections)
    idle = clinic.job(key=f"idle-{name}-job", state=JobState.OFF)
    trigger = clinic.on_message(job)
    Job.objects.filter(pk=job.pk).update(name=f"{name} job")
    schedule = clinic.on_schedule(idle, schedule_kind="cron", cron="0 23 * * FRI")
    type(trigger).objects.filter(pk__in=[trigger.pk, schedule.pk]).update(name=f"{name} trigger")
    type(clinic.workflow).objects.filter(pk=clinic.workflow.pk).update(name=f"{name} workflow")
    clinic.key()
    message = _message(clinic, name)
    member = User.objects.create_user(
        f"{name}.{User.objects.count()}@example.org", None, name=f"{name} member"
    )
    link = clinic.credential(  # an address that is refused at once, however often it is tried
        "openmrs",
        instanceUrl="http://169.254.169.254/openmrs",
        username=clinic.canary,
        password=clinic.canary,
    )
    said = f"The partner does not know “{clinic.canary}”."
    incident = clinic.incident(job=job, title=f"{name} incident", message=said)
    run = clinic.run(
        RunState.FAILED,
        job=job,
        incident=incident,
        error_type="UnsureError",
        error_message=said,
        failure={"hint": f"Did you mean '{clinic.canary}'?"},
    )
    _others_of(clinic, run, said)
    return {
        "projects.project": clinic.project,
        "projects.membership": Membership.objects.create(
            project=clinic.project, user=member, role=Role.VIEWER
        ),
        "projects.user": member,
        "projects.invitation": Invitation.objects.create(
            project=clinic.project,
            email=f"{name}.invited@example.org",
            role=Role.VIEWER,
            digest=name.encode(),
            sent_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=7),
        ),
        "axes.accessattempt": AccessAttempt.objects.create(
            username=f"{name}.locked@example.org", ip_address="192.0.2.1", failures_since_start=9
        ),
        "projects.apitoken": clinic.token("read")[0],
        "projects.auditentry": AuditEntry.objects.create(
            project=clinic.project,
            actor_name=f"{name} actor",
            action="job changed",
            object_name=f"{name} job",
        ),
        "jobs.job": job,
        "jobs.workflow": clinic.workflow,
        "jobs.credential": link.credential,
        "triggers.trigger": trigger,
        "triggers.inbox": clinic.inbox,
        "triggers.inboxauth": clinic.inbox.auths.get(),
        "triggers.message": message,
        "runs.run": run,
        "runs.incident": incident,
        "runs.httpexchange": clinic.exchange(run),
        "runs.connectionhold": _hold(clinic, link, name),
        "runs.bulkoperation": BulkOperation.objects.create(
            project=clinic.project,
            deed="dismiss",
            parameters={"reason": f"{name}: '{clinic.canary}'"},
            requested_by_name=f"{name} asker",
            total=3,
        ),
        "runs.memory": _memory(clinic, schedule, idle),
        "runs.notification": Notification.objects.create(
            project=clinic.project,
            incident=incident,
            kind="opened",
            cause=str(uuid7()),
            recipient="admin@example.org",
            subject=f"{name} failed",
            text=f"{name} failed.\n\n{said}\n",
        ),
        "runs.housekeeping": Housekeeping.objects.create(
            project=clinic.project, task="history-messages", rows=7, last_rows=7, last_at=timezone.now()
        ),
        "runs.personsearch": search_start(project=clinic.project, who=name, by=PLATFORM),
        "runs.erasure": Erasure.objects.create(
            project=clinic.project,
            number=f"E-{User.objects.count()}",
            by_name=name,
            reason=name,
            state="done",
        ),
        "jobs.table": _table(clinic, name),
        "jobs.librarymodule": _module(clinic, name),
        "triggers.refusal": Refusal.objects.create(
            project=clinic.project, inbox=clinic.inbox, status=401, code="not_authenticated", reason=name
        ),
        "triggers.slot": Slot.objects.create(
            project=clinic.project, trigger=schedule, at=timezone.now(), state="skipped", reason=name
        ),
    }


def _others_of(clinic: Clinic, run: Run, said: str) -> None:
    """Whatever else tells what came of runs: a note, a reason to wait or to put aside, an unsure step, the all-clear."""
    quoted = f"About '{clinic.canary}'"
    for state, fields in (
        (RunState.SUCCESS, {"note": quoted}),
        (RunState.AVAILABLE, {"waits_for": quoted, "run_at": timezone.now()}),
        (RunState.FAILED, {"dismissed_at": timezone.now(), "dismissed_reason": quoted}),
        (RunState.FAILED, {"incident": run.incident}),
    ):
        clinic.run(state, job=clinic.job(), work_order=run.work_order, **fields)
    clinic.run(RunState.SUCCESS, job=run.job, note=quoted)  # on the job's page
    OnceMark.objects.create(
        project=clinic.project,
        work_order=run.work_order,
        job=run.job,
        run=run,
        key=f"sms to '{clinic.canary}'",
    )
    clinic.incident(
        title="Over", message=said, closed_at=timezone.now(), closed_reason=f"Dismissed: {quoted}"
    )


def _table(clinic: Clinic, name: str) -> Table:
    table = table_create(project=clinic.project, name=f"{name} table", by=PLATFORM)
    row_set(table=table, key="12", value=clinic.canary, by=PLATFORM)
    return table


def _module(clinic: Clinic, name: str) -> LibraryModule:
    module = LibraryModule.objects.create(project=clinic.project, key="names", name=f"{name} module")
    LibraryVersion.objects.create(project=clinic.project, module=module, number=1, code=f"x = '{name}'")
    return module


def _message(clinic: Clinic, name: str) -> Any:
    type(clinic.inbox).objects.filter(pk=clinic.inbox.pk).update(name=f"{name} inbox")
    return clinic.message({"name": clinic.canary})


def _hold(clinic: Clinic, link: ProjectCredential, name: str) -> ConnectionHold:
    return ConnectionHold.objects.create(
        project=clinic.project, credential=link, stage="held", reason=f"{name} refused “{clinic.canary}”"
    )


def _memory(clinic: Clinic, trigger: Trigger, job: Job) -> Memory:
    raw = encode({"cursor": clinic.canary})
    state = state_store(project_id=clinic.project.pk, kind=StateKind.MEMORY, raw=raw)
    memory = Memory.objects.create(project=clinic.project, trigger=trigger, job=job, state=state)
    MemoryValue.objects.create(project=clinic.project, memory=memory, state=state)
    return memory


def readable(content: bytes) -> str:
    """As a person reads it: escapes of JSON undone, in small letters."""
    text = content.decode("utf-8", "replace")
    return (text + json.dumps(text)).lower() if "\\u" in text else text.lower()
