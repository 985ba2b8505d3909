"""Credentials by the API: tried before they are stored, changed, lent; and no secret ever comes out."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.credentials import credential_create
from jobs.lending import credential_lend
from jobs.models import Credential, CredentialBody, ProjectCredential
from jobs.opening import credential_open
from openfn_platform.common.errors import NotAllowed
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry
from tests import factories
from tests.api.cast import UNKNOWN, Caller, Clinic, problem
from tests.common.faulty import FaultyServer, answer

SECRET = "canary-5ac1-horse"
OTHER_SECRET = "canary-77d2-battery"


@pytest.fixture
def partner():
    """Accepts everything until it is told otherwise."""
    with FaultyServer(answer(200, {})) as server:
        yield server


def refuses(server: Any) -> None:
    server.acts = [answer(401, {"message": "Who are you?"})]


def values(server: Any, **more: Any) -> dict[str, Any]:
    return {"baseUrl": server.url, "access_token": SECRET, "test_path": "/me", **more}


def made(api: Caller, server: Any, **body: Any) -> Any:
    answer = api.post("credentials", {"name": "Web", "adaptor": "http", "values": values(server), **body})
    assert answer.status_code == 201, answer.content
    assert answer.json() == api.get(answer["Location"]).json()
    return answer.json()


def opened(told: Any, environment: str = "main") -> dict[str, Any]:
    return credential_open(credential=Credential.objects.get(pk=told["id"]), environment=environment)


# --- making ---------------------------------------------------------------------------------------


def test_a_credential_is_tried_then_stored_encrypted(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner, expires_at="2030-12-31T23:59:59+03:00")
    assert partner.seen[0].headers["authorization"] == f"Bearer {SECRET}"
    assert opened(told) == values(partner)
    assert (told["values"], told["secrets_set"]) == (
        {"baseUrl": partner.url, "test_path": "/me"},
        ["access_token"],
    )
    assert (told["owned"], told["lent"], told["expires_at"]) == (True, 0, "2030-12-31T20:59:59Z")
    assert [each["worked"] for each in told["tests"]] == [True]
    assert (told["environment"], told["connected"]) == ("main", None)
    entry = AuditEntry.objects.get(action="credential made")
    assert (entry.changes["worked"], entry.token) == (True, AuditEntry.objects.latest("id").token)


def test_what_the_partner_refuses_is_not_stored_unless_there_is_a_reason(
    api: Caller, clinic: Clinic, partner: Any
):
    refuses(partner)
    body = {"name": "Web", "adaptor": "http", "values": values(partner)}
    answer = api.post("credentials", body)
    sentence = problem(answer, 409)
    assert "Who are you?" in sentence
    assert "save_anyway" in sentence
    assert answer.json()["code"] == "test_failed"
    problem(api.post("credentials", {**body, "save_anyway": "   "}), 409)
    assert not Credential.objects.exists()
    told = api.post("credentials", {**body, "save_anyway": "It is away until Monday."}).json()
    assert [each["worked"] for each in told["tests"]] == [False]
    assert AuditEntry.objects.latest("id").changes["saved_anyway"] == "It is away until Monday."


def test_a_reason_that_was_not_needed_is_not_written_down(api: Caller, clinic: Clinic, partner: Any):
    made(api, partner, save_anyway="Just in case.")
    assert "saved_anyway" not in AuditEntry.objects.get(action="credential made").changes


# --- changing -------------------------------------------------------------------------------------


def test_a_secret_that_is_left_out_stays(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    path = f"credentials/{told['id']}"
    told = api.patch(path, {"values": {"test_path": "/you"}, "name": "Other"}).json()
    assert (told["name"], told["key"]) == ("Other", "web")
    assert opened(told) == values(partner, test_path="/you")
    told = api.patch(path, {"values": {"access_token": OTHER_SECRET}}).json()
    assert opened(told)["access_token"] == OTHER_SECRET
    assert partner.seen[-1].headers["authorization"] == f"Bearer {OTHER_SECRET}"


def test_a_value_is_removed_by_its_name(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    told = api.patch(f"credentials/{told['id']}", {"clear": ["access_token"]}).json()
    assert told["secrets_set"] == []


def test_the_stored_secret_is_not_sent_to_another_server(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    with FaultyServer(answer(200, {})) as thief:
        refused = api.patch(f"credentials/{told['id']}", {"values": {"baseUrl": thief.url}})
        assert "type again what is secret" in problem(refused, 422)
        assert thief.seen == []


def test_a_change_that_does_not_work_leaves_what_was(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    path = f"credentials/{told['id']}"
    refuses(partner)
    problem(api.patch(path, {"name": "x", "values": {"access_token": OTHER_SECRET}}), 409)
    assert (opened(told)["access_token"], api.get(path).json()["name"]) == (SECRET, "Web")
    anyway = {"values": {"access_token": OTHER_SECRET}, "save_anyway": "The account comes tomorrow."}
    assert api.patch(path, anyway).status_code == 200
    assert opened(told)["access_token"] == OTHER_SECRET


def test_a_change_can_be_undone(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    path = f"credentials/{told['id']}"
    problem(api.post(f"{path}/undo"), 404)
    api.patch(path, {"values": {"access_token": OTHER_SECRET}})
    earlier = api.results(f"{path}/earlier")
    assert [each["worked"] for each in earlier] == [True]
    assert api.post(f"{path}/undo", {"earlier": earlier[0]["id"]}).status_code == 200
    assert opened(told)["access_token"] == SECRET
    assert api.post(f"{path}/undo").status_code == 200  # the undoing itself
    assert opened(told)["access_token"] == OTHER_SECRET


def test_a_change_over_one_that_was_not_read_is_not_even_tried(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    path = f"credentials/{told['id']}"
    old = api.get(path)["ETag"]
    api.patch(path, {"values": {"access_token": OTHER_SECRET}})
    tried = len(partner.seen)
    mine = {"values": {"access_token": "mine"}}
    problem(api.patch(path, mine, match=old), 412)
    problem(api.patch(path, mine, match=""), 428)
    problem(api.delete(path, match=old), 412)
    problem(api.send("POST", f"{path}/undo", match=old), 412)
    assert (len(partner.seen), opened(told)["access_token"]) == (tried, OTHER_SECRET)


def test_a_test_that_ran_meanwhile_is_in_nobodys_way(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    path = f"credentials/{told['id']}"
    old = api.get(path)["ETag"]
    assert "accepts" in api.post(f"{path}/test").json()["sentence"]
    assert api.get(path)["ETag"] != old
    assert api.patch(path, {"name": "Mine"}, match=old).status_code == 200


def test_values_of_another_environment(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    path = f"credentials/{told['id']}"
    change = {"environment": "test", "values": values(partner, access_token=OTHER_SECRET, test_path="/t")}
    told = api.patch(path, change).json()
    assert [each["environment"] for each in told["environments"]] == ["main", "test"]
    assert (opened(told)["access_token"], opened(told, "test")["access_token"]) == (SECRET, OTHER_SECRET)
    there = api.get(path, environment="test").json()
    assert (there["environment"], there["values"]["test_path"]) == ("test", "/t")
    assert api.get(path, environment="nowhere").json()["values"] == {}
    problem(api.get(path, environment="x" * 31), 400)
    # Whichever environment was looked at, the same thing is changed.
    tag = api.get(path, environment="test")["ETag"]
    assert api.patch(path, {"name": "New"}, match=tag).status_code == 200


def test_a_test_that_fails_says_why_and_is_kept(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    refuses(partner)
    assert "Who are you?" in problem(api.post(f"credentials/{told['id']}/test"), 409)
    assert api.get(f"credentials/{told['id']}").json()["tests"][0]["worked"] is False


def test_what_live_jobs_use_is_not_put_away(api: Caller, clinic: Clinic, partner: Any):
    told = made(api, partner)
    link = ProjectCredential.objects.get(credential=told["id"])
    job = clinic.job(connections={"web": ("http", link)})
    path = f"credentials/{told['id']}"
    users = api.get(f"{path}/used-by").json()
    assert users["jobs"] == [
        {
            "id": str(job.pk),
            "key": job.key,
            "name": job.name,
            "workflow": str(clinic.workflow.pk),
            "live": True,
        }
    ]
    assert users["elsewhere"] == 0
    assert job.name in problem(api.delete(path), 409)
    api.delete(f"jobs/{job.pk}")
    assert api.delete(path).status_code == 204
    assert api.ids("credentials", archived="true") == [told["id"]]
    assert api.get(path).json()["values"] is None
    problem(api.patch(path, {"values": {"access_token": "x"}, "save_anyway": "x"}), 409)
    problem(api.post(f"{path}/test"), 409)


def test_credentials_are_listed_by_adaptor_at_the_same_cost_however_many(
    api: Caller, clinic: Clinic, partner: Any
):
    first = made(api, partner)
    clinic.credential("openmrs", username="x")

    def cost() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert api.results("credentials")
        return len(seen)

    assert api.ids("credentials", adaptor="http") == [first["id"]]
    few = cost()
    for _ in range(4):
        clinic.credential("openmrs", username="x")
    assert cost() == few <= 3
    assert api.results("credentials", fields="name,tests")[-1]["tests"][0]["worked"] is True


# --- lending --------------------------------------------------------------------------------------


def test_a_credential_is_lent_to_who_agrees_and_taken_back(
    api: Caller, clinic: Clinic, stranger: Clinic, partner: Any
):
    told = made(api, partner)
    path = f"credentials/{told['id']}"
    _, consent = stranger.token("read")
    borrower = stranger.caller()
    problem(borrower.get(path), 404)
    assert api.post(f"{path}/loans", {"token": consent}).json() == {"project": str(stranger.project.pk)}
    assert api.results(f"{path}/loans") == [{"project": str(stranger.project.pk)}]
    assert api.get(path).json()["lent"] == 1
    seen = borrower.get(path).json()
    assert (seen["owned"], seen["lent"], seen["values"], seen["secrets_set"]) == (False, None, None, None)
    assert borrower.post(f"{path}/test").status_code == 200
    for refused in (
        borrower.patch(path, {"name": "Mine"}),
        borrower.delete(path),
        borrower.post(f"{path}/undo"),
        borrower.get(f"{path}/earlier"),
        borrower.get(f"{path}/loans"),
        borrower.post(f"{path}/loans", {"token": consent}),
        borrower.delete(f"{path}/loans/{stranger.project.pk}", match=""),
    ):
        assert "lends it" in problem(refused, 403)
    assert borrower.get(f"{path}/used-by").json() == {"jobs": [], "elsewhere": None}
    assert api.delete(f"{path}/loans/{stranger.project.pk}", match="").status_code == 204
    problem(borrower.get(path), 404)
    problem(api.delete(f"{path}/loans/{stranger.project.pk}", match=""), 404)


@pytest.mark.parametrize("consent", ["", "x", "ofp_" + "x" * 43, "é", "intake only"])
def test_without_consent_nothing_is_lent(
    api: Caller, clinic: Clinic, stranger: Clinic, partner: Any, consent: str
):
    told = made(api, partner)
    if consent == "intake only":
        _, consent = stranger.token("intake")
    answer = api.post(f"credentials/{told['id']}/loans", {"token": consent})
    assert answer.status_code in (400, 422)
    assert answer.json()["field"] == "token"
    assert ProjectCredential.objects.filter(credential=told["id"]).count() == 1


@pytest.mark.parametrize("key", [UNKNOWN, "x", "own"])
def test_what_was_not_lent_is_not_taken_back(api: Caller, clinic: Clinic, partner: Any, key: str):
    told = made(api, partner)
    key = str(clinic.project.pk) if key == "own" else key
    problem(api.delete(f"credentials/{told['id']}/loans/{key}", match=""), 404)
    assert ProjectCredential.objects.get(credential=told["id"]).ended_at is None


# --- what nobody gets -----------------------------------------------------------------------------


def everything(caller: Caller, path: str) -> list[Any]:
    return [
        caller.get("credentials"),
        caller.get("credentials?archived=true"),
        caller.get("credentials?fields=name,tests,environments"),
        caller.get(path),
        caller.get(f"{path}?environment=main"),
        caller.get(f"{path}/earlier"),
        caller.get(f"{path}/loans"),
        caller.get(f"{path}/used-by"),
        caller.post(f"{path}/test"),
        caller.post(f"{path}/undo"),
        caller.patch(path, {"name": "New"}),
        caller.patch(path, {"values": {"access_token": 7}, "save_anyway": "x"}),
        caller.patch(path, {"values": {"access_tokn": SECRET}}),
        caller.patch(path, {"values": {"test_path": "/x", "access_token": OTHER_SECRET}}),
        caller.patch(path, {"values": SECRET}),
        caller.post(
            "credentials",
            {"name": "x", "adaptor": "http", "values": {"baseUrl": "no", "access_token": SECRET}},
        ),
        caller.post("credentials", {"name": "x", "adaptor": SECRET[:6], "values": {"access_token": SECRET}}),
        caller.delete(path),
    ]


def echoes(connection: Any, seen: Any) -> None:
    """A partner that says aloud with what it was asked."""
    answer(401, {"message": f"wrong: {seen.headers.get('authorization')}"})(connection, seen)


def test_no_answer_to_anybody_holds_a_secret(clinic: Clinic, stranger: Clinic, partner: Any, caplog: Any):
    told = made(clinic.caller(), partner)
    path = f"credentials/{told['id']}"
    clinic.caller().patch(path, {"values": {"access_token": OTHER_SECRET}})
    partner.acts = [echoes]
    credential_lend(credential=Credential.objects.get(pk=told["id"]), project=stranger.project, by=PLATFORM)
    callers = [
        clinic.caller(),
        *(clinic.caller(scope) for scope in ("read", "read-data", "operate", "deploy")),
    ]
    for caller in (*callers, stranger.caller(), Caller(None)):
        for given in everything(caller, path):
            text = given.content.decode() + str(dict(given.headers))
            assert SECRET not in text, given.request["PATH_INFO"]
            assert OTHER_SECRET not in text, given.request["PATH_INFO"]
            assert given.status_code < 500
    told_by = caplog.text + "".join(str(entry.changes) for entry in AuditEntry.objects.all())
    assert SECRET not in told_by
    assert OTHER_SECRET not in told_by
    assert SECRET.encode() not in b"".join(
        bytes(raw) for raw in CredentialBody.objects.values_list("ciphertext", flat=True)
    )


def test_even_harmless_values_are_for_those_who_may_change_them(clinic: Clinic, partner: Any):
    told = made(clinic.caller(), partner)
    for scope in ("read", "read-data", "operate"):
        seen = clinic.caller(scope).get(f"credentials/{told['id']}").json()
        assert (seen["values"], seen["secrets_set"], seen["connected"]) == (None, None, None)
        assert seen["tests"][0]["worked"] is True


# --- nonsense -------------------------------------------------------------------------------------

GOOD = {"name": "Web", "adaptor": "http", "values": {"baseUrl": "http://127.0.0.1:9/"}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": None}, "name"),
        ({"adaptor": 7}, "adaptor"),
        ({"values": []}, "values"),
        ({"values": "x"}, "values"),
        ({"values": {"passwrd": "x"}}, "values.passwrd"),
        ({"values": {str(n): n for n in range(61)}}, "values"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": 1}, "expires_at"),
        ({"environment": "x" * 31}, "environment"),
        ({"save_anyway": True}, "save_anyway"),
        ({"project": UNKNOWN}, "project"),
        ({"tested": {"ok": True}}, "tested"),
        ({"key": "Bad Key"}, "key"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_where(api: Caller, clinic: Clinic, body, field):
    refused = api.post("credentials", {**GOOD, **body})
    problem(refused, 400)
    assert refused.json()["field"] == field
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"adaptor": "nope"},
        {"values": {"baseUrl": 7}},
        {"values": {"baseUrl": "ftp://x"}},
        {"values": {"baseUrl": "http://127.0.0.1:9/", "password": {"a": 1}}},
        {"name": "\u200b"},
    ],
)
def test_values_that_make_no_sense_are_refused(api: Caller, clinic: Clinic, body):
    assert api.post("credentials", {**GOOD, **body}).status_code in (409, 422)
    assert not Credential.objects.exists()


def test_a_neighbour_finds_nothing(clinic: Clinic, stranger: Clinic, partner: Any):
    told = made(clinic.caller(), partner)
    caller = stranger.caller()
    for key in (told["id"], UNKNOWN, "no-id"):
        path = f"credentials/{key}"
        for given in everything(caller, path)[3:11]:
            assert problem(given, 404) == "There is nothing here by that name."
    assert caller.results("credentials") == []


def test_a_person_who_edits_jobs_still_makes_no_credentials(db: None):
    """The right of administrators is handed on to tokens, and to no person."""
    cast = factories.cast()
    with pytest.raises(NotAllowed, match="an admin or higher"):
        credential_create(
            project=cast.project, name="x", adaptor="openmrs", values=factories.OPENMRS, by=cast.editor
        )
