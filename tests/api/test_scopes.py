"""Who may do what: every address × every kind of token, as a table; and the neighbours, who find nothing."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.utils import timezone

from jobs.credentials import credential_change
from jobs.lending import credential_lend
from jobs.models import LibraryModule, LibraryVersion, Table, TableChange
from jobs.rows import row_set
from jobs.tables import table_create
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import ApiToken, Membership, Project, Role
from openfn_platform.projects.tokens import token_create, token_revoke
from runs.bulk import Chosen, Order, bulk_begin
from runs.models import Deed, Run, RunState, State, StateKind
from tests import factories
from tests.api.cast import CANARY, UNKNOWN, Caller, Clinic, problem
from triggers.inboxes import inbox_key_add
from triggers.models import Inbox

SCOPES = ("intake", "read", "read-data", "operate", "deploy")
READ = ("read", "read-data", "operate", "deploy")
DATA = ("read-data",)
OPERATE = ("operate", "deploy")
DEPLOY = ("deploy",)

# Address by name: how it is asked, which single scopes open it, and what the others lack. An address that is asked
# in several ways has a row for each: `name METHOD`.
TABLE: dict[str, tuple[str, tuple[str, ...], str]] = {
    "api-index": ("GET", SCOPES, ""),
    "api-runs": ("GET", READ, "read"),
    "api-run": ("GET", READ, "read"),
    "api-run-log": ("GET", DATA, "read-data"),
    "api-run-log-stream": ("GET", DATA, "read-data"),
    "api-run-input": ("GET", DATA, "read-data"),
    "api-run-final-state": ("GET", DATA, "read-data"),
    "api-run-exchanges": ("GET", READ, "read"),
    "api-run-exchange": ("GET", DATA, "read-data"),
    "api-sent": ("GET", READ, "read"),
    "api-run-retry": ("POST", OPERATE, "operate"),
    "api-run-cancel": ("POST", OPERATE, "operate"),
    "api-run-abort": ("POST", OPERATE, "operate"),
    "api-run-dismiss": ("POST", OPERATE, "operate"),
    "api-work-orders": ("GET", READ, "read"),
    "api-work-order": ("GET", READ, "read"),
    "api-work-order-cancel": ("POST", OPERATE, "operate"),
    "api-messages": ("GET", READ, "read"),
    "api-message": ("GET", READ, "read"),
    "api-message-body": ("GET", DATA, "read-data"),
    "api-message-reprocess": ("POST", OPERATE, "operate"),
    "api-saved-inputs": ("GET", READ, "read"),
    "api-saved-inputs POST": ("POST", OPERATE, "operate"),
    "api-saved-input": ("GET", READ, "read"),
    "api-saved-input DELETE": ("DELETE", OPERATE, "operate"),
    "api-saved-input-state": ("GET", DATA, "read-data"),
    "api-bulk": ("GET", READ, "read"),
    "api-bulk POST": ("POST", OPERATE, "operate"),
    "api-bulk-one": ("GET", READ, "read"),
    "api-bulk-items": ("GET", READ, "read"),
    "api-bulk-cancel": ("POST", OPERATE, "operate"),
    "api-project": ("GET", READ, "read"),
    "api-project PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-members": ("GET", READ, "read"),
    "api-members POST": ("POST", DEPLOY, "deploy"),
    "api-member": ("GET", READ, "read"),
    "api-member PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-member DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-tokens": ("GET", DEPLOY, "deploy"),
    "api-token": ("GET", DEPLOY, "deploy"),
    "api-audit": ("GET", DEPLOY, "deploy"),
    "api-jobs": ("GET", READ, "read"),
    "api-job": ("GET", READ, "read"),
    "api-job-draft": ("GET", READ, "read"),
    "api-job-draft PUT": ("PUT", DEPLOY, "deploy"),
    "api-job-check": ("POST", DEPLOY, "deploy"),
    "api-job-versions": ("GET", READ, "read"),
    "api-job-version": ("GET", READ, "read"),
    "api-job-version-diff": ("GET", READ, "read"),
    "api-job-version-live": ("POST", DEPLOY, "deploy"),
    "api-job-version-restore": ("POST", DEPLOY, "deploy"),
    "api-job-run": ("POST", OPERATE, "operate"),
    "api-triggers": ("GET", READ, "read"),
    "api-trigger": ("GET", READ, "read"),
    "api-triggers POST": ("POST", DEPLOY, "deploy"),
    "api-trigger PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-trigger DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-trigger-firings": ("GET", READ, "read"),
    "api-trigger-revisions": ("GET", READ, "read"),
    "api-firings": ("POST", READ, "read"),
    "api-credentials": ("GET", READ, "read"),
    "api-credential": ("GET", READ, "read"),
    "api-credentials POST": ("POST", DEPLOY, "deploy"),
    "api-credential PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-credential DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-credential-test": ("POST", DEPLOY, "deploy"),
    "api-credential-undo": ("POST", DEPLOY, "deploy"),
    "api-credential-earlier": ("GET", DEPLOY, "deploy"),
    "api-credential-used-by": ("GET", READ, "read"),
    "api-credential-loans": ("GET", DEPLOY, "deploy"),
    "api-credential-loans POST": ("POST", DEPLOY, "deploy"),
    "api-credential-loan DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-inboxes": ("GET", READ, "read"),
    "api-inbox": ("GET", READ, "read"),
    "api-inboxes POST": ("POST", DEPLOY, "deploy"),
    "api-inbox PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-inbox DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-inbox-auths": ("GET", READ, "read"),
    "api-inbox-auths POST": ("POST", DEPLOY, "deploy"),
    "api-inbox-auth": ("GET", READ, "read"),
    "api-inbox-auth DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-inbox-refusals": ("GET", READ, "read"),
    "api-would-match": ("POST", READ, "read"),
    "api-adaptors": ("GET", READ, "read"),
    "api-adaptor": ("GET", READ, "read"),
    "api-message-examples": ("GET", READ, "read"),
    "api-message-example": ("GET", READ, "read"),
    "api-workflows": ("GET", READ, "read"),
    "api-workflow": ("GET", READ, "read"),
    "api-workflows POST": ("POST", DEPLOY, "deploy"),
    "api-workflow PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-workflow DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-jobs POST": ("POST", DEPLOY, "deploy"),
    "api-job PATCH": ("PATCH", OPERATE, "operate"),
    "api-job DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-tables": ("GET", READ, "read"),
    "api-tables POST": ("POST", DEPLOY, "deploy"),
    "api-table": ("GET", READ, "read"),
    "api-table PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-table DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-table-rows": ("GET", DATA, "read-data"),
    "api-table-rows POST": ("POST", DEPLOY, "deploy"),
    "api-table-row": ("GET", DATA, "read-data"),
    "api-table-row PUT": ("PUT", DEPLOY, "deploy"),
    "api-table-row DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-table-csv": ("GET", DATA, "read-data"),
    "api-table-csv POST": ("POST", DEPLOY, "deploy"),
    "api-table-history": ("GET", DATA, "read-data"),
    "api-table-restore": ("POST", DEPLOY, "deploy"),
    "api-library": ("GET", READ, "read"),
    "api-library POST": ("POST", DEPLOY, "deploy"),
    "api-library-module": ("GET", READ, "read"),
    "api-library-module PATCH": ("PATCH", DEPLOY, "deploy"),
    "api-library-module DELETE": ("DELETE", DEPLOY, "deploy"),
    "api-library-versions": ("GET", READ, "read"),
    "api-library-versions POST": ("POST", DEPLOY, "deploy"),
    "api-library-version": ("GET", READ, "read"),
    "api-incidents": ("GET", READ, "read"),
    "api-incident": ("GET", READ, "read"),
    "api-incident-take": ("POST", OPERATE, "operate"),
    "api-incident-untake": ("POST", OPERATE, "operate"),
    "api-incident-retry": ("POST", OPERATE, "operate"),
    "api-incident-dismiss": ("POST", OPERATE, "operate"),
}
# What is sent; where it names things, made of those that there are.
BODIES: dict[str, Any] = {
    "api-incident-dismiss": {"reason": "A test."},
    "api-run-dismiss": {"reason": "A test."},
    "api-message-reprocess": lambda thing: {"jobs": [thing("job")]},
    "api-saved-inputs POST": lambda thing: {"name": f"input {uuid.uuid4()}", "data": 7},
    "api-bulk POST": {"deed": "cancel", "filter": {"state": "available"}},
    "api-project PATCH": {"description": "Another one."},
    "api-members POST": lambda thing: {"email": thing("person"), "role": "viewer"},
    "api-member PATCH": {"role": "operator"},
    "api-workflows POST": {"name": "Made by a token"},
    "api-workflow PATCH": {"description": "Changed by a token"},
    "api-jobs POST": {"name": "Made by a token"},
    "api-job PATCH": {"state": "paused"},
    "api-job-draft PUT": {"code": "x = 1"},
    "api-job-check": {"code": "x = 1"},
    "api-credentials POST": {"name": "Made by a token", "adaptor": "http", "values": {}},
    "api-credential PATCH": {"name": "Changed by a token"},
    "api-inbox PATCH": {"enabled": False},
    "api-inbox-auths POST": {"name": "Made by a token"},
    "api-triggers POST": {"name": "Made by a token", "kind": "message", "workflow": "main"},
    "api-trigger PATCH": {"enabled": False},
    "api-firings": {"schedule": {"kind": "cron", "cron": "0 23 * * 5"}},
    "api-would-match": {"body": {"name": "jane"}},
    "api-tables POST": {"name": "Made by a token"},
    "api-table PATCH": {"description": "Changed by a token"},
    "api-table-rows POST": {"rows": [{"key": "12", "value": 1}]},
    "api-table-row PUT": {"value": 1},
    "api-library POST": {"key": "made_by_a_token"},
    "api-library-module PATCH": {"description": "Changed by a token"},
    "api-library-versions POST": {"code": "x = 1"},
}
SHOWS_DATA = {name for name, row in TABLE.items() if row[1] == DATA}
# Open to all who may read; what in it is data, only to those who may see that.
SHOWS_PARTLY = {
    *("api-run-exchanges", "api-sent"),
    *(
        "api-runs",
        "api-run",
        "api-work-order",
        "api-incidents",
        "api-incident",
    ),  # the quotes in their sentences
}
OPEN = {"api-schema"}
NAMES_A_NEIGHBOURS = {"api-inboxes POST"}  # in the body
ROUTES: list[Any] = get_resolver("openfn_platform.urls").url_patterns
PATTERNS = [
    (str(route.pattern), pattern)
    for route in ROUTES
    if str(route.pattern) == "api/v1/"
    for pattern in route.url_patterns
]
ADDRESSES = {str(pattern.name): prefix + str(pattern.pattern) for prefix, pattern in PATTERNS}


def ways(pattern: Any) -> set[tuple[str, str]]:
    """How an address may be asked, as its view says."""
    view = pattern.callback
    known = getattr(view, "actions", None) or [
        method for method in view.cls.http_method_names if hasattr(view.cls, method)
    ]
    return {(str(pattern.name), method.upper()) for method in known} - {
        (str(pattern.name), method) for method in ("HEAD", "OPTIONS")
    }


def address_of(row: str, things: dict[str, Any]) -> str:
    name = row.split(" ")[0]
    noun = name.removeprefix("api-").split("-")[0]
    if name in ("api-run-cancel", "api-run-abort"):
        noun = "waiting"
    if name == "api-trigger-firings":
        noun = "schedule"
    path = ADDRESSES[name].replace("<str:id>", str(things.get(noun, UNKNOWN)))
    for word, noun in {"project": "borrower", "auth": "auth"}.items():
        path = path.replace(f"<str:{word}>", str(things.get(noun, UNKNOWN)))
    path = path.replace("<path:row>", CANARY)
    for word, value in {"key": "generic_json", "name": "http", "seq": "1", "number": "1"}.items():
        path = path.replace(f"<str:{word}>", value)
    return "/" + path


def things_of(clinic: Clinic) -> dict[str, Any]:
    """One of everything, by the first word of its address's name."""
    job = clinic.job()
    trigger = clinic.on_message(clinic.job())
    said = f"The partner does not know “{CANARY}”."
    incident = clinic.incident(taken_at=timezone.now(), taken_by=clinic.owner, message=said)
    clinic.run(job=job, incident=incident)
    waiting = clinic.run(RunState.AVAILABLE)
    saved = State.objects.create(
        project=clinic.project,
        kind=StateKind.SAVED,
        name="a birth",
        body=CANARY.encode(),
        size=9,
        digest=b"x",
    )
    order = Order(deed=Deed.CANCEL, chosen=Chosen(ids=(clinic.run(RunState.AVAILABLE).pk,)))
    borrower = factories.project()
    inbox = Inbox.objects.create(project=clinic.project, trigger=trigger, name="Its own")
    credential = clinic.credential("http").credential
    credential_change(credential=credential, values={"baseUrl": "http://127.0.0.1:9/"}, by=clinic.owner)
    credential_change(credential=credential, values={"baseUrl": ""}, by=clinic.owner)
    credential_lend(credential=credential, project=borrower, by=PLATFORM)
    return {
        "credential": credential.pk,
        "borrower": borrower.pk,
        "inbox": inbox.pk,
        "auth": inbox_key_add(inbox=inbox, name="Its key", by=PLATFORM)[0].pk,
        "consent": factories.token(factories.project(), "read")[1],
        "run": clinic.run(job=job).pk,
        "waiting": waiting.pk,
        "message": clinic.message().pk,
        "work": clinic.run(job=job, work_order=waiting.work_order).work_order_id,
        "job": job.pk,
        "trigger": trigger.pk,
        "schedule": clinic.on_schedule(job, schedule_kind="cron", cron="0 23 * * 5").pk,
        "workflow": clinic.workflow.pk,
        "incident": incident.pk,
        "saved": saved.pk,
        "bulk": bulk_begin(project=clinic.project, order=order, by=clinic.owner).pk,
        "member": Membership.objects.get(user=clinic.person(Role.VIEWER)).pk,
        "person": clinic.person().email,
        "token": clinic.token("read")[0].pk,
        **_shared(clinic),
    }


def _shared(clinic: Clinic) -> dict[str, Any]:
    """A table with a row that was changed, and a module of the library."""
    number = Table.objects.count()
    table = table_create(project=clinic.project, name=f"Table {number}", by=PLATFORM)
    for value in (f"{CANARY} once", CANARY):
        row_set(table=table, key=CANARY, value=value, by=PLATFORM)
    module = LibraryModule.objects.create(project=clinic.project, key=f"module_{number}", name="Module")
    LibraryVersion.objects.create(project=clinic.project, module=module, number=1, code="x = 1")
    change = TableChange.objects.filter(table=table).latest("id").pk
    return {"table": table.pk, "library": module.pk, "change": change}


@dataclass(frozen=True)
class Place:
    """Made once for all tests here, which undo what they do: a clinic full of things, and its neighbour."""

    clinic: Clinic
    stranger: Clinic
    things: dict[str, Any]
    callers: dict[str, Caller]  # of the clinic, by their one scope

    def told(self, scope: str, name: str) -> tuple[Any, str]:
        """The answer and its text; what was done is undone."""
        with transaction.atomic():
            answer = ask(self.callers[scope], name, self.things)
            content = text(answer)
            transaction.set_rollback(True)
        return answer, content


@pytest.fixture(scope="module")
def place(django_db_setup: None, django_db_blocker: Any) -> Iterator[Place]:
    with django_db_blocker.unblock(), transaction.atomic():
        clinic, stranger = Clinic(), Clinic("Another clinic")
        callers = {scope: clinic.caller(scope) for scope in SCOPES}
        yield Place(clinic, stranger, things_of(clinic), callers)
        transaction.set_rollback(True)


@pytest.fixture
def clinic(place: Place, db: None) -> Clinic:
    return place.clinic


@pytest.fixture
def stranger(place: Place, db: None) -> Clinic:
    return place.stranger


def ask(caller: Caller, name: str, things: dict[str, Any]) -> Any:
    method, path = TABLE[name][0], address_of(name, things)
    body = BODIES.get(name)
    if callable(body):
        body = body(lambda noun: str(things.get(noun, UNKNOWN)))
    if name == "api-credential-loans POST":
        body = {"token": things.get("consent", "ofp_" + "x" * 43)}
    if name == "api-inboxes POST":
        body = {"name": "Made by a token", "trigger": str(things.get("trigger", UNKNOWN))}
    if method == "GET":
        return caller.get(path)
    if name == "api-table-csv POST":
        return caller.client.post(path, b"key,value\n1,a\n", content_type="text/csv", headers=caller.headers)
    if name == "api-table-restore":
        return caller.post(path, {"change": things.get("change", 1)})
    if method == "POST":
        return caller.post(path, body)
    return caller.send(method, path, body, match="*")


def text(answer: Any) -> str:
    content: bytes = answer.getvalue()
    return content.decode()


def shapes(queries: CaptureQueriesContext) -> list[str]:
    """What the database was asked, whichever ids it was asked for."""
    return [re.sub(r"'[^']*'|\d+", "", each["sql"]) for each in queries.captured_queries]


def test_every_address_stands_in_the_table():
    asked = {(name.split(" ")[0], row[0]) for name, row in TABLE.items()}
    assert {way for _prefix, pattern in PATTERNS for way in ways(pattern)} == asked | {
        (name, "GET") for name in OPEN
    }


@pytest.mark.django_db
@pytest.mark.parametrize("name", TABLE)
def test_a_scope_opens_its_addresses_and_no_others(place: Place, name: str):
    _, allowed, missing = TABLE[name]
    for scope in SCOPES:
        answer, content = place.told(scope, name)
        if scope in allowed:
            assert answer.status_code in (200, 201, 202, 204), (scope, content)
        else:
            assert f"the scope “{missing}”" in problem(answer, 403), scope
        shows = scope in allowed and name in SHOWS_DATA
        assert (CANARY in content) is (shows or (name in SHOWS_PARTLY and scope in DATA)), scope


@pytest.mark.parametrize("name", TABLE)
def test_a_neighbour_is_told_the_same_as_of_what_never_was(place: Place, stranger: Clinic, name: str):
    things = place.things
    before = list(Run.objects.order_by("pk").values_list("pk", "state"))
    caller = stranger.caller()
    answer = ask(caller, name, things)
    if "<str:id>" in ADDRESSES[name.split(" ")[0]] or name in NAMES_A_NEIGHBOURS:
        problem(answer, 404)
        with CaptureQueriesContext(connection) as unknown:
            assert text(answer) == text(ask(caller, name, {}))
        with CaptureQueriesContext(connection) as theirs:
            ask(caller, name, things)
        assert shapes(theirs) == shapes(unknown), (
            "who measures the time would learn what the words do not say"
        )
    else:
        # Begun for nothing, a bulk operation is refused.
        assert answer.status_code in ((409,) if name == "api-bulk POST" else (200, 201))
        for noun, thing in things.items():
            # Who is let in is somebody who exists: no secret among administrators. A short number stands in any text.
            assert noun in ("person", "change") or str(thing) not in text(answer)
    assert CANARY not in text(answer)
    assert list(Run.objects.order_by("pk").values_list("pk", "state")) == before


@pytest.mark.parametrize("field", ["message", "run"])
def test_a_job_is_not_started_with_what_belongs_to_a_neighbour(place: Place, stranger: Clinic, field: str):
    theirs = place.things[field]
    job = stranger.job()
    caller = stranger.caller()
    answers = [caller.post(f"jobs/{job.pk}/run", {field: str(key)}) for key in (theirs, UNKNOWN)]
    assert problem(answers[0], 404) == problem(answers[1], 404)
    assert Run.objects.filter(job=job).count() == 0


@pytest.mark.parametrize(
    "parameter", ["job", "workflow", "trigger", "work_order", "message", "retry_of", "parent"]
)
def test_a_filter_does_not_reach_over_the_fence(place: Place, stranger: Clinic, parameter: str):
    things = place.things
    theirs = things.get(parameter) or things["run"]
    stranger.run()
    assert stranger.caller().ids("runs", **{parameter: str(theirs)}) == []


def test_keys_are_those_of_the_own_project(clinic: Clinic, stranger: Clinic):
    """Both projects have a workflow `main`."""
    mine = stranger.run()
    clinic.run()
    assert stranger.caller().ids("runs", workflow="main") == [str(mine.pk)]


@pytest.mark.parametrize("name", TABLE)
def test_without_a_valid_token_nobody_gets_in(place: Place, clinic: Clinic, name: str):
    things = place.things
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
