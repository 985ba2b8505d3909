"""Exchanges by the API: of a run, and *Sent*."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from runs.models import HttpExchange, Run
from tests.api.cast import CANARY, Caller, Clinic, problem

FIELDS = [
    "run", "seq", "job", "work_order", "at", "connection", "protocol", "method", "address", "write", "dry", "status",
    "outcome", "error", "attempt", "duration_ms", "request_bytes", "response_bytes",
]  # fmt: skip
BODIES = ["request_body", "request_cut", "response_body", "response_cut", "over_budget"]


@pytest.fixture
def run(clinic: Clinic) -> Run:
    """A run that has asked nobody yet."""
    run = clinic.run(job=clinic.job(key="export"))
    HttpExchange.objects.all().delete()
    return run


def letters(api: Caller, **parameters: str) -> str:
    return "".join(row["address"][-1] for row in api.results("sent", **parameters))


def test_the_exchanges_of_a_run_are_read_from_where_one_left_off(api: Caller, clinic: Clinic, run: Run):
    for letter in "abc":
        clinic.exchange(run, url=f"https://dhis2.example/{letter}")
    first = api.get(f"runs/{run.pk}/exchanges", page_size=2).json()
    assert [list(row) for row in first["results"]] == [FIELDS, FIELDS]
    rest = api.get(first["next"]).json()
    assert [row["seq"] for row in first["results"] + rest["results"]] == [1, 2, 3]
    assert rest["next"] is None
    assert api.results(f"runs/{run.pk}/exchanges", after=3) == []
    for nonsense in ("-1", "two", "9" * 50):
        problem(api.get(f"runs/{run.pk}/exchanges", after=nonsense), 400)


def test_one_exchange_comes_with_its_bodies_and_that_is_written_down(api: Caller, clinic: Clinic, run: Run):
    clinic.exchange(
        run, request_body='{"a": 1}', response_cut=True, outcome="12 rows", status=None, protocol="sql"
    )
    told = api.get(f"runs/{run.pk}/exchanges/1").json()
    assert list(told) == FIELDS + BODIES
    assert (told["request_body"], told["response_body"], told["response_cut"]) == ('{"a": 1}', None, True)
    assert (told["outcome"], told["status"], told["protocol"], told["job"]) == (
        "12 rows",
        None,
        "sql",
        str(run.job_id),
    )
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.object_id, entry.changes) == (
        "payload opened",
        str(run.pk),
        {"part": "exchange 1"},
    )
    for nothing in ("2", "0", "x", "²", "9" * 40):
        problem(api.get(f"runs/{run.pk}/exchanges/{nothing}"), 404)


def test_without_the_scope_for_data_only_the_system_and_the_outcome_are_told(clinic: Clinic, run: Run):
    clinic.exchange(run, status=409)
    reader = clinic.caller("read")
    for path in (f"runs/{run.pk}/exchanges", "sent"):
        [row] = reader.results(path)
        assert (row["address"], row["error"], row["status"]) == ("https://dhis2.example", None, 409)
    assert "read-data" in problem(reader.get("sent", words=CANARY), 403)
    assert "read-data" in problem(reader.get(f"runs/{run.pk}/exchanges/1"), 403)


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, "cba"),
        ({"kind": "read"}, "r"),
        ({"kind": "read,written"}, "rcba"),
        ({"mode": "dry"}, "y"),
        ({"mode": "live,dry", "kind": "written,read"}, "yrcba"),
        ({"connection": "sms"}, "b"),
        ({"method": "put"}, "b"),
        ({"status": "409"}, "c"),
        ({"status": "2xx"}, "ba"),
        ({"status": "none", "mode": "dry"}, "y"),
        ({"status": "failed"}, "c"),
        ({"words": "amina"}, "a"),
        ({"words": "mina"}, ""),
        ({"job": "export"}, "cba"),
        ({"job": "no-such"}, ""),
        ({"sent_after": "2020-01-01T00:00:00Z"}, "cba"),
        ({"sent_before": "2020-01-01T00:00:00Z"}, ""),
    ],
    ids=str,
)
def test_sent_is_narrowed_by_each_of_its_parameters(api: Caller, clinic: Clinic, run: Run, parameters, found):
    clinic.exchange(run, url="https://x.example/a", request_body='{"name": "Amina"}', error="")
    clinic.exchange(run, url="https://x.example/b", connection="sms", method="PUT", error="")
    clinic.exchange(run, url="https://x.example/c", status=409)
    clinic.exchange(run, url="https://x.example/r", method="GET", write=False, error="")
    clinic.exchange(run, url="https://x.example/y", dry=True, status=None, error="")
    assert letters(api, **parameters) == found


def test_sent_is_narrowed_to_a_run_or_a_work_order(api: Caller, clinic: Clinic, run: Run):
    other = clinic.run()
    clinic.exchange(run, url="https://x.example/a")
    assert letters(api, run=str(run.pk)) == letters(api, work_order=str(run.work_order_id)) == "a"
    assert letters(api, job=str(other.job_id)) == CANARY[-1]


def test_pages_of_sent_hold_each_exchange_once_newest_first(api: Caller, clinic: Clinic, run: Run):
    now = timezone.now()
    for number, letter in enumerate("abcde"):
        clinic.exchange(run, url=f"https://x.example/{letter}", at=now - timedelta(minutes=number // 2))
    pages, address = "", "sent?page_size=2&connection=dhis2"
    while address:
        page = api.get(address).json()
        pages += "".join(row["address"][-1] for row in page["results"])
        address = page["next"]
    assert pages == "badce"


@pytest.mark.parametrize(
    "parameters",
    [{"status": "broken"}, {"status": ""}, {"kind": "writes"}, {"mode": ""}, {"words": "x"}, {"words": "'|&"},
     {"run": "x"}, {"sent_after": "friday"}, {"cursor": "x"}, {"cursor": "%%%"}, {"cursor": "MS4y" * 20},
     {"page_size": "0"}, {"job_id": "x"}, {"words": "x" * 600}],
    ids=str,
)  # fmt: skip
def test_nonsense_is_refused_with_a_sentence(api: Caller, clinic: Clinic, parameters):
    problem(api.get("sent", **parameters), 400)


def test_a_neighbours_job_of_the_same_key_is_not_meant(
    api: Caller, clinic: Clinic, stranger: Clinic, run: Run
):
    theirs = stranger.run(job=stranger.job(key="export"))
    clinic.exchange(run, url="https://x.example/a")
    stranger.exchange(theirs, url="https://x.example/b")
    assert letters(api, job="export") == "a"
    assert letters(api, job=str(theirs.job_id)) == letters(api, run=str(theirs.pk)) == ""


def test_lists_of_exchanges_cost_the_same_however_long(api: Caller, clinic: Clinic, run: Run):
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert api.get(path).status_code == 200
        return len(seen)

    paths = ("sent", f"runs/{run.pk}/exchanges")
    clinic.exchange(run)
    api.get("sent")
    few = [queries(path) for path in paths]
    for _ in range(6):
        clinic.exchange(run)
    assert [queries(path) for path in paths] == few
    assert max(few) <= 8, "one of them writes down who looked"
