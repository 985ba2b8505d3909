"""Buttons of history pressed twice: never done twice in silence, never broken, always one clear sentence."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from openfn_platform.projects.models import AuditEntry, Role
from runs.admin.bulk import MANY
from runs.ending import not_started
from runs.housekeeping import housekeeping_round
from runs.incidents import note_ending
from runs.models import BulkOperation, Erasure, Incident, PersonFind, PersonSearch, Run
from runs.pressing import AGAIN
from tests.flows.world import World
from tests.pressing import at_once, meanwhile, twin, word_in
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import ended_run, exchanged, page, running_run, text_of
from triggers.models import Message

LIST = "/admin/runs/run/"
FIND = "/admin/runs/personsearch/"
AS_IT_WAS = {"input": "as-it-was", "code": "live"}


def audited(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


def followed(client: Client, address: str, given: Any) -> str:
    answer = client.post(address, given, follow=True)
    assert answer.status_code == 200
    return text_of(answer)


# --- Retry ----------------------------------------------------------------------------------------


def test_a_retry_pressed_twice_is_one_attempt(place):
    run = ended_run(place, place.job())
    client = logged_in(people_of(place).operator)
    assert "Attempt 2 is on its way" in followed(client, page(run, "retry"), AS_IT_WAS)
    assert "It was retried already" in followed(client, page(run, "retry"), AS_IT_WAS)
    assert "It was retried already" in text_of(client.get(page(run, "retry"), follow=True))
    assert Run.objects.filter(retry_of=run).count() == 1


def test_two_presses_of_retry_at_once_are_one_attempt(world):
    run = ended_run(world, world.job())
    client = logged_in(people_of(world).operator)
    said = at_once(*(partial(followed, twin(client), page(run, "retry"), AS_IT_WAS) for _ in range(2)))
    assert sorted("Attempt 2 is on its way" in each for each in said) == [False, True]
    assert sum("retried already" in each or "on its way already" in each for each in said) == 1
    assert Run.objects.filter(retry_of=run).count() == 1


def test_some_that_are_retried_twice_say_so_each(place):
    runs = [ended_run(place, job) for job in [place.job()] for _ in range(2)]
    given = {"action": "retry_selected", "_selected_action": [str(run.pk) for run in runs], "confirmed": "1"}
    client = logged_in(people_of(place).operator)
    assert "2 runs retried." in followed(client, LIST, given)
    assert "2 not retried: A retry of this run is on its way already." in followed(client, LIST, given)
    assert Run.objects.exclude(retry_of=None).count() == 2


def failures_of_one_incident(world: World, count: int) -> Incident:
    job = world.job()
    for _ in range(count):
        note_ending(run=ended_run(world, job), ending=not_started("JobError", "OpenMRS refused."))
    return Incident.objects.get()


def test_trying_one_first_takes_one_however_often_it_is_pressed(place):
    incident = failures_of_one_incident(place, 3)
    client = logged_in(people_of(place).operator)
    address = reverse("admin:runs_incident_retry", args=[incident.pk])
    given = {"one": "1", **word_in(client.get(address))}
    assert "1 run retried" in followed(client, address, given)
    assert "You have pressed this already" in followed(client, address, given)
    assert Run.objects.exclude(retry_of=None).count() == 1


def test_retrying_all_twice_says_that_nothing_is_left(place):
    incident = failures_of_one_incident(place, 2)
    client = logged_in(people_of(place).operator)
    address = reverse("admin:runs_incident_retry", args=[incident.pk])
    assert "2 runs retried" in followed(client, address, {"all": "1"})
    assert "Nothing is left to retry." in followed(client, address, {"all": "1"})
    assert Run.objects.exclude(retry_of=None).count() == 2


# --- many, by workers -----------------------------------------------------------------------------


def many(world: World, client: Client, *, across: str) -> dict[str, Any]:
    """The answer to the question about all of them."""
    job = world.job()
    runs = [ended_run(world, job) for _ in range(MANY + 1)]
    chosen = {"action": "retry_selected", "_selected_action": [str(run.pk) for run in runs]}
    chosen["select_across"] = across
    asked = client.post(LIST, chosen)
    return {**chosen, "confirmed": "1", **word_in(asked)}


@pytest.mark.parametrize("across", ["0", "1"])
def test_a_bulk_operation_that_is_begun_twice_is_begun_once(place, across):
    client = logged_in(people_of(place).operator)
    given = many(place, client, across=across)
    first = client.post(LIST, given)
    again = client.post(LIST, given, follow=True)
    assert again.redirect_chain[-1][0] == first["Location"]
    assert AGAIN in text_of(again)
    assert (BulkOperation.objects.count(), audited("bulk retry begun")) == (1, 1)


def test_two_presses_at_once_begin_one_bulk_operation(world):
    client = logged_in(people_of(world).operator)
    given = many(world, client, across="0")
    answers = at_once(*(partial(twin(client).post, LIST, given) for _ in range(2)))
    operation = BulkOperation.objects.get()
    where = reverse("admin:runs_bulkoperation_change", args=[operation.pk])
    assert [answer["Location"] for answer in answers] == [where] * 2


# --- with a message -------------------------------------------------------------------------------


def message_page(message: Message, what: str) -> str:
    return f"/admin/triggers/message/{message.pk}/{what}/"


def test_a_job_run_with_a_message_twice_runs_once(place):
    job = place.job()
    place.post({"n": 1})
    client, address = logged_in(people_of(place).operator), message_page(Message.objects.get(), "run")
    given = {"jobs": str(job.pk), "confirmed": "1", **word_in(client.get(address))}
    first = client.post(address, given)
    again = client.post(address, given, follow=True)
    assert again.redirect_chain[-1][0] == first["Location"] == page(Run.objects.get())
    assert AGAIN in text_of(again)


def test_a_message_that_is_reprocessed_twice_says_that_it_is_on_its_way(place):
    job = place.job()
    place.post({"n": 1})
    client, address = logged_in(people_of(place).operator), message_page(Message.objects.get(), "reprocess")
    given = {"jobs": str(job.pk), "confirmed": "1", **word_in(client.get(address))}
    followed(client, address, given)
    assert "it is on its way with this message" in followed(client, address, given)
    assert Run.objects.count() == 1


# --- Cancel, Abort, Dismiss -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "given", "action"),
    [("cancel", {}, "run cancelled"), ("abort", {}, "run aborted")],
)
def test_a_running_run_is_stopped_once_however_often_one_presses(place, deed, given, action):
    run = running_run(place, place.job())
    client = logged_in(people_of(place).operator)
    said = [followed(client, page(run, deed), given) for _ in range(2)]
    assert ("asked to stop it" if deed == "cancel" else "The run is aborted.") in said[0]
    assert ("asked to stop it" if deed == "cancel" else "This run has ended already.") in said[1]
    assert audited(action) == 1


def test_a_failure_that_is_dismissed_twice_keeps_the_first_reason(place):
    run = ended_run(place, place.job())
    client = logged_in(people_of(place).operator)
    followed(client, page(run, "dismiss"), {"reason": "entered by hand"})
    assert "nobody has dismissed yet" in followed(client, page(run, "dismiss"), {"reason": "other"})
    run.refresh_from_db()
    assert (run.dismissed_reason, audited("run dismissed")) == ("entered by hand", 1)


# --- erasing a person -----------------------------------------------------------------------------


@pytest.fixture
def at_once_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.finding.filling.BEHIND", timedelta(0))


def keep_house() -> None:
    while housekeeping_round(pause=lambda _seconds: False):
        pass


def found(world: World, client: Client) -> tuple[PersonSearch, dict[str, Any]]:
    """A search that found somebody, and the form that erases them."""
    world.post({"name": "Ottilie Wambrecht"})
    client.post(FIND, {"project": str(world.project.pk), "who": "Ottilie Wambrecht"})
    keep_house()
    search = PersonSearch.objects.get()
    finds = list(PersonFind.objects.filter(search=search).values_list("pk", flat=True))
    assert finds
    return search, {"offered": finds, "find": finds, "reason": "asked by letter", "word": "ERASE"}


def test_a_person_is_erased_once_however_often_one_presses(place, at_once_found):
    client = logged_in(place.person(Role.ADMIN))
    search, given = found(place, client)
    address = f"{FIND}{search.pk}/erase/"
    assert "The erasure has begun." in followed(client, address, given)
    under_way = followed(client, address, given)
    assert f"An erasure by this search is under way: {Erasure.objects.get().number}." in under_way
    keep_house()
    assert "What this search found was erased" in followed(client, address, given)
    assert (Erasure.objects.count(), audited("person erased")) == (1, 1)


def test_two_presses_of_erase_at_once_are_one_certificate(world, at_once_found):
    client = logged_in(world.person(Role.ADMIN))
    search, given = found(world, client)
    address = f"{FIND}{search.pk}/erase/"
    said = meanwhile(
        partial(followed, client, address, given), partial(followed, twin(client), address, given)
    )
    assert ["The erasure has begun." in each for each in said] == [True, False]
    assert "is under way" in said[1]
    assert Erasure.objects.count() == 1


# --- exports --------------------------------------------------------------------------------------


def test_an_export_that_is_asked_for_twice_at_once_is_two_whole_files_and_two_entries(world):
    exchanged(ended_run(world, world.job()))
    client = logged_in(people_of(world).operator)
    address = "/admin/runs/httpexchange/export/?format=csv"

    def save(browser: Client) -> str:
        answer = browser.get(address)
        assert answer.status_code == 200
        return text_of(answer)

    one, other = at_once(*(partial(save, twin(client)) for _ in range(2)))
    assert one == other
    assert one.count("https://dhis2.example/api/events") == 1
    assert audited("sent exported") == 2
