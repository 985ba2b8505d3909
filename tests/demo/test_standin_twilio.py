"""The Twilio stand-in answers as Twilio does."""

import http.server
import re
import threading
import time
from urllib.parse import parse_qsl

import httpx
import pytest

from openfn_platform.demo.standins.process import Standin
from openfn_platform.demo.standins.sms import segments
from openfn_platform.demo.standins.twilio import Twilio, signature

SID, TOKEN = Twilio.settings["account_sid"], Twilio.settings["auth_token"]
MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages.json"
FORM = {"To": "+255712345678", "From": "+15005550006", "Body": "Clinic tomorrow"}


@pytest.fixture(scope="module")
def running():
    with Standin.start("twilio") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, auth=(SID, TOKEN), timeout=5) as client:
        yield client


def test_a_sent_message_is_answered_in_twilios_shape(client):
    answer = client.post(MESSAGES, data=FORM)
    message = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch("SM[0-9a-f]{32}", message["sid"])
    assert message == {
        "account_sid": SID,
        "api_version": "2010-04-01",
        "body": FORM["Body"],
        "to": FORM["To"],
        "from": FORM["From"],
        "direction": "outbound-api",
        "status": "queued",
        "error_code": None,
        "error_message": None,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": message["sid"],
        "date_sent": None,
        "date_created": message["date_created"],
        "date_updated": message["date_created"],
        "subresource_uris": {"media": f"/2010-04-01/Accounts/{SID}/Messages/{message['sid']}/Media.json"},
        "uri": f"/2010-04-01/Accounts/{SID}/Messages/{message['sid']}.json",
    }
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", message["date_created"])


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"To": ""}, 400, 21604),
        ({"To": "0712 345 678"}, 400, 21211),
        ({"To": "+12"}, 400, 21211),
        ({"To": "Asha"}, 400, 21211),
        ({"To": "+15005550009"}, 400, 21614),
        ({"To": "+15005550004"}, 400, 21610),
        ({"From": ""}, 400, 21603),
        ({"From": "+15551234567"}, 400, 21606),
        ({"Body": ""}, 400, 21602),
        ({"Body": "x" * 1601}, 400, 21617),
        ({"MessagingServiceSid": "MGnone"}, 404, 21701),
    ],
)
def test_a_message_that_twilio_would_refuse_is_refused(standin, client, change, status, code):
    answer = client.post(MESSAGES, data={**FORM, **change})
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert body["message"]
    assert standin.state()["messages"] == []


def test_a_region_that_is_switched_off_is_refused(standin, client):
    standin.configure(blocked_prefixes=["+255"])
    assert client.post(MESSAGES, data=FORM).json()["code"] == 21408


def test_json_is_not_understood_as_a_form(client):
    assert client.post(MESSAGES, json=FORM).json()["code"] == 21604


def test_blanks_and_dashes_in_a_number_are_forgiven(client):
    answer = client.post(MESSAGES, data={**FORM, "To": "+255 712-345-678"})
    assert answer.json()["to"] == FORM["To"]


def test_a_messaging_service_sends_without_a_number(client):
    service = Twilio.settings["services"][0]
    answer = client.post(MESSAGES, data={"To": FORM["To"], "Body": "x", "MessagingServiceSid": service})
    assert (answer.status_code, answer.json()["messaging_service_sid"]) == (201, service)


@pytest.mark.parametrize("auth", [None, (SID, "wrong"), ("AC0", TOKEN)])
def test_wrong_credentials_are_20003(standin, auth):
    answer = httpx.post(standin.url + MESSAGES, data=FORM, auth=auth)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_another_accounts_messages_stay_closed(client):
    assert client.get(f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json").status_code == 401


def test_too_many_in_a_second_are_20429(standin, client):
    standin.configure(per_second=2)
    answers = [client.post(MESSAGES, data=FORM) for _ in range(3)]
    assert [a.status_code for a in answers] == [201, 201, 429]
    assert (answers[2].json()["code"], answers[2].headers["retry-after"]) == (20429, "1")
    assert len(standin.state()["messages"]) == 2


def test_pages_lead_through_all_messages_once(client):
    sids = [client.post(MESSAGES, data={**FORM, "Body": str(n)}).json()["sid"] for n in range(7)]
    seen, uri = [], f"{MESSAGES}?PageSize=3"
    while uri:
        page = client.get(uri).json()
        seen += [message["sid"] for message in page["messages"]]
        if uri == page["uri"] or len(seen) == 3:
            client.post(MESSAGES, data={**FORM, "Body": "sent meanwhile"})
        uri = page["next_page_uri"]
    assert seen == sids[::-1]
    assert (page["page"], page["page_size"], page["start"], page["end"]) == (2, 3, 6, 6)


def test_messages_are_filtered_by_recipient(client):
    client.post(MESSAGES, data=FORM)
    client.post(MESSAGES, data={**FORM, "To": "+255700000000"})
    found = client.get(MESSAGES, params={"To": "+255700000000"}).json()["messages"]
    assert [message["to"] for message in found] == ["+255700000000"]


def test_status_moves_on_with_time(standin, client):
    standin.configure(sent_after=0.2, delivered_after=0.5, undelivered={"+255700000001": 30003})
    good = client.post(MESSAGES, data=FORM).json()
    bad = client.post(MESSAGES, data={**FORM, "To": "+255700000001"}).json()
    time.sleep(0.3)
    assert client.get(good["uri"]).json()["status"] == "sent"
    time.sleep(0.4)
    assert client.get(good["uri"]).json()["status"] == "delivered"
    ended = client.get(bad["uri"]).json()
    assert (ended["status"], ended["error_code"]) == ("undelivered", 30003)


def test_a_test_decides_about_a_message(standin, client):
    sent = client.post(MESSAGES, data=FORM).json()
    standin.call("POST", "status", {"sid": sent["sid"], "status": "failed", "error_code": 30008})
    read = client.get(sent["uri"]).json()
    assert (read["status"], read["error_code"]) == ("failed", 30008)


def test_only_a_finished_message_can_be_deleted(standin, client):
    sent = client.post(MESSAGES, data=FORM).json()
    assert client.delete(sent["uri"]).status_code == 409
    standin.call("POST", "status", {"sid": sent["sid"], "status": "delivered"})
    assert client.delete(sent["uri"]).status_code == 204
    gone = client.get(sent["uri"])
    assert (gone.status_code, gone.json()["code"]) == (404, 20404)


def test_delivery_is_called_back_and_signed(standin, client):
    standin.configure(sent_after=0.0, delivered_after=0.1)
    received = []

    def handle_two(listener):
        listener.handle_request()
        listener.handle_request()

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.headers["X-Twilio-Signature"], dict(parse_qsl(body))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            """Silence."""

    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as listener:
        thread = threading.Thread(target=handle_two, args=[listener])
        thread.start()
        url = f"http://127.0.0.1:{listener.server_port}/status?project=1"
        sent = client.post(MESSAGES, data={**FORM, "StatusCallback": url}).json()
        thread.join(5)
    assert [fields["MessageStatus"] for _, fields in received] == ["sent", "delivered"]
    for signed, fields in received:
        assert fields["MessageSid"] == sent["sid"]
        assert signed == signature(TOKEN, url, fields)


def test_a_signature_is_twilios():
    # The worked example of Twilio's documentation on request validation.
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    assert signature("12345", url, fields) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ș" * 70, 1),
        ("ș" * 71, 2),
        ("😀" * 36, 2),
    ],
)
def test_segments_are_counted_as_operators_do(text, count):
    assert segments(text) == count
