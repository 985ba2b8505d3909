"""Each SMS provider's own ways of saying yes and no; what all share is in the conformance test."""

from contextlib import contextmanager

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, RateLimited, ValidationError
from tests.common.faulty import FaultyServer, answer
from tests.jobs.adaptors.conformance.case import query

TO = "+22890112233"
KEY = "k3y-Zq9wv71x"


@contextmanager
def connected(name, *acts, **more):
    usual = {
        "africastalking": {"username": "clinic", "apiKey": KEY},
        "rapidpro": {"token": KEY},
        "telerivet": {"projectId": "PJ1", "apiKey": KEY},
        "vonage": {"apiKey": "key-4711", "apiSecret": KEY, "from": "CLINIC"},
        "whatsapp": {"phoneNumberId": "1055", "accessToken": KEY},
        "kannel": {"username": "amina", "password": KEY},
    }
    where = {"rapidpro": "host", "kannel": "gatewayUrl"}.get(name, "baseUrl")
    with FaultyServer(*acts) as server:
        configuration = {**usual[name], where: server.url, **more}
        with registry.connect(name, configuration, Context(allow_private=True)) as client:
            yield client, server


def at(*recipients, message="Sent"):
    return answer(201, {"SMSMessageData": {"Message": message, "Recipients": list(recipients)}})


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [(403, "InvalidPhoneNumber", False), (406, "UserInBlacklist", False), (500, "InternalServerError", True)],
)
def test_africas_talking_refuses_inside_a_201(code, status, retryable):
    with (
        connected("africastalking", at({"statusCode": code, "number": TO, "status": status})) as (client, _),
        pytest.raises(ValidationError, match=status) as caught,
    ):
        client.send(TO, "x")
    assert (caught.value.retryable, caught.value.body[0]["code"]) == (retryable, str(code))


def test_africas_talking_reaches_nobody_with_an_unknown_sender():
    with (
        connected("africastalking", at(message="InvalidSenderId")) as (client, _),
        pytest.raises(ValidationError, match="InvalidSenderId") as caught,
    ):
        client.send(TO, "x")
    assert not caught.value.sent


def test_africas_talking_says_in_plain_text_that_a_key_is_wrong():
    refused = answer(401, b"The supplied authentication is invalid", kind="text/plain")
    with (
        connected("africastalking", refused) as (client, _),
        pytest.raises(AuthError, match="The supplied authentication is invalid"),
    ):
        client.send(TO, "x")


def test_rapidpro_changes_the_contact_that_has_the_number_already():
    taken = answer(400, {"urns": [["URN belongs to another contact"]]})
    with connected("rapidpro", taken, answer(200, {"uuid": "c7"})) as (client, server):
        assert client.upsert_contact({"name": "Ama", "urns": [f"tel:{TO}"]}) == {"uuid": "c7"}
    first, second = server.seen
    assert first.json["urns"] == [f"tel:{TO}"]
    assert query(second) == {"urn": f"tel:{TO}"}
    assert second.json == {"name": "Ama"}


def test_rapidpro_refuses_another_error_of_a_contact():
    with (
        connected("rapidpro", answer(400, {"urns": ["Invalid URN: tel:7"]})) as (client, server),
        pytest.raises(ValidationError, match="urns: Invalid URN: tel:7"),
    ):
        client.upsert_contact({"name": "Ama", "urns": ["tel:7"]})
    assert len(server.seen) == 1


def test_telerivet_tells_a_bad_number_apart_from_a_bad_request():
    bad = {"error": {"code": "invalid_param", "message": "Invalid number", "param": "to_number"}}
    with (
        connected("telerivet", answer(400, bad), answer(200, {"id": "SM2", "status": "queued"})) as (
            client,
            _,
        ),
        pytest.raises(ValidationError, match="1 of 2 recipients were rejected") as caught,
    ):
        client.send(["+1", TO], "x")
    assert [each["status"] for each in caught.value.body] == ["rejected", "accepted"]


def part(status, **more):
    return {"to": "22890112233", "message-id": "0C1", "status": status, **more}


def vonage(*parts):
    return answer(200, {"message-count": str(len(parts)), "messages": list(parts)})


def test_vonage_counts_every_part_of_a_long_text():
    with (
        connected("vonage", vonage(part("0"), part("5", **{"error-text": "Internal error"}))) as (client, _),
        pytest.raises(ValidationError, match="1 of 2 parts were sent") as caught,
    ):
        client.send(TO, "x" * 200)
    assert not caught.value.retryable  # half of it has gone out


def test_vonage_may_be_tried_again_when_it_throttled():
    with (
        connected("vonage", vonage(part("1", **{"error-text": "Throughput exceeded"}))) as (client, _),
        pytest.raises(ValidationError, match="Throughput exceeded") as caught,
    ):
        client.send(TO, "x")
    assert caught.value.retryable


def test_vonage_says_in_a_200_that_the_credential_is_wrong():
    with (
        connected("vonage", vonage(part("4", **{"error-text": "Bad Credentials"}))) as (client, _),
        pytest.raises(AuthError, match="Bad Credentials"),
    ):
        client.send(TO, "x")


@pytest.mark.parametrize(("text", "kind"), [("plain €", None), ("Grüße नमस्ते", "unicode")])
def test_vonage_is_told_when_a_text_needs_more_than_the_usual_alphabet(text, kind):
    from urllib.parse import parse_qs

    with connected("vonage", vonage(part("0"))) as (client, server):
        client.send(TO, text)
    form = parse_qs(server.seen[0].body.decode())
    assert form.get("type", [None]) == [kind]
    assert form["text"] == [text]


def meta(code, message):
    return {"error": {"message": f"(#{code}) {message}", "code": code, "type": "OAuthException"}}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 190, AuthError),
        (400, 130429, RateLimited),
        (400, 131047, ValidationError),
        (400, 132000, AdaptorError),
    ],
)
def test_whatsapp_tells_its_errors_by_number(status, code, kind):
    with (
        connected("whatsapp", answer(status, meta(code, "no"))) as (client, _),
        pytest.raises(kind, match=r"no"),
    ):
        client.send(TO, "x")


def test_whatsapp_sends_a_template_where_a_text_may_not_go():
    with connected("whatsapp", answer(200, {"messages": [{"id": "wamid.1"}]})) as (client, server):
        (sent,) = client.send_template(TO, "reminder", "fr", ["Ama"])
    assert sent["provider_id"] == "wamid.1"
    assert server.seen[0].json["template"] == {
        "name": "reminder",
        "language": {"code": "fr"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ama"}]}],
    }


@pytest.mark.parametrize("said", ["0: Accepted for delivery", "3: Queued for later delivery", "Sent."])
def test_kannel_accepts_in_several_words(said):
    with connected("kannel", answer(202, said.encode(), kind="text/html")) as (client, server):
        (sent,) = client.send(TO, "नमस्ते")
    assert sent["status"] == "accepted"
    assert query(server.seen[0])["coding"] == "2"
    assert query(server.seen[0])["text"] == "नमस्ते"


@pytest.mark.parametrize("does", [lambda client: client.test(), lambda client: client.send(TO, "x")])
def test_kannel_refuses_a_wrong_password(does):
    refused = answer(403, b"Authorization failed for sendsms", kind="text/html")
    with (
        connected("kannel", refused) as (client, _),
        pytest.raises(AuthError, match="Authorization failed"),
    ):
        does(client)


@pytest.mark.parametrize(
    "provider", ["africastalking", "rapidpro", "telerivet", "vonage", "whatsapp", "kannel"]
)
def test_the_one_verb_needs_what_its_provider_needs(provider):
    with pytest.raises(AdaptorError, match="lacks"):
        registry.connect("sms", {"provider": provider}, Context())


def test_the_one_verb_has_one_shape_of_result():
    with FaultyServer(vonage(part("0"))) as server:
        configuration = {
            "provider": "vonage", "apiKey": "k", "apiSecret": KEY, "from": "CLINIC", "baseUrl": server.url,
        }  # fmt: skip
        client = registry.connect("sms", configuration, Context(allow_private=True))
        (sent,) = client.send(TO, "x")
        client.close()
    assert set(sent) == {"to", "provider_id", "status", "retryable", "code", "message", "raw"}
