"""Retrying many: left to workers, seen while it goes on, stopped when one wants."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry, Membership, Role
from runs.admin.bulk import MANY, SHOWN
from runs.bulk import bulk_work, item_work
from runs.models import BulkOperation, ItemState, Run, RunMode, RunState
from runs.wiping import payload_wipe
from tests.flows.world import World
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import ended_run, text_of
from tests.runs.pretending import end_runs, work_out

pytestmark = pytest.mark.django_db
LIST = "/admin/runs/run/"


def page(operation: BulkOperation, name: str = "change") -> str:
    return reverse(f"admin:runs_bulkoperation_{name}", args=[operation.pk])


def failed_runs(place: World, count: int) -> list[Run]:
    job = place.job()
    return [ended_run(place, job) for _ in range(count)]


def retry(person, runs, *, across: bool = False, query: str = "", **more: str):
    told = {
        "action": "retry_selected",
        "_selected_action": [str(run.pk) for run in runs],
        "confirmed": "1",
        **more,
    }
    return logged_in(person).post(
        f"{LIST}{query}", {**told, "index": "0", "select_across": "1" if across else "0"}
    )


def test_few_are_retried_at_once(place):
    runs = failed_runs(place, 2)
    assert retry(people_of(place).operator, runs)["Location"].endswith(LIST)
    assert Run.objects.exclude(retry_of=None).count() == 2
    assert not BulkOperation.objects.exists()


def test_many_are_left_to_workers_and_their_page_tells_how_far_they_are(place):
    operator = people_of(place).operator
    runs = failed_runs(place, MANY + 1)
    answer = retry(operator, runs[:1], across=True)
    operation = BulkOperation.objects.get()
    assert answer["Location"] == page(operation)
    assert (operation.total, operation.requested_by, operation.project) == (MANY + 1, operator, place.project)
    assert not Run.objects.exclude(retry_of=None).exists()
    assert AuditEntry.objects.filter(action="bulk retry begun", actor=operator).count() == 1
    for _ in range(3):
        item_work(operation_id=operation.pk)
    client = logged_in(people_of(place).viewer)
    shown = text_of(client.get(page(operation)))
    assert f"3 of {MANY + 1}" in shown
    assert "Waits for a free worker." in shown, "the table shows what becomes of each"
    assert 'http-equiv="refresh"' in shown
    work_out()
    shown = text_of(client.get(page(operation)))
    assert f"{MANY + 1} of {MANY + 1}" in shown
    assert 'http-equiv="refresh"' not in shown
    assert Run.objects.exclude(retry_of=None).count() == MANY + 1


def test_of_a_filter_only_what_it_finds_is_retried(place):
    failed_runs(place, 3)
    wanted = failed_runs(place, MANY + 1)
    job = wanted[0].job_id
    retry(people_of(place).operator, wanted[:1], across=True, query=f"?job__id__exact={job}")
    items = BulkOperation.objects.get().items
    assert set(items.values_list("target", flat=True)) == {run.pk for run in wanted}


def test_each_that_was_chosen_gets_an_answer_and_the_page_says_why_not(place):
    runs = failed_runs(place, MANY + 1)
    Run.objects.filter(pk=runs[0].pk).update(dismissed_at=timezone.now())
    retry(people_of(place).operator, runs)
    operation = BulkOperation.objects.get()
    assert operation.total == MANY + 1
    work_out()
    operation.refresh_from_db()
    assert (operation.done, operation.failed) == (MANY, 1)
    reason = operation.items.get(state=ItemState.FAILED).reason
    shown = text_of(logged_in(people_of(place).viewer).get(page(operation)))
    assert reason in shown
    assert reverse("admin:runs_run_change", args=[runs[0].pk]) in shown


def test_an_operator_stops_it_and_what_is_done_stays_done(place):
    people = people_of(place)
    retry(people.operator, failed_runs(place, MANY + 1))
    operation = BulkOperation.objects.get()
    item_work(operation_id=operation.pk)
    assert logged_in(people.viewer).post(page(operation, "cancel")).status_code == 403
    assert page(operation, "cancel") not in text_of(logged_in(people.viewer).get(page(operation)))
    client = logged_in(people.operator)
    assert "stays done" in text_of(client.get(page(operation, "cancel")))
    client.post(page(operation, "cancel"))
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.waiting) == ("cancelled", 1, MANY)
    assert "Left as they are" in text_of(client.get(page(operation)))
    assert page(operation, "cancel") not in text_of(client.get(page(operation)))
    work_out()
    assert Run.objects.exclude(retry_of=None).count() == 1


def test_what_needs_no_retry_begins_nothing(place):
    runs = failed_runs(place, MANY + 1)
    Run.objects.update(dismissed_at=timezone.now())
    client = logged_in(people_of(place).operator)
    told = {"action": "retry_selected", "_selected_action": [str(runs[0].pk)], "confirmed": "1", "index": "0"}
    shown = text_of(client.post(LIST, {**told, "select_across": "1"}, follow=True))
    assert not BulkOperation.objects.exists()
    assert "None of them needs a retry" in shown


def test_runs_of_two_projects_are_two_operations(place):
    other = World("Other")
    operator = people_of(place).operator
    Membership.objects.create(project=other.project, user=operator, role=Role.OPERATOR)
    retry(operator, [*failed_runs(place, MANY), *failed_runs(other, 1)])
    assert sorted(BulkOperation.objects.values_list("project__name", "total")) == sorted(
        [(place.project.name, MANY), (other.project.name, 1)]
    )


def test_where_one_may_only_look_nothing_is_begun(place):
    other = World("Other")
    operator = people_of(place).operator
    Membership.objects.create(project=other.project, user=operator, role=Role.VIEWER)
    retry(operator, [*failed_runs(place, MANY), *failed_runs(other, 1)])
    assert [operation.project for operation in BulkOperation.objects.all()] == [place.project]


# --- one first, and the table ---------------------------------------------------------------------


def asked(person, runs) -> str:
    told = {"action": "retry_selected", "_selected_action": [str(run.pk) for run in runs], "index": "0"}
    return text_of(logged_in(person).post(LIST, told))


def a_mixed_lot(place: World, *, good: int) -> list[Run]:
    """So many that can be retried, and five that cannot, each for a reason of its own."""
    runs = failed_runs(place, good + 2)
    Run.objects.filter(pk=runs[0].pk).update(dismissed_at=timezone.now())
    retried, job = runs[1], place.job()
    again = ended_run(
        place, job, state=RunState.SUCCESS, retry_of=retried, attempt=2, order=retried.work_order
    )
    waiting = ended_run(place, job, state=RunState.AVAILABLE, started_at=None, finished_at=None)
    tried = ended_run(place, job, mode=RunMode.TRIAL, trial_code="fail('x')")
    return [*runs, again, waiting, tried]


LEFT_OUT = (
    "5 will not: 1 not ended yet, 1 did not fail, 1 handled or dismissed already, 1 retried already, "
    "1 of a test, which the editor repeats."
)


def test_the_question_tells_how_many_will_be_retried_and_why_the_others_will_not(place):
    shown = asked(people_of(place).operator, a_mixed_lot(place, good=3))
    assert f"8 runs. 3 runs will be retried. {LEFT_OUT}" in shown


def test_what_the_question_foretold_is_what_came_of_it(place):
    retry(people_of(place).operator, a_mixed_lot(place, good=MANY))
    work_out()
    operation = BulkOperation.objects.get()
    assert (operation.done, operation.failed) == (MANY, 5)


def test_the_message_after_it_tells_the_same(place):
    runs = a_mixed_lot(place, good=MANY)
    client = logged_in(people_of(place).operator)
    told = {"action": "retry_selected", "_selected_action": [str(run.pk) for run in runs], "index": "0"}
    shown = text_of(client.post(LIST, {**told, "confirmed": "1"}, follow=True))
    assert f"{MANY} runs will be retried. {LEFT_OUT} In order of arrival." in shown


def test_a_run_of_a_job_without_a_live_version_is_foretold_as_left_out(place):
    job = place.job()
    draft, job.live_version = job.live_version, None
    job.save()
    runs = [*failed_runs(place, 1), ended_run(place, job, mode=RunMode.DRY, job_version=draft)]
    shown = asked(people_of(place).operator, runs)
    assert "1 run will be retried. 1 will not: 1 of a job that has no live version." in shown
    retry(people_of(place).operator, runs)
    assert Run.objects.exclude(retry_of=None).get().job_id == runs[0].job_id


def test_where_nothing_can_be_done_no_button_offers_it(place):
    shown = asked(people_of(place).operator, a_mixed_lot(place, good=0))
    assert "None of them will be retried." in shown
    assert ">Retry</button>" not in shown
    assert "Each is run again" not in shown
    assert "Try one first" not in shown


@pytest.mark.parametrize(
    ("action", "will"),
    [
        ("cancel", "1 run will be cancelled. 4 will not: 4 ended already."),
        ("abort", "1 run will be aborted. 4 will not: 4 ended already."),
        ("dismiss", "2 runs will be dismissed. 3 will not: 2 did not fail, 1 dismissed already."),
    ],
)
def test_other_questions_about_many_tell_it_too(place, action, will):
    told = {
        "action": f"{action}_selected",
        "_selected_action": [str(run.pk) for run in a_mixed_lot(place, good=0)],
        "index": "0",
    }
    assert will in text_of(logged_in(people_of(place).operator).post(LIST, told))


@pytest.mark.parametrize(("count", "offered", "ticked"), [(1, 0, 0), (10, 1, 0), (11, 1, 1)])
def test_to_try_one_first_is_offered_and_for_many_proposed(place, count, offered, ticked):
    shown = asked(people_of(place).operator, failed_runs(place, count))
    assert shown.count('name="one_first"') == offered
    assert shown.count('name="one_first" value="1" checked') == ticked


def first_tried(place: World, count: int) -> BulkOperation:
    people = people_of(place)
    retry(people.operator, failed_runs(place, count), one_first="1")
    operation = BulkOperation.objects.get()
    bulk_work(seconds=5)
    assert Run.objects.exclude(retry_of=None).count() == 1
    return operation


def test_the_others_follow_when_the_first_has_succeeded(place):
    operation = first_tried(place, 3)
    client = logged_in(people_of(place).viewer)
    assert "One is tried first; the others follow when it has succeeded." in text_of(
        client.get(page(operation))
    )
    work_out()
    shown = text_of(client.get(page(operation)))
    assert "3 of 3" in shown
    assert shown.count(">Succeeded<") >= 3
    assert Run.objects.exclude(retry_of=None).count() == 3


def test_nothing_follows_a_first_that_failed_and_the_page_says_why_and_which(place):
    operation = first_tried(place, 3)
    end_runs(RunState.FAILED, error_type="JobError", error_message="<b>OpenMRS</b> refused.")
    bulk_work(seconds=5)
    [tried] = Run.objects.exclude(retry_of=None)
    shown = text_of(logged_in(people_of(place).viewer).get(page(operation)))
    assert (
        "Stopped: the run that was tried first failed: &lt;b&gt;OpenMRS&lt;/b&gt; refused. Mend that" in shown
    )
    assert reverse("admin:runs_run_change", args=[tried.pk]) in shown
    assert shown.count("left as it is") == 2
    assert page(operation, "cancel") not in shown
    assert "refused" not in text_of(logged_in(people_of(place).viewer).get("/admin/runs/bulkoperation/"))


def test_what_was_erased_of_the_run_is_not_told_by_the_operation(place):
    operation = first_tried(place, 2)
    end_runs(RunState.FAILED, error_type="JobError", error_message="Amina was refused.")
    bulk_work(seconds=5)
    payload_wipe(runs=list(Run.objects.values_list("pk", flat=True)), marker="Erased: 1")
    shown = text_of(logged_in(people_of(place).operator).get(page(operation)))
    assert "Stopped: the run that was tried first failed: JobError." in shown
    assert "Amina" not in shown


def test_the_table_is_paged_and_shows_one_kind_when_asked(place, django_assert_max_num_queries):
    runs = failed_runs(place, SHOWN + 5)
    Run.objects.filter(pk__in=[run.pk for run in runs[:3]]).update(dismissed_at=timezone.now())
    retry(people_of(place).operator, runs)
    operation = BulkOperation.objects.get()
    work_out()
    client = logged_in(people_of(place).viewer)
    client.get(page(operation))
    with django_assert_max_num_queries(14):
        shown = text_of(client.get(page(operation)))
    targets = [str(run.pk) for run in operation_targets(operation)]
    assert [each in shown for each in targets] == [True] * SHOWN + [False] * 5
    after = text_of(client.get(f"{page(operation)}?after={SHOWN}"))
    assert [each in after for each in targets] == [False] * SHOWN + [True] * 5
    left_out = text_of(client.get(f"{page(operation)}?came=left_out"))
    assert sum(each in left_out for each in targets) == 3
    for nonsense in ("?after=x", "?came=x", "?after=99999999999"):
        assert client.get(page(operation) + nonsense).status_code == 200


def operation_targets(operation: BulkOperation) -> list[Run]:
    rows = Run.objects.in_bulk(list(operation.items.values_list("target", flat=True)))
    return [rows[key] for key in operation.items.order_by("position").values_list("target", flat=True)]
