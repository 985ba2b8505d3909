"""The project, its members, its tokens and its audit by the API."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from openfn_platform.projects.admin.project import SETTINGS
from openfn_platform.projects.api.serializers import ProjectChangeSerializer
from openfn_platform.projects.models import AuditEntry, Membership, Project, Role
from tests.api.cast import UNKNOWN, Caller, Clinic, problem

ANY = {"match": "*"}


@pytest.fixture
def member(clinic: Clinic) -> Membership:
    return Membership.objects.get(user=clinic.person(Role.OPERATOR))


# --- the project ----------------------------------------------------------------------------------


def test_the_project_is_the_tokens_own(api: Caller, clinic: Clinic):
    told = api.get("project").json()
    assert (told["id"], told["key"], told["time_zone"]) == (str(clinic.project.pk), clinic.project.key, "UTC")


def test_settings_are_changed_as_they_were_read(api: Caller, clinic: Clinic):
    read = api.get("project")
    before = Project.objects.get(pk=clinic.project.pk).config_version
    answer = api.send(
        "PATCH",
        "project",
        {"time_zone": "Africa/Nairobi", "payload_days": 30, "allowed_hosts": ["dhis2.example"]},
        match=read["ETag"],
    )
    assert answer.status_code == 200
    assert answer.json() == api.get("project").json()
    project = Project.objects.get(pk=clinic.project.pk)
    assert (project.time_zone, project.payload_days) == ("Africa/Nairobi", 30)
    assert project.config_version > before, "inboxes look at this number"
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.changes["payload_days"]) == ("project changed", [90, 30])
    problem(api.send("PATCH", "project", {"name": "Lost"}, match=read["ETag"]), 412)
    problem(api.send("PATCH", "project", {"name": "Lost"}, match=""), 428)


def test_every_setting_of_the_page_is_a_setting_of_the_api(api: Caller):
    told = api.get("project").json()
    assert set(SETTINGS) <= set(told)
    assert set(ProjectChangeSerializer().fields) == set(SETTINGS) | {"payload_days", "history_days"}


def test_limits_log_ins_and_what_is_kept_are_changed_and_audited(api: Caller, clinic: Clinic):
    operating = clinic.caller("operate")
    wanted = {
        "messages_per_minute": 600,
        "messages_burst": 50,
        "keeps_payloads": False,
        "mfa_required": True,
    }
    answer = api.send("PATCH", "project", wanted, **ANY)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in wanted} == wanted
    clinic.project.refresh_from_db()
    assert {name: getattr(clinic.project, name) for name in wanted} == wanted
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.changes["mfa_required"]) == ("project changed", [False, True])
    assert entry.token is not None
    assert "fill in both or none" in problem(
        api.send("PATCH", "project", {"messages_per_minute": None}, **ANY), 422
    )
    lifted = {"messages_per_minute": None, "messages_burst": None}
    assert api.send("PATCH", "project", lifted, **ANY).json()["messages_burst"] is None
    problem(operating.send("PATCH", "project", {"mfa_required": False}, **ANY), 403)
    clinic.project.refresh_from_db()
    assert clinic.project.mfa_required


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"max_concurrency": 0},
        {"max_concurrency": "5"},
        {"payload_days": 10**12},
        {"name": ""},
        {"name": "\u200b"},
        {"key": "another"},
        {"archived_at": None},
        {"allowed_hosts": "x"},
        {"mail_shows_text": "no"},
        {"mfa_required": "yes"},
        {"keeps_payloads": None},
        {"messages_per_minute": 0},
        {"messages_per_minute": "60"},
        {"messages_burst": 5},
        {"name": None},
    ],
    ids=json.dumps,
)
def test_a_setting_that_cannot_be_is_refused(api: Caller, clinic: Clinic, wrong: Any):
    before = Project.objects.get(pk=clinic.project.pk).config_version
    answer = api.send("PATCH", "project", wrong, **ANY)
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)
    after = Project.objects.get(pk=clinic.project.pk)
    assert (after.name, after.config_version) == (clinic.project.name, before)


# --- members --------------------------------------------------------------------------------------


def test_somebody_is_let_in_changed_and_let_go(api: Caller, clinic: Clinic):
    person = clinic.person()
    made = api.send("POST", "members", {"email": person.email.upper(), "role": "operator"})
    assert made.status_code == 201
    told = made.json()
    assert (told["email"], told["role"], told["may_see_data"]) == (person.email, "operator", False)
    assert api.get(made["Location"]).json() == told
    assert told in api.results("members", role="operator")
    assert "already" in problem(api.send("POST", "members", {"email": person.email, "role": "viewer"}), 409)
    path = f"members/{told['id']}"
    changed = api.send("PATCH", path, {"role": "editor", "may_see_data": True}, match=made["ETag"])
    assert (changed.json()["role"], changed.json()["may_see_data"]) == ("editor", True)
    assert api.send("DELETE", path, match=changed["ETag"]).status_code == 204
    problem(api.get(path), 404)
    deeds = (
        AuditEntry.objects.filter(object_type="membership").order_by("id").values_list("action", flat=True)
    )
    assert list(deeds) == ["member added", "member changed", "member removed"]


def test_a_program_does_not_decide_about_owners(api: Caller, clinic: Clinic, member: Membership):
    owner = Membership.objects.get(user=clinic.owner)
    problem(api.send("PATCH", f"members/{member.pk}", {"role": "owner"}, **ANY), 400)
    problem(api.send("POST", "members", {"email": clinic.person().email, "role": "owner"}), 400)
    for method, body in (("PATCH", {"role": "viewer"}), ("DELETE", None)):
        assert "owner" in problem(api.send(method, f"members/{owner.pk}", body, **ANY), 403)
    owner.refresh_from_db()
    assert owner.role == Role.OWNER


def test_only_a_token_that_reads_data_lets_others_see_it(clinic: Clinic, member: Membership):
    blind = clinic.caller("deploy")
    path = f"members/{member.pk}"
    assert "read data" in problem(blind.send("PATCH", path, {"may_see_data": True}, **ANY), 403)
    new = {"email": clinic.person().email, "role": "admin", "may_see_data": True}
    assert "read data" in problem(blind.send("POST", "members", new), 403)
    assert blind.send("POST", "members", {**new, "may_see_data": False}).status_code == 201
    Membership.objects.filter(pk=member.pk).update(may_see_data=True)
    kept = blind.send("PATCH", path, {"may_see_data": True, "role": "viewer"}, **ANY)
    assert kept.json()["may_see_data"] is True, "what was, may stay"
    assert clinic.caller("deploy", "read-data").send(
        "POST", "members", {**new, "email": clinic.person().email}
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"email": "nobody@nowhere.example", "role": "viewer"},
        {"email": 7, "role": "viewer"},
        {"role": "viewer"},
        {"email": "x", "role": "king"},
        {"email": "x", "role": "viewer", "user": UNKNOWN},
    ],
    ids=json.dumps,
)
def test_nobody_is_let_in_by_mistake(api: Caller, clinic: Clinic, wrong: Any):
    count = Membership.objects.count()
    answer = api.send("POST", "members", wrong)
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)
    assert Membership.objects.count() == count


# --- tokens ---------------------------------------------------------------------------------------


def test_tokens_are_listed_and_never_told(api: Caller, clinic: Clinic, stranger: Clinic):
    token, text = clinic.token("read", expires_at=timezone.now() + timedelta(days=1))
    _, theirs = stranger.token("read")
    answer = api.get("tokens")
    told = next(row for row in answer.json()["results"] if row["id"] == str(token.pk))
    assert (told["name"], told["scopes"], told["last_used_at"]) == (token.name, ["read"], None)
    assert told["created_by"] == str(clinic.owner)
    for secret in (text, theirs, bytes(token.digest).hex(), stranger.project.key):
        assert secret not in answer.content.decode()
    assert api.get(f"tokens/{token.pk}").json() == told
    problem(api.send("POST", "tokens", {"name": "mine", "scopes": ["read"]}), 405)
    problem(api.send("DELETE", f"tokens/{token.pk}", **ANY), 405)


# --- audit ----------------------------------------------------------------------------------------


def test_the_audit_is_read_by_what_was_done_when_and_to_what(api: Caller, clinic: Clinic):
    run = clinic.run()
    api.get(f"runs/{run.pk}/input")
    clinic.token("read")
    opened = api.results("audit", action="payload opened")
    assert [row["object_id"] for row in opened] == [str(run.pk)]
    assert opened[0]["changes"] == {"part": "input"}
    assert opened[0]["actor_name"].startswith("API token")
    assert api.results("audit", object_type="run", object_id=str(run.pk)) == opened
    assert api.results("audit", token=opened[0]["token"], action="payload opened") == opened
    by_owner = api.results("audit", actor=str(clinic.owner.pk))
    assert by_owner
    assert all(row["actor"] == str(clinic.owner.pk) for row in by_owner)
    assert api.results("audit", at_before=(timezone.now() - timedelta(days=1)).isoformat()) == []
    assert len(api.results("audit", at_after=(timezone.now() - timedelta(days=1)).isoformat())) > 2


def test_the_audit_is_read_page_by_page(api: Caller, clinic: Clinic):
    for _ in range(5):
        clinic.token("read")
    whole = [row["id"] for row in api.results("audit")]
    assert whole == sorted(whole, reverse=True)
    found, address = [], "audit?page_size=2"
    while address:
        page = api.get(address).json()
        found += [row["id"] for row in page["results"]]
        address = page["next"]
    assert found == whole
    for nonsense in ("x", "-1", "9" * 40, "\0"):
        problem(api.get("audit", cursor=nonsense), 400)


def test_what_others_did_elsewhere_is_not_in_it(api: Caller, clinic: Clinic, stranger: Clinic):
    stranger.token("read")
    AuditEntry.objects.create(action="person added", actor_name="Somebody")  # of the installation
    assert all(row["action"] != "person added" for row in api.results("audit"))
    assert api.results("audit", actor=str(stranger.owner.pk)) == []
