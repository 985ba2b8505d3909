"""Editing triggers: what each kind may say, revisions, slots that must not get lost, circles."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.declaring import BadSetting
from openfn_platform.common.errors import Invalid, NotAllowed, NotFound
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.founding import project_change
from openfn_platform.projects.models import Project
from tests import factories
from triggers.circles import Circle
from triggers.editing import (
    FlowSpec,
    MessageSpec,
    ScheduleSpec,
    TriggerArchived,
    trigger_archive,
    trigger_change,
    trigger_create,
    trigger_switch,
)
from triggers.inboxes import inbox_create
from triggers.models import FlowEvent, FlowScope, Slot, SlotState, Trigger, TriggerRevision

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def job(cast):
    return factories.job(cast.project, "Register")


def make(cast, spec, *jobs, **more) -> Trigger:
    return trigger_create(name="When", spec=spec, jobs=jobs, by=cast.editor, **more)


def due_at(trigger) -> datetime:
    """When it is next due, as stored."""
    found = Trigger.objects.get(pk=trigger.pk).next_slot_at
    assert found is not None
    return found


def beside(job, name, **more):
    """Another job of the same workflow."""
    return factories.job(job.workflow, name, **more)


# ---- making ----------------------------------------------------------------------------------------------


def test_a_trigger_is_off_when_made_and_has_its_first_revision(cast, job):
    trigger = make(cast, MessageSpec(criteria=[{"inclusion": {"type": "birth"}}]), job)
    assert (trigger.enabled, trigger.workflow, trigger.kind) == (False, job.workflow, "message")
    revision = TriggerRevision.objects.get(trigger=trigger)
    assert (revision.number, revision.author) == (1, cast.editor)
    assert revision.snapshot["criteria"] == [{"inclusion": {"type": "birth"}}]
    assert [each["key"] for each in revision.snapshot["jobs"]] == [job.key]


@pytest.mark.parametrize("person", ["operator", "outsider"])
def test_only_editors_make_and_change_triggers(cast, job, person):
    somebody = getattr(cast, person)
    trigger = make(cast, MessageSpec(), job)
    for deed in (
        lambda: trigger_create(name="x", spec=MessageSpec(), jobs=[job], by=somebody),
        lambda: trigger_change(trigger=trigger, by=somebody, name="x"),
        lambda: trigger_switch(trigger=trigger, enabled=True, by=somebody),
        lambda: trigger_archive(trigger=trigger, by=somebody),
    ):
        with pytest.raises(NotFound if person == "outsider" else NotAllowed):
            deed()


def test_its_jobs_are_all_of_one_workflow(cast, job):
    elsewhere = factories.job(cast.project, "Elsewhere")
    with pytest.raises(Invalid, match="“Elsewhere” belongs to another workflow"):
        make(cast, MessageSpec(), job, elsewhere)
    assert not Trigger.objects.exists()


def test_without_jobs_it_needs_a_workflow(cast, job):
    with pytest.raises(Invalid, match="which jobs"):
        make(cast, MessageSpec())
    assert make(cast, MessageSpec(), workflow=job.workflow).workflow == job.workflow


@pytest.mark.parametrize(
    "criteria",
    [
        [],
        [{}],
        ["text"],
        [{"inclusion": {}, "also": 1}],
        [{"inclusion": float("nan")}],
        [{"inclusion": "\0"}],
        [{"inclusion": "\ud800"}],
        [{"inclusion": {"a": "x" * 100_001}}],
        [{"inclusion": {}}] * 51,
    ],
    ids=["none", "empty", "text", "unknown", "nan", "nul", "half", "long", "many"],
)
def test_criteria_that_cannot_be_stored_or_mean_nothing_are_refused(cast, job, criteria):
    with pytest.raises(Invalid):
        make(cast, MessageSpec(criteria=criteria), job)


def test_criteria_may_be_any_json(cast, job):
    criteria: list[dict[str, object]] = [
        {"inclusion": [1, "é😀", None, "\\u0000"]},
        {"inclusion": {}, "exclusion": {"a": {"b": 1.5}}},
    ]
    trigger = make(cast, MessageSpec(criteria=criteria), job)
    assert Trigger.objects.get(pk=trigger.pk).criteria == criteria


def test_settings_override_only_what_a_job_declares(cast):
    job = factories.job(
        cast.project, settings=[{"key": "place", "type": "text"}, {"key": "n", "type": "number"}]
    )
    assert make(cast, MessageSpec(), job, settings={"place": "Lomé"}).settings == {"place": "Lomé"}
    with pytest.raises(BadSetting, match="there are: n, place"):
        make(cast, MessageSpec(), job, settings={"plaice": "x"})
    with pytest.raises(BadSetting, match="a number"):
        make(cast, MessageSpec(), job, settings={"n": "three"})


# ---- schedules -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (ScheduleSpec(kind="cron", cron="61 * * * *"), "minute"),
        (ScheduleSpec(kind="cron", cron="0 0 31 2 *"), "never"),
        (ScheduleSpec(kind="every", every=2, unit="weeks"), "from which date"),
        (ScheduleSpec(kind="every", every=0, unit="weeks", starts_at=datetime(2026, 1, 1)), "is never"),
        (ScheduleSpec(kind="once"), "on which date"),
        (ScheduleSpec(kind="cron", cron="@daily", time_zone="Mars/Olympus"), "no time zone"),
        (ScheduleSpec(kind="daily"), "one of"),
        (ScheduleSpec(kind="cron", cron="@daily", catch_up="perhaps"), "one of"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_with_the_reason(cast, job, spec, sentence):
    with pytest.raises(Invalid, match=sentence):
        make(cast, spec, job)


def test_a_time_without_a_zone_is_the_clock_on_the_wall_there(cast, job):
    project_change(project=cast.project, by=cast.admin, time_zone="Africa/Nairobi")
    job.workflow.refresh_from_db()
    friday = datetime(2099, 1, 2, 23, 0)
    trigger = make(
        cast, ScheduleSpec(kind="every", every=2, unit="weeks", starts_at=friday), job, enabled=True
    )
    assert trigger.starts_at == datetime(2099, 1, 2, 20, 0, tzinfo=UTC)
    assert trigger.next_slot_at == trigger.starts_at


def test_the_next_slot_is_set_when_it_is_on_and_only_then(cast, job):
    trigger = make(cast, ScheduleSpec(kind="cron", cron="0 * * * *"), job)
    assert trigger.next_slot_at is None
    trigger_switch(trigger=trigger, enabled=True, by=cast.editor)
    assert timezone.now() < due_at(trigger) <= timezone.now() + timedelta(hours=1)
    trigger_switch(trigger=trigger, enabled=False, by=cast.editor)
    assert Trigger.objects.get(pk=trigger.pk).next_slot_at is None


def test_once_in_the_past_cannot_be_switched_on(cast, job):
    trigger = make(cast, ScheduleSpec(kind="once", starts_at=datetime(2020, 1, 1)), job)
    with pytest.raises(Invalid, match="has passed"):
        trigger_switch(trigger=trigger, enabled=True, by=cast.editor)


def overdue(cast, job, **more) -> Trigger:
    """A schedule whose last three hours nobody served."""
    trigger = make(cast, ScheduleSpec(kind="cron", cron="0 * * * *", **more), job, enabled=True)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    Trigger.objects.filter(pk=trigger.pk).update(next_slot_at=hour - timedelta(hours=2))
    return trigger


def test_a_change_that_is_not_about_time_leaves_a_due_slot_due(cast, job):
    trigger = overdue(cast, job)
    due = due_at(trigger)
    trigger_change(
        trigger=trigger, by=cast.editor, name="Other", spec=ScheduleSpec(kind="cron", cron="0 * * * *")
    )
    assert due_at(trigger) == due
    assert not Slot.objects.exists()


@pytest.mark.parametrize("deed", ["retimed", "switched off", "archived", "zone of the project"])
def test_slots_that_a_change_would_lose_are_recorded_as_skipped(cast, job, deed):
    trigger = overdue(cast, job)
    due = due_at(trigger)
    match deed:
        case "retimed":
            trigger_change(trigger=trigger, by=cast.editor, spec=ScheduleSpec(kind="cron", cron="30 * * * *"))
        case "switched off":
            trigger_switch(trigger=trigger, enabled=False, by=cast.editor)
        case "archived":
            trigger_archive(trigger=trigger, by=cast.editor)
        case _:
            project_change(project=cast.project, by=cast.admin, time_zone="Asia/Tokyo")
    slots = Slot.objects.filter(trigger=trigger).order_by("at")
    assert [slot.at for slot in slots] == [due, due + timedelta(hours=1), due + timedelta(hours=2)]
    assert {slot.state for slot in slots} == {SlotState.SKIPPED}
    following = Trigger.objects.get(pk=trigger.pk).next_slot_at
    assert following is None or following > timezone.now()


def test_what_was_missed_while_off_is_no_debt(cast, job):
    trigger = make(
        cast, ScheduleSpec(kind="every", every=1, unit="hours", starts_at=datetime(2026, 1, 1)), job
    )
    trigger_switch(trigger=trigger, enabled=True, by=cast.editor)
    assert due_at(trigger) > timezone.now()
    assert not Slot.objects.exists()


def test_a_schedule_without_a_zone_follows_the_projects(cast, job):
    own = make(cast, ScheduleSpec(kind="cron", cron="0 3 * * *", time_zone="UTC"), job, enabled=True)
    followed = make(cast, ScheduleSpec(kind="cron", cron="0 3 * * *"), job, enabled=True)
    project_change(project=cast.project, by=cast.admin, time_zone="Asia/Tokyo")
    assert due_at(own).astimezone(UTC).hour == 3
    assert due_at(followed).astimezone(UTC).hour == 18


# ---- flows -----------------------------------------------------------------------------------------------


def test_a_flow_of_another_projects_job_is_refused(cast, job):
    foreign = factories.job(factories.project())
    with pytest.raises(Invalid, match="another project"):
        make(cast, FlowSpec(upstream=foreign, event=FlowEvent.SUCCESS), job)


@pytest.mark.parametrize(
    "spec",
    [
        lambda job: FlowSpec(event=FlowEvent.SUCCESS),
        lambda job: FlowSpec(event="sometimes", upstream=job),
        lambda job: FlowSpec(event=FlowEvent.SUCCESS, scope="world"),
        lambda job: FlowSpec(event=FlowEvent.SUCCESS, upstream=job, scope=FlowScope.WORKFLOW),
    ],
)
def test_a_flow_says_what_it_follows(cast, job, spec):
    with pytest.raises(Invalid):
        make(cast, spec(job), beside(job, "Next"))


def test_a_job_cannot_follow_itself(cast, job):
    with pytest.raises(Circle, match="itself"):
        make(cast, FlowSpec(upstream=job, event=FlowEvent.FAILURE), job)


def test_a_circle_is_refused_with_its_names_also_across_workflows_and_when_off(cast, job):
    second = factories.job(cast.project, "Send SMS")
    make(cast, FlowSpec(upstream=job, event=FlowEvent.SUCCESS), second, enabled=False)
    with pytest.raises(Circle, match="“Register” → “Send SMS” → “Register”"):
        make(cast, FlowSpec(upstream=second, event=FlowEvent.FAILURE), job)


def test_a_change_can_close_a_circle_too(cast, job):
    second = beside(job, "Second")
    harmless = make(cast, FlowSpec(upstream=second, event=FlowEvent.SUCCESS), beside(job, "Third"))
    make(cast, FlowSpec(upstream=job, event=FlowEvent.SUCCESS), second)
    with pytest.raises(Circle):
        trigger_change(trigger=harmless, by=cast.editor, jobs=[job])
    assert [link.job.name for link in harmless.trigger_jobs.all()] == ["Third"]


def test_a_catch_all_is_fine_unless_it_hears_what_follows_from_it(cast, job):
    alert = beside(job, "Alert")
    catch_all = FlowSpec(event=FlowEvent.FAILURE, scope=FlowScope.WORKFLOW)
    after_it = FlowSpec(upstream=alert, event=FlowEvent.COMPLETION)
    first, last = make(cast, catch_all, alert), beside(job, "Note down")
    with pytest.raises(Circle, match="“Note down” → “Alert” → “Note down”"):
        make(cast, after_it, last)
    trigger_archive(trigger=first, by=cast.editor)
    make(cast, after_it, last)
    with pytest.raises(Circle, match="also hears what follows"):
        make(cast, catch_all, alert)


def test_archived_triggers_close_no_circle(cast, job):
    second = beside(job, "Second")
    first = make(cast, FlowSpec(upstream=job, event=FlowEvent.SUCCESS), second)
    trigger_archive(trigger=first, by=cast.editor)
    make(cast, FlowSpec(upstream=second, event=FlowEvent.SUCCESS), job)


@pytest.mark.parametrize(
    "condition", ["state.data['age'] < 5", "value('form.sex', None) == 'f'", "len(state.data) > 1"]
)
def test_a_condition_is_an_expression_over_the_state(cast, job, condition):
    trigger = make(
        cast,
        FlowSpec(upstream=job, event=FlowEvent.SUCCESS, condition=f" {condition}\n"),
        beside(job, "Next"),
    )
    assert trigger.condition == condition


@pytest.mark.parametrize(
    "condition",
    [
        "state.data[",
        "age < 5",
        "x = 1",
        "1)\nimport os\n(2",
        "steps['a'].data",
        "-" * 4_000 + "1",
        "return True",
    ],
)
def test_a_condition_that_does_not_compile_is_refused(cast, job, condition):
    with pytest.raises(Invalid, match=r"condition"):
        make(cast, FlowSpec(upstream=job, event=FlowEvent.SUCCESS, condition=condition), beside(job, "Next"))


@pytest.mark.django_db(transaction=True)
def test_two_halves_of_a_circle_cannot_be_saved_at_the_same_time():
    home = factories.project()
    first, second = factories.job(home), factories.job(home)
    refused: list[Circle] = []
    begin = threading.Barrier(2)

    def follow(upstream, started):
        try:
            begin.wait(timeout=10)
            factories.flow_trigger(upstream, started)
        except Circle as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=follow, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert (len(refused), Trigger.objects.count()) == (1, 1)


# ---- changing and putting away ---------------------------------------------------------------------------


def test_each_change_is_a_revision_and_reaches_the_inboxes(cast, job):
    trigger = make(cast, MessageSpec(), job, enabled=True)
    before = Project.objects.get(pk=cast.project.pk).config_version
    trigger_change(trigger=trigger, by=cast.admin, spec=MessageSpec(criteria=[{"inclusion": {"a": 1}}]))
    trigger.refresh_from_db()
    assert trigger.revision == 2
    assert Project.objects.get(pk=cast.project.pk).config_version > before
    found = TriggerRevision.objects.filter(trigger=trigger).order_by("number")
    assert [each.snapshot["criteria"][0]["inclusion"] for each in found] == [{}, {"a": 1}]


def test_saving_it_as_it_was_is_no_revision(cast, job):
    trigger = make(cast, MessageSpec(), job)
    trigger_change(
        trigger=trigger, by=cast.editor, name=trigger.name, spec=MessageSpec(), jobs=[job], settings={}
    )
    assert Trigger.objects.get(pk=trigger.pk).revision == 1


def test_jobs_come_and_go(cast, job):
    trigger, other = make(cast, MessageSpec(), job), beside(job, "Other")
    trigger_change(trigger=trigger, by=cast.editor, jobs=[other])
    assert [link.job for link in trigger.trigger_jobs.all()] == [other]


def test_a_trigger_keeps_its_kind(cast, job):
    with pytest.raises(Invalid, match="keeps its kind"):
        trigger_change(
            trigger=make(cast, MessageSpec(), job),
            by=cast.editor,
            spec=ScheduleSpec(kind="cron", cron="@daily"),
        )


def test_an_archived_trigger_takes_its_address_along_and_stays_as_it_is(cast, job):
    trigger = make(cast, MessageSpec(), job, enabled=True)
    inbox = inbox_create(project=cast.project, name="Own", by=PLATFORM, trigger=trigger)
    trigger_archive(trigger=trigger, by=cast.editor)
    inbox.refresh_from_db()
    assert inbox.archived_at is not None
    with pytest.raises(TriggerArchived):
        trigger_switch(trigger=trigger, enabled=True, by=cast.editor)
