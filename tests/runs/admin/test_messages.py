"""Messages in the browser: what arrived, why it started what it started, starting jobs with it again."""

from __future__ import annotations

import json

from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import JobState
from openfn_platform.projects.models import AuditEntry
from runs.admin.bulk import MANY
from runs.bulk import bulk_work
from runs.models import BulkOperation, Run, WorkOrder
from tests.flows.world import input_of
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import CANARY, SCRIPT, text_of
from triggers.models import Message

LIST = "/admin/triggers/message/"


def page(message: Message, what: str = "change", query: str = "") -> str:
    return f"{LIST}{message.pk}/{what}/{query}"


def arrived(world, body) -> Message:
    return Message.objects.get(pk=world.post(body).answer["message"])


def test_the_page_says_why_each_trigger_matched_or_not_by_the_criteria_as_they_were(place):
    job = place.job()
    wanted = place.on_message(job, inclusion={"kind": "registration"})
    other = place.on_message(job, inclusion={"kind": "visit"})
    message = arrived(place, {"kind": "registration"})
    type(other).objects.filter(pk=other.pk).update(criteria=[{"inclusion": {}}], revision=2)
    text = text_of(logged_in(people_of(place).operator).get(page(message, query="?show=triggers")))
    first, second = text.split('class="run-verdict"')[1:]
    assert "Matched" in first
    assert wanted.name in first
    assert "Did not match" in second
    assert "`kind` is &quot;registration&quot;, not &quot;visit&quot;" in second
    assert "changed since" in second


def test_a_match_with_a_job_that_is_off_says_so(place):
    place.on_message(place.job(key="sleeping", state=JobState.OFF))
    message = arrived(place, {})
    text = text_of(logged_in(people_of(place).viewer).get(page(message, query="?show=triggers")))
    assert "It matched, but every job was off." in text
    assert "Sleeping was off: nothing was started" in text


def test_bodies_headers_and_reasons_are_for_those_who_may_see_data(place):
    place.on_message(place.job(), inclusion={"kind": "visit"})
    message = arrived(place, {"kind": CANARY})
    people = people_of(place)
    for part in ("body", "raw", "headers", "triggers"):
        text = text_of(logged_in(people.viewer).get(page(message, query=f"?show={part}")))
        assert CANARY not in text, part
        assert "may see data" in text, part
    client = logged_in(people.operator)
    for part in ("body", "raw", "triggers"):
        assert CANARY in text_of(client.get(page(message, query=f"?show={part}"))), part
    assert logged_in(people.viewer).get(page(message, "body-file")).status_code == 403
    assert json.loads(text_of(client.get(page(message, "body-file")))) == {"kind": CANARY}
    shown = AuditEntry.objects.filter(action="payload opened").values_list("changes__part", flat=True)
    assert sorted(shown) == ["as it came", "body", "body, as a file", "why"]


def test_a_body_is_text_and_never_markup(place):
    message = arrived(place, {SCRIPT: SCRIPT})
    client = logged_in(people_of(place).operator)
    for part in ("body", "raw"):
        text = text_of(client.get(page(message, query=f"?show={part}")))
        assert "<script>alert" not in text
        assert "alert(" in text
    assert client.get(page(message, "body-file"))["Content-Type"] == "application/octet-stream"


def test_xml_is_shown_as_the_json_that_jobs_get_and_as_it_came(place):
    key = place.post_raw(b"<visit><kind>home</kind></visit>", content_type="text/xml").answer["message"]
    message = Message.objects.get(pk=key)
    client = logged_in(people_of(place).operator)
    body, raw = (text_of(client.get(page(message, query=f"?show={part}"))) for part in ("body", "raw"))
    assert "&quot;kind&quot;: &quot;home&quot;" in body
    assert "&lt;visit&gt;" not in body
    assert "&lt;visit&gt;&lt;kind&gt;home" in raw


def test_nobody_from_elsewhere_learns_that_a_message_exists(place):
    message = arrived(place, {})
    client = logged_in(people_of(place).outsider)
    for what in ("change", "run", "reprocess", "body-file"):
        assert client.get(page(message, what)).status_code == 404
        assert client.post(page(message, what), {"confirmed": "1"}).status_code in (403, 404)
    assert str(message.pk) not in text_of(client.get(LIST))


def test_the_list_tells_what_each_message_started_at_the_same_cost(place):
    job = place.job(key="register")
    place.on_message(job, inclusion={"kind": "registration"})
    arrived(place, {"kind": "registration"})
    client = logged_in(people_of(place).viewer)
    client.get(LIST)

    def cost() -> int:
        with CaptureQueriesContext(connection) as seen:
            client.get(LIST)
        return len(seen)

    few = cost()
    for number in range(10):
        arrived(place, {"kind": "registration", "n": number})
    unmatched = arrived(place, {"kind": "other"})
    assert cost() == few
    assert few <= 20
    text = text_of(client.get(f"{LIST}?matched__exact=0"))
    assert page(unmatched) in text
    assert text.count("Unmatched") == 1
    assert "Register" in text_of(client.get(LIST))


def test_a_message_is_found_by_its_id_or_its_senders_key(place):
    message = Message.objects.get(pk=place.post({}, key="form-4711").answer["message"])
    other = arrived(place, {})
    client = logged_in(people_of(place).viewer)
    for words in (str(message.pk), "form-4711"):
        text = text_of(client.get(LIST, {"q": words}))
        assert page(message) in text
        assert page(other) not in text


def test_an_unmatched_message_is_reprocessed(world, engine):
    job, second = world.job("note(state.data['n'])", key="late-job"), world.job(key="not-chosen")
    message = arrived(world, {"n": "7"})
    client = logged_in(people_of(world).operator)
    assert "Late-job" in text_of(client.get(page(message, "reprocess")))
    assert "Choose at least one job" in text_of(client.post(page(message, "reprocess"), {"confirmed": "1"}))
    done = text_of(client.post(page(message, "reprocess"), {"confirmed": "1", "jobs": [str(job.pk)]}))
    assert "1 run on the way" in done
    engine.drain()
    (run,) = world.runs()
    assert (run.job, run.state, run.note) == (job, "success", "7")
    assert not world.runs(second)
    message.refresh_from_db()
    assert message.matched
    assert "Late-job" in text_of(client.get(page(message)))

    again = text_of(client.post(page(message, "reprocess"), {"confirmed": "1", "jobs": [str(job.pk)]}))
    assert "it succeeded with this message already" in again
    assert len(world.runs()) == 1


def test_selected_messages_are_reprocessed_in_order_of_arrival(world, engine):
    job = world.job()
    messages = [arrived(world, {"n": number}) for number in range(3)]
    client = logged_in(people_of(world).operator)
    chosen = {
        "action": "reprocess_selected",
        "_selected_action": [str(each.pk) for each in reversed(messages)],
    }
    assert "3 messages, in order of arrival" in text_of(client.post(LIST, chosen))
    client.post(LIST, {**chosen, "confirmed": "1", "jobs": [str(job.pk)]})
    assert [input_of(run)["data"]["n"] for run in world.runs(job)] == [0, 1, 2]


def test_many_selected_messages_are_left_to_workers_and_a_second_press_begins_nothing_more(world, engine):
    job = world.job()
    messages = [arrived(world, {"n": number}) for number in range(MANY + 1)]
    client = logged_in(people_of(world).operator)
    chosen = {"action": "reprocess_selected", "_selected_action": [str(each.pk) for each in messages]}
    assert "once five of the runs have failed in the same way" in text_of(client.post(LIST, chosen))
    form = {**chosen, "confirmed": "1", "jobs": [str(job.pk)], "press": "a word"}
    answers = [client.post(LIST, form) for _ in range(2)]
    operation = BulkOperation.objects.get()
    assert not world.runs(job)  # that is for workers
    assert {answer["Location"] for answer in answers} == {f"/admin/runs/bulkoperation/{operation.pk}/change/"}
    bulk_work(seconds=5)
    engine.drain()
    bulk_work(seconds=5)
    engine.drain()
    assert [input_of(run)["data"]["n"] for run in world.runs(job)] == list(range(MANY + 1))


def test_run_with_this_message_shows_on_its_page(world, engine):
    job = world.job("note('by hand')", key="by-hand", state=JobState.OFF)
    message = arrived(world, {"n": 1})
    people = people_of(world)
    assert logged_in(people.viewer).post(page(message, "run"), {"jobs": str(job.pk)}).status_code == 404
    client = logged_in(people.operator)
    assert "Choose the job" in text_of(client.post(page(message, "run"), {}))
    client.post(page(message, "run"), {"jobs": str(job.pk)})
    engine.drain()
    (run,) = world.runs()
    assert (run.state, input_of(run)["data"]) == ("success", {"n": 1})
    assert WorkOrder.objects.get(message=message).pk == run.work_order_id
    assert f"/admin/runs/run/{run.pk}/change/" in text_of(client.get(page(message)))


def test_an_erased_body_says_so_and_starts_nothing(place):
    message = arrived(place, {"n": 1})
    Message.objects.filter(pk=message.pk).update(body_wiped_at=message.created_at)
    client = logged_in(people_of(place).operator)
    text = text_of(client.get(page(message)))
    assert "It was erased" in text
    assert page(message, "reprocess") not in text
    job = place.job()
    text = text_of(client.post(page(message, "reprocess"), {"confirmed": "1", "jobs": [str(job.pk)]}))
    assert "was erased" in text
    assert not Run.objects.exists()
