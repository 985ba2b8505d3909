"""Who may do what: every address × every kind of token, as a table; and the neighbours, who find nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import get_resolver
from django.utils import timezone

from openfn_platform.projects.models import ApiToken, Project
from openfn_platform.projects.tokens import token_create, token_revoke
from runs.models import Run, RunState, WorkOrder
from tests.api.cast import CANARY, UNKNOWN, Caller, Clinic, problem

SCOPES = ("intake", "read", "read-data", "operate", "deploy")
READ = ("read", "read-data", "operate", "deploy")
DATA = ("read-data",)
OPERATE = ("operate", "deploy")

# Address by name: how it is asked, which single scopes open it, and what the others lack.
TABLE: dict[str, tuple[str, tuple[str, ...], str]] = {
    "api-index": ("GET", SCOPES, ""),
    "api-runs": ("GET", READ, "read"),
    "api-run": ("GET", READ, "read"),
    "api-run-log": ("GET", DATA, "read-data"),
    "api-run-input": ("GET", DATA, "read-data"),
    "api-run-final-state": ("GET", DATA, "read-data"),
    "api-run-exchanges": ("GET", READ, "read"),
    "api-run-exchange": ("GET", DATA, "read-data"),
    "api-sent": ("GET", READ, "read"),
    "api-run-retry": ("POST", OPERATE, "operate"),
    "api-run-cancel": ("POST", OPERATE, "operate"),
    "api-work-orders": ("GET", READ, "read"),
    "api-work-order": ("GET", READ, "read"),
    "api-messages": ("GET", READ, "read"),
    "api-message": ("GET", READ, "read"),
    "api-message-body": ("GET", DATA, "read-data"),
    "api-jobs": ("GET", READ, "read"),
    "api-job": ("GET", READ, "read"),
    "api-job-run": ("POST", OPERATE, "operate"),
    "api-triggers": ("GET", READ, "read"),
    "api-trigger": ("GET", READ, "read"),
    "api-would-match": ("POST", READ, "read"),
    "api-adaptors": ("GET", READ, "read"),
    "api-adaptor": ("GET", READ, "read"),
    "api-message-examples": ("GET", READ, "read"),
    "api-message-example": ("GET", READ, "read"),
    "api-workflows": ("GET", READ, "read"),
    "api-workflow": ("GET", READ, "read"),
    "api-incidents": ("GET", READ, "read"),
    "api-incident": ("GET", READ, "read"),
    "api-incident-take": ("POST", OPERATE, "operate"),
    "api-incident-dismiss": ("POST", OPERATE, "operate"),
}
BODIES: dict[str, Any] = {
    "api-incident-dismiss": {"reason": "A test."},
    "api-would-match": {"body": {"name": "jane"}},
}
SHOWS_DATA = {name for name, row in TABLE.items() if row[1] == DATA}
# Open to all who may read; what in it is data, only to those who may see that.
SHOWS_PARTLY = {"api-run-exchanges", "api-sent"}
OPEN = {"api-schema"}
ROUTES: list[Any] = get_resolver("openfn_platform.urls").url_patterns
ADDRESSES = {
    str(pattern.name): str(route.pattern) + str(pattern.pattern)
    for route in ROUTES
    if str(route.pattern) == "api/v1/"
    for pattern in route.url_patterns
}


def address_of(name: str, things: dict[str, Any]) -> str:
    noun = name.removeprefix("api-").split("-")[0]
    if name.startswith("api-run-cancel"):
        noun = "waiting"
    path = ADDRESSES[name].replace("<str:key>", "generic_json").replace("<str:name>", "http")
    return "/" + path.replace("<str:id>", str(things.get(noun, UNKNOWN))).replace("<str:seq>", "1")


def things_of(clinic: Clinic) -> dict[str, Any]:
    """One of everything, by the first word of its address's name."""
    job = clinic.job()
    trigger = clinic.on_message(clinic.job())
    return {
        "run": clinic.run(job=job).pk,
        "waiting": clinic.run(RunState.AVAILABLE).pk,
        "message": clinic.message().pk,
        "work": WorkOrder.objects.filter(project=clinic.project).latest("id").pk,
        "job": job.pk,
        "trigger": trigger.pk,
        "workflow": clinic.workflow.pk,
        "incident": clinic.incident().pk,
    }


def ask(caller: Caller, name: str, things: dict[str, Any]) -> Any:
    if TABLE[name][0] == "GET":
        return caller.get(address_of(name, things))
    return caller.post(address_of(name, things), BODIES.get(name))


def text(answer: Any) -> str:
    content: bytes = answer.getvalue()
    return content.decode()


def test_every_address_stands_in_the_table():
    assert set(ADDRESSES) == set(TABLE) | OPEN


@pytest.mark.parametrize("name", TABLE)
def test_a_scope_opens_its_addresses_and_no_others(clinic: Clinic, name: str):
    _, allowed, missing = TABLE[name]
    for scope in SCOPES:
        things = things_of(clinic)
        answer = ask(clinic.caller(scope), name, things)
        if scope in allowed:
            assert answer.status_code in (200, 201), (scope, answer.content)
        else:
            assert f"the scope “{missing}”" in problem(answer, 403), scope
        shows = scope in allowed and name in SHOWS_DATA
        assert (CANARY in text(answer)) is (shows or (name in SHOWS_PARTLY and scope in DATA)), scope


@pytest.mark.parametrize("name", TABLE)
def test_a_neighbour_is_told_the_same_as_of_what_never_was(clinic: Clinic, stranger: Clinic, name: str):
    things = things_of(clinic)
    before = list(Run.objects.order_by("pk").values_list("pk", "state"))
    caller = stranger.caller()
    answer = ask(caller, name, things)
    if "<str:id>" in ADDRESSES[name]:
        problem(answer, 404)
        assert text(answer) == text(ask(caller, name, {}))
    else:
        assert answer.status_code == 200
        for thing in things.values():
            assert str(thing) not in text(answer)
    assert CANARY not in text(answer)
    assert list(Run.objects.order_by("pk").values_list("pk", "state")) == before


@pytest.mark.parametrize("field", ["message", "run"])
def test_a_job_is_not_started_with_what_belongs_to_a_neighbour(clinic: Clinic, stranger: Clinic, field: str):
    theirs = things_of(clinic)[field]
    job = stranger.job()
    caller = stranger.caller()
    answers = [caller.post(f"jobs/{job.pk}/run", {field: str(key)}) for key in (theirs, UNKNOWN)]
    assert problem(answers[0], 404) == problem(answers[1], 404)
    assert Run.objects.filter(job=job).count() == 0


@pytest.mark.parametrize(
    "parameter", ["job", "workflow", "trigger", "work_order", "message", "retry_of", "parent"]
)
def test_a_filter_does_not_reach_over_the_fence(clinic: Clinic, stranger: Clinic, parameter: str):
    things = things_of(clinic)
    theirs = things.get(parameter) or things["run"]
    stranger.run()
    assert stranger.caller().ids("runs", **{parameter: str(theirs)}) == []


def test_keys_are_those_of_the_own_project(clinic: Clinic, stranger: Clinic):
    """Both projects have a workflow `main`."""
    mine = stranger.run()
    clinic.run()
    assert stranger.caller().ids("runs", workflow="main") == [str(mine.pk)]


@pytest.mark.parametrize("name", TABLE)
def test_without_a_valid_token_nobody_gets_in(clinic: Clinic, name: str):
    things = things_of(clinic)
    revoked, revoked_text = clinic.token(*SCOPES)
    token_revoke(token=revoked, by=clinic.owner)
    expired, expired_text = clinic.token(*SCOPES, expires_at=timezone.now() + timedelta(hours=1))
    ApiToken.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    for wrong in (None, "ofp_" + "x" * 43, "ofp_", "ofp_é", revoked_text, expired_text, "x" * 10_000):
        answer = ask(Caller(wrong), name, things)
        problem(answer, 401)
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_session_of_a_person_opens_nothing(clinic: Clinic):
    caller = Caller(None)
    caller.client.force_login(clinic.owner)
    problem(caller.get("runs"), 401)


def test_a_token_of_an_archived_project_opens_nothing(clinic: Clinic):
    caller = clinic.caller()
    Project.objects.filter(pk=clinic.project.pk).update(archived_at=timezone.now())
    problem(caller.get("runs"), 401)


def test_a_token_needs_no_more_than_its_word(clinic: Clinic):
    """`bearer` in any case, with blanks around."""
    _, plain = token_create(project=clinic.project, name="t", scopes=["read"], by=clinic.owner)
    caller = Caller(None)
    caller.headers = {"authorization": f"bEARER   {plain} "}
    assert caller.get("runs").status_code == 200
