"""Tables, their rows and the library by the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Table, TableRow
from jobs.rows import rows_page, rows_set
from jobs.tables import table_create
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry
from tests.api.cast import Caller, Clinic, problem


@pytest.fixture
def table(clinic: Clinic) -> Table:
    return table_create(project=clinic.project, name="Facilities", by=PLATFORM)


def put(table: Table, **rows: Any) -> None:
    rows_set(table=table, rows=rows, by=PLATFORM)


def values(table: Table) -> dict[str, Any]:
    return {row.key: row.value for row in rows_page(table=table, size=1_000)}


def csv(api: Caller, table: Table, text: str | bytes, kind: str = "text/csv", **parameters: str) -> Any:
    raw = text.encode() if isinstance(text, str) else text
    return api.client.post(
        f"/api/v1/tables/{table.key}/csv",
        raw,
        content_type=kind,
        headers=api.headers,
        query_params=parameters or None,
    )


# --- tables -------------------------------------------------------------------------------------------


def test_a_table_is_made_changed_and_put_away(api: Caller):
    made = api.post("tables", {"name": "Health facilities", "kind": "store"})
    assert made.status_code == 201
    assert made.json()["key"] == "health-facilities"
    assert made.headers["Location"].endswith(made.json()["id"])
    for address in ("tables/health-facilities", f"tables/{made.json()['id']}"):
        assert api.get(address).json() == made.json()
    changed = api.patch("tables/health-facilities", {"most_rows": 10})
    assert (changed.json()["most_rows"], changed.json()["name"]) == (10, "Health facilities")
    assert api.delete("tables/health-facilities").status_code == 204
    assert api.ids("tables") == []
    assert api.ids("tables", archived="true") == [made.json()["id"]]
    problem(api.get("tables/health-facilities/rows"), 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "x", "kind": "queue"}, 400),
        ({"name": "x", "most_rows": 0}, 400),
        ({"name": "x", "most_rows": "10"}, 400),
        ({"name": "x", "key": "A b"}, 400),
        ({"name": "x", "project": "other"}, 400),
        ({"name": "x", "key": "facilities"}, 422),
    ],
)
def test_a_table_that_cannot_be_is_refused(api: Caller, table: Table, body: dict[str, Any], status: int):
    problem(api.post("tables", body), status)
    assert Table.objects.count() == 1


def test_who_saw_an_older_table_does_not_change_it(api: Caller, table: Table):
    seen = api.get("tables/facilities").headers["ETag"]
    put(table, a=1)  # rows are no change of the table itself
    assert api.patch("tables/facilities", {"name": "A"}, match=seen).status_code == 200
    problem(api.patch("tables/facilities", {"name": "B"}, match=seen), 412)
    problem(
        api.client.patch("/api/v1/tables/facilities", b"{}", "application/json", headers=api.headers), 428
    )


# --- rows ---------------------------------------------------------------------------------------------

ODD = ("12", "a/b", "a b", "ü", "a?b=c&d#e", "%2F", "..", "a%", "日本", "x" * 255)


def row(key: str) -> str:
    from urllib.parse import quote

    return f"tables/facilities/rows/{quote(key, safe='')}"


@pytest.mark.parametrize("key", ODD)
def test_a_row_is_set_got_and_removed_by_whatever_key(api: Caller, table: Table, key: str):
    made = api.put(row(key), {"value": {"uid": "x7"}}, match="")
    assert (made.status_code, made.json()["made"]) == (201, True)
    got = api.get(row(key))
    assert (got.json()["key"], got.json()["value"], got.json()["expires_at"]) == (key, {"uid": "x7"}, None)
    assert got.headers["ETag"] == made.headers["ETag"] == f'"{made.json()["version"]}"'
    again = api.put(row(key), {"value": None}, match="")
    assert (again.status_code, again.json()["made"]) == (200, False)
    assert api.delete(row(key), match="").status_code == 204
    problem(api.get(row(key)), 404)
    problem(api.delete(row(key), match=""), 404)


def test_a_row_changes_only_from_the_version_that_was_read(api: Caller, table: Table):
    put(table, a=1)
    seen = api.get(row("a")).headers["ETag"]
    assert api.put(row("a"), {"value": 2}, match=seen).status_code == 200
    for match in (seen, '"nonsense"', '"99999999999999999999"'):
        problem(api.put(row("a"), {"value": 3}, match=match), 412)
        problem(api.delete(row("a"), match=match), 412)
    assert values(table) == {"a": 2}
    assert api.put(row("a"), {"value": 4}, match="*").status_code == 200


def test_a_row_is_set_only_if_it_is_not_there(api: Caller, table: Table):
    def ask(key: str, condition: str) -> Any:
        return api.client.put(
            f"/api/v1/{row(key)}",
            b'{"value": 1}',
            "application/json",
            headers={**api.headers, "if-none-match": condition},
        )

    assert ask("a", "*").status_code == 201
    problem(ask("a", "*"), 412)
    problem(ask("a", '"1"'), 400)


def test_a_row_may_have_a_time_to_live(api: Caller, table: Table):
    api.put(row("a"), {"value": 1, "ttl_seconds": 60}, match="")
    until = datetime.fromisoformat(api.get(row("a")).json()["expires_at"])
    assert timedelta(seconds=50) < until - timezone.now() <= timedelta(seconds=60)
    TableRow.objects.update(expires_at=timezone.now())
    problem(api.get(row("a")), 404)
    assert api.get("tables/facilities/rows").json()["results"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"value": 1, "ttl_seconds": 0}, 400),
        ({"value": 1, "ttl_seconds": 2**31}, 400),
        ({"value": 1, "ttl_seconds": 2**31 - 1}, 422),
        ({"value": 1, "key": "b"}, 400),
        ({"value": "x" * 64_001}, 422),
        ([1], 400),
    ],
)
def test_a_row_that_cannot_be_is_refused(api: Caller, table: Table, body: Any, status: int):
    problem(api.put(row("a"), body, match=""), status)
    assert values(table) == {}


@pytest.mark.parametrize("key", ["x" * 256, "a%00", "a%0A", "%20a"])
def test_a_key_that_cannot_be_is_refused(api: Caller, table: Table, key: str):
    address = f"tables/facilities/rows/{key}"
    assert api.put(address, {"value": 1}, match="").status_code in (404, 422)
    problem(api.get(address), 404)


def test_rows_come_in_pages(api: Caller, table: Table):
    put(table, **{f"TG-{n}": n for n in range(5)}, other=1)
    keys, address = [], "tables/facilities/rows?prefix=TG&page_size=2"
    while address:
        page = api.get(address).json()
        keys += [each["key"] for each in page["results"]]
        address = page["next"]
    assert keys == [f"TG-{n}" for n in range(5)]
    for wrong in ("cursor=%00", "cursor=a", "cursor=é", "page_size=0", "page_size=1001", "prefix=%00", "x=1"):
        problem(api.get(f"tables/facilities/rows?{wrong}"), 400)


def test_many_rows_are_set_at_once_or_none(api: Caller, table: Table):
    rows = [{"key": "a", "value": 1}, {"key": "b", "value": {"n": [None]}}]
    done = api.post("tables/facilities/rows", {"rows": rows})
    assert [(each["key"], each["made"]) for each in done.json()["results"]] == [("a", True), ("b", True)]
    assert values(table) == {"a": 1, "b": {"n": [None]}}
    assert "more than once" in problem(api.post("tables/facilities/rows", {"rows": [rows[0], rows[0]]}), 400)
    for wrong in ([], [{"key": "a"}], [{"key": "a", "value": 1, "x": 1}], [rows[0]] * 1_001, {"a": 1}):
        problem(api.post("tables/facilities/rows", {"rows": wrong}), 400)
    bad = [{"key": "c", "value": 1}, {"key": " d", "value": 1}]
    assert "“d”: The key begins" in problem(api.post("tables/facilities/rows", {"rows": bad}), 422)
    assert set(values(table)) == {"a", "b"}


def test_a_full_table_says_so(api: Caller, table: Table):
    api.patch("tables/facilities", {"most_rows": 1})
    put(table, a=1)
    assert "may have 1 row" in problem(api.put(row("b"), {"value": 1}, match=""), 409)


def test_the_history_is_read_and_a_value_brought_back(api: Caller, table: Table):
    api.put(row("a"), {"value": 1}, match="")
    api.put(row("a"), {"value": 2}, match="")
    api.put(row("b"), {"value": 2}, match="")
    api.delete(row("a"), match="")
    changes = api.results("tables/facilities/history", key="a")
    assert [(each["kind"], each["before"]) for each in changes] == [
        ("removed", 2),
        ("changed", 1),
        ("made", None),
    ]
    assert changes[0]["by"].startswith("API token")
    assert len(api.results("tables/facilities/history")) == 4
    pages = api.get("tables/facilities/history?page_size=3").json()
    assert len(api.get(pages["next"]).json()["results"]) == 1
    assert api.post("tables/facilities/history/restore", {"change": changes[1]["id"]}).status_code == 200
    assert values(table) == {"a": 1, "b": 2}
    problem(api.post("tables/facilities/history/restore", {"change": changes[2]["id"]}), 409)
    problem(api.post("tables/facilities/history/restore", {"change": 10**15}), 404)
    problem(api.post("tables/facilities/history/restore", {"change": 2**63}), 400)


# --- CSV ----------------------------------------------------------------------------------------------


def test_a_csv_goes_in_and_out(api: Caller, table: Table):
    text = "key,value\r\n12,Lomé Nord\r\n13,'=1+1\r\n"
    shown = csv(api, table, text, dry_run="true").json()
    assert (shown["dry_run"], shown["made"], values(table)) == (True, 2, {})
    assert csv(api, table, text).json()["made"] == 2
    assert values(table) == {"12": "Lomé Nord", "13": "=1+1"}
    answer = api.get("tables/facilities/csv")
    assert answer.getvalue().decode() == text
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="facilities.csv"' in answer["Content-Disposition"]
    replaced = csv(api, table, "key,value\n12,x\n", mode="replace").json()
    assert (replaced["changed"], replaced["removed"]) == (1, 1)


def test_bad_lines_are_told_by_a_dry_run_and_can_be_left_out(api: Caller, table: Table):
    text = "key,value\n12,a\n,b\n"
    shown = csv(api, table, text, dry_run="true").json()
    assert (shown["bad_count"], shown["bad"]) == (1, [{"line": 3, "reason": "The key is empty."}])
    assert "Line 3 cannot be: The key is empty." in problem(csv(api, table, text), 422)
    assert csv(api, table, text, leave_out_bad="true").json()["made"] == 1


@pytest.mark.parametrize(
    ("raw", "kind", "parameters", "status"),
    [
        (b"", "text/csv", {}, 422),
        (b"\xff\xfe", "text/csv", {}, 422),
        (b"key,value\n1,a", "application/json", {}, 415),
        (b"key,value\n1,a", "text/csv", {"mode": "x"}, 400),
        (b"key,value\n1,a", "text/csv", {"dry_run": "yes"}, 400),
        (b"key,value\n1,a", "text/csv", {"x": "1"}, 400),
    ],
)
def test_what_is_no_csv_is_refused(api, table, raw, kind, parameters, status):
    problem(csv(api, table, raw, kind, **parameters), status)
    assert values(table) == {}


def test_values_are_not_told_to_a_token_that_may_only_deploy(clinic: Clinic, table: Table):
    put(table, a="canary-jane-doe")
    caller = clinic.caller("deploy")
    answers = [
        csv(caller, table, "key,value\na,new\n", dry_run="true"),
        caller.put(row("a"), {"value": 1}, match=""),
        caller.post("tables/facilities/rows", {"rows": [{"key": "a", "value": 2}]}),
        caller.get("tables/facilities"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert all("canary" not in answer.content.decode() for answer in answers)


def test_exports_stand_in_the_audit(api: Caller, table: Table):
    api.get("tables/facilities/csv").getvalue()
    assert AuditEntry.objects.filter(action="table exported", object_id=str(table.pk)).count() == 1


# --- the library --------------------------------------------------------------------------------------


def test_a_module_is_made_saved_and_put_away(api: Caller):
    assert api.post("library", {"key": "facilities"}).status_code == 201
    saved = api.post("library/facilities/versions", {"code": "def f():\n    return 1\n", "based_on": 0})
    assert (saved.status_code, saved.json()["number"], saved.json()["error_count"]) == (201, 1, 0)
    broken = api.post("library/facilities/versions", {"code": "def f(:", "note": "half"})
    assert (broken.json()["number"], broken.json()["error_count"]) == (2, 1)
    assert broken.json()["findings"][0]["line"] == 1
    module = api.get("library/facilities").json()
    assert (module["live_version"], module["latest_version"]) == (1, 2)
    assert [each["number"] for each in api.results("library/facilities/versions")] == [2, 1]
    assert "code" not in api.results("library/facilities/versions")[0]
    assert api.get("library/facilities/versions/1").json()["code"] == "def f():\n    return 1\n"
    problem(api.post("library/facilities/versions", {"code": "", "based_on": 1}), 409)
    assert api.patch("library/facilities", {"name": "F"}).json()["name"] == "F"
    assert api.delete("library/facilities").status_code == 204
    assert api.ids("library") == []


@pytest.mark.parametrize("key", ["Facilities", "a-b", "1a", "class", "", "x" * 41, "a b"])
def test_a_module_needs_a_name_that_code_can_have(api: Caller, key: str):
    assert api.post("library", {"key": key}).status_code in (400, 422)


@pytest.mark.parametrize("number", ["3", "0", "x", "-1", "9" * 30])
def test_a_version_that_there_is_not_is_not_found(api: Caller, number: str):
    api.post("library", {"key": "facilities"})
    problem(api.get(f"library/facilities/versions/{number}"), 404)


def test_a_module_that_live_jobs_use_stays(api: Caller, clinic: Clinic):
    api.post("library", {"key": "facilities"})
    clinic.job("from library import facilities", key="export")
    assert "Export" in problem(api.delete("library/facilities"), 409)
