"""`tables` as a job sees it, with a supervisor that keeps rows in memory and counts what it is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobs.language.contract import Outcome
from tests.jobs.language.desk import Done, Memory, run_job

FACILITIES = {str(n): {"name": f"Facility {n}"} for n in range(10, 350)}


@dataclass
class WithTables(Memory):
    """Answers as `runs.table_answers` does, with pages of `page` rows and room for `room` of them."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    page: int = 100
    room: int = 10_000

    def table_open(self, table: str) -> dict[str, Any]:
        if table not in self.tables:
            return {"known": False, "tables": sorted(self.tables)}
        kind = self.kinds.get(table, "lookup")
        head = {"known": True, "kind": kind, "count": len(self.tables[table])}
        return head if kind == "store" else {**head, **self.table_page(table, "", "", True)}

    def table_page(
        self, table: str, after: str = "", prefix: str = "", whole: bool = False
    ) -> dict[str, Any]:
        if whole:
            self.room -= self.page
            if self.room < 0:
                return {"rows": [], "next": None, "cut": True}
        rows = self.tables[table]
        keys = sorted(key for key in rows if key > after and key.startswith(prefix))
        more = keys[self.page - 1] if len(keys) > self.page else None
        return {"rows": [[key, rows[key]] for key in keys[: self.page]], "next": more}

    def table_get(self, table: str, keys: list[str]) -> dict[str, Any]:
        found = [key for key in keys if key in self.tables[table]]
        taken = found[: self.page]
        return {"rows": [[key, self.tables[table][key]] for key in taken], "left": found[self.page :]}

    def table_set(self, table: str, rows: list[Any], ttl: float | None, if_absent: bool) -> dict[str, Any]:
        done = [not (if_absent and key in self.tables[table]) for key, _value in rows]
        self.tables[table].update({key: value for (key, value), good in zip(rows, done, strict=True) if good})
        return {"done": done}

    def table_delete(self, table: str, keys: list[str]) -> dict[str, Any]:
        return {"removed": sum(self.tables[table].pop(key, None) is not None for key in keys)}


def facilities(**options: Any) -> WithTables:
    return WithTables(tables={"facilities": dict(FACILITIES)}, **options)


def run(code: str, channel: WithTables, **options: Any) -> Done:
    return run_job(code, channel=channel, **options)


def final(code: str, channel: WithTables, **options: Any) -> Any:
    done = run(code, channel, **options)
    assert done.outcome == Outcome.SUCCESS, done.failure
    return done.final.get("x")


def test_ten_thousand_lookups_are_a_handful_of_questions():
    channel = facilities()
    code = "state.x = sum(len(tables.facilities[n % 340 + 10]['name']) for n in range(10_000))"
    assert final(code, channel) == sum(len(f"Facility {n % 340 + 10}") for n in range(10_000))
    assert channel.asked == ["table.open", "table.page", "table.page", "table.page"]


def test_a_table_that_is_too_big_is_asked_key_by_key_and_each_once():
    channel = facilities(room=100)
    code = """
state.x = [tables.facilities[340]["name"] for _ in range(3)] + [tables.facilities.get("no") for _ in range(3)]
state.y = len(tables.facilities.get_many(range(10, 400)))
"""
    assert final(code, channel) == ["Facility 340"] * 3 + [None] * 3
    assert channel.asked == ["table.open", "table.page", "table.get", "table.get", *["table.get"] * 3]


def test_a_store_is_asked_key_by_key():
    channel = WithTables(tables={"seen": {"a": 1}}, kinds={"seen": "store"})
    code = (
        "state.x = ['a' in tables.seen, tables.seen['a'], tables.seen.get('b', 'none'), 'b' in tables.seen]"
    )
    assert final(code, channel) == [True, 1, "none", False]
    assert channel.asked == ["table.open", "table.get", "table.get"]


def test_attributes_and_brackets_name_the_same_table():
    channel = WithTables(tables={"health-facilities": {"1": "a"}})
    assert final("state.x = tables.health_facilities['1'] + tables['health-facilities'][1]", channel) == "aa"
    assert channel.asked == ["table.open"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "tables.facilities['12345']",
            "The table facilities has no “12345”; it has 340 keys; did you mean `345`?",
        ),
        (
            "tables.facilities['Nord']",
            "The table facilities has no “Nord”; it has 340 keys, for example 10, 100, 101",
        ),
        ("tables.seen['228 90 11 22']", "The table seen does not have this key; it has 1 key"),
        ("tables.empty['x']", "The table empty has no “x”; it is empty"),
        (
            "tables.facilitis['x']",
            "There is no table `facilitis` in this project; there are: empty, facilities, seen; did you mean",
        ),
        (
            "tables.facilities.find('x')",
            "A table has no `find`; it has: get, get_many, set, set_many, delete, each, keys. A value is read",
        ),
        ("tables.facilities['a'] = 1", "Write tables.facilities.set(key, value) to change a row"),
        ("del tables.facilities['a']", "Write tables.facilities.delete(key) to remove a row"),
        ("tables.facilities = {}", "A table cannot be replaced; write tables.facilities.set(key, value)"),
        ("tables.facilities[None]", "The key of a table is a text, not a NoneType"),
        ("tables.facilities[1.5]", "The key of a table is a text, not a float"),
        ("tables.facilities.set('a', {1, float('nan')})", "A row of the table facilities cannot be set: "),
        (
            "tables.facilities.set('a', 1, ttl='1h')",
            "The time to live is a number of seconds, or a timedelta",
        ),
    ],
)
def test_what_does_not_work_is_told_in_a_sentence(code, sentence):
    channel = facilities()
    channel.tables |= {"seen": {"a": 1}, "empty": {}}
    channel.kinds = {"seen": "store"}
    done = run(f"x = 1\n{code}", channel)
    assert done.outcome == Outcome.FAILED
    assert done.message.startswith(sentence), done.message
    assert done.failure.type == "JobError"
    assert done.failure.line == 2


def test_a_missing_key_may_be_caught_as_python_does():
    code = """
try:
    tables.facilities["none"]
except KeyError as error:
    state.x = str(error)
"""
    assert final(code, facilities()).startswith("The table facilities has no “none”")


@pytest.mark.parametrize("room", [10_000, 100])
def test_one_goes_through_a_table_in_order(room):
    channel = facilities(room=room)
    code = "state.x = [[k for k, v in tables.facilities.each('34')], list(tables.facilities.keys('10')), len(list(tables.facilities))]"
    assert final(code, channel) == [
        ["34", "340", "341", "342", "343", "344", "345", "346", "347", "348", "349"],
        sorted(key for key in FACILITIES if key.startswith("10")),
        340,
    ]


def test_what_a_job_does_to_a_value_changes_no_table():
    code = "tables.facilities['10']['name'] = 'x'\nstate.x = tables.facilities['10']['name']"
    assert final(code, facilities()) == "Facility 10"


@pytest.mark.parametrize("room", [10_000, 100])
def test_a_run_sees_what_it_wrote(room):
    channel = facilities(room=room)
    code = """
t = tables.facilities
t.set("new", {"at": run.scheduled_for}, ttl=60)
t.set_many({"10": "x", 11: "y"})
state.x = [t["new"], t[10], t["11"], t.delete("10"), "10" in t, t.delete("10"), t.get("10", 0)]
"""
    assert final(code, channel) == [{"at": None}, "x", "y", True, False, False, 0]
    assert channel.tables["facilities"]["11"] == "y"
    assert "10" not in channel.tables["facilities"]


def test_many_rows_are_written_in_few_questions():
    channel = WithTables(tables={"t": {}})
    final("tables.t.set_many({str(n): {'name': 'x' * 50} for n in range(2_000)})", channel)
    assert len(channel.tables["t"]) == 2_000
    assert channel.asked == ["table.open", *["table.set"] * 4]


def test_only_the_first_of_two_claims_its_key():
    channel = WithTables(tables={"seen": {"old": 1}}, kinds={"seen": "store"})
    code = "state.x = [tables.seen.set(k, 2, if_absent=True) for k in ('new', 'new', 'old')] + [tables.seen['old']]"
    assert final(code, channel) == [True, False, False, 1]


def test_a_fresh_value_is_asked_for_again():
    channel = WithTables(tables={"seen": {"a": 1}}, kinds={"seen": "store"})
    assert final("state.x = [tables.seen.get('a'), tables.seen.get('a', fresh=True)]", channel) == [1, 1]
    assert channel.asked == ["table.open", "table.get", "table.get"]


@pytest.mark.parametrize("mode", ["dry", "trial"])
@pytest.mark.parametrize("room", [10_000, 100])
def test_outside_live_runs_writes_are_shown_and_seen_by_the_run_alone(mode, room):
    channel = facilities(room=room)
    code = """
t = tables.facilities
t.set("2", {"name": "new"})
t.set_many({"10": "changed"})
said = [t.delete("11"), t.set("12", 1, if_absent=True), t.set("1", 1, if_absent=True)]
state.x = [said, t["2"], t.get("10"), "11" in t, [k for k, _ in t.each()][:5], list(t.each("2"))[0][0], t.get("2", fresh=True)]
"""
    done = run(code, channel, facts={"mode": mode})
    assert done.final["x"] == [
        [True, False, True],
        {"name": "new"},
        "changed",
        False,
        ["1", "10", "100", "101", "102"],
        "2",
        {"name": "new"},
    ]
    assert channel.tables["facilities"] == FACILITIES
    shown = [event for event in done.events if event["kind"] == "http"]
    assert [(each["method"], each["url"], each["dry"], each["protocol"]) for each in shown] == [
        ("SET", "tables.facilities/2", True, "table"),
        ("SET", "tables.facilities/10", True, "table"),
        ("DELETE", "tables.facilities/11", True, "table"),
        ("SET", "tables.facilities/1", True, "table"),
    ]
    assert json.loads(shown[0]["request_body"]) == {"name": "new"}
    assert sum("Only live runs write to tables" in text for _, text in done.lines(source="platform")) == 1


def test_a_write_counts_as_something_done():
    channel = WithTables(tables={"seen": {}})
    assert run("tables.seen.set('a', 1); skip('enough')", channel).outcome == Outcome.SUCCESS
    assert run("tables.seen.get('a'); skip('enough')", channel).outcome == Outcome.SKIPPED


def test_a_channel_that_is_broken_says_so():
    done = run("tables.facilities['10']", facilities(broken=True))
    assert (done.failure.type, done.failure.retryable) == ("ExecutionError", True)
