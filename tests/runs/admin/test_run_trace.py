"""The timeline on a run's page: what went where, when, how long, and with which bodies."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from runs.models import HttpExchange, Run, RunMode, RunState
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import CANARY, SCRIPT, ended_run, exchanged, page, text_of

HTTP = "?show=http"


def traced(place, **fields) -> Run:
    """A run that ended, without exchanges."""
    run = ended_run(place, place.job(), **fields)
    HttpExchange.objects.filter(run_id=run.pk).delete()
    return run


def shown(place, run: Run, query: str = HTTP, what: str = "change") -> str:
    return text_of(logged_in(people_of(place).operator).get(page(run, what, query)))


def test_each_exchange_stands_on_the_runs_own_time(place):
    start = timezone.now() - timedelta(seconds=10)
    run = traced(place, started_at=start, finished_at=start + timedelta(seconds=10))
    exchanged(run, at=start + timedelta(seconds=2.5), duration_ms=5_000, attempt=2, request_body="x" * 1_500)
    exchanged(
        run, method="INSERT", protocol="sql", status=None, outcome="12 rows", connection="registry", dry=True
    )
    text = shown(place, run)
    first, second = re.findall(r"<tr>\s*<td class=\"run-whole.*?</tr>", text, re.DOTALL)
    for said in ("+2.5 s", "5.0 s", "attempt 2", "1.5 kB", 'x="250" width="500"', "201", "dhis2"):
        assert said in first, said
    for said in ("INSERT", "SQL", "registry", "not sent"):
        assert said in second, said


def test_an_outcome_stands_where_there_is_no_status_and_no_answer_says_so(place):
    run = traced(place)
    exchanged(run, method="INSERT", status=None, outcome="12 rows")
    exchanged(run, status=None, error="The partner system did not answer in time.")
    exchanged(run, status=None)
    exchanged(run, method="PUT", protocol="sftp", status=None)
    text = shown(place, run)
    assert '<span class="ws-badge ws-bad">no answer</span>' in text
    assert '<span class="ws-badge ws-good">done</span>' in text
    assert '<span class="ws-badge ws-good">12 rows</span>' in text
    assert '<span class="ws-badge ws-bad">failed</span>' in text
    assert "did not answer in time" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [("", "abcd"), ("&only=writes", "acd"), ("&only=errors", "cd"), ("&connection=sms", "b"), ("&only=writes&connection=sms", ""),
     ("&only=nonsense&page=99", "abcd"), ("&connection=%00", "abcd")],
)  # fmt: skip
def test_the_timeline_is_narrowed_in_the_address(place, query, found):
    run = traced(place)
    exchanged(run, url="https://x.example/only-a")
    exchanged(run, url="https://x.example/only-b", method="GET", write=False, connection="sms", status=200)
    exchanged(run, url="https://x.example/only-c", status=409)
    exchanged(run, url="https://x.example/only-d", error="lost")
    text = shown(place, run, HTTP + query)
    assert "".join(re.findall(r"run-address\">https://x.example/only-(.)", text)) == found
    assert ("None of its exchanges is like that" in text) is (found == "")


def test_more_than_a_page_is_turned_over(place):
    run = traced(place)
    now = timezone.now()
    HttpExchange.objects.bulk_create(
        HttpExchange(
            project_id=run.project_id, run_id=run.pk, seq=n, at=now, method="GET", url=f"https://x/{n}/end"
        )
        for n in range(1, 451)
    )
    assert "/450/end" not in shown(place, run)
    last = shown(place, run, f"{HTTP}&page=3")
    assert "/450/end" in last
    assert "/400/end" not in last
    assert "Page 3 of 3" in last


@pytest.mark.parametrize(
    ("sent", "pretty"),
    [
        ('{"name":"Jos\\u00e9","ids":[1]}', '{\n  "name": "José",\n  "ids": [\n    1\n  ]\n}'),
        ("<form><name>Afi</name></form>", "<form>\n  <name>Afi</name>\n</form>"),
        ("To=%2B228&Body=Bonjour+Afi", "To = +228\nBody = Bonjour Afi"),
        ("plain words", "plain words"),
    ],
    ids=["JSON", "XML", "form", "text"],
)
def test_an_opened_exchange_shows_its_bodies_laid_out(place, sent, pretty):
    run = traced(place)
    exchanged(run, request_body=sent, response_body='{"ok":true}')
    for text in (shown(place, run, "?seq=1", "exchange"), shown(place, run, f"{HTTP}&exchange=1")):
        bodies = re.findall(r"<pre[^>]*>(.*?)</pre>", text, re.DOTALL)
        unescaped = bodies[0].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">")
        assert unescaped == pretty
        assert len(bodies) == 2
        assert text.count("data-copy=") == 2


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "There was no body."),
        ({"request_bytes": 9, "over_budget": True}, "the room for bodies of this run, 1 MB, was used up"),
        ({"request_bytes": 9, "write": False}, "only when the job says so"),
        ({"request_bytes": 9}, "it is no text, or the project keeps"),
        (
            {"request_body": "x", "request_bytes": 90_000, "request_cut": True},
            "the first 65.5 kB of 90.0 kB are kept",
        ),
    ],
)
def test_a_body_that_is_not_there_says_why(place, fields, why):
    run = traced(place)
    exchanged(run, **fields)
    assert why in shown(place, run, "?seq=1", "exchange")


def test_a_dry_run_begins_with_what_it_did_not_send(place):
    run = traced(place, mode=RunMode.DRY)
    for number in range(12):
        exchanged(run, dry=True, status=None, url=f"https://x.example/{number}-end", request_body="{}")
    exchanged(run, method="GET", write=False, status=200)
    text = shown(place, run, "")
    assert "12 writes were shown instead of sent." in text
    instead = text.index("Shown instead of sent")
    assert instead < text.index("/0-end") < text.index("/11-end") < text.index("Everything in its order")
    assert "12 writes were shown" in shown(place, run, "?show=log"), "on top of every part"
    assert "Shown instead of sent" not in shown(place, run, f"{HTTP}&only=errors")


def test_a_dry_run_that_would_have_written_nothing_says_so(place):
    run = traced(place, mode=RunMode.DRY)
    assert "there was nothing that it would have written" in shown(place, run, "?show=log")
    assert "shown instead of sent" not in shown(place, traced(place), "?show=log")


def test_the_timeline_asks_again_until_the_run_has_ended(place):
    ended = traced(place)
    going = Run.objects.create(
        project=place.project, workflow=ended.workflow, work_order=ended.work_order, job=place.job(),
        state=RunState.STARTED, started_at=timezone.now(), token=ended.pk, lease_until=timezone.now(),
    )  # fmt: skip
    client = logged_in(people_of(place).operator)
    assert "every 2s" in text_of(client.get(page(going, query=HTTP)))
    assert client.get(page(going, "timeline", "?last=0")).status_code == 204
    exchanged(going, url="https://x.example/new-one")
    text = text_of(client.get(page(going, "timeline", "?last=0&only=writes")))
    assert "new-one" in text
    assert "only=writes&amp;page=1&amp;last=1" in text
    assert "every 2s" not in text_of(client.get(page(ended, "timeline", "?last=0")))
    assert "every 2s" not in text_of(client.get(page(ended, query=HTTP)))


def test_traces_are_for_those_who_may_see_data_and_opening_one_is_audited(place):
    people = people_of(place)
    run = traced(place, mode=RunMode.DRY)
    exchanged(run, dry=True, url=f"https://x.example/?q={CANARY}", request_body=CANARY, error=CANARY)
    viewer = logged_in(people.viewer)
    text = text_of(viewer.get(page(run)))
    assert CANARY not in text
    assert "1 write was shown instead of sent." in text, "how many is no secret"
    assert viewer.get(page(run, "timeline")).status_code == 404
    assert viewer.get(page(run, "exchange", "?seq=1")).status_code == 403
    outsider = logged_in(people.outsider)
    for what in ("timeline", "exchange"):
        assert outsider.get(page(run, what, "?seq=1")).status_code == 404
    assert CANARY in text_of(logged_in(people.operator).get(page(run, "exchange", "?seq=1")))
    entry = AuditEntry.objects.filter(action="payload opened").latest("id")
    assert (entry.actor, entry.object_id, entry.changes) == (
        people.operator,
        str(run.pk),
        {"part": "exchange 1"},
    )


@pytest.mark.parametrize("seq", ["0", "2", "x", "", "99999999999999"])
def test_an_exchange_that_is_not_there_is_not_found(place, seq):
    run = traced(place)
    exchanged(run)
    assert logged_in(people_of(place).operator).get(page(run, "exchange", f"?seq={seq}")).status_code == 404


def test_what_partners_say_is_text_and_never_markup(place):
    run = traced(place)
    exchanged(
        run, url=f"https://x.example/{SCRIPT}", connection=SCRIPT, method="POST", error=SCRIPT, outcome=SCRIPT,
        request_body=SCRIPT, response_body=f'{{"x": "{SCRIPT}"}}',
    )  # fmt: skip
    for text in (
        shown(place, run),
        shown(place, run, "?seq=1", "exchange"),
        shown(place, run, f"{HTTP}&exchange=1"),
    ):
        assert "<script>alert" not in text
        assert "alert(" in text
