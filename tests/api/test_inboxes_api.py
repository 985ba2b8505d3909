"""Inboxes by the API: made, changed, put away, opened and closed; a secret is told once."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from openfn_platform.projects.models import AuditEntry
from openfn_platform.projects.tokens import secret_digest
from tests.api.cast import UNKNOWN, Caller, Clinic, problem
from triggers.models import Inbox, InboxAuth, Refusal


@pytest.fixture
def made(api: Caller, clinic: Clinic) -> Any:
    trigger = clinic.on_message(clinic.job())
    answer = api.post("inboxes", {"name": "CommCare", "trigger": str(trigger.pk)})
    assert answer.status_code == 201, answer.content
    assert api.get(answer["Location"]).json() == answer.json()
    return answer.json()


def post(clinic: Clinic, told: Any, **headers: str) -> int:
    path = "/inbox/" + told["address"].rpartition("/")[2]
    answer = clinic.caller().client.post(path, b"{}", content_type="application/json", headers=headers)
    return int(answer.status_code)


def test_an_inbox_is_made_for_one_trigger_and_needs_a_key(api: Caller, clinic: Clinic, made: Any):
    assert (made["access"], made["enabled"], made["duplicate_path"]) == ("key", True, "")
    assert made["address"].startswith("http")
    assert post(clinic, made) == 401
    assert AuditEntry.objects.latest("id").action == "inbox made"


def test_a_key_opens_it_until_it_is_revoked(api: Caller, clinic: Clinic, made: Any):
    path = f"inboxes/{made['id']}/auths"
    answer = api.post(path, {"name": "Forwarding"})
    told = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert post(clinic, made, **{"x-api-key": told["secret"]}) == 202
    one = api.get(answer["Location"]).json()
    assert one["last_used_at"] is not None
    assert one["prefix"] == told["secret"][:12]
    assert api.results(path) == [one]
    assert api.delete(answer["Location"], match="").status_code == 204
    assert post(clinic, made, **{"x-api-key": told["secret"]}) == 401
    assert "before" in problem(api.delete(answer["Location"], match=""), 409)
    assert api.results(path)[0]["revoked_at"] is not None


def test_its_secret_is_told_once_and_never_again(clinic: Clinic, stranger: Clinic, made: Any, caplog: Any):
    api, path = clinic.caller(), f"inboxes/{made['id']}"
    told = api.post(f"{path}/auths", {"name": "Forwarding"}).json()
    secret, auth = told["secret"], f"{path}/auths/{told['id']}"
    post(clinic, made, **{"x-api-key": secret + "x"})
    post(clinic, made, **{"x-api-key": secret})
    callers = [
        clinic.caller(),
        *(clinic.caller(scope) for scope in ("read", "read-data", "operate", "deploy")),
    ]
    for caller in (*callers, stranger.caller(), Caller(None)):
        for given in (
            *(caller.get(each) for each in ("inboxes", path, f"{path}/auths", auth, f"{path}/refusals")),
            caller.patch(path, {"name": "New"}, match="*"),
            caller.post(f"{path}/auths", {"name": secret[:200], "secret": secret}),
            caller.delete(auth, match=""),
            caller.delete(path, match="*"),
        ):
            text = given.content.decode() + str(dict(given.headers))
            assert secret not in text.replace(f"{secret[:12]}…", ""), given.request["PATH_INFO"]
            assert given.status_code < 500
    said = caplog.text + "".join(f"{each.changes} {each.object_name}" for each in AuditEntry.objects.all())
    assert secret not in said
    assert bytes(InboxAuth.objects.get(pk=told["id"]).digest or b"") == secret_digest(secret)


def test_users_and_signing_secrets_open_it_too(api: Caller, clinic: Clinic, made: Any):
    path = f"inboxes/{made['id']}/auths"
    user = api.post(path, {"kind": "basic", "name": "DHIS2", "username": "dhis2"}).json()
    assert (user["kind"], user["username"], user["prefix"]) == ("basic", "dhis2", None)
    given = base64.b64encode(f"dhis2:{user['secret']}".encode()).decode()
    assert post(clinic, made, authorization=f"Basic {given}") == 202
    signing = api.post(path, {"kind": "hmac", "name": "Payments"}).json()
    assert signing["secret"].startswith("whsec_")
    assert signing["username"] is None
    chosen = {"kind": "basic", "name": "Old", "username": "old", "password": "canary correct horse"}
    assert api.post(path, chosen).json()["secret"] == "canary correct horse"
    told = api.get(path).content.decode()
    for secret in (user["secret"], signing["secret"], "canary correct horse"):
        assert secret not in told
        assert secret not in "".join(str(entry.changes) for entry in AuditEntry.objects.all())
    assert [each["kind"] for each in api.results(path)] == ["basic", "hmac", "basic"]


def test_how_an_inbox_answers_and_what_it_takes(api: Caller, clinic: Clinic, made: Any):
    path = f"inboxes/{made['id']}"
    change = {
        "reply": "done",
        "reply_seconds": 5,
        "reply_content": "job",
        "failed_status": 409,
        "schema": {"type": "object", "required": ["id"]},
        "max_body_bytes": 1000,
        "key_per_minute": 60,
        "key_burst": 5,
    }
    told = api.patch(path, change).json()
    assert {name: told[name] for name in change} == change
    for name, wrong in (
        ("reply", "later"),
        ("reply_seconds", 0),
        ("reply_seconds", 121),
        ("max_body_bytes", "1000"),
        ("key_per_minute", 0),
    ):
        answer = api.patch(path, {name: wrong})
        problem(answer, 400)
        assert answer.json()["field"] == name
    for name, nonsense in (("failed_status", 500), ("schema", {"type": "colour"}), ("key_per_minute", None)):
        problem(api.patch(path, {name: nonsense}), 422)
    cleared = {"schema": None, "max_body_bytes": None, "key_per_minute": None, "key_burst": None}
    assert api.patch(path, cleared).json()["schema"] is None


def test_what_it_refused_is_counted_and_shown(api: Caller, clinic: Clinic, made: Any):
    for _ in range(2):
        post(clinic, made, **{"x-api-key": "ofk_" + "x" * 43})
    told = api.get(f"inboxes/{made['id']}/refusals").json()
    assert [(row["status"], row["code"]) for row in told["results"]] == [
        (401, told["results"][0]["code"])
    ] * 2
    assert [row["count"] for row in told["hours"]] == [2]
    assert told["results"][0]["reason"].endswith((".", "!"))
    Refusal.objects.bulk_create(
        Refusal(project=clinic.project, inbox_id=made["id"], status=401, code="x", reason="x")
        for _ in range(150)
    )
    assert len(api.results(f"inboxes/{made['id']}/refusals")) == 100


def test_an_inbox_is_changed_switched_and_put_away(api: Caller, clinic: Clinic, made: Any):
    path = f"inboxes/{made['id']}"
    old = api.get(path)["ETag"]
    told = api.patch(path, {"access": "none", "duplicate_path": "form.id", "name": " New "}).json()
    assert (told["access"], told["duplicate_path"], told["name"]) == ("none", "form.id", "New")
    assert told["address"] == made["address"]
    problem(api.patch(path, {"enabled": False}, match=old), 412)
    problem(api.delete(path, match=old), 412)
    problem(api.delete(path, match=""), 428)
    assert post(clinic, made) == 202
    assert api.patch(path, {"enabled": False}).json()["enabled"] is False
    assert post(clinic, made) in (403, 409)
    assert api.delete(path).status_code == 204
    assert post(clinic, made) == 404
    assert api.ids("inboxes", archived="true") == [made["id"]]
    for refused in (
        api.patch(path, {"name": "x"}),
        api.delete(path),
        api.post(f"{path}/auths", {"name": "x"}),
    ):
        assert "archived" in problem(refused, 409)


def test_inboxes_are_listed_by_what_they_are(api: Caller, clinic: Clinic, made: Any):
    assert api.ids("inboxes") == [made["id"], str(clinic.inbox.pk)]
    assert api.ids("inboxes", access="key") == api.ids("inboxes", trigger=made["trigger"]) == [made["id"]]
    assert api.ids("inboxes", enabled="false") == []


def test_a_project_has_one_inbox_for_all_its_triggers(api: Caller, clinic: Clinic):
    assert "already" in problem(api.post("inboxes", {"name": "Second"}), 409)
    assert api.delete(f"inboxes/{clinic.inbox.pk}").status_code == 204
    assert api.post("inboxes", {"name": "Second"}).json()["trigger"] is None


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "name"),
        ({"name": 1}, 400, "name"),
        ({"name": "x", "access": "open"}, 400, "access"),
        ({"name": "x", "access": ["key"]}, 400, "access"),
        ({"name": "x", "address": UNKNOWN}, 400, "address"),
        ({"name": "x", "enabled": False}, 400, "enabled"),
        ({"name": "x", "duplicate_path": "a..b"}, 422, "duplicate_path"),
        ({"name": "x", "duplicate_path": "x" * 301}, 400, "duplicate_path"),
        ({"name": "x", "trigger": UNKNOWN}, 404, "trigger"),
        ({"name": "x", "trigger": "a-key"}, 404, "trigger"),
        ({"name": "x", "trigger": 7}, 400, "trigger"),
    ],
)
def test_an_inbox_that_cannot_be_made_is_told_why(api: Caller, clinic: Clinic, body, status, field):
    Inbox.objects.all().delete()
    answer = api.post("inboxes", body)
    problem(answer, status)
    assert answer.json()["field"] == field
    assert not Inbox.objects.exists()


def test_only_a_trigger_for_messages_has_an_address(api: Caller, clinic: Clinic):
    schedule = clinic.on_schedule(clinic.job(), schedule_kind="cron", cron="* * * * *")
    body = {"name": "x", "trigger": str(schedule.pk)}
    assert "for messages" in problem(api.post("inboxes", body), 422)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": None}, 400),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"name": "x", "expires_at": "2020-01-01"}, 400),
        ({"name": "x", "digest": "x"}, 400),
        ({"name": "x", "secret": "my own"}, 400),
        ({"name": "x", "kind": "oauth"}, 400),
        ({"name": "x", "username": "me"}, 400),
        ({"name": "x", "kind": "basic"}, 400),
        ({"name": "x", "kind": "basic", "username": "a:b"}, 422),
        ({"name": "x", "kind": "basic", "username": "me", "password": "short"}, 422),
        ({"name": "x", "kind": "hmac", "secret": "no base64"}, 422),
        ({"name": "x", "kind": "hmac", "secret": "whsec_c2hvcnQ="}, 422),
    ],
)
def test_a_key_that_cannot_be_made_is_told_why(api: Caller, clinic: Clinic, made: Any, body, status):
    problem(api.post(f"inboxes/{made['id']}/auths", body), status)
    assert not InboxAuth.objects.exists()


def test_a_neighbour_finds_nothing(clinic: Clinic, stranger: Clinic, made: Any):
    auth = clinic.caller().post(f"inboxes/{made['id']}/auths", {"name": "x"}).json()["id"]
    caller = stranger.caller()
    for key in (made["id"], UNKNOWN, "no-id"):
        path = f"inboxes/{key}"
        for given in (
            *(
                caller.get(each)
                for each in (path, f"{path}/auths", f"{path}/auths/{auth}", f"{path}/refusals")
            ),
            caller.patch(path, {"enabled": False}, match="*"),
            caller.post(f"{path}/auths", {"name": "x"}),
            caller.delete(f"{path}/auths/{auth}", match=""),
            caller.delete(path, match="*"),
        ):
            assert problem(given, 404) == "There is nothing here by that name."
    # Nor does a key of one's own inbox open the way to another's.
    problem(caller.get(f"inboxes/{stranger.inbox.pk}/auths/{auth}"), 404)
    problem(caller.delete(f"inboxes/{stranger.inbox.pk}/auths/{auth}", match=""), 404)
    told = {
        problem(caller.post("inboxes", {"name": "x", "trigger": str(key)}), 404)
        for key in (made["trigger"], UNKNOWN)
    }
    assert told == {"There is no trigger by that id or key."}
