"""once(): a call that a retry does not repeat."""

from typing import Any

import pytest

from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, NotFound, Timeout, Unavailable, ValidationError
from tests.jobs.language.desk import Memory, connection, run_job


class Gateway:
    """An SMS gateway that counts, with answers as they are told."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls = 0

    def connect(self, name: str, configuration: dict[str, Any], context: Context) -> "Gateway":
        self.context = context
        return self

    def send(self, text: str, to: str = "") -> Any:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else {"id": text}
        status = answer.status if isinstance(answer, AdaptorError) else 201
        self.context.trace({"method": "POST", "status": status})
        if isinstance(answer, Exception):
            raise answer
        return answer


def attempt(code: str, memory: Memory, gateway: Gateway, **options):
    return run_job(code, channel=memory, connect=gateway.connect, connections=(connection("sms"),), **options)


SEND = "state.x = once('conf-77', sms.send, 'hello', to='+221')"


def test_a_retry_gets_the_remembered_result_without_calling_again():
    memory, gateway = Memory(), Gateway()
    assert attempt(SEND + "\nfail('later')", memory, gateway).outcome == "failed"
    done = attempt(SEND, memory, gateway)
    assert (done.final["x"], gateway.calls) == ({"id": "hello"}, 1)


def test_the_first_attempt_sees_the_result_as_a_retry_will():
    code = "import datetime\nstate.x = once('k', lambda: {'at': datetime.date(2026, 1, 1), 't': (1,)})\nassert state.x['t'] == [1]"
    memory, gateway = Memory(), Gateway()
    first, second = attempt(code, memory, gateway), attempt(code, memory, gateway)
    assert first.final["x"] == second.final["x"] == {"at": "2026-01-01", "t": [1]}


def test_begun_without_result_ends_the_run_and_asks_a_person():
    memory, gateway = Memory(once={"conf-77": None}), Gateway()
    done = attempt(SEND, memory, gateway)
    assert (done.outcome, done.failure.type, done.failure.retryable) == ("failed", "UnsureError", False)
    assert done.message == "'conf-77' may have been sent; look, then choose *it was* or *send again*"
    assert gateway.calls == 0


@pytest.mark.parametrize("clause", ["except Exception", "except"])
def test_a_job_cannot_swallow_that_nobody_knows(clause):
    code = f"try:\n    {SEND}\n{clause}:\n    pass\nnote('all sent')"
    assert attempt(code, Memory(once={"conf-77": None}), Gateway()).failure.type == "UnsureError"


@pytest.mark.parametrize(
    "error",
    [
        ValidationError("no such number", status=400),
        NotFound("no such sender", status=404),
        Unavailable("refused", sent=False),
    ],
)
def test_an_error_that_proves_that_nothing_was_sent_lets_a_retry_send(error):
    memory, gateway = Memory(), Gateway(error)
    assert attempt(SEND, memory, gateway).outcome == "failed"
    done = attempt(SEND, memory, gateway)
    assert (done.outcome, gateway.calls) == ("success", 2)


@pytest.mark.parametrize("error", [Timeout("no answer"), Unavailable("broke", status=502)])
def test_an_error_that_proves_nothing_leaves_the_question_open(error):
    memory, gateway = Memory(), Gateway(error)
    assert attempt(SEND, memory, gateway).failure.type == "AdaptorError"
    assert attempt(SEND, memory, gateway).failure.type == "UnsureError"
    assert gateway.calls == 1


def test_a_refusal_after_something_else_went_through_leaves_the_question_open():
    code = "def both():\n    sms.send('first')\n    sms.send('second')\nonce('both', both)"
    memory, gateway = Memory(), Gateway({"id": 1}, ValidationError("no", status=400))
    assert attempt(code, memory, gateway).outcome == "failed"
    assert attempt(code, memory, gateway).failure.type == "UnsureError"


def test_an_error_of_the_jobs_own_code_leaves_the_question_open():
    code = "def mine():\n    sms.send('first')\n    raise ValueError('after')\nonce('mine', mine)"
    memory, gateway = Memory(), Gateway()
    attempt(code, memory, gateway)
    assert attempt(code, memory, gateway).failure.type == "UnsureError"


def test_httpx_used_directly_is_understood_when_it_reached_nobody():
    code = "import httpx\nonce('k', httpx.get, 'http://127.0.0.1:9/')"
    memory = Memory()
    done = run_job(code, channel=memory)
    assert (done.failure.type, done.failure.kind, done.failure.retryable) == (
        "ConnectionError",
        "connection",
        True,
    )
    assert memory.once == {}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("once('k', sms.send('hello'))", "the result of a call instead of the function"),
        ("once('', sms.send)", "needs a key first"),
        ("once(5, sms.send)", "needs a key first"),
        ("once('k' * 300, sms.send)", "more than 200 characters"),
        ("once('k', sms.send)", "missing a required argument: 'text'"),
        ("once('k', sms.send, 'a', from_='b')", "unexpected keyword argument 'from_'"),
    ],
)
def test_a_call_that_cannot_be_made_is_found_before_anything_is_remembered(code, words):
    memory = Memory()
    done = attempt(code, memory, Gateway())
    assert (done.outcome, memory.asked) == ("failed", [])
    assert words in done.message


def test_a_result_that_cannot_be_remembered_is_told_and_stays_open():
    memory, gateway = Memory(), Gateway({"raw": b"x"})
    done = attempt(SEND, memory, gateway)
    assert "cannot be remembered: `result.raw` is bytes" in done.message
    assert attempt(SEND, memory, gateway).failure.type == "UnsureError"


def test_a_silent_platform_stops_the_call_before_it_is_made():
    gateway = Gateway()
    done = attempt(SEND, Memory(broken=True), gateway)
    assert (done.outcome, done.failure.kind, gateway.calls) == ("failed", "platform", 0)
