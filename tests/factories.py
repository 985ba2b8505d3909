"""Plain builders of rows, and the cast that every test of rights plays with.

Projects, members, credentials, triggers and inboxes come about by the verbs that people use; users and jobs by
rows, because hashing passwords and checking code in a process are slow and tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.utils import timezone

from jobs.credentials import credential_create
from jobs.models import (
    Credential,
    Job,
    JobConnection,
    JobState,
    JobVersion,
    ProjectCredential,
    Workflow,
)
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.founding import project_create
from openfn_platform.projects.membering import member_add
from openfn_platform.projects.models import ApiToken, Project, Role, User
from openfn_platform.projects.tokens import token_create
from triggers.editing import FlowSpec, MessageSpec, ScheduleSpec, trigger_create
from triggers.inboxes import inbox_key_add, project_inbox
from triggers.models import FlowEvent, FlowScope, Inbox, InboxAuth, ScheduleKind, Trigger

_numbers = count(1)

OPENMRS = {
    "instanceUrl": "http://127.0.0.1:9/openmrs",
    "username": "clinic",
    "password": "correct horse battery",
}


@dataclass(frozen=True)
class Cast:
    """A project and everybody around it."""

    project: Project
    owner: User
    admin: User
    editor: User
    operator: User
    viewer: User
    outsider: User
    superuser: User

    def of(self, role: Role) -> User:
        member: User = getattr(self, role.value)
        return member


def user(name: str | None = None, **fields: Any) -> User:
    """A person without a usable password; log in with `force_login`."""
    name = name or f"Person {next(_numbers)}"
    email = f"{name.lower().replace(' ', '.')}.{next(_numbers)}@example.org"
    return User.objects.create_user(email, None, name=name, **fields)


def superuser(name: str = "Superuser") -> User:
    return user(name, is_superuser=True)


def project(name: str | None = None, *, owner: User | None = None, **values: Any) -> Project:
    """With its inbox, and an owner if one is given."""
    return project_create(name=name or f"Programme {next(_numbers)}", by=PLATFORM, owner=owner, **values)


def cast(name: str | None = None) -> Cast:
    """A project with one member of each role, somebody from elsewhere, and a superuser."""
    people = {role: user(role.value.title()) for role in Role}
    home = project(name, owner=people[Role.OWNER])
    for role in set(Role) - {Role.OWNER}:
        member_add(project=home, user=people[role], role=role, by=PLATFORM)
    outsider = user("Outsider")
    project(owner=outsider)
    return Cast(
        project=home,
        outsider=outsider,
        superuser=superuser(),
        **{role.value: person for role, person in people.items()},
    )


def token(home: Project, *scopes: str) -> tuple[ApiToken, str]:
    return token_create(project=home, name=f"token {next(_numbers)}", scopes=scopes, by=PLATFORM)


def workflow(home: Project, name: str | None = None) -> Workflow:
    number = next(_numbers)
    return Workflow.objects.create(project=home, name=name or f"Workflow {number}", key=f"workflow-{number}")


def job(
    home: Project | Workflow,
    name: str | None = None,
    *,
    code: str = "pass",
    state: JobState = JobState.ON,
    live: bool = True,
    connections: Mapping[str, Credential | str] | None = None,
    settings: Sequence[Mapping[str, Any]] = (),
    max_concurrency: int | None = None,
    **limits: Any,
) -> Job:
    """A job that is on and has version 1 live. `connections`: alias -> credential, or adaptor without one."""
    group = home if isinstance(home, Workflow) else workflow(home)
    number = next(_numbers)
    made = Job.objects.create(
        project_id=group.project_id,
        workflow=group,
        name=name or f"Job {number}",
        key=f"job-{number}",
        state=state if live else JobState.OFF,
        max_concurrency=max_concurrency,
    )
    version = JobVersion.objects.create(
        project_id=group.project_id,
        job=made,
        number=1,
        code=code,
        settings=list(settings),
        made_live_at=timezone.now() if live else None,
        **limits,
    )
    for position, (alias, given) in enumerate((connections or {}).items()):
        JobConnection.objects.create(
            project_id=group.project_id,
            version=version,
            alias=alias,
            position=position,
            adaptor=given if isinstance(given, str) else given.adaptor,
            credential=None
            if isinstance(given, str)
            else ProjectCredential.objects.get(project_id=group.project_id, credential=given),
        )
    made.latest_version = version
    made.live_version = version if live else None
    made.save(update_fields=["latest_version", "live_version"])
    return made


def credential(
    home: Project,
    name: str | None = None,
    *,
    adaptor: str = "openmrs",
    values: Mapping[str, Any] | None = None,
) -> Credential:
    return credential_create(
        project=home,
        name=name or f"Credential {next(_numbers)}",
        adaptor=adaptor,
        values=OPENMRS if values is None else values,
        by=PLATFORM,
    )


def message_trigger(
    *jobs: Job, inclusion: Any = None, exclusion: Any = None, enabled: bool = True, **fields: Any
) -> Trigger:
    pair = {"inclusion": {} if inclusion is None else inclusion, "exclusion": exclusion}
    return trigger_create(
        name=fields.pop("name", f"Message {next(_numbers)}"),
        spec=MessageSpec(criteria=[pair]),
        jobs=jobs,
        by=PLATFORM,
        enabled=enabled,
        **fields,
    )


def cron_trigger(*jobs: Job, cron: str = "0 23 * * FRI", enabled: bool = True, **fields: Any) -> Trigger:
    return trigger_create(
        name=fields.pop("name", f"Schedule {next(_numbers)}"),
        spec=ScheduleSpec(kind=ScheduleKind.CRON, cron=cron, time_zone=fields.pop("time_zone", "")),
        jobs=jobs,
        by=PLATFORM,
        enabled=enabled,
        **fields,
    )


def flow_trigger(
    upstream: Job | None,
    *jobs: Job,
    event: FlowEvent = FlowEvent.SUCCESS,
    scope: FlowScope = FlowScope.JOB,
    condition: str = "",
    enabled: bool = True,
    **fields: Any,
) -> Trigger:
    return trigger_create(
        name=fields.pop("name", f"Flow {next(_numbers)}"),
        spec=FlowSpec(upstream=upstream, event=event, scope=scope, condition=condition),
        jobs=jobs,
        by=PLATFORM,
        enabled=enabled,
        **fields,
    )


def inbox_with_key(home: Project) -> tuple[Inbox, InboxAuth, str]:
    """The project's inbox and a key that opens it."""
    inbox = project_inbox(project=home)
    key, plaintext = inbox_key_add(inbox=inbox, name=f"key {next(_numbers)}", by=PLATFORM)
    return inbox, key, plaintext
