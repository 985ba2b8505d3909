"""Every page of the workspace × every kind of person: who finds it, who may open it, and that no secret is on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.models import Credential, Job
from openfn_platform.projects.models import Role, User
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of
from triggers.models import Inbox, Trigger

pytestmark = pytest.mark.django_db
ROLES = tuple(Role)
SECRET = factories.OPENMRS["password"]


@dataclass(frozen=True)
class Stage:
    """A project with one of everything."""

    cast: Cast
    job: Job
    credential: Credential
    triggers: tuple[Trigger, ...]
    inbox: Inbox
    key: str

    def person(self, role: Role) -> User:
        return self.cast.of(role)


@pytest.fixture
def stage() -> Stage:
    cast = factories.cast("Clinic")
    credential = factories.credential(cast.project, "Clinic OpenMRS")
    job = factories.job(cast.project, "Register", connections={"openmrs": credential}, code="note('x')")
    other = factories.job(job.workflow, "Compensate")
    triggers = (
        factories.message_trigger(job),
        factories.cron_trigger(job),
        factories.flow_trigger(job, other),
    )
    inbox, _auth, key = factories.inbox_with_key(cast.project)
    return Stage(cast, job, credential, triggers, inbox, key)


def object_pages(stage: Stage) -> list[str]:
    """Pages of one thing: an outsider must not learn that they exist."""
    workflow = stage.job.workflow_id
    return [
        page("jobs_job_change", stage.job.pk),
        page("jobs_job_versions", stage.job.pk),
        page("jobs_job_names", stage.job.pk),
        page("jobs_workflow_change", workflow),
        page("jobs_credential_change", stage.credential.pk),
        page("triggers_inbox_change", stage.inbox.pk),
        page("projects_project_change", stage.cast.project.pk),
        page("triggers_trigger_preview", workflow=str(workflow), schedule_kind="cron", cron="@daily"),
        *(page("triggers_trigger_change", trigger.pk) for trigger in stage.triggers),
    ]


AUDIT = "projects_auditentry_changelist"  # for those who administer


def list_pages() -> list[str]:
    names = ("jobs_job", "jobs_workflow", "jobs_credential", "triggers_trigger", "triggers_inbox")
    people = ("projects_project", "projects_membership", "triggers_clockring")
    shared = ("jobs_table", "jobs_librarymodule")
    adaptors = [reverse("adaptors"), reverse("adaptor", args=["openmrs"])]
    return [page("index"), *adaptors, *(page(f"{name}_changelist") for name in (*names, *shared, *people))]


@pytest.mark.parametrize("role", ROLES)
def test_members_of_every_role_find_their_pages(stage: Stage, role: Role) -> None:
    client = at(stage.person(role))
    for url in [*list_pages(), *object_pages(stage)]:
        assert client.get(url).status_code == 200, url
    administers = role in (Role.ADMIN, Role.OWNER)
    assert client.get(page(AUDIT)).status_code == (200 if administers else 403)


def test_an_outsider_cannot_see_that_anything_exists(stage: Stage) -> None:
    client = at(stage.cast.outsider)
    for url in object_pages(stage):
        assert client.get(url).status_code == 404, url
        assert client.post(url).status_code == 404, url


def test_an_outsiders_lists_hold_nothing_of_others(stage: Stage) -> None:
    client = at(stage.cast.outsider)
    for url in [*list_pages(), page(AUDIT)]:
        shown = text_of(client.get(url))
        assert "Register" not in shown, url
        assert "Clinic" not in shown, url


def test_nobody_who_is_not_logged_in_sees_a_page(stage: Stage, client) -> None:
    for url in [*list_pages(), page(AUDIT), *object_pages(stage)]:
        answer = client.get(url)
        assert answer.status_code == 302, url
        assert "login" in answer["Location"], url


def test_no_secret_is_ever_on_a_page(stage: Stage) -> None:
    client = at(stage.cast.superuser)
    for url in [*list_pages(), page(AUDIT), *object_pages(stage)]:
        shown = text_of(client.get(url))
        assert SECRET not in shown, url
        assert stage.key not in shown, url


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_may_only_look_cannot_change_anything_by_posting(stage: Stage, role: Role) -> None:
    client = at(stage.person(role))
    workflow = stage.job.workflow_id
    for url in (
        page("jobs_job_change", stage.job.pk),
        page("jobs_job_add"),
        page("jobs_job_check", stage.job.pk),
        page("jobs_job_versions", stage.job.pk),
        page("jobs_job_archive", stage.job.pk),
        page("jobs_job_switch_off", stage.job.pk),
        page("jobs_workflow_change", workflow),
        page("jobs_workflow_archive", workflow),
        page("jobs_credential_change", stage.credential.pk),
        page("jobs_credential_add", adaptor="openmrs"),
        page("jobs_credential_lend", stage.credential.pk),
        page("jobs_credential_test", stage.credential.pk),
        page("jobs_credential_undo", stage.credential.pk),
        page("jobs_credential_connect", stage.credential.pk),
        page("jobs_credential_disconnect", stage.credential.pk),
        page("triggers_inbox_change", stage.inbox.pk),
        page("triggers_inbox_add_key", stage.inbox.pk),
        page("triggers_trigger_change", stage.triggers[0].pk),
        page("triggers_trigger_add", kind="message", workflow=str(workflow)),
        page("triggers_trigger_switch_off", stage.triggers[0].pk),
        page("projects_project_change", stage.cast.project.pk),
        page("projects_project_add"),
        page("projects_membership_add"),
        page("projects_apitoken_add"),
        page("projects_user_add"),
    ):
        assert client.post(url, {"name": "changed"}).status_code == 403, url
    stage.job.refresh_from_db()
    assert stage.job.name == "Register"
    assert stage.job.archived_at is None


def test_editors_do_not_reach_what_admins_decide(stage: Stage) -> None:
    client = at(stage.cast.editor)
    for url in (
        page("jobs_credential_change", stage.credential.pk),
        page("jobs_credential_undo", stage.credential.pk),
        page("jobs_credential_connect", stage.credential.pk),
        page("jobs_credential_disconnect", stage.credential.pk),
        page("triggers_inbox_change", stage.inbox.pk),
        page("triggers_inbox_add_key", stage.inbox.pk),
        page("projects_project_change", stage.cast.project.pk),
        page("projects_membership_add"),
        page("projects_apitoken_add"),
    ):
        assert client.post(url, {"name": "changed"}).status_code == 403, url


def test_a_get_never_does_anything(stage: Stage) -> None:
    client = at(stage.cast.superuser)
    for model, thing in ((Job, stage.job), (Trigger, stage.triggers[1]), (Inbox, stage.inbox)):
        model_admin: Any = admin.site._registry[model]
        for deed in model_admin.deeds:
            client.get(model_admin.url_of(deed.name.replace("-", "_"), thing.pk))
        before = {key: value for key, value in thing.__dict__.items() if key != "_state"}
        thing.refresh_from_db()
        assert {key: thing.__dict__[key] for key in before if key in thing.__dict__} == {
            key: value for key, value in before.items() if key in thing.__dict__
        }


def test_the_picture_of_a_workflow_stays_as_it_is_where_names_are_equal(stage: Stage) -> None:
    """A row that was written again lies elsewhere in its table; nobody's picture may jump for that."""
    workflow = stage.job.workflow
    for model in (Job, Trigger):
        model.objects.filter(workflow=workflow).update(name="The same")
    client, url = at(stage.cast.editor), page("jobs_workflow_change", workflow.pk)
    before = client.get(url).context["picture"]
    for model in (Job, Trigger):
        first = model.objects.filter(workflow=workflow).earliest("pk")
        model.objects.filter(pk=first.pk).update(key="another")
        assert client.get(url).context["picture"] == before


def test_pages_ask_the_database_no_more_when_there_is_more(stage: Stage) -> None:
    client = at(stage.cast.editor)
    urls = [*list_pages(), page("jobs_workflow_change", stage.job.workflow_id)]

    def count() -> list[int]:
        counts = []
        for url in urls:
            with CaptureQueriesContext(connection) as queries:
                client.get(url)
            counts.append(len(queries))
        return counts

    count()  # warm caches
    before = count()
    for _ in range(5):
        more = factories.job(stage.job.workflow)
        factories.message_trigger(more)
        factories.cron_trigger(more)
        factories.flow_trigger(stage.job, more)
        factories.credential(stage.cast.project)
    assert count() == before
    assert max(before) <= 22
