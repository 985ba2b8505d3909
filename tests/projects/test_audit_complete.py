"""Every verb that acts for somebody writes the audit, and no secret that passes through one ever stands there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.db import connection

import manage
from jobs.credentials import credential_archive, credential_change, credential_create
from jobs.editing import draft_save
from jobs.undoing import credential_undo
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import AuditEntry
from openfn_platform.projects.people import person_create, person_password_set
from openfn_platform.projects.tokens import token_create, token_find, token_revoke
from runs.starting import Input, job_start
from tests import factories
from tests.flows.canary import as_bytes, forms, told
from triggers.inboxes import inbox_change, inbox_key_add, inbox_key_revoke, project_inbox

ROOT = Path(manage.__file__).parent
FLOORS = ("openfn_platform", "jobs", "triggers", "runs")
WRITES = {"audit", "audit_once", "payload_opened"}

# These act for somebody and leave nothing behind that is worth an entry.
QUIET = {
    "jobs/credential_tests.py:credential_try_new": "tries what was typed and keeps nothing",
    "jobs/credential_tests.py:credential_try_change": "tries what was typed and keeps nothing",
    "jobs/oauth.py:connect_begin": "only leads to the partner; connecting is audited when it is done",
    "runs/answers.py:once_resolve": "part of deciding an unsure step, which is audited",
    "triggers/clock.py:clock_rung": "by a program, many times a minute",
    "jobs/rows.py:who": "says who; setting and removing rows are audited",
    "jobs/uploads.py:upload_park": "looked at before it is brought in, which is audited",
    "jobs/uploads.py:upload_find": "reads what one has parked oneself",
    "openfn_platform/projects/membering.py:may_decide": "only asks whether one may",
    "runs/bulk.py:bulk_count": "only counts",
    "runs/bulk_deeds.py:item_do": "calls the verb of one item, which is audited",
    "runs/finding/searching.py:require_sight": "only asks whether one may",
    "runs/retention/changing.py:due": "only counts",
    "triggers/would_match.py:would_match": "stores nothing",
    "jobs/undoing.py:values_keep": "part of changing a credential, which is audited",
}


def verbs() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every public function that is told for whom it acts."""
    for floor in FLOORS:
        for file in sorted((ROOT / floor).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if "/migrations/" in name or "/demo/" in name or name.endswith(("actors.py", "auditing.py")):
                continue
            for node in ast.parse(file.read_text("utf-8")).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    arguments = [*node.args.args, *node.args.kwonlyargs]
                    if any(each.arg == "by" for each in arguments):
                        yield f"{name}:{node.name}", node


def is_written_down(verb: ast.FunctionDef) -> bool:
    """It writes an entry, or hands on for whom it acts to a verb that does."""
    for node in ast.walk(verb):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in WRITES:
            return True
        hands_on = any(
            keyword.arg == "by" and isinstance(keyword.value, ast.Name) and keyword.value.id == "by"
            for keyword in node.keywords
        )
        if hands_on and not called.startswith("require") and called != "send":
            return True
    return False


def test_every_verb_that_acts_for_somebody_is_written_down():
    found = dict(verbs())
    assert len(found) > 50
    silent = {name for name, verb in found.items() if not is_written_down(verb)}
    assert silent - set(QUIET) == set(), "call audit(…) in the transaction that does it"
    assert set(QUIET) <= set(found), "these are gone"


SECRET = "Kanari-7ü\"&<Z'>/+=% q\\9é"
USER = "canary-user"


def audited() -> Iterator[tuple[str, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_entry")
        columns = [column.name for column in cursor.description or ()]
        for row in cursor.fetchall():
            for column, value in zip(columns, row, strict=True):
                if value is not None:
                    yield f"{row[columns.index('action')]}.{column}", as_bytes(value)


@pytest.mark.django_db
def test_no_secret_is_ever_audited(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cast = factories.cast()
    home = cast.project
    values = {"instanceUrl": "http://127.0.0.1:9/", "username": USER, "password": "before it was changed"}
    credential = credential_create(project=home, adaptor="openmrs", name="EMR", values=values, by=cast.admin)
    credential_change(credential=credential, values={"password": SECRET}, by=cast.admin)
    credential_undo(credential=credential, by=cast.admin)
    credential_archive(credential=credential, by=cast.admin)
    token, text = token_create(project=home, name="t", scopes=["read"], by=cast.admin)
    token_find(text, address="192.0.2.7")
    token_revoke(token=token, by=cast.admin)
    inbox = project_inbox(project=home)
    key, key_text = inbox_key_add(inbox=inbox, name="partner", by=cast.admin)
    inbox_key_revoke(key=key, by=cast.admin)
    inbox_change(inbox=inbox, by=cast.admin, name="Intake")
    person = person_create(email="new@example.org", password=SECRET + "1", by=cast.superuser)
    person_password_set(person=person, password=SECRET, by=cast.superuser)
    authenticate(None, username=person.email, password=SECRET + "wrong")
    authenticate(None, username=SECRET, password="typed into the wrong field")
    job = factories.job(home)
    draft_save(job=job, by=cast.editor, code=f"key = {SECRET!r}")
    job_start(job=job, given=Input(data={"patient": SECRET}), by=cast.operator)
    audit(
        "tried", cast.admin, project=home, changes={"password": [SECRET, SECRET], "auth": {"token": [SECRET]}}
    )
    canaries = {
        "secret": forms(SECRET, USER),
        "token": {"whole": text.encode()},
        "key": {"whole": key_text.encode()},
        "password": {"plain": b"before it was changed"},
    }
    assert AuditEntry.objects.count() > 15
    assert told(audited(), canaries) == []
