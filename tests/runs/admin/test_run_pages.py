"""The list and the page of runs: who sees what, and that it stays harmless and bounded."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from runs.models import LogLine, Run, RunState, State, StateKind
from runs.states import state_store
from tests.flows.world import World
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import CANARY, SCRIPT, ended_run, page, running_run, text_of

LIST = "/admin/runs/run/"
DATA_PARTS = ("log", "input", "final", "difference", "http", "problems")
FILES = ("log-file", "input-file", "final-file")


def test_a_member_reads_why_a_run_failed_and_where_in_the_code(place):
    job = place.job("a = 1\nfail('no')\nb = 2")
    run = ended_run(place, job, failure={"line": 2, "hint": "Correct the identifier."})
    text = text_of(logged_in(people_of(place).viewer).get(page(run)))
    assert "Failed: OpenMRS refused the patient. (attempt 1 of 1)" in text
    assert "Correct the identifier." in text
    marked = text.split('id="failed-line"')[1].split("</div>")[0]
    assert "fail(&#x27;no&#x27;)" in marked


def test_nobody_from_elsewhere_learns_that_a_run_exists(place):
    run = ended_run(place, place.job())
    client = logged_in(people_of(place).outsider)
    for what in ("change", "retry", "cancel", "abort", "dismiss", "live", "log", *FILES, "decide"):
        assert client.get(page(run, what)).status_code == 404, what
    assert str(run.pk) not in text_of(client.get(LIST))
    assert client.get("/admin/runs/run/not-an-id/change/").status_code == 404
    assert client.get(f"/admin/runs/run/{uuid.uuid4()}/change/").status_code == 404


@pytest.mark.parametrize("part", DATA_PARTS)
def test_personal_data_is_shown_only_to_those_who_may_see_it(place, part):
    people = people_of(place)
    run = ended_run(
        place,
        place.job(),
        data={"name": CANARY},
        final={"data": {"id": CANARY}},
        problems=[[CANARY, "refused"]],
        problem_count=1,
    )
    query = f"?show={part}"
    hidden = text_of(logged_in(people.viewer).get(page(run, query=query)))
    assert CANARY not in hidden
    assert "may see data" in hidden
    assert CANARY in text_of(logged_in(people.operator).get(page(run, query=query)))


@pytest.mark.parametrize("file", FILES)
def test_files_are_for_those_who_may_see_data_and_are_never_shown_by_the_browser(place, file):
    people = people_of(place)
    run = ended_run(place, place.job(), data={"n": CANARY}, final={"data": CANARY})
    assert logged_in(people.viewer).get(page(run, file)).status_code == 403
    response = logged_in(people.operator).get(page(run, file))
    assert response["Content-Disposition"].startswith("attachment")
    assert CANARY in text_of(response)
    assert AuditEntry.objects.filter(action="payload opened", object_id=str(run.pk)).count() == 1


def test_opening_data_is_audited_and_looking_at_code_is_not(place):
    operator = people_of(place).operator
    run = ended_run(place, place.job())
    client = logged_in(operator)
    client.get(page(run, query="?show=input"))
    client.get(page(run, query="?show=code"))
    client.get(page(run, query="?show=input"))
    for after in range(5):
        client.get(page(run, "log", f"?after={after}"))  # as the page does while one looks on
    entries = AuditEntry.objects.filter(action="payload opened").order_by("id")
    assert [(entry.actor, entry.changes) for entry in entries] == [
        (operator, {"part": "input"}),
        (operator, {"part": "log"}),
    ]
    assert all(entry.opened and entry.address == "127.0.0.1" for entry in entries)
    assert all(entry.object_name == run.job.name for entry in entries)


def test_what_jobs_and_partners_say_is_text_and_never_markup(place):
    run = ended_run(
        place,
        place.job(f"# {SCRIPT}"),
        data={SCRIPT: SCRIPT},
        final={"data": SCRIPT},
        error_message=SCRIPT,
        failure={"line": 1, "hint": SCRIPT},
        problems=[[SCRIPT, SCRIPT]],
        problem_count=1,
    )
    LogLine.objects.filter(run_id=run.pk).update(text=SCRIPT)
    client = logged_in(people_of(place).operator)
    addresses = [
        LIST,
        page(run, "retry"),
        page(run, "log"),
        *(page(run, query=f"?show={p}") for p in DATA_PARTS),
    ]
    for address in addresses:
        text = text_of(client.get(address))
        assert "<script>alert" not in text, address
        assert "alert(" in text, address


def test_a_viewer_is_offered_nothing_and_may_do_nothing(place):
    run = ended_run(place, place.job())
    client = logged_in(people_of(place).viewer)
    text = text_of(client.get(page(run)))
    assert page(run, "retry") not in text
    assert page(run, "dismiss") not in text
    assert client.post(page(run, "dismiss"), {"reason": "x"}).status_code == 403
    assert client.post(page(run, "retry"), {"input": "as-it-was", "code": "live"}).status_code == 403
    run.refresh_from_db()
    assert run.dismissed_at is None
    assert Run.objects.count() == 1


def test_an_operator_dismisses_a_failure_with_a_reason(place):
    operator = people_of(place).operator
    run = ended_run(place, place.job())
    client = logged_in(operator)
    assert "required" in text_of(client.post(page(run, "dismiss"), {"reason": ""})).lower()
    client.post(page(run, "dismiss"), {"reason": "entered by hand"})
    run.refresh_from_db()
    assert (run.dismissed_by, run.dismissed_reason) == (operator, "entered by hand")
    assert "entered by hand" in text_of(client.get(page(run)))
    assert AuditEntry.objects.filter(action="run dismissed", actor=operator).exists()


def test_a_waiting_run_is_cancelled_after_a_question(place):
    operator = people_of(place).operator
    run = ended_run(place, place.job(), state=RunState.SUCCESS)
    waiting = Run.objects.create(
        project=place.project, workflow=run.workflow, work_order=run.work_order, job=place.job()
    )
    client = logged_in(operator)
    client.get(page(waiting, "cancel"))
    assert Run.objects.get(pk=waiting.pk).state == RunState.AVAILABLE
    client.post(page(waiting, "cancel"))
    assert Run.objects.get(pk=waiting.pk).state == RunState.CANCELLED
    assert page(waiting, "abort") not in text_of(client.get(page(waiting)))


def test_a_running_run_is_cancelled_politely_or_aborted_at_once(place):
    people = people_of(place)
    run = running_run(place, place.job())
    client = logged_in(people.operator)
    shown = text_of(client.get(page(run)))
    assert page(run, "cancel") in shown
    assert page(run, "abort") in shown
    assert "asked to stop it" in text_of(client.post(page(run, "cancel"), follow=True))
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_by) == (RunState.STARTED, people.operator)

    shown = text_of(client.get(page(run)))
    assert page(run, "cancel") not in shown, "it was asked for already"
    asked = text_of(client.get(page(run, "abort")))
    assert "also when its worker hangs" in asked
    assert "stays there" in asked
    assert ">Cancel</" not in asked, "a way back that is called like the other deed"
    assert Run.objects.get(pk=run.pk).state == RunState.STARTED, "to ask is not to do"
    assert "The run is aborted." in text_of(client.post(page(run, "abort"), follow=True))
    run.refresh_from_db()
    assert (run.state, run.token) == (RunState.CANCELLED, None)
    assert run.note == f"Aborted by {people.operator} while it ran."
    assert AuditEntry.objects.filter(action="run aborted", actor=people.operator).count() == 1
    assert page(run, "abort") not in text_of(client.get(page(run)))


def test_a_viewer_aborts_nothing(place):
    run = running_run(place, place.job())
    client = logged_in(people_of(place).viewer)
    assert page(run, "abort") not in text_of(client.get(page(run)))
    assert client.post(page(run, "abort")).status_code == 403
    run.refresh_from_db()
    assert run.state == RunState.STARTED


def test_the_live_log_gives_new_lines_only_and_stops_when_the_run_has_ended(place):
    run = ended_run(place, place.job(), state=RunState.SUCCESS)
    now = timezone.now()
    LogLine.objects.create(
        project_id=place.project.pk, run_id=run.pk, seq=2, at=now, level="error", text="two"
    )
    client = logged_in(people_of(place).operator)
    text = text_of(client.get(page(run, "log", "?after=1")))
    assert "two" in text
    assert CANARY not in text
    assert "hx-get" not in text
    going = Run.objects.create(
        project=place.project, workflow=run.workflow, work_order=run.work_order, job=place.job()
    )
    assert "after=7" in text_of(client.get(page(going, "log", "?after=7")))
    assert logged_in(people_of(place).viewer).get(page(going, "log")).status_code == 404


def test_the_head_asks_again_until_something_changed(place):
    run = ended_run(place, place.job(), state=RunState.SUCCESS)
    waiting = Run.objects.create(
        project=place.project,
        workflow=run.workflow,
        work_order=run.work_order,
        job=place.job(),
        waits_for="The system behind “OpenMRS” cannot be reached.",
    )
    client = logged_in(people_of(place).viewer)
    same = client.get(page(waiting, "live", "?state=available"))
    assert "cannot be reached" in text_of(same)
    assert "every 2s" in text_of(same)
    changed = client.get(page(run, "live", "?state=started"))
    assert (changed.status_code, changed["HX-Refresh"]) == (204, "true")


def test_a_large_state_is_shown_by_its_beginning_and_never_unpacked_whole(place):
    run = ended_run(place, place.job())
    raw = json.dumps({"data": {"rows": ["x" * 50] * 100_000}}).encode()
    Run.objects.filter(pk=run.pk).update(
        final=state_store(project_id=place.project.pk, kind=StateKind.FINAL, raw=raw)
    )
    client = logged_in(people_of(place).operator)
    response = client.get(page(run, query="?show=final"))
    assert len(response.content) < 300_000
    assert "Only the beginning is shown" in text_of(response)
    assert text_of(client.get(page(run, "final-file"))) == raw.decode()
    assert "too large" in text_of(client.get(page(run, query="?show=difference")))


def test_an_erased_state_says_so(place):
    run = ended_run(place, place.job())
    State.objects.filter(pk=str(run.input_id)).update(body=None)
    client = logged_in(people_of(place).operator)
    assert "It was erased" in text_of(client.get(page(run, query="?show=input")))
    assert client.get(page(run, "input-file")).status_code == 404


def test_text_that_no_screen_can_show_does_not_break_the_page(place):
    run = ended_run(place, place.job())
    raw = rb'{"data": {"lone": "\ud800", "nul": "\u0000", "big": 1e999, "digits": ' + b"9" * 5000 + b"}}"
    Run.objects.filter(pk=run.pk).update(
        input=state_store(project_id=place.project.pk, kind=StateKind.INPUT, raw=raw)
    )
    client = logged_in(people_of(place).operator)
    for part in ("input", "difference"):
        assert client.get(page(run, query=f"?show={part}")).status_code == 200
    assert "1e999" in text_of(client.get(page(run, query="?show=input")))
    assert client.get(page(run, "retry")).status_code == 200


# --- the list -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("outcome=failed", {"failed", "lost"}),
        ("outcome=succeeded", {"good"}),
        ("outcome=cancelled", {"skipped"}),
        ("state__exact=lost", {"lost"}),
        ("care=dismissed", {"lost"}),
        ("care=open", {"failed"}),
        ("care=retried", set()),
        ("mode__exact=trial", {"skipped"}),
        ("outcome=nonsense", {"failed", "lost", "good", "skipped"}),
        ("job__id__exact=nonsense", set()),
        ("from=2020-01-01&until=2020-01-02", set()),
        ("from=2020-01-01", {"failed", "lost", "good", "skipped"}),
        ("from=99-99&until=x", {"failed", "lost", "good", "skipped"}),
    ],
)
def test_filters_stand_in_the_address(place, query, found):
    job = place.job()
    notes = {
        "failed": ended_run(place, job, error_message="say failed"),
        "lost": ended_run(
            place, job, state=RunState.LOST, error_message="say lost", dismissed_at=timezone.now()
        ),
        "good": ended_run(place, job, state=RunState.SUCCESS, note="say good"),
        "skipped": ended_run(
            place, job, state=RunState.SKIPPED, note="say skipped", error_message="", mode="trial"
        ),
    }
    text = text_of(logged_in(people_of(place).viewer).get(f"{LIST}?{query}"))
    assert {name for name, run in notes.items() if page(run) in text} == found


def test_a_run_is_found_by_its_id_its_beginning_or_its_work_order(place):
    run, other = ended_run(place, place.job()), ended_run(place, place.job())
    Run.objects.filter(pk=other.pk).update(note="the other")
    client = logged_in(people_of(place).viewer)
    for words in (run.pk, str(run.pk)[:35], run.work_order_id):
        text = text_of(client.get(LIST, {"q": str(words)}))
        assert page(run) in text
        assert page(other) not in text
    assert page(run) not in text_of(client.get(LIST, {"q": "patient"}))
    assert page(run) in text_of(client.get(LIST, {"q": str(run.pk)[:8]}))


def test_filters_offer_nothing_of_other_projects(place):
    theirs = World("Elsewhere").job(key="their-job")
    text = text_of(logged_in(people_of(place).viewer).get(LIST))
    assert str(theirs.pk) not in text


def queries(client, address: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def test_the_list_costs_the_same_however_many_runs_there_are(place):
    job, client = place.job(), logged_in(people_of(place).viewer)
    first = ended_run(place, job)
    client.get(LIST)
    few = queries(client, LIST)
    for _ in range(12):
        ended_run(place, job, parent=first, order=first.work_order, trigger=place.on_message(job))
        ended_run(
            place, job, retry_of=first, retry_kind="hand", order=first.work_order, created_by=place.owner
        )
    assert queries(client, LIST) == few
    assert few <= 20


def test_the_page_costs_the_same_however_large_its_work_order_is(place):
    job, client = place.job(), logged_in(people_of(place).operator)
    run = ended_run(place, job)
    address = page(run)
    client.get(address)
    few = queries(client, address)
    for _ in range(12):
        ended_run(place, place.job(), parent=run, order=run.work_order, trigger=place.on_end(job, "failure"))
    assert queries(client, address) <= few + 1
    assert few <= 28


def test_counting_stops_where_nobody_pages(place, monkeypatch):
    monkeypatch.setattr("openfn_platform.projects.adminpaging.MOST_COUNTED", 3)
    job = place.job()
    for _ in range(5):
        ended_run(place, job)
    response = logged_in(people_of(place).viewer).get(LIST)
    assert response.context["cl"].result_count == 3
    assert "filters find older ones" in text_of(response)


def test_a_page_made_by_hand_is_never_cached_or_changed(place):
    run = ended_run(place, place.job(), started_at=timezone.now() - timedelta(seconds=5))
    assert logged_in(people_of(place).operator).post(page(run), {"state": "success"}).status_code == 403
    run.refresh_from_db()
    assert run.state == RunState.FAILED
