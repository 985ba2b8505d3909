"""The WhatsApp stand-in answers as the Cloud API does."""

import httpx
import pytest

from openfn_platform.demo.standins.process import Standin
from openfn_platform.demo.standins.whatsapp.partner import WhatsApp, signature
from tests.demo.receiver import Receiver

TOKEN, PHONE = WhatsApp.settings["token"], WhatsApp.settings["phone_number_id"]
MESSAGES = f"/v21.0/{PHONE}/messages"
TEXT = {
    "messaging_product": "whatsapp",
    "to": "255712345678",
    "type": "text",
    "text": {"body": "Clinic tomorrow"},
}
SILENT = "255711131047"


def template(name="hello_world", language="en_US", *parameters):
    component = {"type": "body", "parameters": [{"type": "text", "text": text} for text in parameters]}
    content = {"name": name, "language": {"code": language}, "components": [component] if parameters else []}
    return {"messaging_product": "whatsapp", "to": "255712345678", "type": "template", "template": content}


@pytest.fixture(scope="module")
def running():
    with Standin.start("whatsapp") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(
        base_url=standin.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5
    ) as client:
        yield client


def refusal(answer):
    error = answer.json()["error"]
    assert error["message"]
    assert error["fbtrace_id"]
    return answer.status_code, error["code"]


def kept(standin):
    return standin.state().get("message", [])


def test_a_sent_text_is_answered_with_contact_and_id(standin, client):
    answer = client.post(MESSAGES, json={**TEXT, "to": "+255 712-345-678"})
    body = answer.json()
    assert answer.status_code == 200
    assert body["contacts"] == [{"input": "+255 712-345-678", "wa_id": "255712345678"}]
    assert body["messages"][0]["id"].startswith("wamid.")
    assert body["messaging_product"] == "whatsapp"
    assert kept(standin)[0]["text"] == TEXT["text"]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "image", "image": {"link": "https://example.org/card.png", "caption": "Card"}},
        {"type": "document", "document": {"id": "123"}},
        {"type": "location", "location": {"latitude": -3.3, "longitude": 37.3}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Clinic"}}]},
        {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}},
        {"text": {"body": "without a type"}},
    ],
)
def test_all_types_are_taken(client, content):
    message = {"messaging_product": "whatsapp", "to": TEXT["to"], **content}
    assert client.post(MESSAGES, json=message).status_code == 200


def test_an_approved_template_is_accepted(client):
    answer = client.post(MESSAGES, json=template("appointment_reminder", "sw", "Asha", "kesho"))
    assert answer.json()["messages"][0]["message_status"] == "accepted"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"messaging_product": None}, "messaging_product"),
        ({"to": ""}, "to"),
        ({"to": "Asha"}, "to"),
        ({"type": "pigeon"}, "type"),
        ({"text": None}, "text"),
        ({"text": "not an object"}, "text"),
        ({"text": {"body": ""}}, "text['body']"),
        ({"text": {"body": "x" * 4097}}, "4096"),
        ({"type": "image", "image": {"caption": "nothing to see"}}, "image['link']"),
        ({"type": "template", "template": {"name": "hello_world", "language": "en_US"}}, "language"),
    ],
)
def test_a_wrong_parameter_is_100(standin, client, change, told):
    answer = client.post(MESSAGES, json={**TEXT, **change})
    assert refusal(answer) == (400, 100)
    assert told in answer.json()["error"]["message"]
    assert kept(standin) == []


def test_a_body_that_is_not_json_is_100(client):
    assert refusal(client.post(MESSAGES, data=TEXT)) == (400, 100)
    assert refusal(client.post(MESSAGES, content=b"[", headers={"Content-Type": "application/json"})) == (
        400,
        100,
    )


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}]
)
def test_a_wrong_token_is_190(standin, headers):
    answer = httpx.post(standin.url + MESSAGES, json=TEXT, headers=headers)
    assert refusal(answer) == (401, 190)
    assert answer.json()["error"]["type"] == "OAuthException"


def test_an_expired_token_has_a_subcode(standin, client):
    standin.configure(token_expired=True)
    answer = client.post(MESSAGES, json=TEXT)
    assert refusal(answer) == (401, 190)
    assert answer.json()["error"]["error_subcode"] == 463


def test_another_number_is_not_there(client):
    answer = client.post("/v21.0/999/messages", json=TEXT)
    assert refusal(answer) == (400, 100)
    assert answer.json()["error"]["error_subcode"] == 33
    assert refusal(client.get("/v21.0/999")) == (400, 100)


def test_on_trial_only_listed_numbers_are_written_to(standin, client):
    standin.configure(allowed=["255700000001"])
    answer = client.post(MESSAGES, json=TEXT)
    assert refusal(answer) == (400, 131030)
    assert "allowed list" in answer.json()["error"]["error_data"]["details"]
    assert "error_subcode" not in answer.json()["error"]
    old = client.post(f"/v15.0/{PHONE}/messages", json=TEXT).json()["error"]
    assert old["error_subcode"] == 2655007
    assert client.post(MESSAGES, json={**TEXT, "to": "255700000001"}).status_code == 200


def test_after_24_hours_only_a_template_gets_through(standin, client):
    assert refusal(client.post(MESSAGES, json={**TEXT, "to": SILENT})) == (400, 131047)
    assert client.post(MESSAGES, json={**template(), "to": SILENT}).status_code == 200
    standin.call("POST", "inbound", {"from": SILENT, "text": "Hello"})
    assert client.post(MESSAGES, json={**TEXT, "to": SILENT}).status_code == 200
    assert [message["type"] for message in kept(standin)] == ["template", "text"]


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        (template("no_such"), (404, 132001)),
        (template("hello_world", "fr"), (404, 132001)),
        (template("appointment_reminder", "sw", "Asha"), (400, 132000)),
    ],
)
def test_a_template_must_exist_and_get_its_parameters(client, message, refused):
    assert refusal(client.post(MESSAGES, json=message)) == refused


def test_too_many_in_a_second_are_130429(standin, client):
    standin.configure(per_second=1)
    assert client.post(MESSAGES, json=TEXT).status_code == 200
    assert refusal(client.post(MESSAGES, json=TEXT)) == (429, 130429)
    assert len(kept(standin)) == 1


def test_the_number_tells_about_itself(client):
    assert client.get(f"/v21.0/{PHONE}").json()["verified_name"] == WhatsApp.settings["verified_name"]
    only = client.get(f"/v21.0/{PHONE}", params={"fields": "quality_rating"}).json()
    assert only == {"quality_rating": "GREEN", "id": PHONE}


def test_reports_come_signed_in_the_real_envelope(standin, client):
    with Receiver() as receiver:
        standin.configure(webhook_url=receiver.url, sent_after=0.0, delivered_after=0.08, read_after=0.16)
        unique = client.post(MESSAGES, json=TEXT).json()["messages"][0]["id"]
        received = receiver.wait(3)
        assert receiver.stays_at(3, 0.1)
    statuses = []
    for each in received:
        assert each.headers["x-hub-signature-256"] == signature(WhatsApp.settings["app_secret"], each.body)
        envelope = each.json
        assert envelope["object"] == "whatsapp_business_account"
        (entry,) = envelope["entry"]
        assert entry["id"] == WhatsApp.settings["business_account_id"]
        (change,) = entry["changes"]
        assert change["field"] == "messages"
        assert change["value"]["messaging_product"] == "whatsapp"
        assert change["value"]["metadata"] == {
            "display_phone_number": "255754000000",
            "phone_number_id": PHONE,
        }
        (status,) = change["value"]["statuses"]
        assert (status["id"], status["recipient_id"]) == (unique, TEXT["to"])
        assert status["timestamp"].isdecimal()
        statuses.append(status["status"])
    assert sorted(statuses) == ["delivered", "read", "sent"]


def status_of(received):
    return received.json["entry"][0]["changes"][0]["value"]["statuses"][0]


def test_what_cannot_be_delivered_is_reported_with_its_error(standin, client):
    with Receiver() as receiver:
        standin.configure(webhook_url=receiver.url, sent_after=0.0, undeliverable={TEXT["to"]: 131026})
        assert client.post(MESSAGES, json=TEXT).status_code == 200
        status = status_of(receiver.wait(1)[0])
        assert receiver.stays_at(1, 0.1)
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131026)
    assert status["errors"][0]["error_data"]["details"]


def test_the_24_hours_can_be_told_by_report(standin, client):
    with Receiver() as receiver:
        standin.configure(webhook_url=receiver.url, sent_after=0.0, silence_told_later=True)
        assert client.post(MESSAGES, json={**TEXT, "to": SILENT}).status_code == 200
        assert status_of(receiver.wait(1)[0])["errors"][0]["code"] == 131047


def test_a_person_writes_and_the_business_marks_it_read(standin, client):
    with Receiver() as receiver:
        standin.configure(webhook_url=receiver.url)
        standin.call("POST", "inbound", {"from": "255712345678", "text": "Habari", "name": "Asha"})
        value = receiver.wait(1)[0].json["entry"][0]["changes"][0]["value"]
    (message,) = value["messages"]
    assert (message["from"], message["type"], message["text"]["body"]) == ("255712345678", "text", "Habari")
    assert value["contacts"] == [{"profile": {"name": "Asha"}, "wa_id": "255712345678"}]
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": message["id"]}
    assert client.post(MESSAGES, json=mark).json() == {"success": True}
    assert refusal(client.post(MESSAGES, json={**mark, "message_id": "wamid.none"})) == (400, 100)


def test_a_test_decides_about_a_message(standin, client):
    unique = client.post(MESSAGES, json=TEXT).json()["messages"][0]["id"]
    with Receiver() as receiver:
        standin.configure(webhook_url=receiver.url)
        standin.call("POST", "status", {"id": unique, "status": "failed", "code": 131026})
        assert status_of(receiver.wait(1)[0])["status"] == "failed"
