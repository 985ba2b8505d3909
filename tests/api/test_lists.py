"""What all lists promise: pages, strict parameters, and as many queries for twenty rows as for one."""

from __future__ import annotations

import base64
import uuid
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.models import Workflow
from tests.api.cast import Caller, Clinic, problem

LISTS = ("work-orders", "runs", "messages", "jobs", "triggers", "workflows", "incidents")


def fill(clinic: Clinic, count: int) -> None:
    """So many rows of everything."""
    for _ in range(count):
        job = clinic.job()
        clinic.on_message(job, clinic.job(), inclusion={"n": 1})
        clinic.message({"n": 1})
        clinic.run(job=job)
        clinic.incident(taken_by=clinic.owner)
        Workflow.objects.create(project=clinic.project, key=f"w-{uuid.uuid4().hex[:8]}", name="W")


def queries(api: Caller, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert api.get(path).status_code == 200
    return len(seen)


def test_lists_cost_the_same_few_queries_however_long(api: Caller, clinic: Clinic):
    fill(clinic, 1)
    api.get("runs")  # the first use of a token in a minute is noted
    few = {name: queries(api, name) for name in LISTS}
    fill(clinic, 5)
    assert {name: queries(api, name) for name in LISTS} == few
    assert max(few.values()) <= 3  # the token, the rows, what hangs on them


def test_details_cost_the_same_few_queries_however_much_hangs_on_them(api: Caller, clinic: Clinic):
    clinic.on_message(clinic.job(), inclusion={"n": 2})
    small = clinic.message({"n": 1})
    clinic.on_message(clinic.job(), clinic.job(), clinic.job(), inclusion={"n": 1})
    clinic.on_message(clinic.job(), inclusion={"n": 3})
    large = clinic.message({"n": 1})
    api.get("runs")
    assert queries(api, f"messages/{small.pk}") == queries(api, f"messages/{large.pk}") <= 7
    assert queries(api, f"work-orders/{clinic.orders()[0].pk}") <= 3
    assert queries(api, f"runs/{clinic.runs()[0].pk}") == 2


@pytest.mark.parametrize("name", LISTS)
def test_pages_hold_each_row_once_newest_first(api: Caller, clinic: Clinic, name: str):
    fill(clinic, 3)
    whole = api.ids(name)
    assert whole == sorted(whole, reverse=True)
    pages, address = [], f"{name}?page_size=2"
    while address:
        page = api.get(address).json()
        assert set(page) == {"results", "next"}
        pages += [row["id"] for row in page["results"]]
        address = page["next"]
    assert pages == whole


def test_a_row_that_arrives_meanwhile_moves_no_page(api: Caller, clinic: Clinic):
    old = [str(clinic.run().pk) for _ in range(4)]
    first = api.get("runs", page_size=2).json()
    clinic.run()
    second = api.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == old[::-1]


def test_the_next_page_keeps_the_filters(api: Caller, clinic: Clinic):
    for state in ("failed", "success", "failed", "success"):
        clinic.run(state)
    page = api.get("runs", state="failed", page_size=1).json()
    rest = api.get(page["next"]).json()
    assert [row["state"] for row in page["results"] + rest["results"]] == ["failed", "failed"]
    assert rest["next"] is None


def test_pages_have_fifty_rows_unless_asked_and_never_more_than_two_hundred(api: Caller, clinic: Clinic):
    job = clinic.job()
    for _ in range(51):
        clinic.run(job=job)
    assert len(api.results("runs")) == 50
    assert len(api.results("runs", page_size=200)) == 51
    for nonsense in ("0", "-1", "201", "1000000000", "9" * 400, "many", "1.5", ""):
        assert "1 to 200" in problem(api.get("runs", page_size=nonsense), 400)


NONSENSE = [
    ("page", "2"),
    ("ordering", "password"),
    ("project", "x"),
    ("project__name__startswith", "C"),
    ("id", "x"),
    ("search", "\0"),
    ("cursor", "\0"),
    ("cursor", "x"),
    ("cursor", "%%%"),
    ("cursor", "=" * 22),
    ("format", "xml"),
    ("format", "api"),
    ("workflow", "\0"),
    ("workflow", "' OR 1=1 --"),
    ("workflow", "x" * 10_000),
    ("inserted_after", "yesterday"),
    ("inserted_after", "2026-01-31"),
    ("inserted_after", "2026-01-31T08:00:00"),
    ("inserted_after", "0001-01-01T00:00:00+14:00"),
    ("inserted_before", "99999-01-01T00:00:00Z"),
    ("state", "broken"),
    ("state", "failed,,"),
    ("state", ""),
    ("", "x"),
]


@pytest.mark.parametrize("name", LISTS)
def test_nonsense_in_an_address_is_refused_with_a_sentence(api: Caller, clinic: Clinic, name: str):
    for parameter, value in NONSENSE:
        problem(api.get(name, **{parameter: value}), 400)


def test_an_unknown_parameter_is_told_what_there_is(api: Caller, clinic: Clinic):
    sentence = problem(api.get("runs", jobs="x"), 400)
    assert "“jobs”" in sentence
    assert "job, workflow, trigger" in sentence
    assert "none" in problem(api.get(f"runs/{clinic.run().pk}", verbose="1"), 400)


def test_a_parameter_that_stands_twice_is_refused(api: Caller, clinic: Clinic):
    assert "more than once" in problem(api.get("/api/v1/runs?state=failed&state=lost"), 400)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parameter=st.sampled_from(
        ["cursor", "page_size", "job", "work_order", "state", "inserted_after", "mode"]
    ),
    value=st.one_of(
        st.text(),
        st.binary(min_size=16, max_size=16).map(lambda b: base64.urlsafe_b64encode(b).decode()[:22]),
    ),
)
def test_no_text_in_a_parameter_breaks_a_list(api: Caller, parameter: str, value: str):
    value = value.encode("utf-8", "replace").decode()
    answer = api.get("runs", **{parameter: value})
    if answer.status_code != 200:
        problem(answer, 400)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(alphabet=st.characters(exclude_characters="/?#", codec="utf-8"), min_size=1))
def test_no_text_in_the_place_of_an_id_breaks_anything(api: Caller, key: str):
    if key in (".", ".."):
        return
    problem(api.get(f"runs/{quote(key, safe='')}"), 404)
