"""Projects, members, people and the audit in the browser."""

from __future__ import annotations

from typing import Any

import pytest

from openfn_platform.projects.models import AuditEntry, Membership, Project, Role, User
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of, told
from triggers.inboxes import project_inbox

pytestmark = pytest.mark.django_db
GOOD = "purple mango bicycle"


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def project_form(**more: Any) -> dict[str, Any]:
    numbers = {"max_concurrency": 50, "max_waiting": 1000, "max_body_bytes": 1000}
    days = {"payload_days": 90, "history_days": 365}
    return {"name": "Clinic", "environment": "main", "time_zone": "UTC", **numbers, **days, **more}


def test_an_admin_changes_the_settings_and_the_audit_says_how(cast: Cast) -> None:
    url = page("projects_project_change", cast.project.pk)
    at(cast.admin).post(url, project_form(time_zone="Africa/Nairobi", allowed_hosts="a.example, b.example"))
    cast.project.refresh_from_db()
    assert cast.project.time_zone == "Africa/Nairobi"
    assert cast.project.allowed_hosts == ["a.example", "b.example"]
    entry = AuditEntry.objects.get(action="project changed")
    assert entry.changes["time_zone"] == ["UTC", "Africa/Nairobi"]


def test_a_zone_that_does_not_exist_is_refused_at_its_field(cast: Cast) -> None:
    url = page("projects_project_change", cast.project.pk)
    answer = at(cast.admin).post(url, project_form(time_zone="Mars/Olympus"))
    assert "time_zone" in answer.context["adminform"].form.errors


def test_a_superuser_makes_a_project_and_is_in_it(cast: Cast) -> None:
    client = at(cast.superuser)
    client.post(page("projects_project_add"), project_form(name="Second"))
    made = Project.objects.get(name="Second")
    assert Membership.objects.get(project=made).role == Role.OWNER
    assert client.get(page("index")).context["site_subheader"] == "Second"


def test_only_the_owner_puts_a_project_away(cast: Cast) -> None:
    url = page("projects_project_archive", cast.project.pk)
    assert at(cast.admin).post(url).status_code == 403
    at(cast.owner).post(url)
    cast.project.refresh_from_db()
    assert cast.project.archived_at is not None


def test_an_admin_cannot_make_an_owner(cast: Cast) -> None:
    row = Membership.objects.get(user=cast.viewer)
    answer = at(cast.admin).post(page("projects_membership_change", row.pk), {"role": "owner"})
    assert "Only an owner" in text_of(answer)
    row.refresh_from_db()
    assert row.role == Role.VIEWER


def test_the_last_owner_cannot_be_removed(cast: Cast) -> None:
    row = Membership.objects.get(user=cast.owner, project=cast.project)
    answer = at(cast.owner).post(page("projects_membership_remove", row.pk), follow=True)
    assert "needs an owner" in told(answer)
    assert Membership.objects.filter(pk=row.pk).exists()


def test_a_removed_member_finds_nothing_any_more(cast: Cast) -> None:
    row = Membership.objects.get(user=cast.viewer)
    at(cast.admin).post(page("projects_membership_remove", row.pk))
    assert at(cast.viewer).get(page("projects_project_change", cast.project.pk)).status_code == 404


def test_a_superuser_adds_a_person_with_a_password(cast: Cast, client: Any) -> None:
    given = {"email": "New@Example.org", "name": "New", "time_zone": "UTC", "password": GOOD}
    at(cast.superuser).post(page("projects_user_add"), given)
    assert client.login(username="new@example.org", password=GOOD)


def test_a_weak_password_is_refused_and_not_sent_back(cast: Cast) -> None:
    given = {"email": "new@example.org", "time_zone": "UTC", "password": "short-9f2"}
    answer = at(cast.superuser).post(page("projects_user_add"), given)
    assert "password" in answer.context["adminform"].form.errors
    assert "short-9f2" not in text_of(answer)
    assert not User.objects.filter(email="new@example.org").exists()


def test_a_switched_off_person_is_out_at_the_next_click(cast: Cast) -> None:
    client = at(cast.editor)
    assert client.get(page("index")).status_code == 200
    at(cast.superuser).post(page("projects_user_switch_off", cast.editor.pk))
    assert client.get(page("index")).status_code == 302


def test_nobody_switches_themselves_off(cast: Cast) -> None:
    answer = at(cast.superuser).post(page("projects_user_switch_off", cast.superuser.pk), follow=True)
    assert "cannot switch yourself off" in told(answer)


def test_a_new_password_works_and_ends_open_sessions(cast: Cast, client: Any) -> None:
    elsewhere = at(cast.editor)
    at(cast.superuser).post(page("projects_user_set_password", cast.editor.pk), {"password": GOOD})
    assert client.login(username=cast.editor.email, password=GOOD)
    assert elsewhere.get(page("index")).status_code == 302


@pytest.mark.parametrize("role", list(Role))
def test_the_pages_of_people_are_for_superusers_alone(cast: Cast, role: Role) -> None:
    client = at(cast.of(role))
    assert client.get(page("projects_user_changelist")).status_code == 403
    assert client.get(page("projects_user_change", cast.viewer.pk)).status_code == 404


def test_filters_offer_only_what_one_may_see(cast: Cast) -> None:
    factories.job(factories.workflow(cast.project, "Own workflow"))
    factories.job(factories.workflow(cast.project, "Second own workflow"))
    factories.job(factories.workflow(factories.project(), "Foreign workflow"))
    shown = text_of(at(cast.editor).get(page("jobs_job_changelist")))
    assert "Second own workflow" in shown
    assert "Foreign workflow" not in shown


def test_the_history_of_a_thing_is_its_audit(cast: Cast) -> None:
    job = factories.job(cast.project)
    at(cast.editor).post(page("jobs_job_pause", job.pk))
    shown = text_of(at(cast.admin).get(page("jobs_job_history", job.pk), follow=True))
    assert "job switched" in shown
    assert at(cast.editor).get(page("jobs_job_history", job.pk), follow=True).status_code == 403
    inbox = project_inbox(project=cast.project)
    links = {
        role: "/history/" in text_of(at(role).get(page("triggers_inbox_change", inbox.pk)))
        for role in (cast.admin, cast.editor)
    }
    assert links == {cast.admin: True, cast.editor: False}
