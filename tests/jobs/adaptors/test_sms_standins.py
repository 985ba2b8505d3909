"""The one verb `sms.send` against the stand-in of every provider."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, Unavailable, ValidationError
from openfn_platform.demo.standins.kinds import kind_load
from openfn_platform.demo.standins.process import Standin

TO = "+254711000123"
WRONG = "wr0ng-secret-7"
LOST = {"match": {"path_regex": "^/"}, "times": 1, "action": {"drop_after_processing": True}}
# How each provider names: its address, its secret, the rest of the credential, and what a text is kept in.
PROVIDERS = {
    "twilio": ("baseUrl", {"authToken": "auth_token"}, {"accountSid": "account_sid"}, "body"),
    "africastalking": ("baseUrl", {"apiKey": "api_key"}, {"username": "username"}, "message"),
    "rapidpro": ("host", {"token": "token"}, {}, "text"),
    "telerivet": ("baseUrl", {"apiKey": "api_key"}, {"projectId": "project_id"}, "content"),
    "vonage": ("baseUrl", {"apiSecret": "api_secret"}, {"apiKey": "api_key"}, "text"),
    "whatsapp": ("baseUrl", {"accessToken": "token"}, {"phoneNumberId": "phone_number_id"}, "text"),
    "kannel": ("gatewayUrl", {"password": "password"}, {"username": "username"}, "text"),
}
SENDERS = {"twilio": "+15005550006", "vonage": "CLINIC", "kannel": "CLINIC"}
BAD = {
    "twilio": ("12", r"^Twilio: The 'To' number 12 is not a valid phone number\.$"),
    "africastalking": ("12", r"^Africa's Talking: InvalidPhoneNumber \(12\)$"),
    "rapidpro": ("12", "^RapidPro: urns"),
    "telerivet": ("12", "^Telerivet: Invalid phone number: 12$"),
    "vonage": ("12", "^Vonage: Invalid to param$"),
    "whatsapp": ("12", r"^WhatsApp: \(#100\) Param to must be a phone number\.$"),
    "kannel": ("twelve", r"^Kannel: Number\(s\) has/have been denied"),
}


@pytest.fixture(scope="module")
def running():
    with ThreadPoolExecutor(len(PROVIDERS)) as pool:
        standins = dict(zip(PROVIDERS, pool.map(Standin.start, PROVIDERS), strict=True))
    yield standins
    for standin in standins.values():
        standin.stop()


@pytest.fixture(params=PROVIDERS)
def name(request):
    return request.param


@pytest.fixture
def standin(running, name):
    running[name].reset()
    return running[name]


@pytest.fixture
def connect(standin, name):
    opened = []

    def make(**more):
        address, secret, rest, _text = PROVIDERS[name]
        settings = kind_load(name).settings
        known = {ours: settings[theirs] for ours, theirs in {**secret, **rest}.items()}
        sender = {"from": SENDERS[name]} if name in SENDERS else {}
        configuration = {"provider": name, address: standin.url, **known, **sender, **more}
        client = registry.connect("sms", configuration, Context(allow_private=True))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def arrived(standin, name):
    """What is there, as (number without its plus, text), oldest first."""
    kept = standin.state()
    messages = kept.get("messages") or kept.get("message") or kept.get("part") or []
    text = PROVIDERS[name][3]
    found = []
    for each in messages:
        number = str(each.get("to") or each.get("to_number") or each.get("urn"))
        said = each[text]["body"] if isinstance(each[text], dict) else each[text]
        found.append((number.removeprefix("tel:").lstrip("+"), said))
    return found


@pytest.mark.parametrize(
    "text", ["Your visit is at 9.", 'Grüße, नमस्ते! It\'s "9" & 100 % 😀', "a = b+c [€]", "two\nlines"]
)
def test_a_text_arrives_exactly_once_as_it_was(connect, standin, name, text):
    (sent,) = connect().send(TO, text)
    assert (sent["status"], sent["to"], sent["message"]) == ("accepted", TO, None)
    assert (sent["provider_id"] is None) == (name == "kannel")  # which gives none
    assert arrived(standin, name) == [(TO.lstrip("+"), text)]


def test_each_of_several_gets_one(connect, standin, name):
    numbers = [TO, "+254711000124"]
    assert [each["to"] for each in connect().send(numbers, "Come at 9.")] == numbers
    assert [number for number, _ in arrived(standin, name)] == [each.lstrip("+") for each in numbers]


def test_a_bad_number_is_rejected_in_the_providers_words(connect, standin, name):
    number, words = BAD[name]
    with pytest.raises(ValidationError, match=words) as caught:
        connect().send(number, "x")
    assert (caught.value.sent, caught.value.retryable) == (False, False)
    assert [each["status"] for each in caught.value.body] == ["rejected"]
    assert arrived(standin, name) == []


def test_a_bad_number_does_not_keep_the_others_from_theirs(connect, standin, name):
    number, _ = BAD[name]
    with pytest.raises(ValidationError, match="1 of 2 recipients were rejected") as caught:
        connect().send([number, TO], "x")
    assert caught.value.sent
    assert arrived(standin, name) == [(TO.lstrip("+"), "x")]


def test_two_numbers_in_one_text_are_not_sent_to_anybody(connect, standin, name):
    with pytest.raises(ValidationError, match="as a list"):
        connect().send(f"{TO},+254711000124", "x")
    assert standin.log() == []


def test_a_wrong_credential_is_told_and_appears_nowhere(connect, standin, name):
    (secret,) = PROVIDERS[name][1]
    client = connect(**{secret: WRONG})
    for does in (client.test, lambda: client.send([TO, TO], "x")):
        with pytest.raises(AuthError) as caught:
            does()
        assert caught.value.kind == "auth"
        assert WRONG not in f"{caught.value!r} {caught.value} {caught.value.body} {client!r}"
    assert arrived(standin, name) == []


def test_the_right_credential_passes_the_test(connect, standin, name):
    assert "accepts the" in connect().test()
    assert arrived(standin, name) == []


def test_a_text_whose_answer_was_lost_is_there_once_and_not_repeated(connect, standin, name):
    standin.faults(LOST)
    with pytest.raises(Unavailable) as caught:
        connect().send(TO, "once")
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert arrived(standin, name) == [(TO.lstrip("+"), "once")]
    assert len(standin.log()) == 1


def test_a_text_that_was_put_off_is_sent_once(connect, standin, name):
    standin.faults({**LOST, "action": {"status": 429, "body": "slow down", "headers": {"Retry-After": "0"}}})
    assert connect().send(TO, "later")[0]["status"] == "accepted"
    assert arrived(standin, name) == [(TO.lstrip("+"), "later")]


# ---- what only one of them does


@pytest.mark.parametrize("name", ["kannel"], indirect=True)
def test_kannel_gets_one_number_however_it_is_written(connect, standin, name):
    connect().send("+254 (711) 000-123", "x")
    assert arrived(standin, name) == [(TO.lstrip("+"), "x")]


@pytest.mark.parametrize("name", ["kannel"], indirect=True)
def test_kannels_403_about_a_number_is_no_wrong_password(connect, standin, name):
    standin.configure(unroutable_prefixes=["+254"])
    with pytest.raises(ValidationError, match="Kannel: Not routable"):
        connect().send(TO, "x")


@pytest.mark.parametrize("name", ["whatsapp"], indirect=True)
def test_a_wrong_phone_number_id_is_not_the_recipients_fault(connect, standin, name):
    with pytest.raises(AdaptorError, match="does not exist") as caught:
        connect(phoneNumberId="999").send([TO, TO], "x")
    assert len(standin.log()) == 1
    assert caught.value.body["error"]["error_subcode"] == 33


@pytest.mark.parametrize("name", ["telerivet"], indirect=True)
def test_a_blocked_contact_does_not_keep_the_others_from_theirs(connect, standin, name):
    client = connect()
    (first,) = client.send(TO, "x")
    blocked = {"phone_number": TO, "send_blocked": True}
    client.provider.post("/contacts", blocked)
    with pytest.raises(ValidationError, match=r"blocked\. 1 of 2 recipients were rejected"):
        client.send([TO, "+254711000124"], "y")
    assert arrived(standin, name)[-1] == ("254711000124", "y")
    assert first["status"] == "accepted"
