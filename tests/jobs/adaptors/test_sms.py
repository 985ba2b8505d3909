"""`sms` through Twilio on a real socket."""

from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AuthError,
    ConfigurationError,
    RateLimited,
    Timeout,
    Unavailable,
    ValidationError,
)
from tests.common.faulty import answer, hang_up, reset
from tests.jobs.adaptors.partners import TwilioApi

TOKEN = "top-secret-token"
GOOD, BAD = "+22890112233", "+15550000000"


@pytest.fixture
def twilio():
    with TwilioApi() as server:
        yield server


@pytest.fixture
def connect(twilio):
    opened = []

    def make(context=None, **more):
        configuration = {
            "provider": "twilio", "accountSid": "AC123", "authToken": TOKEN, "from": "+15005550006",
            "baseUrl": twilio.server.url, **more,
        }  # fmt: skip
        client = registry.connect("sms", configuration, context or Context(allow_private=True))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def test_a_message_is_sent_as_a_form_and_acknowledged(connect, twilio):
    (result,) = connect().send(GOOD, "Bonjour à 9 h")
    assert twilio.sent == [{"To": GOOD, "From": "+15005550006", "Body": "Bonjour à 9 h"}]
    assert (result["to"], result["provider_id"], result["status"]) == (GOOD, "SM1", "accepted")
    assert set(result) == {"to", "provider_id", "status", "retryable", "code", "message", "raw"}


def test_the_sender_may_be_given_or_a_messaging_service_used(connect, twilio):
    connect().send(GOOD, "x", "CLINIC")
    connect(messagingServiceSid="MG1").send(GOOD, "x")
    assert twilio.sent[0]["From"] == "CLINIC"
    assert twilio.sent[1]["MessagingServiceSid"] == "MG1"
    assert "From" not in twilio.sent[1]


def test_without_any_sender_nothing_is_sent(twilio):
    configuration = {
        "provider": "twilio",
        "accountSid": "AC123",
        "authToken": TOKEN,
        "baseUrl": twilio.server.url,
    }
    client = registry.connect("sms", configuration, Context(allow_private=True))
    with pytest.raises(ValidationError, match="needs a sender"):
        client.send(GOOD, "x")
    assert twilio.server.seen == []


@pytest.mark.parametrize(("to", "text"), [("", "x"), ([], "x"), ([GOOD, " "], "x"), (GOOD, " ")])
def test_a_message_without_number_or_text_is_not_sent(connect, twilio, to, text):
    with pytest.raises(ValidationError):
        connect().send(to, text)
    assert twilio.server.seen == []


@pytest.mark.parametrize("number", [22890112233, 22890112233.0, [GOOD, 22890112233], None, 0, False])
def test_a_number_that_is_no_text_is_told_so(connect, twilio, number):
    with pytest.raises(ValidationError, match="telephone number") as caught:
        connect().send(number, "x")
    assert caught.value.sent is False
    assert twilio.server.seen == []


def test_a_rejected_number_raises_in_twilios_words(connect):
    with pytest.raises(
        ValidationError, match=r"^Twilio: The 'To' number .* is not a valid phone number\.$"
    ) as caught:
        connect().send(BAD, "x")
    error = caught.value
    assert (error.sent, error.retryable) == (False, False)
    assert [(each["status"], each["code"]) for each in error.body] == [("rejected", "21211")]


def test_the_others_still_get_theirs_and_the_error_tells_who_did(connect, twilio):
    with pytest.raises(ValidationError, match="1 of 3 recipients were rejected") as caught:
        connect().send([GOOD, BAD, "+22890112244"], "x")
    assert [each["status"] for each in caught.value.body] == ["accepted", "rejected", "accepted"]
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert [each["To"] for each in twilio.sent] == [GOOD, "+22890112244"]


def test_a_wrong_sender_stops_everything(connect, twilio):
    with pytest.raises(ValidationError, match="'From' number is not valid"):
        connect().send([GOOD, GOOD], "x", "bad")
    assert len(twilio.server.seen) == 1


@pytest.mark.parametrize("fault", [hang_up, reset])
def test_a_message_whose_answer_was_lost_is_never_sent_again(connect, twilio, fault):
    twilio.fail_next = [fault]
    with pytest.raises(Unavailable) as caught:
        connect().send(GOOD, "x", idempotency_key="conf-77")
    assert (caught.value.sent, caught.value.retryable, len(twilio.server.seen)) == (True, False, 1)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_provider_is_not_asked_twice(connect, twilio, status):
    twilio.fail_next = [answer(status, {}, {"retry-after": "0"})]
    with pytest.raises(Unavailable) as caught:
        connect().send(GOOD, "x")
    assert (caught.value.sent, len(twilio.server.seen)) == (True, 1)


def test_a_plain_refusal_is_asked_again(connect, twilio):
    twilio.fail_next = [answer(429, {"code": 20429, "message": "Too many"}, {"retry-after": "0"})]
    assert connect().send(GOOD, "x")[0]["status"] == "accepted"
    assert len(twilio.sent) == 1


def test_an_error_half_way_tells_what_went_out_before(connect, twilio):
    twilio.fail_next = [
        answer(201, {"sid": "SM9", "status": "queued"}),
        answer(429, {"code": 20429, "message": "Too many"}, {"retry-after": "999"}),
    ]
    with pytest.raises(
        RateLimited, match=r"Twilio: Too many\. 1 of 2 messages had been accepted before\."
    ) as caught:
        connect().send([GOOD, GOOD], "x")
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert [each["provider_id"] for each in caught.value.body] == ["SM9"]


def test_a_message_that_fails_at_once_inside_a_201_is_a_rejection(connect, twilio):
    twilio.fail_next = [
        answer(201, {"sid": "SM1", "status": "failed", "error_code": 30006, "error_message": None})
    ]
    with pytest.raises(ValidationError, match="Twilio: failed") as caught:
        connect().send(GOOD, "x")
    assert caught.value.body[0]["code"] == "30006"


def test_a_problem_body_of_newer_services_is_understood(connect, twilio):
    twilio.fail_next = [answer(400, {"title": "Bad", "detail": "Body too long", "code": 21617})]
    with pytest.raises(ValidationError, match="Twilio: Body too long"):
        connect().send(GOOD, "x")


def test_the_credential_is_tested_by_the_account(connect):
    assert connect().test() == "Twilio accepts the credential of the account Clinic."
    with pytest.raises(AuthError, match="Twilio: Authenticate"):
        connect(authToken="another-wrong-one").test()


def test_a_closed_account_is_told(connect, twilio):
    twilio.fail_next = [answer(200, {"status": "suspended"})]
    with pytest.raises(AuthError, match="suspended"):
        connect().test()


def test_an_incomplete_credential_names_the_field(connect):
    with pytest.raises(ConfigurationError, match=r"lacks 'Auth token' \(authToken\)"):
        registry.connect("sms", {"provider": "twilio", "accountSid": "AC1"}, Context())
    with pytest.raises(ConfigurationError, match="known are: twilio"):
        connect(provider="pigeon")


def test_a_dry_run_sends_nothing(connect, twilio):
    told: list[Any] = []
    sms = connect(Context(allow_private=True, dry_run=True, trace=told.append))
    assert sms.send(GOOD, "x")[0]["status"] == "accepted"
    assert twilio.server.seen == []
    assert told[0]["dry"]


def test_the_token_appears_nowhere(connect, twilio):
    told: list[Any] = []
    twilio.fail_next = [answer(400, {"code": 21211, "message": f"no {TOKEN}"})]
    sms = connect(Context(allow_private=True, trace=told.append))
    with pytest.raises(ValidationError, match=r"Twilio: no \*\*\*") as caught:
        sms.send(GOOD, f"code {TOKEN}")
    assert TOKEN not in f"{caught.value!r} {caught.value} {sms!r} {told}"


def test_silence_is_a_timeout_that_may_have_gone_out():
    import httpx

    def quiet(request):
        raise httpx.ReadTimeout("", request=request)

    configuration = {"provider": "twilio", "accountSid": "AC1", "authToken": TOKEN, "from": "x"}
    client = registry.connect("sms", configuration, Context(transport=httpx.MockTransport(quiet)))
    with pytest.raises(Timeout) as caught:
        client.send(GOOD, "x")
    assert (caught.value.sent, caught.value.retryable) == (True, False)
