"""The page of the audit: what administrators find in it, how they narrow it down, and take it along."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from openfn_platform.projects.actors import Actor
from openfn_platform.projects.auditing import audit, payload_opened
from openfn_platform.projects.founding import project_change
from openfn_platform.projects.models import AuditEntry, Role
from openfn_platform.projects.tokens import token_create
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of

pytestmark = pytest.mark.django_db
LIST = "projects_auditentry_changelist"
EXPORT = "projects_auditentry_export"


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


def found(answer) -> set[str]:
    return {entry.action for entry in answer.context["cl"].result_list}


def file_of(answer) -> str:
    return b"".join(answer.streaming_content).decode()


def lines(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file_of(answer))))


@pytest.mark.parametrize("role", list(Role))
def test_the_audit_is_for_those_who_administer(cast: Cast, role: Role):
    allowed = role in (Role.ADMIN, Role.OWNER)
    entry = AuditEntry.objects.filter(project=cast.project).latest("id")
    client = at(cast.of(role))
    for url, refused in (
        (page(LIST), 403),
        (page(EXPORT), 403),
        (page("projects_auditentry_change", entry.pk), 404),
    ):
        assert client.get(url).status_code == (200 if allowed else refused), url


def test_an_administrator_reads_what_happened_in_the_own_projects_only(cast: Cast):
    other = factories.cast("Elsewhere")
    audit("canary deed", other.admin, project=other.project)
    audit("logged in", cast.viewer, target=cast.viewer)
    theirs = AuditEntry.objects.get(action="canary deed")
    client = at(cast.admin)
    shown = found(client.get(page(LIST)))
    assert "project made" in shown
    assert not shown & {"canary deed", "logged in"}
    assert client.get(page("projects_auditentry_change", theirs.pk)).status_code == 404
    assert "canary" not in file_of(client.get(page(EXPORT)))
    assert {"canary deed", "logged in"} <= found(at(cast.superuser).get(page(LIST)))


def test_who_runs_the_installation_reads_log_ins_also_where_there_is_one_project(cast: Cast):
    audit("logged in", cast.viewer, target=cast.viewer)
    assert "logged in" in found(at(cast.superuser).get(page(LIST)))
    assert "logged in" in {line["action"] for line in lines(at(cast.superuser).get(page(EXPORT)))}
    assert "logged in" not in found(at(cast.owner).get(page(LIST)))


def test_what_was_chosen_is_shown_alone(cast: Cast):
    factories.cast("Elsewhere")
    audit("logged in", cast.viewer, target=cast.viewer)
    client = at(cast.superuser)
    client.get(page(LIST) + f"?project={cast.project.key}")
    shown = found(client.get(page(LIST)))
    assert "project made" in shown
    assert "logged in" not in shown


def test_entries_are_narrowed_down(cast: Cast):
    token, _ = token_create(project=cast.project, name="Loader", scopes=["read-data"], by=cast.owner)
    job = factories.job(cast.project, "Register")
    payload_opened(Actor(token=token), project=cast.project, target=job, part="log")
    project_change(project=cast.project, by=cast.admin, max_waiting=7)
    client = at(cast.admin)
    tomorrow = str(date.today() + timedelta(days=2))
    for query, expected in (
        ({"opened": "1"}, {"payload opened"}),
        ({"token": str(token.pk)}, {"payload opened"}),
        ({"action": "project changed"}, {"project changed"}),
        ({"actor": str(cast.admin.pk), "action": "project changed"}, {"project changed"}),
        ({"actor": str(cast.viewer.pk)}, set()),
        ({"object_type": "apitoken"}, {"token made"}),
        ({"object_id": str(job.pk)}, {"payload opened"}),
        ({"q": str(job.pk)}, {"payload opened"}),
        ({"q": "max_waiting"}, {"project changed"}),
        ({"q": "regis"}, {"payload opened"}),
        ({"q": "Loader made"}, {"token made"}),
        ({"q": "nothing-of-that-kind"}, set()),
        ({"from": tomorrow}, set()),
        ({"until": "2001-01-01"}, set()),
        ({"actor": "no-id"}, set()),
    ):
        assert found(client.get(page(LIST), query)) == expected, query
    assert found(client.get(page(LIST), {"opened": "0", "until": tomorrow})) >= {"project made", "token made"}


def test_nothing_found_says_what_to_do(cast: Cast):
    assert "Take a filter or a word away" in text_of(at(cast.admin).get(page(LIST), {"q": "xyzzy"}))


def test_differences_are_told_readably_and_lead_to_the_thing(cast: Cast):
    job = factories.job(cast.project, "Register")
    changes = {
        "name": ["Old <b>", "New"],
        "limits": {"wall_seconds": [300, 60]},
        "on": [False, True],
        "tags": [],
    }
    entry = audit("job changed", cast.editor, project=cast.project, target=job, changes=changes)
    client = at(cast.admin)
    listed = text_of(client.get(page(LIST), {"action": "job changed"}))
    for change in ("name: Old &lt;b&gt; → New", "limits: wall_seconds: 300 → 60", "on: no → yes"):
        assert change in listed
    one = text_of(client.get(page("projects_auditentry_change", entry.pk)))
    assert page("jobs_job_change", job.pk) in one
    assert "<tr><th>name</th><td>Old &lt;b&gt;</td><td>New</td></tr>" in one


def test_a_thing_without_a_page_is_told_by_name(cast: Cast):
    entry = audit("tried", cast.editor, project=cast.project)
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(
                project=cast.project,
                actor_name="x",
                action="y",
                object_type="gone",
                object_id="7",
                object_name="Z",
            )
        ]
    )
    shown = text_of(at(cast.admin).get(page(LIST), {"action": "y"}))
    assert ">Z<" in shown
    assert at(cast.admin).get(page("projects_auditentry_change", entry.pk)).status_code == 200


def test_the_file_holds_what_the_filters_leave_and_is_recorded_itself(cast: Cast):
    job = factories.job(cast.project, "=cmd|calc")
    audit("job changed", Actor(user=cast.editor, address="192.0.2.7"), project=cast.project, target=job)
    client = at(cast.admin)
    rows = lines(client.get(page(EXPORT), {"action": "job changed"}))
    assert [(row["email"], row["address"], row["name"]) for row in rows] == [
        (cast.editor.email, "192.0.2.7", "'=cmd|calc")
    ]
    entry = AuditEntry.objects.get(action="audit exported")
    assert (entry.actor, entry.project, entry.changes) == (
        cast.admin,
        cast.project,
        {"filter": {"action": "job changed"}},
    )
    assert client.post(page(EXPORT)).status_code == 403


def test_a_superusers_export_over_all_projects_stands_in_the_installations_audit(cast: Cast):
    file_of(at(cast.superuser).get(page(EXPORT)))
    assert AuditEntry.objects.get(action="audit exported").project is None


@pytest.mark.parametrize(
    "query", ["actor__password=x", "changes__foo=1", "e=1", "from=%00", "q=%00", "p=-1", "token=%00"]
)
def test_nonsense_in_the_address_is_no_error_of_ours(cast: Cast, query: str):
    client = at(cast.admin)
    for name in (LIST, EXPORT):
        assert client.get(f"{page(name)}?{query}").status_code in (200, 302, 400), query


def test_a_long_list_costs_the_same_few_queries(cast: Cast):
    client = at(cast.admin)
    client.get(page(LIST))
    with CaptureQueriesContext(connection) as seen:
        client.get(page(LIST))
    for _ in range(2):
        count = len(seen)
        with CaptureQueriesContext(connection) as seen:
            client.get(page(LIST))
        for _ in range(20):
            audit("tried", cast.editor, project=cast.project, target=cast.project)
    assert len(seen) == count <= 12


def test_nothing_on_the_page_changes_anything(cast: Cast):
    entry = AuditEntry.objects.latest("id")
    client = at(cast.superuser)
    for name in ("change", "delete"):
        url = page(f"projects_auditentry_{name}", entry.pk)
        assert client.post(url, {"action": "nothing"}).status_code == 403
    assert client.get(page("projects_auditentry_add")).status_code == 403
