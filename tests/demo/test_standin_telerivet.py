"""The Telerivet stand-in answers as Telerivet's REST API does."""

import re

import httpx
import pytest

from openfn_platform.demo.standins.process import Standin
from openfn_platform.demo.standins.telerivet import Telerivet
from tests.demo.receiver import Receiver

KEY, PROJECT = Telerivet.settings["api_key"], Telerivet.settings["project_id"]
BASE = f"/v1/projects/{PROJECT}"
SEND, MESSAGES, CONTACTS = f"{BASE}/messages/send", f"{BASE}/messages", f"{BASE}/contacts"
BODY = {"to_number": "+255712345678", "content": "Clinic tomorrow"}


@pytest.fixture(scope="module")
def running():
    with Standin.start("telerivet") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, auth=(KEY, ""), timeout=5) as client:
        yield client


def test_a_sent_message_is_answered_as_telerivet_shows_it(client):
    message = client.post(SEND, json=BODY).json()
    assert re.fullmatch("SM[0-9a-f]{16}", message["id"])
    for name, value in {
        "to_number": BODY["to_number"],
        "content": BODY["content"],
        "status": "queued",
        "direction": "outgoing",
        "source": "api",
        "message_type": "sms",
        "time_sent": None,
        "project_id": PROJECT,
    }.items():
        assert message[name] == value
    assert "error_message" not in message
    assert client.get(f"{MESSAGES}/{message['id']}").json()["id"] == message["id"]


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"to_number": None}, 400, "invalid_param", "to_number"),
        ({"to_number": "0712"}, 400, "invalid_param", "to_number"),
        ({"content": ""}, 400, "invalid_param", "content"),
        ({"message_type": "pigeon"}, 400, "invalid_param", "message_type"),
        ({"route_id": "RTnone"}, 404, "not_found", "route_id"),
        ({"contact_id": "CTnone"}, 404, "not_found", "contact_id"),
    ],
)
def test_a_message_that_telerivet_would_refuse_is_refused(standin, client, change, status, code, param):
    answer = client.post(SEND, json={**BODY, **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["message"]
    assert standin.state()["messages"] == []


@pytest.mark.parametrize("body", [b"not json", b"[]"])
def test_a_body_that_is_no_object_is_refused(client, body):
    answer = client.post(SEND, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_param")


def test_a_form_is_not_taken(client):
    assert client.post(SEND, data=BODY).status_code == 400


@pytest.mark.parametrize("auth", [None, ("wrong", ""), (KEY, "password")])
def test_the_key_is_the_user_and_the_password_empty(standin, auth):
    answer = httpx.post(standin.url + SEND, json=BODY, auth=auth)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_the_project_tells_its_name_and_another_one_is_not_found(client):
    assert client.get(BASE).json()["name"] == Telerivet.settings["project_name"]
    answer = client.get("/v1/projects/PJother")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", [f"{MESSAGES}/SMnone", f"{CONTACTS}/CTnone", f"{BASE}/pigeons"])
def test_what_does_not_exist_is_not_found(client, path):
    assert client.get(path).json()["error"]["code"] == "not_found"


def test_pages_lead_through_all_messages_once(client):
    ids = [client.post(SEND, json={**BODY, "content": str(n)}).json()["id"] for n in range(5)]
    seen, marker = [], None
    while True:
        page = client.get(
            MESSAGES, params={"page_size": 2, "sort_dir": "desc"} | ({"marker": marker} if marker else {})
        )
        page = page.json()
        seen += [message["id"] for message in page["data"]]
        if len(seen) == 2:
            client.post(SEND, json={**BODY, "content": "sent meanwhile"})
        if not page["truncated"]:
            break
        marker = page["next_marker"]
    assert seen == ids[::-1]
    assert "next_marker" not in page


def test_messages_are_counted_and_filtered(standin, client):
    standin.configure(sent_after=0.0, delivered_after=60)
    message = client.post(SEND, json=BODY).json()
    client.post(SEND, json={**BODY, "to_number": "+255712345679"})
    assert client.get(MESSAGES, params={"count": 1}).json() == {"count": 2}
    found = client.get(MESSAGES, params={"contact_id": message["contact_id"], "status": "sent"}).json()[
        "data"
    ]
    assert [each["id"] for each in found] == [message["id"]]


@pytest.mark.parametrize("params", [{"page_size": 201}, {"page_size": "x"}, {"marker": "SMnone"}])
def test_a_page_that_cannot_be_is_refused(client, params):
    assert client.get(MESSAGES, params=params).json()["error"]["code"] == "invalid_param"


def test_a_contact_is_made_once_and_then_changed(standin, client):
    made = client.post(
        CONTACTS, json={"phone_number": "+255 712-345-678", "name": "Asha", "vars": {"village": "Moshi"}}
    )
    made = made.json()
    again = client.post(CONTACTS, json={"phone_number": BODY["to_number"], "vars": {"age": "23"}}).json()
    assert again["id"] == made["id"]
    assert (again["name"], again["vars"]) == ("Asha", {"village": "Moshi", "age": "23"})
    assert client.get(f"{CONTACTS}/{made['id']}").json() == again
    assert client.get(CONTACTS, params={"phone_number": BODY["to_number"]}).json()["data"] == [again]
    other = client.post(CONTACTS, json={"name": "Asha", "lookup_key": "none"}).json()
    assert other["id"] != made["id"]
    assert client.post(CONTACTS, json={}).status_code == 400


def test_a_message_goes_to_the_contact_with_the_number(client):
    contact = client.post(CONTACTS, json={"phone_number": BODY["to_number"], "name": "Asha"}).json()
    assert client.post(SEND, json=BODY).json()["contact_id"] == contact["id"]
    by_contact = client.post(SEND, json={"contact_id": contact["id"], "content": "x"}).json()
    assert by_contact["to_number"] == BODY["to_number"]


def test_a_blocked_contact_gets_nothing(standin, client):
    client.post(CONTACTS, json={"phone_number": BODY["to_number"], "send_blocked": True})
    assert client.post(SEND, json=BODY).json()["error"]["code"] == "blocked"
    assert standin.state()["messages"] == []


def test_status_goes_to_status_url_with_the_secret(standin, client):
    with Receiver() as receiver:
        standin.configure(sent_after=0.0, delivered_after=0.1)
        callback = {"status_url": receiver.url + "?project=1", "status_secret": "s3cret"}
        message = client.post(SEND, json={**BODY, **callback}).json()
        received = receiver.wait(2)
        assert receiver.stays_at(2, 0.1)
    assert sorted(each.form["status"] for each in received) == ["delivered", "sent"]
    for each in received:
        assert each.form["event"] == "send_status"
        assert each.form["secret"] == "s3cret"
        assert each.form["id"] == message["id"]
        assert each.form["to_number"] == BODY["to_number"]
        assert each.query == {"project": "1"}
    assert client.get(f"{MESSAGES}/{message['id']}").json()["status"] == "delivered"


def test_what_fails_says_why(standin, client):
    with Receiver() as receiver:
        standin.configure(sent_after=0.0, failing={BODY["to_number"]: "No credit"})
        message = client.post(SEND, json={**BODY, "status_url": receiver.url}).json()
        form = receiver.wait(1)[0].form
    assert (form["status"], form["error_message"]) == ("failed", "No credit")
    shown = client.get(f"{MESSAGES}/{message['id']}").json()
    assert (shown["status"], shown["error_message"]) == ("failed", "No credit")


def test_a_test_decides_about_a_message(standin, client):
    with Receiver() as receiver:
        message = client.post(SEND, json={**BODY, "status_url": receiver.url}).json()
        standin.call(
            "POST", "status", {"id": message["id"], "status": "not_delivered", "error_message": "Off"}
        )
        assert receiver.wait(1)[0].form["status"] == "not_delivered"
    assert client.get(f"{MESSAGES}/{message['id']}").json()["error_message"] == "Off"
