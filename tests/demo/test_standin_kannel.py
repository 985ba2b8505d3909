"""The Kannel stand-in answers as smsbox does."""

import re
from urllib.parse import urlencode

import httpx
import pytest

from openfn_platform.demo.standins.kannel import Kannel
from openfn_platform.demo.standins.process import Standin
from tests.demo.receiver import Receiver

SENDSMS = "/cgi-bin/sendsms"
QUERY = {
    "username": Kannel.settings["username"],
    "password": Kannel.settings["password"],
    "to": "255712345678",
    "from": "CLINIC",
    "text": "Clinic tomorrow",
}


@pytest.fixture(scope="module")
def running():
    with Standin.start("kannel") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, timeout=5) as client:
        yield client


def sent(client, **change):
    query = {name: value for name, value in {**QUERY, **change}.items() if value is not None}
    answer = client.get(SENDSMS, params=query)
    return answer.status_code, answer.text


def messages(standin):
    return standin.state().get("message", [])


def test_a_message_is_accepted_and_kept(standin, client):
    assert sent(client) == (202, "0: Accepted for delivery")
    (message,) = messages(standin)
    assert (message["to"], message["from"], message["text"]) == (QUERY["to"], QUERY["from"], QUERY["text"])
    assert (message["smsc"], message["parts"]) == ("smsc1", 1)


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"password": "wrong"}, 403, "Authorization failed for sendsms"),
        ({"username": None}, 403, "Authorization failed for sendsms"),
        ({"to": None}, 400, "Missing receiver number, rejected"),
        ({"to": ""}, 400, "Empty receiver number not allowed, rejected"),
        ({"to": "Asha"}, 400, "Number(s) has/have been denied by white- and/or black-lists."),
        ({"from": None}, 400, "Sender missing and no global set, rejected"),
        ({"dlr-url": "ftp://here"}, 400, "DLR-URL field misformed, rejected"),
        ({"dlr-mask": "64"}, 400, "DLR-Mask field misformed, rejected"),
        ({"coding": "3"}, 400, "Coding field misformed, rejected"),
        ({"charset": "no-such"}, 400, "Charset or body misformed, rejected"),
        ({"smsc": "unknown"}, 403, "Not routable. Do not try again."),
    ],
)
def test_what_the_gateway_refuses_is_refused_in_its_words(standin, client, change, status, text):
    assert sent(client, **change) == (status, text)
    assert messages(standin) == []


def test_short_names_of_the_credentials_are_understood(client):
    names = {"username": None, "password": None, "user": QUERY["username"], "pass": QUERY["password"]}
    assert sent(client, **names)[0] == 202


def test_no_operator_queues_and_a_full_gateway_says_later(standin, client):
    standin.configure(answer="queued")
    assert sent(client) == (202, "3: Queued for later delivery")
    standin.configure(answer="failing")
    assert sent(client) == (503, "Temporal failure, try again later.")
    assert len(messages(standin)) == 1


def test_a_prefix_without_an_operator_is_not_routable(standin, client):
    standin.configure(unroutable_prefixes=["999"])
    assert sent(client, to="999123") == (403, "Not routable. Do not try again.")


def test_a_global_sender_fills_in(standin, client):
    standin.configure(default_sender="22384")
    assert sent(client, **{"from": None})[0] == 202
    assert messages(standin)[0]["from"] == "22384"


def test_several_receivers_each_get_it_once_and_denied_ones_are_left_out(standin, client):
    standin.configure(black_list=["255700000003"])
    to = "255700000001 +255700000002 255700000001 255700000003 Asha"
    assert sent(client, to=to) == (202, "0: Accepted for delivery")
    assert [message["to"] for message in messages(standin)] == ["255700000001", "+255700000002"]


def test_an_immediate_reply_names_the_denied_and_counts_the_parts(standin, client):
    standin.configure(immediate_reply=True)
    told = "Sent. Denied receivers are: Asha Juma Message splits: 2"
    assert sent(client, to="255700000001 Asha Juma", text="x" * 161) == (202, told)


@pytest.mark.parametrize(
    ("raw", "options", "shown", "parts"),
    [
        ("Habari € ñ".encode(), {}, "Habari € ñ", 1),
        ("Mâine ș".encode(), {}, "M?ine ?", 1),
        ("Mâine ș".encode(), {"coding": "2", "charset": "UTF-8"}, "Mâine ș", 1),
        ("ș".encode("utf-16-be") * 71, {"coding": "2"}, "ș" * 71, 2),
        ("été".encode("latin-1"), {"charset": "ISO-8859-1"}, "été", 1),
    ],
)
def test_coding_and_charset_say_what_arrives(standin, client, raw, options, shown, parts):
    query = urlencode({**QUERY, **options, "text": raw})
    assert client.get(f"{SENDSMS}?{query}").status_code == 202
    (message,) = messages(standin)
    assert (message["text"], message["parts"]) == (shown, parts)


def test_bytes_that_are_not_of_the_charset_are_refused(client):
    query = urlencode({**QUERY, "text": b"\xff\xfe", "charset": "UTF-8"})
    assert client.get(f"{SENDSMS}?{query}").text == "Charset or body misformed, rejected"


def test_a_post_carries_the_text_in_its_body_and_the_rest_in_headers(standin, client):
    headers = {f"X-Kannel-{name.title()}": value for name, value in QUERY.items() if name != "text"}
    headers["Content-Type"] = "text/plain; charset=UTF-8"
    answer = client.post(SENDSMS, content="Karibu ñ".encode(), headers=headers)
    assert (answer.status_code, answer.text) == (202, "0: Accepted for delivery")
    assert messages(standin)[0]["text"] == "Karibu ñ"


def test_a_post_without_a_body_is_read_as_a_query(client):
    assert client.post(SENDSMS, params=QUERY).status_code == 202


def test_a_form_is_not_understood(standin, client):
    answer = client.post(SENDSMS, data=QUERY)
    assert (answer.status_code, answer.text) == (400, "Invalid content-type")
    assert messages(standin) == []


def test_reports_call_the_url_with_its_marks_filled(standin, client):
    with Receiver() as receiver:
        standin.configure(delivered_after=0.1)
        url = (
            receiver.url + "?type=%d&phone=%p&short=%P&smsc=%i&id=%I&at=%T&told=%A&user=%n&pc=100%%&other=%z"
        )
        sent(client, **{"dlr-url": url, "dlr-mask": "31"})
        delivered, accepted = sorted(receiver.wait(2), key=lambda each: each.query["type"])
        assert receiver.stays_at(2, 0.1)
    assert (accepted.method, accepted.query["type"], delivered.query["type"]) == ("GET", "8", "1")
    query = delivered.query
    assert (query["phone"], query["short"], query["smsc"]) == (QUERY["to"], QUERY["from"], "smsc1")
    assert (query["id"], query["user"]) == (messages(standin)[0]["id"], QUERY["username"])
    assert query["told"] == "stat:DELIVRD err:000"
    assert re.fullmatch(r"\d{10}", query["at"])
    assert delivered.path.endswith("&pc=100%&other=%z")


def test_only_the_reports_of_the_mask_come(standin, client):
    with Receiver() as receiver:
        standin.configure(delivered_after=0.0, undelivered=[QUERY["to"]])
        sent(client, **{"dlr-url": receiver.url + "?type=%d", "dlr-mask": "3"})
        assert receiver.wait(1)[0].query["type"] == "2"
        sent(client, **{"dlr-url": receiver.url + "?type=%d", "dlr-mask": "1"})
        sent(client, **{"dlr-url": receiver.url + "?type=%d"})
        assert receiver.stays_at(1, 0.1)


def test_a_test_reports_about_a_message(standin, client):
    with Receiver() as receiver:
        standin.configure(answer="queued")
        sent(client, **{"dlr-url": receiver.url + "?type=%d&told=%A", "dlr-mask": "31"})
        message = messages(standin)[0]
        standin.call("POST", "dlr", {"id": message["id"], "type": 16, "reply": "NACK/no route"})
        assert receiver.wait(1)[0].query == {"type": "16", "told": "NACK/no route"}


def test_the_status_page_tells_that_the_gateway_runs(standin, client):
    sent(client)
    answer = client.get("/status.xml")
    assert answer.headers["content-type"] == "text/xml"
    assert "<status>running, uptime" in answer.text
    assert "<sent><total>1</total></sent>" in answer.text
    standin.configure(status_password="look")
    assert client.get("/status.xml").status_code == 403
    assert client.get("/status.xml", params={"password": "look"}).status_code == 200
    standin.configure(admin=False)
    assert client.get("/status.xml").status_code == 404


def test_a_request_whose_answer_is_lost_has_been_sent(standin, client):
    standin.faults(
        {"match": {"path_regex": "sendsms"}, "times": 1, "action": {"drop_after_processing": True}}
    )
    with pytest.raises(httpx.RemoteProtocolError):
        sent(client)
    assert len(messages(standin)) == 1
