"""The project's shared modules in a job: imported, confined to what they know, and told about when they break."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from jobs.language.check import check
from jobs.language.contract import LibrarySource, Outcome, Request
from tests.jobs.language.desk import Done, run_job
from tests.jobs.language.test_tables import WithTables

FACILITIES = """
from library import codes

NAMES = {"12": "Lomé Nord"}

def name_of(code):
    return NAMES[codes.clean(code)]

def region_of(code):
    return tables.facilities[code]["region"]
"""
CODES = """
import re

def clean(code):
    if not code:
        raise ValueError("a code is missing")
    return re.sub("[^0-9]", "", code)

def half(number):
    return 1 / number

def unknown():
    return nothing_of_that_name
"""


def sources(**modules: str) -> tuple[LibrarySource, ...]:
    return tuple(LibrarySource(key=key, number=1, code=code) for key, code in modules.items())


def run(code: str, **options: Any) -> Done:
    modules = options.pop("modules", {"facilities": FACILITIES, "codes": CODES})
    return run_job(code, library=sources(**modules), **options)


def final(code: str, **options: Any) -> Any:
    done = run(code, **options)
    assert done.outcome == Outcome.SUCCESS, done.failure
    return done.final["x"]


@pytest.mark.parametrize(
    "code",
    [
        "from library import facilities\nstate.x = facilities.name_of('12')",
        "from library.facilities import name_of\nstate.x = name_of('12')",
        "import library.facilities\nstate.x = library.facilities.name_of('12')",
        "import library.facilities as f\nstate.x = f.name_of('12')",
        "state.x = library.facilities.name_of('TG-12')",
        "def main(library, state):\n    state.x = library.facilities.name_of('12')",
    ],
)
def test_a_module_is_used_in_every_way_that_python_has(code):
    assert final(code) == "Lomé Nord"


def test_modules_know_tables_and_helpers():
    channel = WithTables(tables={"facilities": {"12": {"region": "Maritime"}}})
    assert final("state.x = library.facilities.region_of('12')", channel=channel) == "Maritime"
    names = "[dates, csv, phones, chunks, jsonpath, tables, library, skip, fail, note, problem, log, print]"
    assert final("state.x = len(library.m.KNOWN)", modules={"m": f"KNOWN = {names}"}) == 13


@pytest.mark.parametrize("name", ["state", "value", "settings", "steps", "once", "run", "sync", "http"])
def test_modules_do_not_know_what_belongs_to_one_job(name):
    done = run("library.m.f()", modules={"m": f"def f():\n    return {name}"})
    assert done.outcome == Outcome.CRASHED
    assert done.message.startswith(f"`{name}` is not known here")


def test_a_module_is_executed_once_and_two_may_need_each_other():
    modules = {
        "a": "log('a')\nfrom library import b\ndef one(): return b.two()",
        "b": "from library import a\ndef two(): return 2",
    }
    done = run("from library import a, b\nimport library.a\nstate.x = a.one()", modules=modules)
    assert (done.final["x"], done.lines()) == (2, [("info", "a")])


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        (
            "library.codes.half(0)",
            "ZeroDivisionError",
            "Division by zero (in the library, codes line 10: return 1 / number)",
        ),
        (
            "library.codes.clean('')",
            "JobError",
            'a code is missing (in the library, codes line 6: raise ValueError("a code is missing"))',
        ),
        (
            "library.facilities.name_of('13')",
            "KeyError",
            "`13` is not there (in the library, facilities line 7: return NAMES[codes.clean(code)])",
        ),
        (
            "library.codes.unknown()",
            "ReferenceError",
            "`nothing_of_that_name` is not known here (in the library, codes line 13: return nothing_of_that_name)",
        ),
        (
            "library.facilitis",
            "JobError",
            "There is no module `facilitis` in the library; there are: facilities, codes; did you mean `facilities`?",
        ),
        (
            "from library import facilitis",
            "ImportError",
            "There is no module `facilitis` in the library; there are: facilities, codes; did you mean `facilities`?",
        ),
        (
            "import library.nope",
            "ImportError",
            "There is no module `nope` in the library; there are: facilities, codes",
        ),
    ],
)
def test_what_breaks_in_a_module_is_told_with_module_and_line(code, kind, sentence):
    done = run(f"x = 1\n{code}")
    assert (done.failure.type, done.message) == (kind, sentence)
    assert (done.failure.line, done.failure.code_line) == (2, code)


@pytest.mark.parametrize(
    "code", ["x = (", "-" * 100 + "\0", "'" + "x" * 300_000 + "'"], ids=["open", "nul", "big"]
)
def test_a_module_that_cannot_be_read_is_named(code):
    done = run("library.m", modules={"m": code})
    assert done.outcome == Outcome.CRASHED
    assert done.message.startswith("The module `m` of the library cannot be read")


def test_nothing_of_a_run_is_left_for_the_next():
    final("from library import facilities\nfacilities.NAMES['12'] = 'x'\nstate.x = 1")
    assert [name for name in sys.modules if name.partition(".")[0] == "library"] == []
    assert final("state.x = library.facilities.name_of('12')") == "Lomé Nord"
    assert run("library.facilities", modules={}).message.startswith("There is no module `facilities`")


def test_a_request_with_modules_survives_its_way_to_the_child():
    request = Request(language="python", code="", run=_facts(), library=sources(a="x = 1"))
    assert Request.from_json(request.to_json()) == request


def _facts() -> Any:
    from jobs.language.contract import RunFacts

    return RunFacts(id="r", attempt=1, work_order="o", project="p", workflow="w", job="j")


# --- checking -----------------------------------------------------------------------------------------


def found(code: str, **around: Any) -> list[tuple[str, str]]:
    given = {"tables": ["facilities", "health-zones"], "library": ["facilities", "codes"], **around}
    return [
        (each.severity, each.message) for each in check(language="python", code=code, aliases={}, **given)
    ]


@pytest.mark.parametrize(
    "code",
    [
        "from library import codes\ncodes.clean('1')",
        "import library.codes\nlibrary.codes.clean('1')",
        "from library.codes import clean\nclean('1')",
        "library.codes.clean(tables.facilities['1'], tables['health-zones'], tables.health_zones)",
        "tables = {}\ntables['x']\nlibrary = tables\nlibrary.x",
    ],
)
def test_what_is_there_is_no_finding(code):
    assert found(code) == []


@pytest.mark.parametrize(
    ("code", "severity", "sentence"),
    [
        (
            "tables.facilitis",
            "warning",
            "There is no table `facilitis` in this project; did you mean `facilities`?",
        ),
        ("tables['zones']", "warning", "There is no table `zones` in this project"),
        ("library.code", "error", "There is no module `code` in the library; did you mean `codes`?"),
        ("from library import nope\nnope", "error", "There is no module `nope` in the library"),
        ("from library.nope import x\nx", "error", "There is no module `nope` in the library"),
        ("import library.nope\nlibrary", "error", "There is no module `nope` in the library"),
    ],
)
def test_what_is_not_there_is_found_before_the_job_runs(code, severity, sentence):
    assert [each for each in found(code) if "import" not in each[1]] == [(severity, sentence)]


def test_modules_are_checked_as_modules():
    assert found(FACILITIES, is_module=True) == []
    assert found("def f():\n    return state", is_module=True) == [
        ("error", "`state` is not known here; did you mean `dates`?")
    ]
    [(severity, sentence)] = found("return 1", is_module=True)
    assert (severity, sentence) == ("error", "'return' outside function")


def test_where_tables_are_not_known_none_is_missed():
    assert found("tables.anything", tables=None) == []
