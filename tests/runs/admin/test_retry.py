"""Retry by hand in the browser, with real runs: input as it was or corrected, code as it was or as it is live."""

from __future__ import annotations

import json

import pytest

from openfn_platform.projects.models import AuditEntry
from runs.models import OnceMark, Run, RunMode, RunState, State
from runs.selectors.payloads import state_text
from runs.starting import Input, job_start
from tests.flows.world import final_of, input_of
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import ended_run, page, running_run, text_of

CODE = """
if state.data["nid"] == "13":
    fail("OpenMRS refused: Identifier 13 is taken.")
state.data = {"patient": state.data["nid"]}
note("patient made")
"""


def failed_run(world, engine, code: str = CODE) -> Run:
    run = job_start(job=world.job(code), given=Input(data={"nid": "13", "name": "Amina Ö"}), by=world.owner)
    engine.drain()
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    return run


def test_a_failed_run_is_corrected_seen_as_a_difference_and_repeated(world, engine):
    run = failed_run(world, engine)
    operator = people_of(world).operator
    client = logged_in(operator)
    shown = text_of(client.get(page(run)))
    assert "OpenMRS refused: Identifier 13 is taken." in shown
    assert page(run, "retry") in shown

    form = client.get(page(run, "retry"))
    assert "Amina Ö" in text_of(form)
    corrected = form.context["form"]["text"].value().replace('"13"', '"14"')
    answer = {"input": "corrected", "text": corrected, "code": "live"}
    asked = client.post(page(run, "retry"), answer)
    assert "This is what you change" in text_of(asked)
    assert [line.text.strip() for line in asked.context["changed"].lines if line.kind == "added"] == [
        '"nid": "14",'
    ]
    assert Run.objects.count() == 1, "the difference is shown before anything runs"

    gone = client.post(page(run, "retry"), {**answer, "confirmed": "1"})
    attempt = Run.objects.get(retry_of=run)
    assert gone["Location"] == page(attempt)
    engine.drain()
    attempt.refresh_from_db()
    assert (attempt.state, attempt.attempt, attempt.created_by) == (RunState.SUCCESS, 2, operator)
    assert final_of(attempt)["data"] == {"patient": "14"}
    assert input_of(run)["data"]["nid"] == "13", "the original is kept"

    after = text_of(client.get(page(attempt, query="?show=input")))
    assert "Corrected by" in after
    assert "patient made" in after
    assert page(attempt) in text_of(client.get(page(run)))
    assert AuditEntry.objects.filter(action="run retried", actor=operator, object_id=str(run.pk)).exists()


def test_as_it_was_needs_no_second_question(world, engine):
    run = failed_run(world, engine)
    logged_in(people_of(world).operator).post(page(run, "retry"), {"input": "as-it-was", "code": "live"})
    engine.drain()
    attempt = Run.objects.get(retry_of=run)
    assert (attempt.state, attempt.input_id) == (RunState.FAILED, run.input_id)


def test_a_correction_that_changes_nothing_is_the_input_as_it_was(world, engine):
    run = failed_run(world, engine)
    same = state_text(state_id=run.input_id, limit=10_000)
    client = logged_in(people_of(world).operator)
    client.post(page(run, "retry"), {"input": "corrected", "text": same, "code": "live"})
    assert Run.objects.get(retry_of=run).input_id == run.input_id


def test_the_code_is_as_it_was_or_as_it_is_live(world, engine):
    run = failed_run(world, engine)
    old = run.job_version
    new = world.version(run.job, "note('corrected code')")
    client = logged_in(people_of(world).operator)
    assert "As it was (v1)" in text_of(client.get(page(run, "retry")))
    client.post(page(run, "retry"), {"input": "as-it-was", "code": "same"})
    engine.drain()
    again = Run.objects.get(retry_of=run)
    assert (again.state, again.job_version) == (RunState.FAILED, old)
    client.post(page(again, "retry"), {"input": "as-it-was", "code": "live"})
    engine.drain()
    last = Run.objects.get(retry_of=again)
    assert (last.state, last.job_version) == (RunState.SUCCESS, new)


def never_live(place):
    job = place.job()
    draft, job.live_version = job.live_version, None
    job.save()
    return job, draft


def test_a_dry_run_of_a_draft_is_repeated_with_the_code_as_it_was_while_none_is_live(place):
    job, draft = never_live(place)
    run = ended_run(place, job, mode=RunMode.DRY, job_version=draft)
    client = logged_in(people_of(place).operator)
    shown = text_of(client.get(page(run, "retry")))
    assert 'name="code" value="same"' in shown
    assert 'name="code" value="live"' not in shown
    refused = client.post(page(run, "retry"), {"input": "as-it-was", "code": "live"})
    assert "no live version" in text_of(refused)
    assert Run.objects.count() == 1
    client.post(page(run, "retry"), {"input": "as-it-was", "code": "same"})
    assert Run.objects.get(retry_of=run).job_version == draft


def test_without_any_code_there_is_no_retry_and_the_page_says_why(place):
    job, _ = never_live(place)
    run = ended_run(place, job)
    client = logged_in(people_of(place).operator)
    assert page(run, "retry") not in text_of(client.get(page(run)))
    answer = client.post(page(run, "retry"), {"input": "as-it-was", "code": "live"}, follow=True)
    assert "no live version" in text_of(answer)
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "This is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"a": NaN}', "NaN and Infinity"),
        ("", "Write the corrected input"),
        ("[" * 30_000, "This is not JSON"),
    ],
)
def test_what_is_no_state_is_refused_with_a_sentence(place, text, said):
    run = ended_run(place, place.job())
    client = logged_in(people_of(place).operator)
    response = client.post(page(run, "retry"), {"input": "corrected", "text": text, "code": "live"})
    assert said in text_of(response)
    assert Run.objects.count() == 1


def test_who_may_not_see_the_input_repeats_it_but_cannot_correct_it(place):
    run = ended_run(place, place.job(), data={"name": "Amina"})
    client = logged_in(people_of(place).blind)
    form = text_of(client.get(page(run, "retry")))
    assert "Amina" not in form
    client.post(page(run, "retry"), {"input": "corrected", "text": "{}", "code": "live", "confirmed": "1"})
    assert Run.objects.count() == 1
    client.post(page(run, "retry"), {"input": "as-it-was", "code": "live"})
    assert Run.objects.get(retry_of=run).input_id == run.input_id


def test_a_run_is_retried_once(place):
    run = ended_run(place, place.job())
    client = logged_in(people_of(place).operator)
    for _ in range(2):
        client.post(page(run, "retry"), {"input": "as-it-was", "code": "live"})
    assert Run.objects.filter(retry_of=run).count() == 1
    assert page(run, "retry") not in text_of(client.get(page(run)))


def test_a_failure_that_was_compensated_says_so_before_it_is_repeated(world, engine):
    job, undo = world.job(CODE), world.job("note('voided')", key="undo-it")
    world.on_end(job, "failure", undo)
    run = job_start(job=job, given=Input(data={"nid": "13"}), by=world.owner)
    engine.drain()
    client = logged_in(people_of(world).operator)
    for address in (page(run), page(run, "retry")):
        text = text_of(client.get(address))
        assert "This failure was already handled by" in text
        assert "Undo-it" in text


UNSURE = """
def send():
    raise RuntimeError("nobody knows")
once("conf-77", send)
"""


@pytest.mark.parametrize(("choice", "left"), [("yes", 1), ("no", 0)])
def test_an_unsure_step_is_decided_by_a_person(world, engine, choice, left):
    run = ended_run(
        world, world.job(), error_type="UnsureError", error_message="“conf-77” may have been sent."
    )
    mark = OnceMark.objects.create(
        project=world.project, work_order=run.work_order, job=run.job, key="conf-77", run=run
    )
    people = people_of(world)
    assert "It was done" not in text_of(logged_in(people.viewer).get(page(run)))
    assert (
        logged_in(people.viewer).post(page(run, "decide"), {"mark": mark.pk, "happened": choice}).status_code
        == 404
    )
    client = logged_in(people.operator)
    assert "It was done" in text_of(client.get(page(run)))
    client.post(page(run, "decide"), {"mark": mark.pk, "happened": choice})
    marks = OnceMark.objects.filter(key="conf-77")
    assert marks.count() == left
    assert all(each.done_at and each.resolved_by == people.operator for each in marks)
    assert "It was done" not in text_of(client.get(page(run)))
    client.post(page(run, "decide"), {"mark": mark.pk, "happened": "no"})
    assert OnceMark.objects.filter(key="conf-77").count() == left, "what is decided stays decided"


def test_a_mark_of_another_run_cannot_be_decided_here(place):
    run = ended_run(place, place.job(), error_type="UnsureError")
    other = ended_run(place, place.job(), error_type="UnsureError")
    mark = OnceMark.objects.create(
        project=place.project, work_order=other.work_order, job=other.job, key="theirs", run=other
    )
    logged_in(people_of(place).operator).post(page(run, "decide"), {"mark": mark.pk, "happened": "no"})
    assert OnceMark.objects.filter(pk=mark.pk, done_at=None).exists()


# --- many at once ---------------------------------------------------------------------------------


def bulk(client, action: str, *runs: Run, **more: str):
    chosen = {"action": action, "_selected_action": [str(run.pk) for run in runs], **more}
    return client.post("/admin/runs/run/", chosen, follow=True)


def test_selected_runs_are_retried_after_a_question_with_an_answer_for_each_kind(place):
    job = place.job()
    failed, good = ended_run(place, job), ended_run(place, job, state=RunState.SUCCESS)
    handled = ended_run(place, job, handled=True)
    client = logged_in(people_of(place).operator)
    asked = text_of(bulk(client, "retry_selected", failed, good, handled))
    assert "3 runs" in asked
    assert Run.objects.count() == 3
    done = text_of(bulk(client, "retry_selected", failed, good, handled, confirmed="1"))
    assert "1 run retried." in done
    assert "1 not retried: It did not fail" in done
    assert "1 not retried: This failure was handled or dismissed" in done
    assert set(Run.objects.filter(retry_of__isnull=False).values_list("retry_of", flat=True)) == {failed.pk}


def test_selected_failures_are_dismissed_with_one_reason(place):
    job = place.job()
    runs = [ended_run(place, job) for _ in range(2)]
    client = logged_in(people_of(place).operator)
    assert "Say why" in text_of(bulk(client, "dismiss_selected", *runs, confirmed="1"))
    bulk(client, "dismiss_selected", *runs, confirmed="1", reason="entered by hand")
    assert set(Run.objects.values_list("dismissed_reason", flat=True)) == {"entered by hand"}


def test_selected_runs_are_cancelled(place):
    job = place.job()
    run = ended_run(place, job)
    waiting = Run.objects.create(
        project=place.project, workflow=run.workflow, work_order=run.work_order, job=place.job()
    )
    client = logged_in(people_of(place).operator)
    done = text_of(bulk(client, "cancel_selected", run, waiting, confirmed="1"))
    assert "1 run cancelled." in done
    assert "1 not cancelled: This run has ended already." in done


def test_selected_runs_that_have_begun_are_asked_to_stop_or_aborted(place):
    job = place.job()
    running, ended = running_run(place, job), ended_run(place, job)
    client = logged_in(people_of(place).operator)
    done = text_of(bulk(client, "cancel_selected", running, confirmed="1"))
    assert "1 had begun: the workers have been asked to stop them" in done
    assert Run.objects.get(pk=running.pk).state == RunState.STARTED

    asked = text_of(bulk(client, "abort_selected", running, ended))
    assert "They are over at once" in asked
    assert ">Cancel</" not in asked, "a way back that is called like the other deed"
    assert Run.objects.get(pk=running.pk).state == RunState.STARTED
    done = text_of(bulk(client, "abort_selected", running, ended, confirmed="1"))
    assert "1 run aborted." in done
    assert "1 not aborted: This run has ended already." in done
    assert Run.objects.get(pk=running.pk).state == RunState.CANCELLED


@pytest.mark.parametrize(
    "action", ["retry_selected", "cancel_selected", "abort_selected", "dismiss_selected"]
)
def test_a_viewer_has_no_actions_and_nobody_reaches_other_projects_by_them(place, action):
    run = ended_run(place, place.job())
    people = people_of(place)
    for person in (people.viewer, people.outsider):
        bulk(logged_in(person), action, run, confirmed="1", reason="x")
    run.refresh_from_db()
    assert (Run.objects.count(), run.dismissed_at) == (1, None)


def test_numbers_stay_as_they_were_written_in_what_a_person_corrects(place):
    run = ended_run(place, place.job())
    raw = b'{"data":{"price":1.10,"id":12345678901234567890123}}'
    State.objects.filter(pk=str(run.input_id)).update(body=raw, size=len(raw), codec="raw")
    text = text_of(logged_in(people_of(place).operator).get(page(run, "retry")))
    assert "1.10" in text
    assert "12345678901234567890123" in text
    assert json.loads(raw)["data"]["id"] == 12345678901234567890123
