"""The demo as rows: made when missing, left alone where a person changed something. Twice makes nothing twice.

What a person put away stays away, and an edited job, trigger, inbox or address stays as it was edited. A job whose
newest version is the demo's own follows the file it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from jobs.credentials import credential_change, credential_create, credential_visible
from jobs.editing import ConnectionChoice, draft_save, job_create, job_switch, version_make_live
from jobs.models import Credential, Job, JobState, JobVersion, Workflow
from jobs.workflows import workflow_create
from openfn_platform.common.errors import PlatformError
from openfn_platform.demo import clinic
from openfn_platform.demo.forwarding import forms_forward
from openfn_platform.demo.keeping import Kept
from openfn_platform.demo.parts import DemoCredential, DemoJob, DemoTrigger
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.founding import project_create
from openfn_platform.projects.models import ApiToken, Project, Scope, User
from openfn_platform.projects.tokens import secret_digest, token_create, token_find, token_revoke
from triggers.editing import trigger_create
from triggers.inboxes import inbox_change, inbox_create, inbox_key_add, inbox_key_revoke, project_inbox
from triggers.models import Inbox, InboxAuth, Trigger
from triggers.models.inbox import InboxAccess

NOTE = "as the demo has it"
OWN_NAME = "Demo"  # of the token and the inbox key
DOOR_NAME = "CommCare"

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """How the outside reaches the demo; empty where a person put it away."""

    api_token: str = ""
    inboxes: dict[str, str] = field(default_factory=dict)


def demo_load(*, standins: Mapping[str, str], owner: User, kept: Kept, say: Say) -> Loaded:
    """Make what is missing. `standins` maps their names to their addresses."""
    project = _project(owner, say)
    if project.archived_at is not None:
        say(f"The project “{project.name}” was archived; it stays as it is.")
        return Loaded()
    for credential in clinic.CREDENTIALS:
        if credential.standin not in standins:
            say(f"no stand-in for {credential.standin}, so what needs “{credential.name}” is left out")
            continue
        with _told(say):
            _credential(project, credential, standins[credential.standin], say)
    jobs = _jobs(project, say)
    for trigger in clinic.TRIGGERS:
        with _told(say):
            _trigger(trigger, jobs, say)
    with _told(say):
        _commcare_door(project, kept, say)
    if "commcare" in standins:
        forms_forward(commcare=standins["commcare"], kept=kept, say=say)
    return Loaded(api_token=_token(project, kept, say), inboxes=_inboxes(project))


@contextmanager
def _told(say: Say) -> Iterator[None]:
    """What people changed can stand in the way of one part; the others are loaded all the same."""
    try:
        yield
    except PlatformError as error:
        say(error.message)


@transaction.atomic
def _project(owner: User, say: Say) -> Project:
    found = Project.objects.filter(key=clinic.PROJECT_KEY).first()
    if found is not None:
        return found
    project = project_create(
        name=clinic.PROJECT_NAME,
        key=clinic.PROJECT_KEY,
        by=PLATFORM,
        owner=owner,
        description=clinic.PROJECT_TEXT,
        time_zone=clinic.TIME_ZONE,
    )
    # Open, so that whoever has the address can try it; the form's own trigger has a door with a key.
    inbox_change(
        inbox=project_inbox(project=project),
        by=PLATFORM,
        access=InboxAccess.NONE,
        duplicate_path=clinic.FORM_ID_PATH,
    )
    say(f"made the project “{project.name}”, owned by {owner.email}")
    return project


# ---- credentials -----------------------------------------------------------------------------------------


def _credential(project: Project, plan: DemoCredential, url: str, say: Say) -> None:
    values = {**plan.values, plan.address: url}
    found = Credential.objects.filter(project=project, key=plan.key).first()
    if found is None:
        credential_create(
            project=project, name=plan.name, key=plan.key, adaptor=plan.key, values=values, by=PLATFORM
        )
        say(f"made the credential “{plan.name}” for {url}")
        return
    if found.archived_at is not None:
        return
    present = credential_visible(credential=found).values.get(plan.address)
    if present != url and clinic.is_standin(present):
        credential_change(credential=found, values=values, by=PLATFORM)
        say(f"the credential “{found.name}” now leads to {url}")


# ---- workflows, jobs, triggers ---------------------------------------------------------------------------


def _jobs(project: Project, say: Say) -> dict[str, Job]:
    """The demo's jobs that are there and not archived, by key."""
    found: dict[str, Job] = {}
    known = set(Credential.objects.filter(project=project).values_list("key", flat=True))
    for plan in clinic.JOBS:
        if not known.issuperset(plan.connections):
            continue
        workflow = Workflow.objects.filter(project=project, key=plan.workflow).first()
        if workflow is None:
            workflow = workflow_create(
                project=project, name=clinic.WORKFLOWS[plan.workflow], key=plan.workflow, by=PLATFORM
            )
        if workflow.archived_at is not None:
            continue
        with _told(say):
            if job := _job(project, workflow, plan, say):
                found[plan.key] = job
    return found


@transaction.atomic
def _job(project: Project, workflow: Workflow, plan: DemoJob, say: Say) -> Job | None:
    job = Job.objects.filter(workflow=workflow, key=plan.key).select_related("latest_version").first()
    if job is not None and job.archived_at is not None:
        return None
    if job is None:
        job = job_create(
            project=project,
            workflow=workflow,
            name=plan.name,
            key=plan.key,
            description=plan.description,
            by=PLATFORM,
        )
        version_make_live(version=_version(project, job, plan), by=PLATFORM)
        job_switch(job=job, state=JobState.ON, by=PLATFORM)
        say(f"made the job “{plan.name}”")
    elif _is_ours(job.latest_version) and job.latest_version.code != plan.code:
        version_make_live(version=_version(project, job, plan), by=PLATFORM)
        say(f"the job “{job.name}” follows its new file")
    return job


def _is_ours(version: JobVersion | None) -> bool:
    return version is not None and version.author_id is None and version.note == NOTE


def _version(project: Project, job: Job, plan: DemoJob) -> JobVersion:
    credentials = {each.key: each for each in Credential.objects.filter(project=project)}
    return draft_save(
        job=job,
        by=PLATFORM,
        code=plan.code,
        connections=[
            ConnectionChoice(alias=key, adaptor=key, credential=credentials[key]) for key in plan.connections
        ],
        settings=plan.settings,
        note=NOTE,
    )


def _trigger(plan: DemoTrigger, jobs: Mapping[str, Job], say: Say) -> None:
    needed = [plan.job, *plan.follows]
    if any(key not in jobs for key in needed):  # a job was archived
        return
    job = jobs[plan.job]
    if Trigger.objects.filter(workflow_id=job.workflow_id, key=plan.key).exists():
        return
    trigger_create(name=plan.name, key=plan.key, spec=plan.spec(jobs), jobs=[job], enabled=True, by=PLATFORM)
    say(f"made the trigger “{plan.name}”")


# ---- doors -----------------------------------------------------------------------------------------------


@transaction.atomic
def _commcare_door(project: Project, kept: Kept, say: Say) -> None:
    """An address of the form's trigger alone, with a key: what one would give to CommCare."""
    trigger = Trigger.objects.filter(
        project=project, key=clinic.ARRIVAL.key, workflow__key=clinic.REGISTER.workflow
    ).first()
    if trigger is None or trigger.archived_at is not None:
        return
    inbox = Inbox.objects.filter(trigger=trigger).order_by("pk").first()
    if inbox is None:
        inbox = inbox_create(
            project=project,
            name=DOOR_NAME,
            trigger=trigger,
            duplicate_path=clinic.FORM_ID_PATH,
            by=PLATFORM,
        )
        say(f"made the inbox “{inbox.name}”, which asks for a key")
    if inbox.archived_at is not None:
        return
    ours = InboxAuth.objects.filter(inbox=inbox, name=OWN_NAME, revoked_at=None)
    kept.keep(inbox_with_key=_url(inbox))
    if kept.get("inbox_key") and ours.filter(digest=secret_digest(kept.get("inbox_key"))).exists():
        return
    for key in ours:  # nobody knows it any more
        inbox_key_revoke(key=key, by=PLATFORM)
    _, plaintext = inbox_key_add(inbox=inbox, name=OWN_NAME, by=PLATFORM)
    kept.keep(inbox_key=plaintext)


@transaction.atomic
def _token(project: Project, kept: Kept, say: Say) -> str:
    """The demo's token with every scope: the one that was kept, or a new one in its place."""
    known = token_find(kept.get("api_token"))
    if known is not None and known.project_id == project.pk:
        return kept.get("api_token")
    tokens = ApiToken.objects.filter(project=project)
    for token in tokens.filter(name__startswith=OWN_NAME, created_by=None, revoked_at=None):
        token_revoke(token=token, by=PLATFORM)
    # A name stays taken when its token was revoked.
    taken = frozenset(tokens.values_list("name", flat=True))
    name = next(name for number in count(1) if (name := f"{OWN_NAME} {number}") not in taken)
    _, plaintext = token_create(project=project, name=name, scopes=Scope.values, by=PLATFORM)
    kept.keep(api_token=plaintext)
    say("made the demo's API token")
    return plaintext


def _inboxes(project: Project) -> dict[str, str]:
    inbox = Inbox.objects.filter(project=project, trigger=None, archived_at=None).first()
    return {project.key: _url(inbox)} if inbox is not None else {}


def _url(inbox: Inbox) -> str:
    return f"{settings.PUBLIC_URL}{reverse('inbox', args=[str(inbox.address)])}"
