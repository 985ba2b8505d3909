"""How a body is read: as one function, with the manners of a script."""

import pytest

from tests.jobs.language.desk import run_job


def final(code, state=None, **options):
    done = run_job(code, state, **options)
    assert done.outcome == "success", done.failure
    return done.final


def test_a_body_changes_the_state_from_top_to_bottom():
    assert final("state.data = {'a': 1}\nstate.b = state.data['a'] + 1") == {"data": {"a": 1}, "b": 2}


def test_return_ends_the_job_well():
    assert final("state.a = 1\nreturn\nstate.a = 2")["a"] == 1


def test_a_returned_object_replaces_the_state():
    assert final("return {'x': 1}") == {"x": 1}
    assert final("state.y = 2\nreturn state") == {"data": {}, "y": 2}


def test_a_returned_thing_that_is_no_object_is_refused():
    done = run_job("return [1]")
    assert done.outcome == "failed"
    assert done.message == (
        "The job returned a list; it can return an object, which replaces the state, or nothing"
    )


@pytest.mark.parametrize(
    "code", ["", "# nothing", '"""Only said."""', "\ufeffstate.a = 1", "pass\r\npass\r\n"]
)
def test_a_body_may_be_next_to_nothing(code):
    assert "data" in final(code)


@pytest.mark.parametrize(
    "code",
    [
        "run = run.id\nstate.x = run",
        "data = value('a')\nstate.x = data",
        "value = value('a')\nstate.x = value",
        "note, log = log, note\nstate.x = 'run-1'",
        "settings = {'x': 'run-1'}\nstate.x = settings['x']",
        "log: str = run.id\nstate.x = log",
        "for run in [run.id]:\n    pass\nstate.x = run",
        "import json as note\nstate.x = note.loads('\"run-1\"')",
        "with open('/dev/null') as dates:\n    state.x = run.id",
        "if (once := run.id):\n    state.x = once",
    ],
)
def test_a_name_of_the_scope_may_be_used_before_it_gets_another_meaning(code):
    assert final(code, {"data": {"a": "run-1"}})["x"] == "run-1"


@pytest.mark.parametrize(
    "code",
    [
        "import math\nfactor = 2\nstate.x = [math.floor(v * factor) for v in [1.5]]",
        "factor = 3\ndef f(v):\n    return v * factor\nstate.x = [f(1)]",
        "count = 2\ndef f():\n    global count\n    count += 1\nf()\nstate.x = [count]",
        "count = 2\ndef f():\n    nonlocal count\n    count += 1\nf()\nstate.x = [count]",
        "def f():\n    global fresh\n    fresh = 3\nf()\nstate.x = [fresh]",
        "global count\ncount = 3\nstate.x = [count]",
        "def f(n):\n    return n if n > 2 else f(n + 1)\nstate.x = [f(1)]",
        "class C:\n    def value(self):\n        return size\nsize = 3\nstate.x = [C().value()]",
        "size = 3\nstate.x = [k for k in [1, 2, 3] if any(k == j for j in [size])]",
        "from __future__ import annotations\ndef f(a: Nowhere): return 3\nstate.x = [f(1)]",
        "def f():\n    yield 3\nstate.x = list(f())",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    state.x = [3 if error else 0]",
        "match {'a': 3}:\n    case {'a': found}:\n        state.x = [found]",
        "x: int\nx = 3\nif x:\n    y: int = x\nstate.x = [y]",
    ],
)
def test_names_are_seen_in_functions_classes_and_comprehensions_as_in_any_script(code):
    assert final(code)["x"] in ([3], [1, 2, 3][2:])


def test_assigning_the_name_state_replaces_the_state():
    assert final("state = {'data': 5}\nstate['more'] = 1") == {"data": 5, "more": 1}
    assert final("state = {**state, 'more': 1}", {"data": 2}) == {"data": 2, "more": 1}


def test_value_reads_the_state_that_was_assigned():
    assert final("state = {'data': {'a': 1}}\nstate['x'] = value('a')")["x"] == 1


def test_a_loop_variable_called_state_does_not_replace_the_state():
    assert final("for state in [{'name': 'Lagos'}]:\n    pass", {"data": 1}) == {"data": 1}


def test_a_state_assigned_to_something_that_is_no_object_leaves_the_state():
    assert final("state = 'Lagos'", {"data": 1}) == {"data": 1}


def test_main_is_called_with_what_it_asks_for_by_name():
    code = "FACTOR = 2\n\ndef main(state, value, *, run, extra=None):\n    return {'x': value('a') * FACTOR, 'run': run.id}"
    assert final(code, {"data": {"a": 4}}) == {"x": 8, "run": "run-1"}


def test_main_may_ask_for_nothing_and_use_the_scope():
    assert final("def main():\n    state.x = helper()\n\ndef helper():\n    return run.attempt")["x"] == 1


def test_a_parameter_of_main_that_is_not_in_scope_is_told():
    done = run_job("x = 1\ndef main(state, oppenmrs):\n    pass", connect=lambda *_: object())
    assert (done.outcome, done.failure.type, done.failure.line) == ("crashed", "ReferenceError", 2)
    assert done.message.startswith(
        "`main` asks for `oppenmrs`, which is not in scope; in scope are: chunks, csv,"
    )


@pytest.mark.parametrize("last", ["main()", "result = main()", "if True:\n    main()"])
def test_a_script_that_calls_main_itself_is_not_called_twice(last):
    assert final(f"state.n = 0\ndef main():\n    state.n += 1\n{last}")["n"] == 1


def test_the_guard_of_a_program_does_not_call_main_a_second_time():
    code = "state.n = 0\ndef main():\n    state.n += 1\nif __name__ == '__main__':\n    main()"
    assert final(code)["n"] == 1


@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        ("x = 1\ny = (", 2, "'(' was never closed"),
        ("if True:\nx = 1", 2, "expected an indented block"),
        ("yield 1", 1, "'yield' outside function"),
        ("x = await f()", 1, "'await' outside"),
        ("from math import *", 1, "import * only allowed"),
        ("def main():\n    pass\nreturn 5", 3, "'return' outside function"),
        ("'a\0b'", 1, "NUL"),
        ("x = '\ud800'", None, "no text"),
        ("-" * 100_000 + "1", None, "nested too deeply"),
        ("+".join("1" for _ in range(20_000)), None, "nested too deeply"),
        ("(" * 300, 1, "too many nested parentheses"),
        ("#" * 300_000, 1, "more than 256 kB"),
    ],
)
def test_code_that_does_not_compile_crashes_with_line_and_reason(code, line, words):
    done = run_job(code)
    assert (done.outcome, done.failure.type, done.failure.line) == ("crashed", "SyntaxError", line)
    assert words in done.message


def test_line_numbers_are_those_of_the_editor():
    done = run_job("# first\n\nx = {}\n\n\nx['b']")
    assert (done.failure.line, done.failure.code_line) == (6, "x['b']")


def test_a_traceback_that_the_job_prints_shows_its_lines():
    done = run_job("import traceback\ntry:\n    {}['b']\nexcept KeyError:\n    log(traceback.format_exc())")
    assert "{}['b']" in done.lines()[0][1]
