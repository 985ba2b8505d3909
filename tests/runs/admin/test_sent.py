"""*Sent*: what went to which partner and when; who may see how much of it; and the files."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from openfn_platform.projects.membering import member_add
from openfn_platform.projects.models import AuditEntry, Membership, Project, Role
from runs.models import Run
from tests.flows.world import World
from tests.runs.admin.conftest import logged_in, people_of
from tests.runs.admin.helpers import CANARY, SCRIPT, ended_run, exchanged, text_of

SENT = "/admin/runs/httpexchange/"
FRIDAY = datetime(2026, 3, 6, 20, 0, 4, tzinfo=UTC)  # 23:00:04 in Nairobi


@pytest.fixture
def run(place: World) -> Run:
    """A run of a project in Nairobi, whose own exchange of the helpers is a thing of the past."""
    Project.objects.filter(pk=place.project.pk).update(time_zone="Africa/Nairobi")
    return ended_run(place, place.job("pass", key="weekly-export"))


@pytest.fixture
def client(place: World, run: Run) -> Client:
    return logged_in(people_of(place).operator)


def marks(client: Client, **query: Any) -> str:
    """The last letters of the addresses shown."""
    answer = client.get(SENT, query)
    assert answer.status_code == 200
    return "".join(row.address[-1] for row in answer.context.get("rows", ()))


def test_it_answers_what_went_to_dhis2_last_friday_at_eleven(client, run):
    exchanged(run, at=FRIDAY, url="https://dhis2.example/api/dataValueSets/a", request_body='{"value": 7}')
    exchanged(run, at=FRIDAY + timedelta(hours=2), url="https://dhis2.example/b")
    exchanged(run, at=FRIDAY, url="https://sms.example/c", connection="sms")
    exchanged(run, at=FRIDAY, url="https://dhis2.example/d", method="GET", write=False)
    exchanged(run, at=FRIDAY, url="https://dhis2.example/e", dry=True)
    answer = client.get(
        SENT, {"connection": "dhis2", "from": "2026-03-06T23:00", "until": "2026-03-06T23:30"}
    )
    [row] = answer.context["rows"]
    assert row.address.endswith("/a")
    text = text_of(answer)
    assert "Fri 6 Mar 23:00:04" in text
    assert "Weekly-export" in text
    assert f"/admin/runs/run/{run.pk}/change/?show=http&amp;exchange=" in text
    assert "1 exchange," in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "dcba"),
        ({"kind": "read"}, "r"),
        ({"kind": "all"}, "rdcba"),
        ({"mode": "dry"}, "y"),
        ({"mode": "all", "kind": "all"}, "yrdcba"),
        ({"method": "put"}, "b"),
        ({"status": "2xx"}, "ba"),
        ({"status": "409"}, "c"),
        ({"status": "none"}, "d"),
        ({"status": "failed"}, "dc"),
        ({"connection": "sms"}, "b"),
        ({"connection": "nobody"}, ""),
        ({"job": "nonsense"}, ""),
        ({"q": "aissatou"}, "a"),
        ({"q": "Aïss DIAL"}, "a"),
        ({"q": "issatou"}, ""),
        ({"q": "dhis2.example", "kind": "all"}, "rdca"),
        ({"from": "2020-01-01", "until": "2020-01-02"}, ""),
        ({"from": "2020-01-01"}, "dcba"),
        ({"when": "today"}, "dcba"),
        ({"when": "week"}, "dcba"),
        ({"when": "yesterday"}, ""),
    ],
    ids=str,
)
def test_filters_stand_in_the_address(client, run, query, found):
    exchanged(run, url="https://dhis2.example/a", request_body=json.dumps({"name": "Aïssatou Diallo"}))
    exchanged(run, url="https://sms.example/b", connection="sms", method="PUT")
    exchanged(run, url="https://dhis2.example/c", status=409)
    exchanged(run, url="https://dhis2.example/d", status=None, error="lost")
    exchanged(run, url="https://dhis2.example/r", method="GET", write=False)
    exchanged(run, url="https://dhis2.example/y", dry=True, status=None)
    # The exchange of the helpers was made as by workers of the release before: no write, no words.
    assert marks(client, **query).replace("t", "") == found


def test_a_job_is_chosen_by_its_id(client, run, place):
    other = ended_run(place, place.job("pass", key="other"))
    exchanged(run, url="https://x.example/a")
    exchanged(other, url="https://x.example/b")
    assert marks(client, job=str(other.job_id)) == "b"


def test_a_repeated_hour_belongs_wholly_to_what_one_asked_for(client, run, place):
    Project.objects.filter(pk=place.project.pk).update(time_zone="Europe/Lisbon")
    for number, hour in enumerate((0, 1)):  # 01:30 twice, on the night when the clocks go back
        exchanged(run, at=datetime(2026, 10, 25, hour, 30, tzinfo=UTC), url=f"https://x.example/{number}")
    assert marks(client, **{"from": "2026-10-25T01:00", "until": "2026-10-25T01:59"}) == "10"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "last friday"}, "This is no date with a time"),
        ({"until": "2026-02-30T10:00"}, "This is no date with a time"),
        ({"from": "0001-01-01"}, "This is no date with a time"),
        ({"from": "2026-03-07", "until": "2026-03-06"}, "before the beginning"),
        ({"status": "broken"}, "Write a number such as 404"),
        ({"method": "PO ST"}, "A method is a word"),
        ({"q": "é"}, "at least two letters"),
        ({"q": "' | !:*"}, "at least two letters"),
    ],
)
def test_what_cannot_be_understood_is_marked_and_nothing_is_shown(client, run, query, said):
    exchanged(run, url="https://x.example/a")
    text = text_of(client.get(SENT, query))
    assert said in text
    assert 'aria-invalid="true"' in text
    assert "x.example/a" not in text
    assert client.get(f"{SENT}export/", {**query, "format": "csv"}).status_code == 400


def test_nothing_found_says_what_was_left_out(client, run):
    text = text_of(client.get(SENT))
    assert "Nothing was sent to another system yet" in text
    assert "What was only read is not shown" in text
    assert "Nothing like that was found" in text_of(client.get(SENT, {"connection": "sms"}))


def test_older_ones_come_page_by_page_whatever_arrives_meanwhile(client, run, monkeypatch):
    monkeypatch.setattr("runs.admin.sent.PAGE", 3)
    at = timezone.now()
    for letter in "abcdefgh":
        exchanged(run, url=f"https://x.example/{letter}", at=at)  # at the same moment: the id decides
    first = client.get(SENT, {"connection": "dhis2"})
    assert "".join(row.address[-1] for row in first.context["rows"]) == "hgf"
    exchanged(run, url="https://x.example/z")
    second = client.get(f"{SENT}?{first.context['more']}")
    third = client.get(f"{SENT}?{second.context['more']}")
    assert ["".join(row.address[-1] for row in each.context["rows"]) for each in (second, third)] == [
        "edc",
        "ba",
    ]
    assert third.context["more"] == ""
    assert marks(client, after="nonsense", connection="dhis2") == "zhg"


def test_counting_stops_where_nobody_cares(client, run, monkeypatch):
    monkeypatch.setattr("runs.admin.sent.MOST_COUNTED", 2)
    for _ in range(4):
        exchanged(run)
    assert "More than 2 exchanges" in text_of(client.get(SENT))


def test_the_page_costs_the_same_however_much_there_is(client, run):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(SENT).status_code == 200
        return len(seen)

    exchanged(run)
    queries()
    few = queries()
    for _ in range(10):
        exchanged(run)
    assert queries() == few
    assert few <= 24


# --- who sees how much ----------------------------------------------------------------------------


def test_without_the_right_to_see_data_one_sees_to_which_system_and_how_it_ended(place, run):
    exchange = exchanged(
        run,
        url=f"https://dhis2.example:8443/{CANARY}?q={CANARY}",
        request_body=CANARY,
        error=CANARY,
        status=409,
    )
    client = logged_in(people_of(place).viewer)
    text = text_of(client.get(SENT))
    assert CANARY not in text
    assert "https://dhis2.example:8443<" in text
    assert "409" in text
    assert 'name="q"' not in text
    one = text_of(client.get(f"{SENT}{exchange.pk}/change/"))
    assert CANARY not in one
    assert "may see data" in one
    assert client.get(f"{SENT}{exchange.pk}/bodies/").status_code == 403
    assert client.get(f"{SENT}export/", {"format": "csv"}).status_code == 403
    refused = client.get(SENT, {"q": CANARY})
    assert "must be one who may see data" in text_of(refused)
    assert "rows" not in refused.context


def test_nobody_from_elsewhere_learns_that_anything_was_sent(place, run):
    exchange = exchanged(run)
    client = logged_in(people_of(place).outsider)
    assert "dhis2.example" not in text_of(client.get(SENT))
    assert "Weekly-export" not in text_of(client.get(SENT))
    for what in ("change", "bodies"):
        assert client.get(f"{SENT}{exchange.pk}/{what}/").status_code == 404
    for key in ("0", "x", "9" * 30, "²"):
        assert client.get(f"{SENT}{key}/change/").status_code == 404
    assert text_of(client.get(f"{SENT}export/", {"format": "jsonl"})) == ""


def test_an_exchange_opens_in_place_and_on_a_page_of_its_own_and_both_are_audited(place, run, client):
    exchange = exchanged(run, request_body=json.dumps({"name": CANARY}))
    for what in ("bodies", "change"):
        text = text_of(client.get(f"{SENT}{exchange.pk}/{what}/"))
        assert f"&quot;name&quot;: &quot;{CANARY}&quot;" in text
        assert "EAT" in text, "in the time of the project"
    entry = AuditEntry.objects.get(action="payload opened", object_id=str(exchange.pk))
    assert (entry.object_name, entry.opened) == ("Exchange", True), "its address may name a patient"
    assert client.post(f"{SENT}{exchange.pk}/change/", {}).status_code == 403


def test_looking_for_words_is_audited_without_the_words(place, run, client):
    exchanged(run)
    client.get(SENT, {"q": "Amina", "connection": "dhis2"})
    entry = AuditEntry.objects.get(action="sent searched")
    assert entry.project == place.project
    assert entry.changes == {"filter": {"q": "(words)", "connection": "dhis2"}}


def test_what_opens_below_a_row_has_the_time_of_the_row(client, run):
    exchange = exchanged(run, at=FRIDAY)
    assert "Fri 6 Mar 2026, 23:00:04 EAT" in text_of(client.get(f"{SENT}{exchange.pk}/bodies/"))


def test_several_projects_come_together_and_bodies_only_of_those_one_may_see(place, run):
    other = World("Another clinic")
    person = people_of(place).operator
    member_add(project=other.project, user=person, role=Role.VIEWER, by=other.owner)
    assert not Membership.objects.get(project=other.project, user=person).may_see_data
    theirs = ended_run(other, other.job("pass", key="their-export"))
    for number in range(3):
        exchanged(run, url=f"https://dhis2.example/a{number}?q={CANARY}")
        exchanged(theirs, url=f"https://dhis2.example/b{number}?q={CANARY}-theirs")
    client = logged_in(person)
    answer = client.get(SENT)
    assert [row.sees for row in answer.context["rows"]] == [False, True] * 3
    text = text_of(answer)
    assert f"{CANARY}-theirs" not in text
    assert "Another clinic" in text
    found = client.get(SENT, {"q": "dhis2"})
    assert {row.project for row in found.context["rows"]} == {""}
    assert "only of projects in which you may see data" in text_of(found)
    client.get(SENT, {"project": other.project.key})
    assert {row.sees for row in client.get(SENT).context["rows"]} == {False}


def test_a_superuser_sees_the_newest_of_all_projects_in_one_order(place, run):
    other = World("Another clinic")
    theirs = ended_run(other, other.job())
    place.owner.is_superuser = True
    place.owner.save()
    for letter in "abcd":
        exchanged(run if letter in "ad" else theirs, url=f"https://x.example/{letter}")
    assert marks(logged_in(place.owner)) == "dcba"


def test_what_partners_say_is_text_and_never_markup(client, run):
    exchange = exchanged(
        run, url=f"https://x.example/{SCRIPT}", connection=SCRIPT, error=SCRIPT, request_body=SCRIPT
    )
    for address in (
        SENT,
        f"{SENT}?q={SCRIPT}&from={SCRIPT}",
        f"{SENT}{exchange.pk}/bodies/",
        f"{SENT}{exchange.pk}/change/",
    ):
        text = text_of(client.get(address))
        assert "<script>alert" not in text
        assert "alert(" in text


# --- files ----------------------------------------------------------------------------------------


def test_the_filtered_set_comes_as_a_table_that_no_program_takes_for_formulas(client, run):
    exchanged(run, url="https://x.example/a", request_body="not in a table")
    exchanged(run, connection="sms", error='=HYPERLINK("https://evil.example")')
    answer = client.get(f"{SENT}export/", {"format": "csv", "connection": "dhis2"})
    assert answer["Content-Disposition"].startswith('attachment; filename="sent-')
    [row] = list(csv.DictReader(io.StringIO(text_of(answer))))
    assert (row["address"], row["status"], row["job"], row["run"]) == (
        "https://x.example/a", "201", "weekly-export", str(run.pk)
    )  # fmt: skip
    assert "not in a table" not in row.values()
    [row] = list(csv.DictReader(io.StringIO(text_of(client.get(f"{SENT}export/?format=csv&connection=sms")))))
    assert row["error"].startswith("'=HYPERLINK")


def test_json_lines_hold_the_bodies_and_every_row_once(client, run, monkeypatch, place):
    monkeypatch.setattr("runs.exporting.AT_ONCE", 3)
    for number in range(8):
        exchanged(run, request_body=f"body {number}")
    lines = text_of(client.get(f"{SENT}export/", {"format": "jsonl"})).splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["request_body"] for record in records] == [f"body {number}" for number in range(7, -1, -1)]
    entry = AuditEntry.objects.get(action="sent exported")
    assert (entry.project, entry.changes) == (place.project, {"filter": {}, "rows": 8, "format": "jsonl"})


def test_a_file_has_an_end(client, run, monkeypatch):
    monkeypatch.setattr("runs.exporting.MOST_ROWS", 5)
    monkeypatch.setattr("runs.exporting.AT_ONCE", 2)
    for _ in range(9):
        exchanged(run)
    assert len(text_of(client.get(f"{SENT}export/", {"format": "jsonl"})).splitlines()) == 5
    assert AuditEntry.objects.get(action="sent exported").changes["rows"] == 5


@pytest.mark.parametrize("format", ["", "xlsx", "../csv"])
def test_a_file_of_an_unknown_kind_is_not_found(client, run, format):
    assert client.get(f"{SENT}export/", {"format": format}).status_code == 404
