"""The RapidPro stand-in sends, starts flows and calls back as RapidPro's API v2 does."""

import uuid

import httpx
import pytest

from openfn_platform.demo.standins.process import Standin, StandinFailed
from openfn_platform.demo.standins.rapidpro.partner import RapidPro
from tests.demo.receiver import Receiver

API = "/api/v2/{}.json".format
CONTACTS, MESSAGES, BROADCASTS = API("contacts"), API("messages"), API("broadcasts")
STARTS = API("flow_starts")
AUTH = {"Authorization": f"Token {RapidPro.settings['token']}"}
URN = "tel:+255712345678"
MOTHERS = RapidPro.settings["groups"][0]
REGISTRATION = RapidPro.settings["flows"][0]


@pytest.fixture(scope="module")
def running():
    with Standin.start("rapidpro") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, headers=AUTH, timeout=5) as client:
        yield client


def made(client, **values):
    answer = client.post(CONTACTS, json=values)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_message_goes_to_one_contact_and_moves_on(standin, client):
    contact = made(client, name="Asha", urns=[URN])
    answer = client.post(MESSAGES, json={"contact": contact["uuid"], "text": "Karibu"})
    message = answer.json()
    assert answer.status_code == 201
    assert message["contact"] == {"uuid": contact["uuid"], "name": "Asha"}
    assert (message["urn"], message["direction"], message["status"], message["sent_on"]) == (
        URN,
        "out",
        "queued",
        None,
    )
    assert client.get(MESSAGES, params={"folder": "outbox"}).json()["results"] == [message]
    standin.configure(sent_after=0.0, delivered_after=60)
    (sent,) = client.get(MESSAGES, params={"folder": "sent"}).json()["results"]
    assert (sent["id"], sent["status"]) == (message["id"], "sent")
    assert sent["sent_on"]


def test_a_message_that_cannot_arrive_fails(standin, client):
    contact, silent = made(client, urns=[URN]), made(client, name="Has no phone")
    standin.configure(sent_after=0.0, failing=[URN])
    client.post(MESSAGES, json={"contact": URN, "text": "x"})
    client.post(MESSAGES, json={"contact": silent["uuid"], "text": "x"})
    failed = client.get(MESSAGES, params={"folder": "failed"}).json()["results"]
    assert [message["contact"]["uuid"] for message in failed] == [silent["uuid"], contact["uuid"]]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"text": "x"}, {"contact": ["This field is required."]}),
        ({"contact": "none", "text": "x"}, {"contact": ["No such object: none"]}),
        ({"contact": URN}, {"non_field_errors": ["Must provide either text or attachments."]}),
        ({"contact": URN, "text": ""}, {"text": ["This field may not be blank."]}),
    ],
)
def test_a_message_that_rapidpro_would_refuse_is_refused(standin, client, values, problem):
    made(client, urns=[URN])
    answer = client.post(MESSAGES, json=values)
    assert (answer.status_code, answer.json()) == (400, problem)
    assert standin.state()["messages"] == []


def test_messages_are_filtered_one_way_at_a_time(client):
    contact = made(client, urns=[URN])
    sent = client.post(MESSAGES, json={"contact": URN, "text": "x"}).json()
    assert client.get(MESSAGES, params={"contact": contact["uuid"]}).json()["results"][0]["id"] == sent["id"]
    assert client.get(MESSAGES, params={"id": sent["id"]}).json()["results"][0]["id"] == sent["id"]
    assert client.get(MESSAGES, params={"folder": "inbox", "contact": "x"}).status_code == 400
    assert client.get(MESSAGES, params={"folder": "attic"}).status_code == 400


def test_a_broadcast_reaches_everybody_once(standin, client):
    contact = made(client, name="Asha", urns=[URN], groups=["Mothers"], language="swa")
    text = {"eng": "Tomorrow", "swa": "Kesho"}
    values = {
        "text": text,
        "urns": ["tel:+255700000001", URN],
        "contacts": [contact["uuid"]],
        "groups": ["Mothers"],
    }
    answer = client.post(BROADCASTS, json=values)
    broadcast = answer.json()
    assert answer.status_code == 201
    assert broadcast == {
        "id": broadcast["id"],
        "urns": ["tel:+255700000001", URN],
        "contacts": [{"uuid": contact["uuid"], "name": "Asha"}],
        "groups": [MOTHERS],
        "text": text,
        "status": "queued",
        "created_on": broadcast["created_on"],
    }
    messages = standin.state()["messages"]
    assert {message["urn"]: message["text"] for message in messages} == {
        URN: "Kesho",
        "tel:+255700000001": "Tomorrow",
    }
    assert len(messages) == 2
    assert [message["broadcast"] for message in messages] == [broadcast["id"]] * 2
    assert client.get(BROADCASTS).json()["results"] == [broadcast]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"urns": [URN]}, "text"),
        ({"text": {"english": "x"}, "urns": [URN]}, "text"),
        ({"text": "x"}, "non_field_errors"),
        ({"text": "x", "urns": ["tel:0712"]}, "urns"),
        ({"text": "x", "contacts": ["none"]}, "contacts"),
        ({"text": "x", "groups": ["none"]}, "groups"),
    ],
)
def test_a_broadcast_that_rapidpro_would_refuse_is_refused(standin, client, values, field):
    answer = client.post(BROADCASTS, json=values)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert standin.state()["messages"] == []


def test_a_flow_is_started_and_completes(standin, client):
    contact = made(client, name="Asha", urns=[URN])
    values = {
        "flow": REGISTRATION["uuid"],
        "contacts": [contact["uuid"]],
        "urns": ["tel:+255700000001"],
        "params": {"visit": 7},
        "restart_participants": False,
    }
    answer = client.post(STARTS, json=values)
    start = answer.json()
    assert (answer.status_code, start["status"], start["flow"]) == (201, "pending", REGISTRATION)
    assert start["contacts"] == [{"uuid": contact["uuid"], "name": "Asha"}]
    assert start["params"] == start["extra"] == {"visit": 7}
    assert (start["restart_participants"], start["exclude_active"]) == (False, False)
    standin.configure(started_after=0.0)
    (later,) = client.get(STARTS, params={"uuid": start["uuid"]}).json()["results"]
    assert later["status"] == "complete"
    assert [each["urns"] for each in standin.state()["contacts"]] == [[URN], ["tel:+255700000001"]]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"urns": [URN]}, "flow"),
        ({"flow": "none", "urns": [URN]}, "flow"),
        ({"flow": REGISTRATION["uuid"]}, "non_field_errors"),
        ({"flow": REGISTRATION["uuid"], "urns": [URN], "params": "x"}, "params"),
        ({"flow": REGISTRATION["uuid"], "urns": [URN], "restart_participants": "x"}, "restart_participants"),
    ],
)
def test_a_start_that_rapidpro_would_refuse_is_refused(standin, client, values, field):
    answer = client.post(STARTS, json=values)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert standin.state()["starts"] == []


def test_a_flow_calls_its_webhook(standin, client):
    contact = made(client, name="Asha", urns=[URN])
    with Receiver() as receiver:
        standin.configure(webhook_url=receiver.url)
        said = {"urn": URN, "results": {"Next visit": "2026-02-01"}, "text": "kesho"}
        standin.call("POST", "flow", said)
        (received,) = receiver.wait(1)
        assert receiver.stays_at(1, 0.1)
    body = received.json
    assert received.headers["content-type"] == "application/json"
    assert body["contact"] == {"uuid": contact["uuid"], "name": "Asha", "urn": URN}
    assert body["flow"] == REGISTRATION
    result = body["results"]["next_visit"]
    assert (result["name"], result["value"], result["category"]) == (
        "Next visit",
        "2026-02-01",
        "All Responses",
    )
    assert str(uuid.UUID(body["run"]["uuid"])) == body["run"]["uuid"]
    assert body["input"]["text"] == "kesho"
    assert body["channel"] == RapidPro.settings["channel"]
    assert set(body) == {"contact", "flow", "path", "results", "run", "input", "channel"}


def test_somebody_writes_and_is_in_the_inbox(standin, client):
    standin.call("POST", "incoming", {"urn": URN, "text": "Habari"})
    (message,) = client.get(MESSAGES, params={"folder": "inbox"}).json()["results"]
    assert (message["text"], message["urn"], message["direction"], message["status"]) == (
        "Habari",
        URN,
        "in",
        "handled",
    )
    with pytest.raises(StandinFailed, match="country codes"):
        standin.call("POST", "incoming", {"urn": "tel:0712", "text": "x"})


def test_a_broadcast_whose_answer_is_lost_has_been_sent(standin, client):
    standin.faults(
        {"match": {"path_regex": "broadcasts"}, "times": 1, "action": {"drop_after_processing": True}}
    )
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(BROADCASTS, json={"text": "x", "urns": [URN]})
    assert len(standin.state()["broadcasts"]) == len(standin.state()["messages"]) == 1
