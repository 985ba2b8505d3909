"""Tables and the library through a real child: what jobs look up, write and import, and what stays next door."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.utils import timezone

from jobs.library import module_create, module_save
from jobs.models import LibraryModule, Table, TableChange, TableRow
from jobs.rows import rows_page, rows_set
from jobs.tables import table_archive, table_create
from openfn_platform.projects.actors import PLATFORM
from runs.models import HttpExchange, Run, RunMode
from runs.retrying import run_retry
from runs.starting import job_start
from tests.flows.world import Engine, World, final_of, log_of, outcome

CANARY = "canary-jane-doe"


def table(world: World, name: Any = "Facilities", kind: Any = "lookup", **rows: Any) -> Table:
    made = table_create(project=world.project, name=name, kind=kind, by=PLATFORM)
    for start in range(0, len(rows), 1_000):
        rows_set(table=made, rows=dict(list(rows.items())[start : start + 1_000]), by=PLATFORM)
    return made


def module(world: World, code: str, key: str = "facilities") -> LibraryModule:
    found = LibraryModule.objects.filter(project=world.project, key=key).first()
    found = found or module_create(project=world.project, key=key, by=PLATFORM)
    module_save(module=found, code=code, by=PLATFORM)
    return found


def ran(world: World, engine: Engine, code: str, **fields: Any) -> Run:
    mode = fields.pop("mode", RunMode.LIVE)
    run = job_start(job=world.job(code, **fields), mode=mode)
    engine.drain()
    run.refresh_from_db()
    return run


def stored(made: Table) -> dict[str, Any]:
    return {row.key: row.value for row in rows_page(table=made, size=5_000)}


def result(run: Run) -> Any:
    assert outcome(run) == "success", (run.failure, log_of(run))
    return final_of(run)["data"]


def test_a_job_looks_up_writes_and_goes_through_a_table(world: World, engine: Engine):
    made = table(world, **{str(n): {"name": f"Côte {n}"} for n in range(3_000)})
    code = """
t = tables.facilities
t.set("new", ["ü", None, 1.5], ttl=3600)
t.set_many({f"n{n:04}": n for n in range(1_200)})
t.delete("7")
state.data = [t["12"], t.get("7", "gone"), t["new"], len(list(t.each("n0"))), "2999" in t, len(t.get_many(range(100)))]
"""
    run = ran(world, engine, code)
    assert result(run) == [{"name": "Côte 12"}, "gone", ["ü", None, 1.5], 1_000, True, 99]
    rows = stored(made)
    assert (len(rows), rows["n1199"], "7" in rows) == (3_000 + 1_200, 1_199, False)
    assert TableRow.objects.get(key="new").expires_at is not None
    assert TableChange.objects.filter(
        key="7", kind="removed", run_id=run.pk, before={"name": "Côte 7"}
    ).exists()


def test_a_store_keeps_what_the_next_run_needs(world: World, engine: Engine):
    made = table(world, "Seen", "store")
    code = """
before = tables.seen.get("cursor", 0)
tables.seen.set("cursor", before + 1)
state.data = list(tables.seen.keys())
"""
    for _ in range(3):
        last = ran(world, engine, code)
    assert (stored(made), result(last)) == ({"cursor": 3}, ["cursor"])


def test_a_missing_key_ends_the_run_with_a_sentence(world: World, engine: Engine):
    table(world, **{"12": "a", "13": "b"})
    run = ran(world, engine, "x = 1\ntables.facilities['14']")
    assert run.error_message.startswith("The table facilities has no “14”; it has 2 keys, for example 12, 13")
    assert (run.failure or {})["line"] == 2


def test_a_retry_writes_the_same_again_without_a_trace(world: World, engine: Engine):
    made = table(world, "Seen", "store")
    code = """
tables.seen.set("a", {"n": 1})
mine = tables.seen.set("claim", 1, if_absent=True)
if run.attempt == 1: fail("once more")
state.data = mine
"""
    first = ran(world, engine, code)
    second = run_retry(run=first, by=world.owner)
    engine.drain()
    assert (outcome(first), result(second)) == ("failed:JobError", True)
    assert stored(made) == {"a": {"n": 1}, "claim": 1}
    assert [change.kind for change in TableChange.objects.all()] == ["made", "made"]
    assert result(ran(world, engine, "state.data = tables.seen.set('claim', 2, if_absent=True)")) is False


@pytest.mark.parametrize("mode", [RunMode.DRY, RunMode.TRIAL])
def test_only_live_runs_write(world: World, engine: Engine, mode: RunMode):
    made = table(world, a=1)
    code = "t = tables.facilities\nt.set('b', 2); t.delete('a')\nstate.data = [t['b'], 'a' in t]"
    run = ran(world, engine, code, mode=mode)
    assert result(run) == [2, False]
    assert stored(made) == {"a": 1}
    shown = HttpExchange.objects.filter(run_id=run.pk).order_by("seq")
    assert [(each.protocol, each.method, each.url, each.dry, each.write) for each in shown] == [
        ("table", "SET", "tables.facilities/b", True, True),
        ("table", "DELETE", "tables.facilities/a", True, True),
    ]


HOSTILE = """
from jobs.language.channel import ChannelError
ask = tables._channel.ask
said = []
for question, body in (
    ("table.set", {"table": "facilities", "rows": [["b", 1]]}),
    ("table.delete", {"table": "facilities", "keys": ["a"]}),
    ("table.set", {"table": "facilities"}), ("table.set", {"table": "facilities", "rows": [[1, 2], [3]]}),
    ("table.set", {"table": "facilities", "rows": [["b", 1]], "ttl": "x"}),
    ("table.set", {"table": "facilities", "rows": [["b", 1]], "ttl": 1e300}),
    ("table.set", {"table": "facilities", "rows": [["b\\0", 1]]}),
    ("table.set", {"table": "facilities", "rows": [["b", "\\0"]]}),
    ("table.set", {"table": "facilities", "rows": [["b", "x" * 64_001]]}),
    ("table.get", {"table": "facilities", "keys": ["k\\0", "\\ud800", 7, "a", "x" * 300]}),
    ("table.get", {"table": "facilities", "keys": ["k"] * 501}),
    ("table.page", {"table": "facilities", "after": "\\0", "prefix": "\\ud800"}),
    ("table.page", {"table": "facilities", "after": 7, "prefix": None}),
    ("table.page", {"table": "nothing\\0"}), ("table.open", {"table": None}), ("table.page", {}),
):
    try:
        said.append(ask(question, body))
    except ChannelError as error:
        said.append(str(error))
state.data = said
"""


def test_whatever_a_job_asks_gets_an_answer(world: World, engine: Engine):
    made = table(world, a=1)
    said = result(ran(world, engine, HOSTILE, mode=RunMode.DRY))
    assert said[:2] == ["Only live runs write to tables."] * 2
    said = result(ran(world, engine, HOSTILE))
    assert stored(made) == {"b": 1}
    assert [each for each in said if "could not answer" in str(each)] == []


def test_secrets_are_not_kept_in_tables(world: World, engine: Engine):
    link = world.credential("http", baseUrl="http://127.0.0.1:9", api_key="secret-of-partner-4711")
    made = table(world, "Seen", "store")
    code = """
key = state.configuration["api_key"]
tables.seen.set(key, {"said": key, key: 1})
tables.seen.set("plain", 1)
"""
    ran(world, engine, code, connections={"partner": ("http", link)})
    assert "4711" not in json.dumps(stored(made))
    assert set(stored(made)) == {"***", "plain"}


SPY = """
found = []
for name in ("facilities", "secrets", "only-theirs"):
    try:
        t = tables[name]
        found.append([t.get("k"), list(t.each())])
        t.set("k", "overwritten"); t.delete("gone")
    except Exception as error:
        found.append(str(error))
try:
    from library import theirs
    found.append(theirs.SECRET)
except ImportError as error:
    found.append(str(error))
state.data = found
"""


def test_nothing_of_a_neighbour_can_be_read_or_written(world: World, engine: Engine):
    neighbour = World("Neighbour")
    theirs = table(neighbour, "Only theirs", k=CANARY)
    same = table(neighbour, "Facilities", k=CANARY, gone=CANARY)
    module(neighbour, f"SECRET = {CANARY!r}", key="theirs")
    mine = table(world, "Facilities")
    run = ran(world, engine, SPY)
    told = json.dumps([result(run), log_of(run)])
    assert CANARY not in told
    assert "only-theirs" not in told.replace("There is no table `only-theirs` in this project", "")
    assert stored(mine) == {"k": "overwritten"}
    assert stored(theirs) == {"k": CANARY}
    assert stored(same) == {"k": CANARY, "gone": CANARY}


def test_a_table_that_was_put_away_is_not_there(world: World, engine: Engine):
    table_archive(table=table(world, a=1), by=PLATFORM)
    assert "There is no table `facilities`" in ran(world, engine, "tables.facilities").error_message


def test_ten_thousand_lookups_take_little_time(world: World, engine: Engine):
    table(world, **{f"{n:05}": {"name": f"Facility {n}", "uid": "x" * 11} for n in range(10_000)})
    code = """
import time
begin = time.monotonic()
for n in range(10_000): assert tables.facilities[f"{n:05}"]["name"] == f"Facility {n}"
state.data = time.monotonic() - begin
"""
    begin = time.monotonic()
    seconds = result(ran(world, engine, code))
    assert seconds < 5
    print(f"10,000 lookups: {seconds:.2f} s of {time.monotonic() - begin:.2f} s")


def test_a_big_value_passes_also_where_the_state_must_be_small(world: World, engine: Engine):
    made = table(world, a="é" * 31_000)
    code = (
        "t = tables.facilities\nt.set('b', t['a'])\nt.set('c', '\\u0001' * 10_000)\nstate.data = len(t['b'])"
    )
    assert result(ran(world, engine, code, state_bytes=1_000)) == 31_000
    assert set(stored(made)) == {"a", "b", "c"}


# --- the library --------------------------------------------------------------------------------------


def test_a_run_takes_the_library_as_it_is_live_and_says_which(world: World, engine: Engine):
    module(world, "def clean(code): return code.strip()", key="codes")
    module(world, "from library import codes\ndef name_of(code): return codes.clean(code) + '!'")
    module(world, "x = 1", key="unused")
    job = world.job("from library import facilities\nstate.data = facilities.name_of(' a ')")
    run = job_start(job=job)
    engine.drain()
    assert result(run) == "a!"
    assert run.library == {"codes": 1, "facilities": 1}
    module(world, "def clean(code): return code.strip().upper()", key="codes")
    module(world, "def name_of(code): return nothing", key="facilities")  # has an error, so is not live
    again = job_start(job=job)
    engine.drain()
    assert (result(again), again.library) == ("A!", {"codes": 2, "facilities": 1})


@pytest.mark.parametrize(("same_code", "said"), [(True, "old"), (False, "new")])
def test_a_retry_with_the_same_code_takes_the_same_library(
    world: World, engine: Engine, same_code: bool, said: str
):
    made = module(world, "SAID = 'old'")
    run = ran(world, engine, "from library import facilities\nstate.data = facilities.SAID")
    module_save(module=made, code="SAID = 'new'", by=PLATFORM)
    LibraryModule.objects.update(archived_at=timezone.now() if same_code else None)
    retry = run_retry(run=run, by=world.owner, same_code=same_code)
    engine.drain()
    assert result(retry) == said
    assert retry.library == run.library if same_code else retry.library == {"facilities": 2}


def test_what_breaks_in_a_module_is_told_on_the_run(world: World, engine: Engine):
    module(world, "def half(n):\n    return n / 0")
    run = ran(world, engine, "library.facilities.half(1)")
    assert run.error_message == "Division by zero (in the library, facilities line 2: return n / 0)"


def test_library_code_is_as_confined_as_the_job(world: World, engine: Engine):
    module(world, "import os, sys\ndef look(): return ['django' in sys.modules, open('/etc/passwd').read()]")
    run = ran(world, engine, "state.data = library.facilities.look()")
    assert outcome(run) == "failed:PermissionError"
