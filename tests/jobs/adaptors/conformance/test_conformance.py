"""What every adaptor that speaks HTTP must do, rich and thin alike."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, RateLimited, Timeout, Unavailable
from openfn_platform.common.http import Retries
from tests.common.faulty import Seen, answer, hang_up
from tests.jobs.adaptors.conformance.case import SECRET, Case, Stage, carries

FOLDER = Path(__file__).with_name("cases")
CASES: dict[str, Case] = {
    file.stem: import_module(f"{__package__}.cases.{file.stem}").CASE
    for file in sorted(FOLDER.glob("[a-z]*.py"))
}
# These speak something else than HTTP and are tested against servers of their own.
NOT_HTTP = {"postgresql", "mysql", "mssql", "email", "sftp"}
# Words no partner should mangle: an apostrophe, four bytes, right to left, both quotes, a line break.
HASTY = Retries(attempts=4, first_wait=0.01)
UNICODE = 'Nguyễn O\'Brien 𝒳 عائشة "q" \\ %20&+=;\nß'


@pytest.fixture(params=CASES)
def case(request) -> Case:
    return CASES[request.param]


@pytest.fixture
def stage(case):
    with Stage(case) as stage:
        yield stage


class Heard:
    """Everything that an adaptor said while it worked."""

    def __init__(self) -> None:
        self.logs: list[str] = []
        self.traces: list[dict[str, Any]] = []

    def __str__(self) -> str:
        return f"{self.logs} {self.traces}"


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def connect(case, stage, heard):
    opened = []

    def make(*, dry_run=False):
        context = Context(
            allow_private=True,
            dry_run=dry_run,
            retries=HASTY,
            log=lambda level, text: heard.logs.append(text),
            trace=heard.traces.append,
        )
        client = registry.connect(case.name, case.configuration(stage.server.url), context)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def test_every_adaptor_is_on_trial():
    assert set(registry.names()) == set(CASES) | NOT_HTTP & set(registry.names())
    assert all(name == case.name for name, case in CASES.items())


def test_the_credential_is_shown_and_the_address_joined(case, stage, connect):
    connect_result = case.read(connect())
    assert connect_result is not None
    (seen,) = stage.seen[:1]
    assert case.auth(seen)
    assert urlsplit(seen.target).path == case.read_path


def test_an_address_of_another_system_is_refused(case, stage, connect):
    client = connect()
    ask = getattr(client, "request", None) or getattr(getattr(client, "http", None), "request", None)
    if ask is None:
        pytest.skip("takes no paths at all")
    with pytest.raises(AdaptorError, match=r"another|leads|elsewhere|base address"):
        ask("GET", "https://elsewhere.example/steal")
    assert stage.server.seen == [] or all("steal" not in each.target for each in stage.server.seen)


def test_a_refusal_is_told_in_the_partners_words(case, stage, connect):
    stage.script = [answer(400, case.error_body, kind=case.kind)]
    with pytest.raises(AdaptorError) as caught:
        case.write(connect(), "x")
    assert case.error_words in caught.value.message
    assert (caught.value.sent, caught.value.retryable) == (False, False)
    assert len(stage.seen) == 1


def test_an_error_inside_a_success_is_raised(case, stage, connect):
    if case.hidden_error is None:
        pytest.skip("this system says no by status alone")
    stage.script = [answer(case.write_status, case.hidden_error, kind=case.kind)]
    with pytest.raises(AdaptorError) as caught:
        case.write(connect(), "x")
    assert case.hidden_words in caught.value.message


def test_a_refused_credential_is_an_auth_error_and_asks_only_once_more_for_a_log_in(case, stage, connect):
    stage.always = lambda seen: answer(401, case.error_body)
    with pytest.raises(AuthError):
        case.read(connect())
    logs_in = len(stage.server.seen) > len(stage.seen)
    assert len(stage.seen) == (2 if logs_in else 1)


def test_too_many_requests_are_waited_for_as_asked(case, stage, connect):
    stage.script = [answer(429, case.error_body, {"retry-after": "0.05"})]
    began = time.monotonic()
    case.write(connect(), "x")
    assert time.monotonic() - began >= 0.05
    assert len(stage.seen) == 2


def test_a_long_wait_is_left_to_the_run(case, stage, connect):
    stage.always = lambda seen: answer(429, case.error_body, {"retry-after": "900"})
    with pytest.raises(RateLimited) as caught:
        case.write(connect(), "x")
    assert (caught.value.retry_after, len(stage.seen)) == (900, 1)


def test_a_read_is_repeated_when_a_gateway_fails(case, stage, connect):
    stage.script = [answer(503, {}, {"retry-after": "0"}), hang_up]
    case.read(connect())
    assert len(stage.seen) == 3


@pytest.mark.parametrize("fault", [answer(502, {}), answer(504, {}), hang_up], ids=["502", "504", "hang-up"])
def test_a_write_that_may_have_arrived_is_not_repeated(case, stage, connect, fault):
    stage.script = [fault]
    if case.repeats:
        case.write(connect(), "x")
        assert len(stage.seen) == 2
        return
    with pytest.raises((Unavailable, Timeout)) as caught:
        case.write(connect(), "x")
    assert (caught.value.sent, caught.value.retryable, len(stage.seen)) == (True, False, 1)


def test_secrets_stay_out_of_logs_errors_and_traces(case, stage, connect, heard):
    client = connect()
    case.write(client, f"my key is {SECRET}")
    stage.always = lambda seen: answer(
        case.refusal, {"error": {"message": f"bad {SECRET}"}, "message": f"bad {SECRET}"}
    )
    with pytest.raises(AdaptorError) as caught:
        case.read(client)
    everything = f"{caught.value!r} {caught.value} {client!r} {heard}"
    assert SECRET not in everything
    assert "Bearer tok-" not in everything
    assert any(each["method"] == "GET" or each["write"] is False for each in heard.traces)


def test_a_dry_run_shows_the_write_and_sends_nothing(case, stage, connect, heard):
    case.write(connect(dry_run=True), "shown")
    shown = [each for each in heard.traces if each.get("dry")]
    assert len(shown) == 1
    assert shown[0]["write"] is True
    assert "shown" in f"{shown[0]['request_body']} {shown[0]['url']}"
    assert not [each for each in stage.seen if case.sends(each)]


def test_unicode_and_empty_values_survive(case, stage, connect):
    client = connect()
    case.write(client, UNICODE)
    assert carries([each for each in stage.seen if case.sends(each)][-1], case.spelled(UNICODE))


def test_pages_are_read_to_their_end_and_each_record_once(case, stage, connect):
    if case.pages is None:
        pytest.skip("has no long lists")
    stage.always = case.pages
    numbers = [record["n"] for record in case.all(connect())]
    assert len(numbers) >= 5
    assert numbers == sorted(set(numbers))
    assert len(stage.seen) >= 3


def test_silence_is_a_timeout_and_a_write_is_not_sent_again(case):
    asked = []

    def quiet(request):
        asked.append(request)
        if case.log_in(seen_of(request)) is not None:
            return httpx.Response(
                200, json=case.tokens, headers={"set-cookie": case.cookie} if case.cookie else {}
            )
        raise httpx.ReadTimeout("", request=request)

    context = Context(transport=httpx.MockTransport(quiet), retries=HASTY)
    client = registry.connect(case.name, case.configuration("https://partner.example"), context)
    with pytest.raises(Timeout) as caught:
        case.write(client, "x")
    assert caught.value.sent
    assert caught.value.retryable is case.repeats
    writes = [each for each in asked if case.log_in(seen_of(each)) is None]
    assert len(writes) == (HASTY.attempts if case.repeats else 1)


def seen_of(request: httpx.Request) -> Seen:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Seen(request.method, request.url.raw_path.decode(), headers, request.read())
