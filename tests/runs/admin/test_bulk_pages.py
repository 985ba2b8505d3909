"""Retrying many: left to workers, seen while it goes on, stopped when one wants."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry, Membership, Role
from runs.admin.bulk import MANY
from runs.bulk import bulk_work, item_work
from runs.models import BulkOperation, ItemState, Run
from tests.flows.world import World
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import ended_run, text_of

pytestmark = pytest.mark.django_db
LIST = "/admin/runs/run/"


def page(operation: BulkOperation, name: str = "change") -> str:
    return reverse(f"admin:runs_bulkoperation_{name}", args=[operation.pk])


def failed_runs(place: World, count: int) -> list[Run]:
    job = place.job()
    return [ended_run(place, job) for _ in range(count)]


def retry(person, runs, *, across: bool = False, query: str = ""):
    told = {"action": "retry_selected", "_selected_action": [str(run.pk) for run in runs], "confirmed": "1"}
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
    assert 'http-equiv="refresh"' in shown
    while bulk_work(seconds=5):
        pass
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
    while bulk_work(seconds=5):
        pass
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
    while bulk_work(seconds=5):
        pass
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
