"""The page of an inbox: how it answers, what it takes, and trying a message on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openfn_platform.projects.models import AuditEntry, Role
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of
from triggers.models import Inbox, Message, RefusalCount

pytestmark = pytest.mark.django_db
SCHEMA = {"type": "object", "required": ["form"]}


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def inbox(cast: Cast) -> Inbox:
    return factories.inbox_with_key(cast.project)[0]


def filled(**values: Any) -> dict[str, Any]:
    usual = {"name": "Inbox", "access": "key", "duplicate_path": "", "reply": "now", "reply_seconds": "30"}
    usual |= {"reply_content": "states", "failed_status": "424", "schema": "", "max_body_bytes": ""}
    return {**usual, "key_per_minute": "", "key_burst": "", **values}


def saved(cast: Cast, inbox: Inbox, **values: Any) -> Inbox:
    answer = at(cast.admin).post(page("triggers_inbox_change", inbox.pk), filled(**values))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    inbox.refresh_from_db()
    return inbox


def refused(cast: Cast, inbox: Inbox, **values: Any) -> dict[str, list[str]]:
    answer = at(cast.admin).post(page("triggers_inbox_change", inbox.pk), filled(**values))
    assert answer.status_code == 200
    errors: dict[str, list[str]] = answer.context["adminform"].form.errors
    return errors


def test_everything_can_be_set_and_emptied_again(cast: Cast, inbox: Inbox) -> None:
    given = {"reply": "done", "reply_seconds": "90", "reply_content": "job", "failed_status": "200"}
    given |= {
        "schema": json.dumps(SCHEMA),
        "max_body_bytes": "5000",
        "key_per_minute": "600",
        "key_burst": "50",
    }
    saved(cast, inbox, **given)
    assert (inbox.reply, inbox.reply_seconds, inbox.reply_content, inbox.failed_status) == (
        "done",
        90,
        "job",
        200,
    )
    assert (inbox.schema, inbox.max_body_bytes) == (SCHEMA, 5000)
    assert (inbox.key_per_minute, inbox.key_burst) == (600, 50)
    shown = text_of(at(cast.viewer).get(page("triggers_inbox_change", inbox.pk)))
    assert "after at most 90 s" in shown
    saved(cast, inbox)
    assert (inbox.reply, inbox.schema, inbox.max_body_bytes, inbox.key_per_minute) == (
        "now",
        None,
        None,
        None,
    )


def test_the_audit_tells_a_schema_by_its_size(cast: Cast, inbox: Inbox) -> None:
    saved(cast, inbox, schema=json.dumps({"description": "canary"}))
    entry = AuditEntry.objects.get(action="inbox changed")
    assert "canary" not in str(entry.changes)
    assert "characters" in str(entry.changes["schema"])


def test_saving_an_unchanged_schema_changes_nothing(cast: Cast, inbox: Inbox) -> None:
    saved(cast, inbox, schema=json.dumps(SCHEMA))
    form = at(cast.admin).get(page("triggers_inbox_change", inbox.pk)).context["adminform"].form
    shown = form["schema"].value()
    saved(cast, inbox, schema=shown)
    assert AuditEntry.objects.filter(action="inbox changed").count() == 1


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"schema": "{"}, "schema", "not JSON"),
        ({"schema": '{"a": 1, "a": 2}'}, "schema", "stands twice"),
        ({"schema": '{"type": "strin"}'}, "schema", "at `type`"),
        ({"schema": '{"$ref": "https://example.org/s.json"}'}, "schema", "nothing is fetched"),
        ({"schema": '{"pattern": "(a)\\\\1"}'}, "schema", "Back references".lower()),
        ({"reply_seconds": "0"}, "reply_seconds", ""),
        ({"reply_seconds": "121"}, "reply_seconds", ""),
        ({"reply": "later"}, "reply", ""),
        ({"failed_status": "500"}, "failed_status", "from 400 to 499"),
        ({"max_body_bytes": "100000001"}, "max_body_bytes", ""),
        ({"key_per_minute": "0"}, "key_per_minute", ""),
        ({"key_burst": "5"}, "key_burst", "fill in both or none"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    cast: Cast, inbox: Inbox, values: dict[str, str], field: str, sentence: str
) -> None:
    errors = refused(cast, inbox, **values)
    assert sentence in " ".join(errors[field])
    inbox.refresh_from_db()
    assert (inbox.schema, inbox.reply_seconds, inbox.failed_status) == (None, 30, 424)


def test_an_inbox_can_be_made_with_all_of_it(cast: Cast) -> None:
    trigger = factories.message_trigger(factories.job(cast.project))
    given = filled(name="Own", trigger=str(trigger.pk), reply="done", key_per_minute="60")
    at(cast.admin).post(page("triggers_inbox_add"), given)
    made = Inbox.objects.get(name="Own")
    assert (made.reply, made.key_per_minute) == ("done", 60)


def test_the_project_says_how_many_messages_it_takes(cast: Cast) -> None:
    client, url = at(cast.admin), page("projects_project_change", cast.project.pk)
    form = client.get(url).context["adminform"].form
    given = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}
    given["allowed_hosts"] = ""
    assert client.post(url, {**given, "messages_per_minute": "600"}).status_code == 302
    cast.project.refresh_from_db()
    assert (cast.project.messages_per_minute, cast.project.messages_burst) == (600, None)
    answer = client.post(url, {**given, "messages_per_minute": "", "messages_burst": "5"})
    assert "messages_burst" in answer.context["adminform"].form.errors


# --- would this message match? ----------------------------------------------------------------------


def tried(cast: Cast, inbox: Inbox, message: str, *, role: Role = Role.VIEWER) -> str:
    url = page("triggers_inbox_would_match", inbox.pk)
    shown = text_of(at(cast.of(role)).post(url, {"message": message}))
    assert Message.objects.count() == RefusalCount.objects.count() == 0
    return shown


def test_a_message_can_be_tried_without_being_taken(cast: Cast, inbox: Inbox) -> None:
    job = factories.job(cast.project, "Register patient")
    factories.message_trigger(job, inclusion={"kind": "registration"})
    factories.message_trigger(job, inclusion={"kind": "referral"})
    shown = tried(cast, inbox, '{"kind": "registration"}')
    assert "would start 1 run." in shown
    assert "Register patient" in shown
    assert "not &quot;referral&quot;" in shown
    assert "It would be kept and start nothing" in tried(cast, inbox, '{"kind": "x"}')


def test_a_refusal_is_shown_with_its_places(cast: Cast, inbox: Inbox) -> None:
    saved(cast, inbox, schema=json.dumps(SCHEMA))
    shown = tried(cast, inbox, "{}")
    assert "Refused with 422" in shown
    assert "Has no `form`" in shown


@pytest.mark.parametrize("message", ["", " ", "{", "<a>", "x" * 200_001, "<script>alert(1)</script>", "7"])
def test_odd_messages_get_a_sentence(cast: Cast, inbox: Inbox, message: str) -> None:
    shown = tried(cast, inbox, message)
    assert "<script>alert(1)" not in shown


def test_outsiders_do_not_find_the_page(cast: Cast, inbox: Inbox) -> None:
    url = page("triggers_inbox_would_match", inbox.pk)
    assert at(cast.outsider).get(url).status_code == 404
    assert at(cast.outsider).post(url, {"message": "{}"}).status_code == 404
    assert at(cast.viewer).get(url).status_code == 200
