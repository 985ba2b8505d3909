"""A new trigger from an example, from something pasted, from a message that arrived; and the try beside the criteria."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.models import Job
from openfn_platform.projects.models import AuditEntry, Role
from tests import factories
from tests.factories import Cast
from tests.flows.world import World
from tests.workspace.desk import at, page, text_of
from triggers.examples.catalogue import Example, example_named, examples
from triggers.inboxes import inbox_change, project_inbox
from triggers.models import Message, MessagePayload, Trigger

pytestmark = pytest.mark.django_db
CANARY = "canary-jane"


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def job(cast: Cast) -> Job:
    return factories.job(cast.project, "Register")


def shown(key: str) -> Example:
    example = example_named(key)
    assert example is not None
    return example


def picker(job: Job, **query: str) -> str:
    return page("triggers_trigger_examples", workflow=str(job.workflow_id), **query)


def add(job: Job, **query: str) -> str:
    return page("triggers_trigger_add", kind="message", workflow=str(job.workflow_id), **query)


def pairs(*rows: tuple[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {"pairs-TOTAL_FORMS": len(rows), "pairs-INITIAL_FORMS": 0}
    for index, (inclusion, exclusion) in enumerate(rows):
        data |= {f"pairs-{index}-inclusion": inclusion, f"pairs-{index}-exclusion": exclusion}
    return data


def match(cast: Cast, job: Job, sample: str, *rows: tuple[str, str]) -> Any:
    url = page("triggers_trigger_match")
    given = {"workflow": str(job.workflow_id), "sample": sample, **pairs(*rows)}
    return at(cast.editor).post(url, given)


def arrived(cast: Cast, body: bytes, content_type: str = "application/json") -> Message:
    world = World.__new__(World)
    world.project, world.inbox = cast.project, project_inbox(project=cast.project)
    accepted = world.post_raw(body, content_type=content_type)
    return Message.objects.get(pk=accepted.answer["message"])


# --- the list -------------------------------------------------------------------------------------


def test_the_list_names_every_example_under_its_system(cast: Cast, job: Job) -> None:
    answer = at(cast.editor).get(picker(job))
    for example in examples().values():
        assert picker(job, example=example.key).replace("&", "&amp;") in text_of(answer)
    assert [group.system for group in answer.context["groups"]][-1] == "Any other system"


def test_the_list_is_searched_without_a_script_too(cast: Cast, job: Job) -> None:
    answer = at(cast.editor).get(picker(job, q="twilio SMS"))
    fitting = {e.key for group in answer.context["groups"] for e, fits in group.entries if fits}
    assert fitting == {"twilio_sms", "twilio_status"}
    assert "None of the examples fits" in text_of(at(cast.editor).get(picker(job, q="<b>zzz")))


def test_the_first_step_of_a_trigger_leads_to_the_examples(cast: Cast, job: Job) -> None:
    assert page("triggers_trigger_examples") in text_of(at(cast.editor).get(page("triggers_trigger_add")))
    answer = at(cast.editor).get(page("triggers_trigger_examples"))
    assert answer["Location"] == page("triggers_trigger_add")  # first of all the workflow


# --- one example ----------------------------------------------------------------------------------


def test_the_page_of_an_example_tells_all_of_it(cast: Cast, job: Job) -> None:
    client = at(cast.editor)
    for key, example in examples().items():
        answer = client.get(picker(job, example=key))
        text = text_of(answer)
        for number, suggestion in enumerate(example.suggestions):
            assert add(job, example=key, suggestion=str(number)).replace("&", "&amp;") in text
            assert suggestion.title in text
        assert example.content_type in text
        assert answer.context["example"] == example
        assert (example.duplicate_path or "no id of its own") in text


def test_a_suggestion_fills_the_form_and_is_tried_on_the_example(cast: Cast, job: Job) -> None:
    example = shown("commcare_form_forwarding")
    answer = at(cast.editor).get(add(job, example=example.key, suggestion="2"))
    suggestion = example.suggestions[2]
    first = answer.context["pairs"].forms[0]
    assert json.loads(first["inclusion"].value()) == suggestion.inclusion
    assert json.loads(first["exclusion"].value()) == suggestion.exclusion
    assert answer.context["form"]["name"].value() == f"CommCare: {suggestion.title}"
    assert answer.context["sample"] == example.text
    assert answer.context["tried"].matched


def test_every_suggestion_matches_as_it_is_offered(cast: Cast, job: Job) -> None:
    client = at(cast.editor)
    for key, example in examples().items():
        for number in range(len(example.suggestions)):
            answer = client.get(add(job, example=key, suggestion=str(number)))
            assert answer.context["tried"].matched, (key, number)
            assert answer.context["tried"].body == example.parsed


def test_what_was_filled_in_is_saved_as_criteria(cast: Cast, job: Job) -> None:
    suggestion = shown("twilio_status").suggestions[0]
    given = {"name": "Undelivered", "jobs": [str(job.pk)], "settings": "", "sample": "MessageStatus=x"}
    url = add(job, example="twilio_status", suggestion="0")
    at(cast.editor).post(url, given | pairs((json.dumps(suggestion.inclusion), "")))
    trigger = Trigger.objects.get()
    assert (trigger.name, trigger.criteria) == ("Undelivered", [suggestion.pair])


@pytest.mark.parametrize("number", ["9", "x", "-1", ""])
def test_a_suggestion_that_there_is_not_is_every_message(cast: Cast, job: Job, number: str) -> None:
    answer = at(cast.editor).get(add(job, example="generic_json", suggestion=number))
    assert answer.context["pairs"].forms[0]["inclusion"].value() == "{}"


@pytest.mark.parametrize("url", [picker, add])
def test_an_example_that_there_is_not_is_not_found(cast: Cast, job: Job, url: Any) -> None:
    assert at(cast.editor).get(url(job, example="../generic_json")).status_code == 404


def test_it_is_told_what_to_do_so_that_a_message_counts_once(cast: Cast, job: Job) -> None:
    path = shown("commcare_form_forwarding").duplicate_path
    inbox = project_inbox(project=cast.project)
    change = page("triggers_inbox_change", inbox.pk)
    url = picker(job, example="commcare_form_forwarding")
    assert change in text_of(at(cast.admin).get(url))
    editors = text_of(at(cast.editor).get(url))
    assert change not in editors
    assert "An administrator can write it there" in editors
    inbox_change(inbox=inbox, by=cast.admin, duplicate_path="other.id")
    assert "looks elsewhere" in text_of(at(cast.admin).get(url))
    inbox_change(inbox=inbox, by=cast.admin, duplicate_path=path)
    assert "counts once" in text_of(at(cast.editor).get(url))
    assert "already" in text_of(at(cast.editor).get(add(job, example="commcare_form_forwarding")))


# --- something pasted -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "read_as", "body"),
    [
        ('{"form": {"n": 1}}', "", {"form": {"n": 1}}),
        ("<form><n>1</n></form>", "XML", {"form": {"n": "1"}}),
        ("form=1&n=2", "form", {"form": "1", "n": "2"}),
    ],
)
def test_whatever_is_pasted_is_read_and_tried(
    cast: Cast, job: Job, sample: str, read_as: str, body: Any
) -> None:
    tried = match(cast, job, sample, (json.dumps(body), "")).context["tried"]
    assert (tried.read_as, tried.body, tried.matched) == (read_as, body, True)


def test_each_pair_tells_why_it_does_not_match(cast: Cast, job: Job) -> None:
    answer = match(cast, job, '{"a": 1, "b": 2}', ('{"a": 2}', ""), ("{}", '{"b": 2}'), ('{"a": 1}', ""))
    first, second, third = answer.context["tried"].pairs
    assert first.reasons == ["`a` is 1, not 2"]
    assert second.reasons == ["excluded because `b` is 2"]
    assert third.reasons == []
    assert "It matches" in text_of(answer)
    assert "It does not match" in text_of(match(cast, job, "{}", ('{"a": 2}', "")))


@pytest.mark.parametrize(
    ("sample", "row", "says"),
    [
        ("<a>", ("{}", ""), "The body is not XML"),
        ("{", ("{}", ""), "The body is not JSON"),
        ("hello", ("{}", ""), "The body is not JSON"),
        ("{}", ("{", ""), "The criteria are not JSON yet"),
        ("[" * 200_001, ("{}", ""), "too large to be tried"),
        ('{"a": "\\u0000"}', ("{}", ""), "cannot be stored"),
    ],
)
def test_what_cannot_be_tried_says_so(cast: Cast, job: Job, sample: str, row: Any, says: str) -> None:
    answer = match(cast, job, sample, row)
    assert answer.status_code == 200
    assert says in answer.context["tried"].problem


def test_without_a_message_it_is_told_what_is_wanted(cast: Cast, job: Job) -> None:
    assert "Paste a message" in text_of(match(cast, job, " ", ("{}", "")))


def test_markup_in_a_message_is_shown_and_not_obeyed(cast: Cast, job: Job) -> None:
    sample = '{"<script>": "</textarea><script>alert(1)</script>"}'
    for text in (
        text_of(match(cast, job, sample, ('{"a": "<i>"}', ""))),
        text_of(at(cast.editor).post(add(job), {"_check": "1", "sample": sample, **pairs(("{}", ""))})),
    ):
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


def test_going_on_with_a_pasted_message_saves_nothing_and_loses_nothing(cast: Cast, job: Job) -> None:
    client = at(cast.editor)
    hidden = {"_check": "1", **pairs(("{}", ""))}
    answer = client.post(add(job), {"sample": "a=1", **hidden})
    assert answer.context["sample"] == "a=1"
    assert answer.context["tried"].matched
    assert not answer.context["form"].errors
    again = {"name": "Half", "jobs": [str(job.pk)], "_check": "1", "sample": "a=1", **pairs(('{"a": 1}', ""))}
    answer = client.post(add(job), again)
    assert answer.context["form"]["name"].value() == "Half"
    assert [str(key) for key in answer.context["form"]["jobs"].value()] == [str(job.pk)]
    assert answer.context["tried"].pairs[0].reasons == ['`a` is the text "1", not the number 1']
    assert not Trigger.objects.exists()


def test_a_trigger_that_is_there_is_tried_without_being_changed(cast: Cast, job: Job) -> None:
    trigger = factories.message_trigger(job, inclusion={"a": 1})
    url = page("triggers_trigger_change", trigger.pk)
    assert at(cast.viewer).get(url).context["tried"] is None
    given = {"name": "Other", "settings": "", "_check": "1", "sample": '{"a": 2}', **pairs(('{"a": 2}', ""))}
    assert at(cast.editor).post(url, given).context["tried"].matched
    trigger.refresh_from_db()
    assert (trigger.criteria[0]["inclusion"], trigger.revision) == ({"a": 1}, 1)


# --- a message that arrived -----------------------------------------------------------------------


def test_the_newest_messages_are_offered_to_those_who_may_see_data(cast: Cast, job: Job) -> None:
    kept = [arrived(cast, b'{"n": %d, "name": "%s"}' % (n, CANARY.encode())) for n in range(12)]
    url = picker(job)
    answer = at(cast.owner).get(url)
    assert answer.context["arrived"] == kept[:-11:-1]
    assert CANARY not in text_of(answer)
    hide_data(cast)
    answer = at(cast.editor).get(url)
    assert answer.context["arrived"] == []
    assert "must be allowed to see data" in text_of(answer)


def hide_data(cast: Cast) -> None:
    cast.project.memberships.filter(user=cast.editor).update(may_see_data=False)


@pytest.mark.parametrize(
    ("body", "content_type", "sample"),
    [
        (b'{"name": "canary-jane"}', "application/json", {"name": CANARY}),
        (b"<name>canary-jane</name>", "text/xml", {"name": CANARY}),
        (b"name=canary-jane", "application/x-www-form-urlencoded", {"name": CANARY}),
    ],
)
def test_a_message_that_arrived_is_tried_as_json_and_its_opening_noted(
    cast: Cast, job: Job, body: bytes, content_type: str, sample: Any
) -> None:
    message = arrived(cast, body, content_type)
    answer = at(cast.owner).get(add(job, message=str(message.pk)))
    assert json.loads(answer.context["sample"]) == sample
    assert answer.context["tried"].matched
    entry = AuditEntry.objects.get(action="payload opened")
    assert (entry.object_id, entry.actor) == (str(message.pk), cast.owner)


def test_who_may_not_see_data_does_not_begin_with_a_message(cast: Cast, job: Job) -> None:
    message = arrived(cast, b'{"name": "canary-jane"}')
    hide_data(cast)
    answer = at(cast.editor).get(add(job, message=str(message.pk)))
    assert answer.status_code == 403
    assert not AuditEntry.objects.filter(action="payload opened").exists()


def test_a_message_of_another_project_is_not_found(cast: Cast, job: Job) -> None:
    other = factories.cast("Elsewhere")
    message = arrived(other, b'{"name": "canary-jane"}')
    for key in (str(message.pk), "x", ""):
        assert at(cast.owner).get(add(job, message=key)).status_code == 404


def test_a_body_that_was_erased_or_is_too_large_is_told(cast: Cast, job: Job) -> None:
    large = arrived(cast, json.dumps({"a": "x" * 200_001}).encode())
    assert "too large" in at(cast.owner).get(add(job, message=str(large.pk))).context["start"].problem
    MessagePayload.objects.all().delete()
    assert "erased" in at(cast.owner).get(add(job, message=str(large.pk))).context["start"].problem


# --- who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_who_may_make_triggers_may_start_from_examples(cast: Cast, job: Job, role: Role) -> None:
    client = at(cast.of(role))
    allowed = role in (Role.EDITOR, Role.ADMIN, Role.OWNER)
    for url in (picker(job), picker(job, example="generic_json"), add(job, example="generic_json")):
        assert client.get(url).status_code == (200 if allowed else 403)
    tried = client.post(
        page("triggers_trigger_match"),
        {"workflow": str(job.workflow_id), "sample": "{}", **pairs(("{}", ""))},
    )
    assert tried.status_code == 200  # criteria are seen by all who see the trigger


def test_an_outsider_finds_neither_the_examples_nor_the_try(cast: Cast, job: Job) -> None:
    client = at(cast.outsider)
    assert client.get(picker(job)).status_code == 404
    assert client.get(add(job, example="generic_json")).status_code == 404
    answer = client.post(page("triggers_trigger_match"), {"workflow": str(job.workflow_id), "sample": "{}"})
    assert answer.status_code == 404


def test_nobody_who_is_not_logged_in_gets_anything(client, job: Job) -> None:
    for url in (picker(job), add(job, example="generic_json")):
        assert client.get(url)["Location"].startswith(page("login"))
    assert client.post(page("triggers_trigger_match"))["Location"].startswith(page("login"))
