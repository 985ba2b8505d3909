"""What comes out of an execution: states, memory, limits, conditions."""

import json
import sys
import time
from typing import Any

import pytest

from jobs.language import conditions as conditions_module
from jobs.language.contract import Condition, Request, Result, RunFacts
from jobs.language.runtime import execute
from tests.jobs.language.desk import FACTS, Memory, connection, run_job

START: dict[str, Any] = {"data": {"a": 1}, "cursor": "c1"}


def test_the_configuration_is_the_jobs_own_and_never_stored():
    done = run_job(
        "log(state.configuration['password'])\nreturn {**state, 'configuration': 1, 'x': 1}",
        {"data": 1, "configuration": {"password": "inherited"}},
        connections=(connection("one", password="own"), connection("two", password="other")),
        keep_memory="whole",
    )
    assert done.lines() == [("info", "own")]
    assert done.final == {"data": 1, "x": 1}
    assert done.memory == done.final


def test_data_always_exists():
    assert run_job("state.x = state.data == {}", {}).final == {"data": {}, "x": True}
    assert run_job("", b"").final == {"data": {}}


@pytest.mark.parametrize("body", [b"[1]", b"nonsense", b"\xff", b"[" * 100_000])
def test_an_input_that_is_no_object_is_an_exception_of_the_platform(body):
    done = run_job("fail('never run')", body)
    assert (done.outcome, done.failure.type, done.final_bytes) == ("exception", "ExecutionError", None)


def test_a_language_that_is_not_here_is_told():
    request = Request(language="cobol", code="", run=RunFacts(**FACTS))
    result, final, _ = execute(request=request, state=b"{}", channel=Memory(), emit=print)
    assert (result.outcome, final) == ("exception", None)
    assert "cobol" in result.failure.message  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("keep", "memory"),
    [
        ("no", None),
        ("keys", {"cursor": "c2"}),
        ("whole", {"data": 1, "cursor": "c2", "response": 2, "references": 3}),
    ],
)
def test_a_success_keeps_the_memory_that_was_asked_for(keep, memory):
    code = "state.update(data=1, cursor='c2', response=2, references=3, configuration=4)"
    done = run_job(code, START, keep_memory=keep)
    assert (None if done.memory_bytes is None else done.memory) == memory


@pytest.mark.parametrize("code", ["state.cursor = 'c2'\nfail('no')", "state.cursor = 'c2'\nskip('no')", "("])
def test_only_a_success_keeps_a_memory(code):
    assert run_job(code, START, keep_memory="keys").memory_bytes is None


def test_a_failure_leaves_the_state_as_it_was_then():
    done = run_job("state.data['a'] = 2\nstate.more = 1\nfail('no')", START)
    assert done.final == {"data": {"a": 2}, "cursor": "c1", "more": 1}


def test_a_state_that_cannot_be_kept_after_a_failure_is_dropped_with_a_word_about_it():
    done = run_job("state.x = b''\nfail('no')", START)
    assert (done.message, done.final_bytes) == ("no", None)
    assert "`state.x` is bytes" in done.lines(source="platform")[0][1]


def test_a_final_state_that_is_no_json_fails_the_run_with_its_path():
    done = run_job("state.data = [0, {'weight': float('nan')}]")
    assert (done.outcome, done.failure.type) == ("failed", "JobError")
    assert done.message.startswith("`state.data[1].weight` is NaN")


def test_a_state_over_the_limit_is_killed_and_nothing_of_it_is_kept():
    done = run_job("state.x = 'x' * 2000", START, state_limit=1000, keep_memory="whole")
    assert (done.outcome, done.failure.type, done.failure.kind) == ("killed", "StateTooLargeError", "limit")
    assert (done.final_bytes, done.memory_bytes) == (None, None)
    assert done.message == "The final state has 2,037 bytes; this job may have 1,000 bytes."
    assert run_job("state.x = 'x'", START, state_limit=1000).outcome == "success"


def test_exact_numbers_survive_a_whole_run():
    body = b'{"data":{"big":123456789012345678901234567890,"f":0.1}}'
    assert run_job("", body).final_bytes == body


def test_a_result_crosses_the_process_border_unchanged():
    result = run_job("problem(1, 'x')\nfail('no')", conditions=(_when("failure", "True"),)).result
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def _when(event: str, expression: str, trigger: str = "t") -> Condition:
    return Condition(trigger=trigger, event=event, expression=expression)


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        ("state.data = {'a': 5}", {"s": True, "c": True}),
        ("fail('no')", {"f": True, "c": False}),
        ("(", {"f": True, "c": False}),
        ("state.x = float('inf')", {"f": True, "c": False}),
        ("skip('nothing')", {}),
    ],
)
def test_only_conditions_whose_event_happened_are_decided(code, answers):
    conditions = (
        _when("success", "state.data['a'] == 5", "s"),
        _when("failure", "'error' in state", "f"),
        _when("completion", "value('a') == 5", "c"),
    )
    result = run_job(code, {"data": {"a": 1}}, conditions=conditions).result
    assert (result.conditions, result.condition_errors) == (answers, {})


def test_after_a_failure_a_condition_sees_the_initial_state_and_the_error():
    code = "log('before')\nstate.data['a'] = 2\nstate.data['natid']"
    expressions = {
        "initial": "state.data == {'a': 1}",
        "who": "(state.error['job'], state.error['run'], state.error['attempt']) == ('register', 'run-1', 1)",
        "what": "state.error['type'] == 'KeyError' and 'natid' in state.error['message']",
        "rest": "state.error['status'] is None and state.error['hint'] is None",
        "partial": "state.error['partial']['data']['a'] == 2",
        "log": "state.error['log'][0] == 'before'",
    }
    conditions = tuple(_when("failure", text, name) for name, text in expressions.items())
    result = run_job(code, START, conditions=conditions).result
    assert result.condition_errors == {}
    assert result.conditions == dict.fromkeys(expressions, True)


def test_a_condition_sees_the_stored_form_and_cannot_change_it():
    conditions = (
        _when("success", "state.data.pop('day') == '2026-01-01'", "first"),
        _when("success", "'day' in state.data", "second"),
    )
    done = run_job("import datetime\nstate.data = {'day': datetime.date(2026, 1, 1)}", conditions=conditions)
    assert done.result.conditions == {"first": True, "second": True}
    assert done.final == {"data": {"day": "2026-01-01"}}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("value('amount') > 3", "`amount` is not in the message; the message has: a"),
        ("state.data['b']", "a key is not there"),
        ("state.data[", "it is not an expression"),
        ("x = 1", "it is not an expression"),
        ("openmrs.get('x')", "`openmrs` is not known in a condition; there are `state` and `value`"),
        ("int('Amina')", "a text that is not a whole number was given to int()"),
        ("exit()", "SystemExit was raised"),
    ],
)
def test_a_condition_that_raises_counts_as_false_with_a_reason(expression, words):
    result = run_job("", START, conditions=(_when("success", expression),)).result
    assert (result.outcome, result.conditions) == ("success", {"t": False})
    assert result.condition_errors["t"].startswith("The condition counts as false: ")
    assert words in result.condition_errors["t"]
    assert "Amina" not in result.condition_errors["t"]


def test_a_condition_that_never_ends_does_not_take_the_result_with_it(monkeypatch):
    monkeypatch.setattr(conditions_module, "SECONDS", 0.2)
    begun = time.monotonic()
    conditions = (_when("success", "[0 for _ in iter(int, 1)]", "slow"), _when("success", "True", "fast"))
    result = run_job("", START, conditions=conditions).result
    assert (result.outcome, result.conditions) == ("success", {"slow": False, "fast": True})
    assert "longer than 0.2 seconds" in result.condition_errors["slow"]
    assert time.monotonic() - begun < 3


def test_conditions_alone_are_decided_without_running_any_code():
    conditions = (_when("failure", "state.error['type'] == 'TimeoutError'"),)
    done = run_job(
        "log('ran')", {"error": {"type": "TimeoutError"}}, conditions=conditions, only_conditions=True
    )
    assert (done.result.conditions, done.events, done.final_bytes) == ({"t": True}, [], None)


def test_an_exchange_of_an_adaptor_is_emitted_with_its_connection():
    class Client:
        def __init__(self, context: Any) -> None:
            self.context = context

        def get(self) -> None:
            self.context.trace({"method": "GET", "status": 200})
            self.context.log("info", "asked")

    done = run_job(
        "one.get()", connections=(connection("one"),), connect=lambda n, c, context: Client(context)
    )
    [trace] = [event for event in done.events if event["kind"] == "http"]
    assert (trace["connection"], trace["method"], trace["status"]) == ("one", "GET", 200)
    assert done.lines(source="one") == [("info", "asked")]


def test_an_adaptor_gets_its_surroundings_from_the_request():
    seen: dict[str, Any] = {}

    def connect(name: str, configuration: dict[str, Any], context: Any) -> object:
        seen[name] = (configuration, context)
        return object()

    run_job(
        "http",
        connections=(connection("one", "openmrs", url="u"),),
        connect=connect,
        allowed_hosts=("a.example",),
        allow_private=True,
        facts={"mode": "dry"},
    )
    configuration, context = seen["openmrs"]
    assert (configuration, context.dry_run, context.allow_private) == ({"url": "u"}, True, True)
    assert (context.allowed_hosts, context.idempotency_key) == (("a.example",), "key-1")
    assert seen["http"][0] == {}


def test_connections_are_closed_whatever_happens():
    class Client:
        closed = 0

        def close(self) -> None:
            Client.closed += 1

    run_job("fail('no')", connections=(connection("one"),), connect=lambda *_: Client())
    assert Client.closed == 1


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer makes everything slow")
def test_a_state_of_fifty_megabytes_goes_in_and_out_in_a_few_seconds():
    record = {"id": "abc-123", "name": "Amina", "weight": 61.5, "visits": [1, 2, 3], "village": "Kéur " * 10}
    body = json.dumps({"data": [record] * 300_000}, ensure_ascii=False, separators=(",", ":")).encode()
    begun = time.process_time()
    done = run_job("state.n = len(state.data)", body, state_limit=100_000_000)
    # Measured: about 1.5 s on a busy two-core machine. The bound is there to notice a quadratic step.
    assert time.process_time() - begun < 6
    assert len(body) > 40_000_000
    assert done.final_bytes == body[:-1] + b',"n":300000}'
