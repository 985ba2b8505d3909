"""Making and changing triggers in the browser."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.models import Job
from runs.models import Run
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of
from triggers.models import FlowEvent, ScheduleKind, Trigger, TriggerKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def job(cast: Cast) -> Job:
    return factories.job(cast.project, "Register")


def add(cast: Cast, job: Job, kind: str, **given: Any) -> Any:
    url = page("triggers_trigger_add", kind=kind, workflow=str(job.workflow_id))
    return at(cast.editor).post(url, {"name": "New one", "jobs": [str(job.pk)], "settings": "", **given})


def pairs(*rows: tuple[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {"pairs-TOTAL_FORMS": len(rows), "pairs-INITIAL_FORMS": 0}
    for index, (inclusion, exclusion) in enumerate(rows):
        data |= {f"pairs-{index}-inclusion": inclusion, f"pairs-{index}-exclusion": exclusion}
    return data


SCHEDULE = {"schedule_kind": "cron", "cron": "0 23 * * FRI", "unit": "weeks", "catch_up": "latest"}
FLOW = {"upstream_scope": "job", "event": "failure", "condition": ""}


def test_a_message_trigger_is_made_from_pairs_of_json(cast: Cast, job: Job) -> None:
    add(cast, job, "message", **pairs(('{"form": {"type": "new"}}', '{"test": true}'), ('{"kind": 8}', "")))
    trigger = Trigger.objects.get()
    assert trigger.criteria == [
        {"inclusion": {"form": {"type": "new"}}, "exclusion": {"test": True}},
        {"inclusion": {"kind": 8}},
    ]
    assert (trigger.kind, trigger.enabled) == (TriggerKind.MESSAGE, False)
    assert list(trigger.jobs.all()) == [job]


def test_a_pair_that_is_left_empty_stands_for_every_message(cast: Cast, job: Job) -> None:
    add(cast, job, "message", **pairs(('{"kind": 8}', ""), ("", "")))
    assert Trigger.objects.get().criteria == [{"inclusion": {"kind": 8}}, {"inclusion": {}}]


def test_a_pair_that_is_no_json_is_told_at_its_place_and_stays(cast: Cast, job: Job) -> None:
    answer = add(cast, job, "message", **pairs(("{}", ""), ('{"form": ', "")))
    assert "line 1, column 9" in str(answer.context["pairs"].forms[1].errors["inclusion"])
    assert not answer.context["pairs"].forms[0].errors
    assert "{&quot;form&quot;:" in text_of(answer)
    assert not Trigger.objects.exists()


def test_a_schedule_is_made_with_its_next_slot_when_switched_on(cast: Cast, job: Job) -> None:
    add(cast, job, "schedule", **SCHEDULE)
    trigger = Trigger.objects.get()
    at(cast.editor).post(page("triggers_trigger_switch_on", trigger.pk))
    trigger.refresh_from_db()
    assert (trigger.schedule_kind, trigger.cron) == (ScheduleKind.CRON, "0 23 * * FRI")
    assert trigger.next_slot_at is not None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"schedule_kind": "every", "every": "2", "unit": "weeks"}, "starts_at"),
        ({"schedule_kind": "once"}, "starts_at"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_at_its_field(
    cast: Cast, job: Job, given: dict[str, str], field: str
) -> None:
    answer = add(cast, job, "schedule", **{**SCHEDULE, **given})
    assert field in answer.context["form"].errors
    assert not Trigger.objects.exists()


def test_a_start_is_read_and_shown_on_the_clock_of_the_schedules_zone(cast: Cast, job: Job) -> None:
    given = {"schedule_kind": "every", "every": "2", "unit": "weeks"}
    given |= {"starts_at": "2026-11-27T23:00", "time_zone": "Africa/Nairobi"}
    add(cast, job, "schedule", **{**SCHEDULE, **given})
    trigger = Trigger.objects.get()
    assert trigger.starts_at is not None
    assert trigger.starts_at.isoformat() == "2026-11-27T20:00:00+00:00"
    shown = at(cast.editor).get(page("triggers_trigger_change", trigger.pk))
    assert shown.context["form"]["starts_at"].value() == "2026-11-27T23:00"


def test_a_flow_follows_another_job(cast: Cast, job: Job) -> None:
    upstream = factories.job(job.workflow, "First")
    add(cast, job, "flow", **FLOW, upstream=str(upstream.pk))
    trigger = Trigger.objects.get()
    assert (trigger.upstream, trigger.event) == (upstream, FlowEvent.FAILURE)


def test_a_circle_is_refused_with_a_sentence(cast: Cast, job: Job) -> None:
    answer = add(cast, job, "flow", **FLOW, upstream=str(job.pk))
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not Trigger.objects.exists()


def test_a_bad_condition_is_told_at_its_field(cast: Cast, job: Job) -> None:
    upstream = factories.job(job.workflow)
    answer = add(cast, job, "flow", **{**FLOW, "condition": "state.data ="}, upstream=str(upstream.pk))
    assert "condition" in answer.context["form"].errors


def test_jobs_of_other_workflows_are_no_choice(cast: Cast, job: Job) -> None:
    other = factories.job(cast.project)
    answer = add(cast, job, "schedule", **{**SCHEDULE, "jobs": [str(other.pk)]})
    assert "jobs" in answer.context["form"].errors


def test_a_foreign_workflow_is_not_found(cast: Cast) -> None:
    foreign = factories.job(factories.project())
    url = page("triggers_trigger_add", kind="message", workflow=str(foreign.workflow_id))
    assert at(cast.editor).get(url).status_code == 404


def test_each_change_is_kept_as_a_revision(cast: Cast, job: Job) -> None:
    trigger = factories.message_trigger(job)
    url = page("triggers_trigger_change", trigger.pk)
    given = {"name": "Renamed", "jobs": [str(job.pk)], "settings": "", **pairs(('{"a": 1}', ""))}
    at(cast.editor).post(url, given)
    trigger.refresh_from_db()
    assert (trigger.name, trigger.revision) == ("Renamed", 2)
    assert "Revision 2, now" in text_of(at(cast.viewer).get(url))


def test_run_now_asks_first_and_then_starts_the_jobs(cast: Cast, job: Job) -> None:
    trigger = factories.cron_trigger(job)
    url = page("triggers_trigger_run_now", trigger.pk)
    assert "as if this were their next time" in text_of(at(cast.operator).get(url))
    assert not Run.objects.exists()
    answer = at(cast.operator).post(url)
    run = Run.objects.get(trigger=trigger)
    assert answer["Location"] == page("runs_run_change", run.pk)


def test_the_preview_tells_the_next_five_times_in_words(cast: Cast, job: Job) -> None:
    url = page(
        "triggers_trigger_preview", workflow=str(job.workflow_id), **SCHEDULE, time_zone="Africa/Nairobi"
    )
    answer = at(cast.viewer).get(url)
    assert len(answer.context["times"]) == 5
    assert all("23:00 EAT" in time for time in answer.context["times"])
    assert "every Friday at 23:00" in text_of(answer) or "Every Friday at 23:00" in text_of(answer)


@pytest.mark.parametrize("cron", ["", "61 * * * *", "0 0 31 2 *", "x" * 500])
def test_the_preview_says_what_is_wrong_instead(cast: Cast, job: Job, cron: str) -> None:
    url = page("triggers_trigger_preview", workflow=str(job.workflow_id), schedule_kind="cron", cron=cron)
    answer = at(cast.viewer).get(url)
    assert answer.status_code == 200
    assert answer.context["problem"]


@pytest.mark.parametrize("workflow", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_the_preview_needs_a_workflow_that_one_sees(cast: Cast, workflow: str) -> None:
    assert at(cast.editor).get(page("triggers_trigger_preview", workflow=workflow)).status_code == 404
